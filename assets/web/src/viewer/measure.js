// Lengths and angles on a picture: their values, their words, and which of them is under the hand. Pure.

/** @typedef {import("./geometry.js").Point} Point */
/** `points`, in picture pixels: two for a length; for an angle three, its corner in the middle.
 * @typedef {{id: number, kind: "length"|"angle", points: Point[]}} Measure */

/** How near a hand has to come, CSS pixels. */
export const REACH = 11;
const PLACES = { patient: "mm", detector: "mm at detector", film: "mm on film" };
export const POINTS = { length: 2, angle: 3 };

/** What a length is counted in. @param {{spacing: [number, number]|null, spacing_at: string}} picture */
export const unitOf = ({ spacing, spacing_at: at }) => (spacing ? (PLACES[at] ?? "mm") : "px");

/** @param {Point[]} points @param {{spacing: [number, number]|null}} picture */
export function lengthOf([from, to], { spacing }) {
  const [row, column] = spacing ?? [1, 1];
  return Math.hypot((to.x - from.x) * column, (to.y - from.y) * row);
}

/** Degrees between the two arms, 0 to 180. @param {Point[]} points @param {{aspect: number}} picture */
export function angleOf([one, corner, other], { aspect }) {
  const a = { x: one.x - corner.x, y: (one.y - corner.y) * aspect },
    b = { x: other.x - corner.x, y: (other.y - corner.y) * aspect };
  return (Math.atan2(Math.abs(a.x * b.y - a.y * b.x), a.x * b.x + a.y * b.y) * 180) / Math.PI;
}

/** @param {Measure} measure @param {any} picture */
export function wordsOf({ kind, points }, picture) {
  if (points.length < POINTS[kind]) return "";
  if (kind === "angle") return `${angleOf(points, picture).toFixed(1)}°`;
  const length = lengthOf(points, picture);
  return `${picture.spacing ? length.toFixed(1) : Math.round(length)} ${unitOf(picture)}`;
}

function distanceToLine(at, from, to) {
  const dx = to.x - from.x,
    dy = to.y - from.y,
    long = dx * dx + dy * dy;
  const part = long ? Math.min(1, Math.max(0, ((at.x - from.x) * dx + (at.y - from.y) * dy) / long)) : 0;
  return Math.hypot(at.x - from.x - part * dx, at.y - from.y - part * dy);
}

/**
 * The measure under a point of the stage: its end (`point`) first, then its line (`point` -1); the newest first.
 * @param {Measure[]} measures @param {(point: Point) => Point} toStage @param {Point} at
 * @returns {{measure: Measure, point: number}|null}
 */
export function under(measures, toStage, at) {
  const newest = [...measures].reverse();
  for (const measure of newest) {
    const point = measure.points.findIndex((one) => {
      const shown = toStage(one);
      return Math.hypot(shown.x - at.x, shown.y - at.y) <= REACH;
    });
    if (point >= 0) return { measure, point };
  }
  for (const measure of newest) {
    const shown = measure.points.map(toStage);
    for (let i = 1; i < shown.length; i++) {
      if (distanceToLine(at, shown[i - 1], shown[i]) <= REACH / 2) return { measure, point: -1 };
    }
  }
  return null;
}
