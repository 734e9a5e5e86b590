// Where a point of a picture lies on the stage: zoom, position, flips and quarter turns. Pure; knows nothing of the page.

/** @typedef {{x: number, y: number}} Point */
/** A flip or turn: screen x = a*u + b*v, y = c*u + d*v, each of a to d -1, 0 or 1. @typedef {[number, number, number, number]} Turn */
/** `zoom`: CSS pixels for one picture column; `middle`: the picture's point in the middle of the stage, in parts of its size.
 * @typedef {{zoom: number, middle: Point, turn: Turn}} View */
/** @typedef {{width: number, height: number, aspect: number}} Extent */

/** @type {Turn} */
export const UPRIGHT = [1, 0, 0, 1];
/** Each as seen on screen, whatever has been turned before. @type {Record<string, (turn: Turn) => Turn>} */
export const turned = {
  flipAcross: ([a, b, c, d]) => plain([-a, -b, c, d]),
  flipDown: ([a, b, c, d]) => plain([a, b, -c, -d]),
  right: ([a, b, c, d]) => plain([-c, -d, a, b]),
  left: ([a, b, c, d]) => plain([c, d, -a, -b]),
};
const plain = (turn) => turn.map((part) => part + 0); // no -0

/** Whether left and right have changed places, however it is turned. @param {Turn} turn */
export const isMirrored = ([a, b, c, d]) => a * d - b * c < 0;

/** Size of a picture at zoom 1 as it is turned. @param {Extent} picture @param {Turn} turn */
export function extent({ width, height, aspect }, [a, b]) {
  const tall = height * aspect;
  return a ? { width, height: tall } : { width: tall, height: b ? width : tall };
}

/** @param {Extent} picture @param {Turn} turn @param {{width: number, height: number}} stage */
export function fitZoom(picture, turn, stage) {
  const { width, height } = extent(picture, turn);
  return Math.min(stage.width / width, stage.height / height);
}

/** @param {View} view @param {Extent} picture @param {{width: number, height: number}} stage @param {Point} point in picture pixels */
export function toStage({ zoom, middle, turn: [a, b, c, d] }, { width, height, aspect }, stage, { x, y }) {
  const u = (x - middle.x * width) * zoom,
    v = (y - middle.y * height) * aspect * zoom;
  return { x: stage.width / 2 + a * u + b * v, y: stage.height / 2 + c * u + d * v };
}

/** The way back. @param {View} view @param {Extent} picture @param {{width: number, height: number}} stage @param {Point} point on the stage */
export function toPicture({ zoom, middle, turn: [a, b, c, d] }, { width, height, aspect }, stage, { x, y }) {
  const dx = x - stage.width / 2,
    dy = y - stage.height / 2;
  return { x: middle.x * width + (a * dx + c * dy) / zoom, y: middle.y * height + (b * dx + d * dy) / (zoom * aspect) };
}

const OPPOSITE = { L: "R", R: "L", A: "P", P: "A", H: "F", F: "H" };
const opposite = (letters) => Array.from(letters, (one) => OPPOSITE[one] ?? "").join("");

/**
 * The patient's directions at the four edges of the stage; empty where they are not known.
 * @param {[string, string]|null} orientation to which sides rows and columns run @param {Turn} turn
 */
export function edgeLetters(orientation, [a, b, c, d]) {
  const edges = { left: "", right: "", top: "", bottom: "" };
  if (!orientation) return edges;
  const put = (x, y, letters) => {
    edges[x > 0 ? "right" : x < 0 ? "left" : y > 0 ? "bottom" : "top"] = letters;
    edges[x > 0 ? "left" : x < 0 ? "right" : y > 0 ? "top" : "bottom"] = opposite(letters);
  };
  put(a, c, orientation[0]);
  put(b, d, orientation[1]);
  return edges;
}

/**
 * The scale bar: the longest round length that fits, or null where the spacing is not known.
 * @param {[number, number]|null} spacing @param {number} zoom @param {number} most CSS pixels
 */
export function scaleBar(spacing, zoom, most) {
  if (!spacing) return null;
  const pixelsPerMm = zoom / spacing[1];
  for (const mm of [500, 200, 100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1]) {
    if (mm * pixelsPerMm <= most) return { mm, pixels: mm * pixelsPerMm, name: mm >= 10 ? `${mm / 10} cm` : `${mm} mm` };
  }
  return null;
}
