// Measures on the pictures, by hand or by keyboard: begun, drawn out, moved and deleted. Knows nothing of the page: points
// come in CSS pixels of the stage, and what is to be drawn is asked for.

import { POINTS, under, wordsOf } from "./measure.js";

/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./measure.js").Measure} Measure */
/** What the hand holds: a measure and which of its points, -1 for all of it.
 * @typedef {{measure: Measure, point: number, fresh?: boolean, placing?: boolean, from?: Point, points?: Point[]}} Hold */

/** CSS pixels that an arrow key moves the cross by. */
const NUDGE = 2,
  NUDGE_FAR = 25;
/** A shorter line than this, in CSS pixels, is a slip of the hand. */
const LEAST = 4;

/**
 * @param {{scene: ReturnType<typeof import("./scene.js").createScene>, tools: import("./pane.js").Tools, say: (text: string) => void,
 *   redraw: (moving?: boolean) => void}} around
 */
export function createMeasuring({ scene, tools, say, redraw }) {
  /** By image. @type {Map<number, Measure[]>} */
  const measures = new Map();
  let selected = 0,
    last = 0;
  /** Where the keyboard points, in picture pixels. @type {Point|null} */
  let cross = null;
  /** @type {Hold|null} */
  let hold = null;

  const here = () => {
    if (!measures.has(scene.index)) measures.set(scene.index, []);
    return measures.get(scene.index);
  };
  /** @param {Point} start in picture pixels */
  function begin(start) {
    /** @type {Measure} */
    const measure = { id: ++last, kind: /** @type {Measure["kind"]} */ (tools.mode), points: [start, { ...start }] };
    here().push(measure);
    selected = measure.id;
    hold = { measure, point: 1, fresh: true };
  }
  function placeCross() {
    const { width, height } = scene.size();
    cross ??= scene.inPicture({ x: width / 2, y: height / 2 });
  }
  function letGo() {
    const { measure, fresh } = hold;
    const [a, b] = measure.points.slice(-2).map(scene.shown);
    if (fresh && Math.hypot(a.x - b.x, a.y - b.y) < LEAST) {
      cancel();
      return;
    }
    if (measure.points.length < POINTS[measure.kind]) {
      // The second arm follows the hand until it is pressed again.
      measure.points.push({ ...measure.points.at(-1) });
      hold = { measure, point: measure.points.length - 1, placing: true, fresh: true };
      return;
    }
    hold = null;
    say(`${measure.kind === "angle" ? "Angle" : "Length"}: ${wordsOf(measure, scene.picture)}.`);
    redraw();
  }
  /** Takes back what is held. @returns {boolean} whether anything was */
  function cancel() {
    if (cross) redraw();
    cross = null;
    if (!hold) return false;
    const { measure, fresh, points } = hold;
    if (fresh) here().splice(here().indexOf(measure), 1);
    else if (points) measure.points = points;
    hold = null;
    selected = 0;
    redraw();
    return true;
  }

  return {
    /** The measures of the image on screen. */
    get shown() {
      return measures.get(scene.index) ?? [];
    },
    get selected() {
      return selected;
    },
    get cross() {
      return tools.mode === "window" ? null : cross;
    },
    /** Whether a point follows the hand without a button held. */
    get isPlacing() {
      return !!hold?.placing;
    },
    get isHeld() {
      return !!hold;
    },
    /** The measure under a point, if they are to be seen. @param {Point} at */
    under: (at) => (tools.written ? under(measures.get(scene.index) ?? [], scene.shown, at) : null),
    cancel,
    letGo,
    deselect() {
      selected = 0;
    },
    forget() {
      measures.clear();
      hold = cross = null;
      selected = 0;
    },
    /** Moves the cross by an arrow key; whether there is one to move. @param {{key: string, shiftKey: boolean}} press */
    nudge({ key, shiftKey }) {
      if (!scene.study || tools.mode === "window") return false;
      placeCross();
      const by = shiftKey ? NUDGE_FAR : NUDGE,
        at = scene.shown(cross);
      at.x += { ArrowLeft: -by, ArrowRight: by }[key] ?? 0;
      at.y += { ArrowUp: -by, ArrowDown: by }[key] ?? 0;
      cross = scene.inPicture(at);
      if (hold) hold.measure.points[hold.point] = cross;
      redraw(true);
      return true;
    },
    /** Sets the next point of a measure where the cross is; the first press brings the cross. */
    setPoint() {
      if (!scene.study || tools.mode === "window") return false;
      tools.written = true;
      if (!cross) {
        placeCross();
        say("Arrow keys move the cross, Shift moves it further, Enter sets a point.");
        redraw();
      } else if (hold) letGo();
      else {
        begin(cross);
        say("First point set.");
        redraw();
      }
      return true;
    },
    /** Takes hold of a measure, or begins one; whether there is one to hold. @param {Point} at */
    grasp(at) {
      if (hold?.placing) {
        // An angle's third point, set by another press.
        hold.measure.points[hold.point] = scene.inPicture(at);
        redraw(true);
        return true;
      }
      // Begun by the keyboard; the hand begins anew.
      cancel();
      const found = under(here(), scene.shown, at);
      if (found && tools.written) {
        selected = found.measure.id;
        hold = { ...found, from: scene.pointed(at), points: found.measure.points.map((p) => ({ ...p })) };
      } else if (tools.mode !== "window") begin(scene.inPicture(at));
      else {
        selected = 0;
        redraw();
        return false;
      }
      redraw();
      return true;
    },
    /** @param {Point} at */
    drawOut(at) {
      const { measure, point, from, points } = hold;
      if (point >= 0) measure.points[point] = scene.inPicture(at);
      else {
        const to = scene.pointed(at);
        const { width, height } = scene.picture;
        /** How far all of it may go towards an edge. */
        const within = (side, edge, by) => {
          const all = points.map((one) => one[side]);
          return Math.max(-Math.min(...all), Math.min(edge - Math.max(...all), by));
        };
        const dx = within("x", width, to.x - from.x),
          dy = within("y", height, to.y - from.y);
        measure.points = points.map(({ x, y }) => ({ x: x + dx, y: y + dy }));
      }
      redraw(true);
    },
    deleteSelected() {
      const at = scene.study ? here().findIndex(({ id }) => id === selected) : -1;
      if (at < 0) return false;
      hold = null;
      here().splice(at, 1);
      selected = 0;
      say("Measurement deleted.");
      redraw();
      return true;
    },
  };
}
