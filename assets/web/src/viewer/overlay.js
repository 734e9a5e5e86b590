// What lies over a picture as lines: the measures, drawn for the screen at every zoom and so always crisp.

import { wordsOf } from "./measure.js";

const SPACE = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/** Where the keyboard points. @param {SVGElement} layer @param {import("./geometry.js").Point} at */
export function drawCross(layer, { x, y }) {
  const line = (kind) =>
    svg("path", { class: kind, d: `M${x - 12} ${y}h8m8 0h8M${x} ${y - 12}v8m0 8v8` });
  layer.append(svg("g", { class: "cross" }, line("casing"), line("line")));
}

/**
 * @param {SVGElement} layer @param {import("./measure.js").Measure[]} measures
 * @param {(point: import("./geometry.js").Point) => import("./geometry.js").Point} toStage
 * @param {any} picture @param {number} selected the selected measure's id @param {{width: number, height: number}} stage
 */
export function drawMeasures(layer, measures, toStage, picture, selected, stage) {
  layer.replaceChildren(
    ...measures.map((measure) => {
      const points = measure.points.map(toStage);
      const line = points.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
      const words = wordsOf(measure, picture);
      const group = svg("g", { class: `measure ${measure.id === selected ? "selected" : ""}` });
      group.append(
        svg("polyline", { points: line, class: "casing" }),
        svg("polyline", { points: line, class: "line" }),
        ...points.map(({ x, y }) => svg("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 4.5, class: "end" })),
      );
      if (words) {
        const at = measure.kind === "angle" ? points[1] : points.reduce((a, b) => (b.x > a.x ? b : a));
        const wide = 14 + words.length * 7.2;
        const x = Math.min(Math.max(4, at.x + 12), Math.max(4, stage.width - wide)),
          y = Math.min(Math.max(4, at.y + 8), stage.height - 26);
        const text = svg("text", { x: x + 7, y: y + 15 });
        text.textContent = words;
        group.append(svg("rect", { x, y, width: wide, height: 21, rx: 4, class: "plate" }), text);
      }
      return group;
    }),
  );
  // The plates fit their words, whose size only the page knows.
  for (const text of layer.querySelectorAll("text")) {
    const { width, height, y } = text.getBBox();
    if (!width) continue;
    const plate = /** @type {SVGRectElement} */ (text.previousSibling);
    plate.setAttribute("width", String(width + 14));
    plate.setAttribute("height", String(height + 6));
    plate.setAttribute("y", String(y - 3));
  }
}
