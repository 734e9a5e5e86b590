// How the pictures of a study lie on a stage: which one, its window, zoom, place and turns. Knows nothing of the page:
// it is told how large the stage is, and tells when something has changed.

import { fitZoom, toPicture, toStage, turned, UPRIGHT } from "./geometry.js";

/** @typedef {import("../page/desk.js").Study} Study */
/** @typedef {import("../page/desk.js").Picture} Picture */
/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {{center: number, width: number, name?: string}} Window */

export const MAX_ZOOM = 32;

/**
 * @param {{size: () => {width: number, height: number}, ratio: () => number, changed: (moving?: boolean) => void, moved: () => void}} stage
 *   `size` in CSS pixels, `ratio`: pixels of the screen for one of them; `moved`: the picture lies elsewhere
 */
export function createScene({ size, ratio, changed, moved }) {
  const scene = {
    /** @type {Study|null} */ study: null,
    index: 0,
    /** @type {Window[]} */ windows: [],
    /** @type {Window} */ windowNow: { center: 128, width: 256 },
    invert: false,
    fitted: true,
    view: { zoom: 1, middle: { x: 0.5, y: 0.5 }, turn: UPRIGHT },
    size,
    ratio,
    /** @returns {Picture} */
    get picture() {
      return scene.study.pictures[scene.index];
    },
    get several() {
      return (scene.study?.pictures.length ?? 0) > 1;
    },
    /** The zoom at which the picture fits the stage. */
    fitting: () => fitZoom(scene.picture, scene.view.turn, size()),
    /** @param {Point} point in picture pixels @returns {Point} in CSS pixels of the stage */
    shown: (point) => toStage(scene.view, scene.picture, size(), point),
    /** @param {Point} point in CSS pixels of the stage @returns {Point} in picture pixels */
    pointed: (point) => toPicture(scene.view, scene.picture, size(), point),
    /** The same, kept inside the picture. @param {Point} point @returns {Point} */
    inPicture(point) {
      const { width, height } = scene.picture,
        { x, y } = scene.pointed(point);
      return { x: Math.min(width, Math.max(0, x)), y: Math.min(height, Math.max(0, y)) };
    },
    /** @param {number} center @param {number} width @param {boolean} [moving] */
    setWindow(center, width, moving = false) {
      scene.windowNow = { center, width: Math.max(1, width) };
      changed(moving);
    },
    toggleInvert() {
      scene.invert = !scene.invert;
      changed();
    },
    fit() {
      if (!scene.study) return;
      scene.fitted = true;
      scene.view.middle = { x: 0.5, y: 0.5 };
      scene.view.zoom = scene.fitting();
      changed();
      moved();
    },
    /** One pixel of the picture for one of the screen. */
    actualSize() {
      if (!scene.study) return;
      scene.fitted = false;
      scene.view.zoom = 1 / ratio();
      changed();
      moved();
    },
    /** @param {keyof typeof turned} how */
    turn(how) {
      if (!scene.study) return;
      scene.view.turn = turned[how](scene.view.turn);
      changed();
      moved();
    },
    reset() {
      if (!scene.study) return;
      const [first] = scene.windows;
      if (first) scene.windowNow = { center: first.center, width: first.width };
      scene.invert = false;
      scene.view.turn = UPRIGHT;
      scene.fit();
    },
    /** Zooms by a factor; the picture's point under (x, y), CSS pixels of the stage, stays there. @param {number} factor */
    zoomAt(factor, x = size().width / 2, y = size().height / 2) {
      if (!scene.study) return;
      const at = scene.pointed({ x, y });
      const least = Math.min(scene.fitting(), 1) / 2;
      scene.view.zoom = Math.min(MAX_ZOOM, Math.max(least, scene.view.zoom * factor));
      const now = scene.pointed({ x, y });
      moveBy(at.x - now.x, at.y - now.y);
    },
    /** @param {number} dx @param {number} dy CSS pixels of the stage */
    pan(dx, dy) {
      const from = scene.pointed({ x: 0, y: 0 }),
        to = scene.pointed({ x: dx, y: dy });
      moveBy(from.x - to.x, from.y - to.y);
    },
    /** How the picture lies, in parts of its fit, so that another can lie the same way. */
    get placed() {
      if (!scene.study) return null;
      return { fitted: scene.fitted, factor: scene.view.zoom / scene.fitting(), middle: { ...scene.view.middle } };
    },
    /** @param {{fitted: boolean, factor: number, middle: Point}|null} other */
    place(other) {
      if (!scene.study || !other) return;
      scene.fitted = other.fitted;
      scene.view.middle = { ...other.middle };
      scene.view.zoom = Math.min(MAX_ZOOM, other.factor * scene.fitting());
      changed(true);
    },
  };
  /** @param {number} dx @param {number} dy picture pixels */
  function moveBy(dx, dy) {
    const within = (value) => Math.min(1, Math.max(0, value));
    const { width, height } = scene.picture,
      { x, y } = scene.view.middle;
    scene.view.middle = { x: within(x + dx / width), y: within(y + dy / height) };
    scene.fitted = false;
    changed(true);
    moved();
  }
  return scene;
}
