// One study's pictures on a stage of their own: puts scene, images, drawing, hands, measures and writing together.
// Knows nothing of the desk: it is given a study and a way to fetch its pictures. The viewer has one pane, or two.

import { button, el, icon } from "../dom.js";
import { createCine, SPEEDS } from "./cine.js";
import { attachGestures } from "./gestures.js";
import { heat, placeOf } from "./heat.js";
import { createImages } from "./images.js";
import { createLabels } from "./labels.js";
import { createMeasuring } from "./measuring.js";
import { drawCross, drawMeasures, svg } from "./overlay.js";
import { createPainter, toPixels } from "./rendering.js";
import { createScene } from "./scene.js";
import { readPixels, windowsOf } from "./windowing.js";

/** @typedef {import("../page/desk.js").Study} Study */
/** What hands do, the same in every pane: `mode` of a drag, magnifier, writing over the picture.
 * @typedef {{mode: "window"|"length"|"angle", lens: boolean, written: boolean}} Tools */

const LENS_SIDE = 220;
const LENS_POWER = 2.5;
/** A picture that takes longer to draw, in milliseconds, is drawn coarser while it moves. */
const SLOW_MS = 18;
/** After so long without a move the picture is drawn in full. */
const SETTLED_MS = 150;

/** Whether what was chosen for one picture means the same on the other. */
const isAlike = (one, other) =>
  one.label === other.label &&
  one.bits === other.bits &&
  one.channels === other.channels &&
  one.inverted === other.inverted;

/**
 * @param {{name: string, tools: Tools, fetchPixels: (index: number) => Promise<ArrayBuffer>, caption: (index: number) => string,
 *   fail: (error: unknown) => void, say: (text: string) => void, onView: () => void, onState: () => void, onHand: () => void}} options
 */
export function createPane({ name, tools, fetchPixels, caption, fail, say, onView, onState, onHand }) {
  let asked = 0; // the image that was asked for; the scene has the one on screen
  let studies = 0; // counts studies, so that late pictures of an older one are dropped

  // ---- the page

  const canvas = el("canvas", { class: "picture", tabindex: "0", role: "img", "aria-label": `Image of the ${name}` });
  const lines = svg("svg", { class: "measures", "aria-hidden": "true" });
  const lens = el("canvas", { class: "lens", hidden: true, "aria-hidden": "true" });
  const labels = createLabels(tools);
  const playButton = button({
    name: "Play",
    icon: "play",
    iconOnly: true,
    title: "Cine: play the images (C)",
    onclick: () => cine.toggle(),
  });
  playButton.append(icon("pause"));
  const slider = el("input", { type: "range", min: "1", max: "1", value: "1", "aria-label": `Image of the ${name}` });
  const imageName = el("output", { class: "frame-name" });
  const speed = el(
    "select",
    { class: "speed", "aria-label": "Cine speed", title: "Images a second" },
    ...SPEEDS.map((one) => el("option", { value: String(one), selected: one === 10 }, `${one}/s`)),
  );
  const imageBar = el("div", { class: "frames", hidden: true }, playButton, imageName, slider, speed);
  const element = el("div", { class: "pane" }, canvas, lines, ...labels.nodes, imageBar, lens);

  const scene = createScene({
    size: () => ({ width: element.clientWidth, height: element.clientHeight }),
    ratio: () => devicePixelRatio || 1,
    changed: redraw,
    moved: () => onView(),
  });
  const images = createImages({ fetchPixels });
  const measuring = createMeasuring({ scene, tools, say, redraw });

  // ---- drawing

  const context = canvas.getContext("2d", { alpha: false });
  const lensContext = lens.getContext("2d", { alpha: false });
  const painter = createPainter(),
    lensPainter = createPainter();
  let wanted = 0,
    settled = 0,
    lastCost = 0,
    movingNow = false;
  /** Where the hand is, in CSS pixels of the stage. @type {import("./geometry.js").Point|null} */
  let hand = null;

  function redraw(moving = false) {
    movingNow = moving;
    wanted ||= requestAnimationFrame(() => {
      wanted = 0;
      draw(movingNow);
    });
    if (!moving) return;
    clearTimeout(settled);
    settled = window.setTimeout(() => redraw(), SETTLED_MS);
  }
  const isThere = () => !!scene.study && images.has(scene.index);

  function draw(moving) {
    const ratio = scene.ratio(),
      stage = scene.size();
    const width = Math.round(stage.width * ratio),
      height = Math.round(stage.height * ratio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    if (!isThere() || !width || !height) {
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.fillStyle = "#000";
      context.fillRect(0, 0, width, height);
      lines.replaceChildren();
      return;
    }
    const { picture, view, index, windowNow, invert } = scene;
    if (scene.fitted) view.zoom = scene.fitting();
    const fine = view.zoom * ratio * Math.max(1, picture.aspect);
    const coarser = moving && lastCost > SLOW_MS;
    const level = images.level(index, coarser ? fine / 2 : fine);
    const began = performance.now();
    const how = { picture, level, view, ratio, windowNow, invert, moving };
    painter.draw(context, stage, how);
    if (!coarser) lastCost = performance.now() - began;
    if (looked?.map && index === 0) {
      toPixels(context, stage, how);
      context.imageSmoothingEnabled = true;
      context.imageSmoothingQuality = "medium";
      context.drawImage(looked.map, 0, 0, picture.width, picture.height);
    }
    labels.showLegend(!!looked && index === 0);
    drawMeasures(lines, measuring.shown, scene.shown, picture, measuring.selected, stage);
    if (measuring.cross) drawCross(lines, scene.shown(measuring.cross));
    drawLens();
    labels.tell(scene, caption(index));
    element.dataset.mode = tools.mode;
    element.classList.toggle("narrow", stage.width < 460);
    element.classList.toggle("slim", stage.width < 760);
    onState();
  }

  function drawLens() {
    lens.hidden = !tools.lens || !hand || !isThere();
    if (lens.hidden) return;
    const { picture, view, windowNow, invert, index } = scene;
    const ratio = scene.ratio();
    if (lens.width !== Math.round(LENS_SIDE * ratio)) lens.width = lens.height = Math.round(LENS_SIDE * ratio);
    const at = scene.pointed(hand);
    const near = {
      turn: view.turn,
      zoom: view.zoom * LENS_POWER,
      middle: { x: at.x / picture.width, y: at.y / picture.height },
    };
    const level = images.level(index, near.zoom * ratio * Math.max(1, picture.aspect));
    const side = { width: LENS_SIDE, height: LENS_SIDE };
    lensPainter.draw(lensContext, side, { picture, level, view: near, ratio, windowNow, invert, moving: false });
    lens.style.transform = `translate(${hand.x - LENS_SIDE / 2}px, ${hand.y - LENS_SIDE / 2}px)`;
  }

  // ---- images

  function nameImage(n) {
    const { length } = scene.study.pictures;
    imageName.textContent = `Image ${n + 1} / ${length}`;
    slider.value = String(n + 1);
    slider.setAttribute("aria-valuetext", `Image ${n + 1} of ${length}`);
  }
  const fetchPicture = (n) => images.fetch(n, () => scene.index);
  /** A picture that nobody waits for yet; where it does not come, it is asked for again once somebody does. */
  const fetchAhead = (n) => {
    if (scene.study.pictures[n]) fetchPicture(n).catch(() => {});
  };
  async function goToImage(next) {
    if (!scene.study) return;
    const to = Math.min(scene.study.pictures.length - 1, Math.max(0, next));
    if (to === asked) return;
    asked = to;
    nameImage(to);
    const of = studies;
    try {
      await fetchPicture(to);
    } catch (error) {
      if (of !== studies) return;
      cine.stop();
      // What is named is what is on screen.
      if (asked === to) {
        asked = scene.index;
        nameImage(asked);
      }
      fail(error);
      return;
    }
    if (of !== studies || asked !== to) return;
    if (measuring.isHeld) measuring.cancel();
    const former = scene.picture;
    scene.index = to;
    measuring.deselect();
    if (!isAlike(former, scene.picture)) newWindows();
    redraw();
    fetchAhead(to + 1);
    fetchAhead(to - 1);
  }
  function newWindows() {
    scene.windows = windowsOf(scene.picture, /** @type {string|null} */ (scene.study.facts.modality ?? null), images.pixels(scene.index));
    const [{ center, width }] = scene.windows;
    scene.windowNow = { center, width };
  }
  function step(by) {
    cine.stop();
    goToImage(asked + by);
  }
  const cine = createCine({
    next: () => goToImage((asked + 1) % scene.study.pictures.length),
    onChange(playing) {
      playButton.classList.toggle("playing", playing);
      playButton.setAttribute("aria-label", playing ? "Pause" : "Play");
      playButton.title = playing ? "Pause (C)" : "Cine: play the images (C)";
    },
  });
  slider.addEventListener("input", () => {
    cine.stop();
    goToImage(Number(slider.value) - 1);
  });
  speed.addEventListener("change", () => {
    cine.setSpeed(Number(speed.value));
    canvas.focus({ preventScroll: true });
  });

  // ---- where the model looked

  /** Null where it is off; without a `map` where there is none to show. @type {{map: HTMLCanvasElement|null, weights: number[][]}|null} */
  let looked = null;
  function showLooked(state) {
    looked = null;
    if (state && scene.study) {
      const weights = state.looked?.weights ?? null;
      looked = { map: weights && mapOf(weights), weights };
      labels.hideHelp(); // it stands where the legend does
    }
    labels.looked(looked && state);
    redraw();
  }
  function mapOf(weights) {
    const { width, height, data } = heat(weights);
    const map = el("canvas", { width, height });
    map.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
    return map;
  }

  // ---- hands

  const gestures = attachGestures({
    element,
    canvas,
    scene,
    measuring,
    tools,
    moves: () => pane.moves(),
    step,
    touched() {
      onHand();
      labels.hideHelp(); // the hand has found out
    },
    pointed(at) {
      hand = at;
      // The next frame draws it anyhow.
      if (!at || (tools.lens && !wanted)) drawLens();
    },
  });
  new ResizeObserver(() => redraw()).observe(element);
  const hasFocus = () => document.activeElement === canvas;

  function putAway() {
    studies++;
    cine.stop();
    images.forget();
    measuring.forget();
    gestures.forget();
    labels.forget();
    looked = null;
    scene.study = null;
    painter.forget();
    lensPainter.forget();
    lens.width = lens.height = 0;
    lens.hidden = imageBar.hidden = true;
    canvas.setAttribute("aria-label", `Image of the ${name}`);
    redraw();
  }

  const pane = {
    element,
    canvas,
    slider,
    cine,
    /** Whether a drag moves the picture, as while Space is held. */
    moves: () => false,
    get study() {
      return scene.study;
    },
    get state() {
      const { windows, windowNow, invert, index, several } = scene;
      return { windows, windowNow, invert, index, several };
    },
    /** @param {Study} next @param {ArrayBuffer} buffer its first picture @param {string} called @param {boolean} [helped] */
    show(next, buffer, called, helped = true) {
      readPixels(buffer, next.pictures[0]); // throws before anything is changed
      putAway();
      scene.study = next;
      scene.index = asked = 0;
      images.begin(next.pictures, buffer);
      newWindows();
      const hands = matchMedia("(pointer: coarse)").matches
        ? ["Drag: window", "Two fingers: zoom and move"]
        : ["Drag: window", `Wheel: ${scene.several ? "images" : "zoom"}`, "Right drag: move"];
      labels.help(helped ? hands.join("  ·  ") : "");
      imageBar.hidden = !scene.several;
      slider.max = String(next.pictures.length);
      nameImage(0);
      canvas.setAttribute("aria-label", `Image of the ${name}: ${called}`);
      scene.reset();
      fetchAhead(1);
    },
    putAway,
    redraw,
    setWindow: scene.setWindow,
    toggleInvert: scene.toggleInvert,
    fit: scene.fit,
    actualSize: scene.actualSize,
    turn: scene.turn,
    reset: scene.reset,
    zoomAt: scene.zoomAt,
    step,
    cancelMeasure: measuring.cancel,
    deleteSelected: measuring.deleteSelected,
    /** @param {{key: string, shiftKey: boolean}} press */
    nudge: (press) => hasFocus() && measuring.nudge(press),
    setPoint: () => hasFocus() && measuring.setPoint(),
    /** Lays where the model looked over the first picture: null takes it away. @param {{looked?: import("../page/looked.js").Looked, words?: string, note?: string}|null} state */
    showLooked,
    /** Where most of it lies as it is seen, in words. */
    lookedAt: () => (looked?.weights ? placeOf(looked.weights, scene.view.turn) : ""),
    get placed() {
      return scene.placed;
    },
    place: scene.place,
  };
  return pane;
}
