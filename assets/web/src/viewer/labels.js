// What is written over a picture: what it is, window, zoom, scale, the patient's directions, and where the model looked.

import { el } from "../dom.js";
import { edgeLetters, isMirrored, scaleBar } from "./geometry.js";

const LOOKED = "Where the model looked — not validated, not an explanation";
const LOOKED_TITLE =
  "Attention of the text at the caret to the image, minus that of the rest of the report. " +
  "It does not explain the text, and it often misses the finding.";
const PLACES = { detector: " at detector", film: " on film" };

const number = (value) =>
  Math.abs(value) >= 20 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(2);
/** @param {HTMLElement} node @param {...(string|false|null|undefined)} lines */
const put = (node, ...lines) => {
  const text = lines.filter(Boolean).join("\n");
  if (node.textContent !== text) node.textContent = text;
};

/** @param {import("./pane.js").Tools} tools */
export function createLabels(tools) {
  const bar = el("div", { class: "scale-bar" });
  const barName = el("div", { class: "scale-name" });
  const scale = el("div", { class: "scale", hidden: true }, barName, bar);
  const windowLine = el("div", {});
  const corner = {
    tl: el("div", { class: "corner top-left" }),
    help: el("div", { class: "corner bottom-middle" }),
    bl: el("div", { class: "corner bottom-left" }, scale, windowLine),
    br: el("div", { class: "corner bottom-right" }),
  };
  const letters = Object.fromEntries(
    ["left", "right", "top", "bottom"].map((edge) => [edge, el("div", { class: `letter ${edge}`, hidden: true })]),
  );
  const lookedNote = el("div", { class: "looked-note" });
  const lookedWords = el("div", { class: "looked-words" });
  const lookedLegend = el(
    "div",
    { class: "looked-legend", hidden: true, title: LOOKED_TITLE },
    el("div", {}, LOOKED),
    lookedWords,
    el(
      "div",
      { class: "looked-scale" },
      el("span", {}, "less"),
      el("span", { class: "looked-shades", "aria-hidden": "true" }),
      el("span", {}, "more"),
    ),
    lookedNote,
  );
  const mirrored = el("div", { class: "mirrored", hidden: true }, "Mirrored");

  return {
    nodes: [corner.tl, corner.help, corner.bl, corner.br, ...Object.values(letters), mirrored, lookedLegend],
    /** @param {string} text what hands can do; the empty text takes it away */
    help(text) {
      put(corner.help, text);
      corner.help.hidden = !text;
    },
    hideHelp() {
      corner.help.hidden = true;
    },
    /** @param {{words?: string, note?: string}|null} looked null takes the legend away */
    looked(looked) {
      lookedLegend.hidden = !looked;
      put(lookedNote, looked?.note);
      put(lookedWords, looked?.words && `For “${looked.words}”`);
      lookedNote.hidden = !looked?.note;
      lookedWords.hidden = !looked?.words;
    },
    /** @param {boolean} on whether the picture on screen is the one that the map is of */
    showLegend(on) {
      lookedLegend.hidden = !on;
    },
    /** @param {ReturnType<typeof import("./scene.js").createScene>} scene @param {string} caption */
    tell({ picture, view, windowNow, invert, ratio, size }, caption) {
      const { written } = tools;
      put(corner.tl, caption);
      put(windowLine, `C ${number(windowNow.center)}  W ${number(windowNow.width)}${invert ? "  inverted" : ""}`);
      put(corner.br, `${Math.round(view.zoom * ratio() * 100)} %`, `${picture.width} × ${picture.height}`);
      const length = scaleBar(picture.spacing, view.zoom, Math.min(150, size().width / 4));
      scale.hidden = !length;
      if (length) {
        bar.style.width = `${length.pixels}px`;
        put(barName, length.name + (PLACES[picture.spacing_at] ?? ""));
      }
      const edges = edgeLetters(picture.orientation, view.turn);
      for (const [edge, node] of Object.entries(letters)) {
        put(node, edges[edge]);
        node.hidden = !written || !edges[edge];
      }
      for (const node of [corner.tl, corner.bl, corner.br]) node.hidden = !written || !node.textContent;
      // Never switched off: a mirrored picture that looks like none takes the wrong side.
      mirrored.hidden = !isMirrored(view.turn);
    },
    forget() {
      mirrored.hidden = scale.hidden = true;
      for (const node of [corner.tl, corner.help, windowLine, corner.br, ...Object.values(letters)]) put(node);
      for (const node of [corner.bl, ...Object.values(letters)]) node.hidden = true;
      this.looked(null);
    },
  };
}
