// One study's pictures on a stage of their own: window, zoom, turns, images, measures, and what is written over them.
// Knows nothing of the desk: it is given a study and a way to fetch its pictures. The viewer has one pane, or two.

import { createCine, SPEEDS } from "./cine.js";
import { button, el, icon } from "../dom.js";
import { edgeLetters, fitZoom, isMirrored, scaleBar, toPicture, toStage, turned, UPRIGHT } from "./geometry.js";
import { heat, placeOf } from "./heat.js";
import { POINTS, under, wordsOf } from "./measure.js";
import { drawCross, drawMeasures, svg } from "./overlay.js";
import { grayTable, halve, paint, readPixels, windowsOf, wordTable } from "./windowing.js";

/** @typedef {import("../page/desk.js").Study} Study */
/** @typedef {{pixels: Uint8Array|Uint16Array, width: number, height: number, channels: 1|3}} Level */
/** What hands do, the same in every pane: `mode` of a drag, magnifier, writing over the picture.
 * @typedef {{mode: "window"|"length"|"angle", lens: boolean, written: boolean}} Tools */

const KEPT_BYTES = 256 * 2 ** 20;
const MAX_ZOOM = 32;
const LENS_SIDE = 220;
const LENS_POWER = 2.5;
/** CSS pixels that an arrow key moves the cross by. */
const NUDGE = 2,
  NUDGE_FAR = 25;
/** A picture that takes longer to draw, in milliseconds, is drawn coarser while it moves. */
const SLOW_MS = 18;

const LOOKED = "Where the model looked — not validated, not an explanation";
const LOOKED_TITLE =
  "The attention of the text at the caret to the parts of the picture, less that of the rest of the report. " +
  "Attention shows what was looked at, not why something was written, and often lies elsewhere than the finding.";

const number = (value) =>
  Math.abs(value) >= 20 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(2);
const put = (node, ...lines) => {
  const text = lines.filter(Boolean).join("\n");
  if (node.textContent !== text) node.textContent = text;
};

/** What is drawn from here on is in pixels of the picture, as it lies. @param {CanvasRenderingContext2D} target */
function toPixels(target, size, { picture, view, ratio }) {
  const [a, b, c, d] = view.turn;
  const sx = view.zoom * ratio,
    sy = sx * picture.aspect;
  target.setTransform(
    a * sx,
    c * sx,
    b * sy,
    d * sy,
    (size.width / 2) * ratio - (a * sx * view.middle.x * picture.width + b * sy * view.middle.y * picture.height),
    (size.height / 2) * ratio - (c * sx * view.middle.x * picture.width + d * sy * view.middle.y * picture.height),
  );
}

/** Draws a level's part through the window; keeps what it needs from one picture to the next. */
function createPainter() {
  const painted = document.createElement("canvas");
  const context = painted.getContext("2d");
  let image = null,
    tables = { key: "", grays: null, words: null };
  return {
    /** @param {CanvasRenderingContext2D} target */
    draw(target, size, { picture, level, view, ratio, windowNow, invert, moving }) {
      target.setTransform(1, 0, 0, 1, 0, 0);
      target.fillStyle = "#000";
      target.fillRect(0, 0, size.width * ratio, size.height * ratio);
      const corners = [0, size.width].flatMap((x) =>
        [0, size.height].map((y) => toPicture(view, picture, size, { x, y })),
      );
      const across = level.width / picture.width,
        down = level.height / picture.height;
      const x0 = Math.max(0, Math.floor(Math.min(...corners.map(({ x }) => x)) * across)),
        x1 = Math.min(level.width, Math.ceil(Math.max(...corners.map(({ x }) => x)) * across)),
        y0 = Math.max(0, Math.floor(Math.min(...corners.map(({ y }) => y)) * down)),
        y1 = Math.min(level.height, Math.ceil(Math.max(...corners.map(({ y }) => y)) * down));
      const w = x1 - x0,
        h = y1 - y0;
      if (w <= 0 || h <= 0) return;
      const { bits, slope, intercept, inverted } = picture;
      const key = [bits, slope, intercept, inverted, windowNow.center, windowNow.width, invert].join();
      if (tables.key !== key) {
        const grays = grayTable(picture, windowNow.center, windowNow.width, invert);
        tables = { key, grays, words: wordTable(grays) };
      }
      if (!image || image.width !== w || image.height !== h) {
        image = context.createImageData(w, h);
        if (painted.width < w) painted.width = w;
        if (painted.height < h) painted.height = h;
      }
      paint(level, x0, y0, w, h, tables.grays, tables.words, new Uint32Array(image.data.buffer));
      context.putImageData(image, 0, 0);
      toPixels(target, size, { picture, view, ratio });
      target.imageSmoothingEnabled = true;
      target.imageSmoothingQuality = moving ? "low" : "high";
      target.drawImage(painted, 0, 0, w, h, x0 / across, y0 / down, w / across, h / down);
    },
    forget() {
      image?.data.fill(0);
      image = null;
      painted.width = painted.height = 0;
    },
  };
}

/**
 * @param {{name: string, tools: Tools, fetchPixels: (index: number) => Promise<ArrayBuffer>, caption: (index: number) => string,
 *   fail: (error: unknown) => void, say: (text: string) => void, onView: () => void, onState: () => void, onHand: () => void}} options
 */
export function createPane({ name, tools, fetchPixels, caption, fail, say, onView, onState, onHand }) {
  /** @type {Study|null} */
  let study = null;
  let index = 0,
    asked = 0;
  /** @type {Map<number, Level[]>} pictures at full size and halved, by index */
  const kept = new Map();
  const coming = new Map();
  let windows = [];
  let windowNow = { center: 128, width: 256 };
  let invert = false;
  let fitted = true;
  const view = { zoom: 1, middle: { x: 0.5, y: 0.5 }, turn: UPRIGHT };
  let opened = 0; // counts studies, so that late pictures of an older one are dropped
  /** @type {Map<number, import("./measure.js").Measure[]>} by image */
  const measures = new Map();
  let selected = 0,
    lastMeasure = 0;

  // ---- the page

  const canvas = el("canvas", { class: "picture", tabindex: "0", role: "img", "aria-label": `Picture of the ${name}` });
  const lines = svg("svg", { class: "measures", "aria-hidden": "true" });
  const lens = el("canvas", { class: "lens", hidden: true, "aria-hidden": "true" });
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
  const images = el("div", { class: "frames", hidden: true }, playButton, imageName, slider, speed);
  const element = el(
    "div",
    { class: "pane" },
    canvas,
    lines,
    corner.tl,
    corner.help,
    corner.bl,
    corner.br,
    ...Object.values(letters),
    mirrored,
    lookedLegend,
    images,
    lens,
  );

  // ---- drawing

  const context = canvas.getContext("2d", { alpha: false });
  const lensContext = lens.getContext("2d", { alpha: false });
  const painter = createPainter(),
    lensPainter = createPainter();
  let wanted = 0,
    settled = 0,
    lastCost = 0,
    hand = null;

  const picture = () => study.pictures[index];
  const size = () => ({ width: element.clientWidth, height: element.clientHeight });
  const fitting = () => fitZoom(picture(), view.turn, size());
  const shown = (point) => toStage(view, picture(), size(), point);

  let movingNow = false;
  function redraw(moving = false) {
    movingNow = moving;
    wanted ||= requestAnimationFrame(() => {
      wanted = 0;
      draw(movingNow);
    });
    if (moving) {
      clearTimeout(settled);
      settled = setTimeout(() => redraw(), 150);
    }
  }

  /** The level whose values are at least as fine as the screen's pixels, or with `coarser` half as fine. */
  function levelFor(zoom, coarser = false) {
    const levels = kept.get(index);
    let n = 0;
    for (let s = coarser ? zoom / 2 : zoom; s <= 0.5 && levels[n].width > 1 && levels[n].height > 1; s *= 2) {
      n++;
      levels[n] ??= halve(levels[n - 1]);
    }
    return levels[n];
  }

  function draw(moving) {
    const ratio = devicePixelRatio || 1,
      stage = size();
    const width = Math.round(stage.width * ratio),
      height = Math.round(stage.height * ratio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    if (!study || !kept.has(index) || !width || !height) {
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.fillStyle = "#000";
      context.fillRect(0, 0, width, height);
      lines.replaceChildren();
      return;
    }
    if (fitted) view.zoom = fitting();
    const scaleNow = view.zoom * ratio * Math.max(1, picture().aspect);
    const coarser = moving && lastCost > SLOW_MS;
    const level = levelFor(scaleNow, coarser);
    const began = performance.now();
    const how = { picture: picture(), level, view, ratio, windowNow, invert, moving };
    painter.draw(context, stage, how);
    if (!coarser) lastCost = performance.now() - began;
    if (looked?.map && index === 0) {
      toPixels(context, stage, how);
      context.imageSmoothingEnabled = true;
      context.imageSmoothingQuality = "medium";
      context.drawImage(looked.map, 0, 0, picture().width, picture().height);
    }
    lookedLegend.hidden = !looked || index !== 0;
    drawMeasures(lines, measures.get(index) ?? [], shown, picture(), selected, stage);
    if (cross && tools.mode !== "window") drawCross(lines, shown(cross));
    drawLens();
    tell();
  }

  function drawLens() {
    lens.hidden = !tools.lens || !hand || !study || !kept.has(index);
    if (lens.hidden) return;
    const ratio = devicePixelRatio || 1,
      stage = size(),
      side = { width: LENS_SIDE, height: LENS_SIDE };
    if (lens.width !== Math.round(LENS_SIDE * ratio)) lens.width = lens.height = Math.round(LENS_SIDE * ratio);
    const at = toPicture(view, picture(), stage, hand);
    const near = {
      turn: view.turn,
      zoom: view.zoom * LENS_POWER,
      middle: { x: at.x / picture().width, y: at.y / picture().height },
    };
    lensPainter.draw(lensContext, side, {
      picture: picture(),
      level: levelFor(near.zoom * ratio * Math.max(1, picture().aspect)),
      view: near,
      ratio,
      windowNow,
      invert,
      moving: false,
    });
    lens.style.transform = `translate(${hand.x - LENS_SIDE / 2}px, ${hand.y - LENS_SIDE / 2}px)`;
  }

  function tell() {
    const full = picture(),
      { written } = tools;
    put(corner.tl, caption(index));
    put(windowLine, `C ${number(windowNow.center)}  W ${number(windowNow.width)}${invert ? "  inverted" : ""}`);
    put(corner.br, `${Math.round(view.zoom * (devicePixelRatio || 1) * 100)} %`, `${full.width} × ${full.height}`);
    const length = scaleBar(full.spacing, view.zoom, Math.min(150, size().width / 4));
    scale.hidden = !length;
    if (length) {
      bar.style.width = `${length.pixels}px`;
      put(barName, length.name + ({ detector: " at detector", film: " on film" }[full.spacing_at] ?? ""));
    }
    const edges = edgeLetters(full.orientation, view.turn);
    for (const [edge, node] of Object.entries(letters)) {
      put(node, edges[edge]);
      node.hidden = !written || !edges[edge];
    }
    for (const node of [corner.tl, corner.bl, corner.br]) node.hidden = !written || !node.textContent;
    // Never switched off: a mirrored picture that looks like none takes the wrong side.
    mirrored.hidden = !isMirrored(view.turn);
    element.dataset.mode = tools.mode;
    element.classList.toggle("narrow", size().width < 460);
    element.classList.toggle("slim", size().width < 760);
    onState();
  }

  // ---- window, zoom, turns

  function setWindow(center, width, moving = false) {
    windowNow = { center, width: Math.max(1, width) };
    redraw(moving);
  }
  const centred = () => {
    view.middle = { x: 0.5, y: 0.5 };
  };
  function fit() {
    if (!study) return;
    fitted = true;
    centred();
    view.zoom = fitting();
    redraw();
    onView();
  }
  /** One pixel of the picture for one of the screen. */
  function actualSize() {
    if (!study) return;
    fitted = false;
    view.zoom = 1 / (devicePixelRatio || 1);
    redraw();
    onView();
  }
  function turn(how) {
    if (!study) return;
    view.turn = turned[how](view.turn);
    redraw();
    onView();
  }
  function reset() {
    if (!study) return;
    if (windows.length) windowNow = { center: windows[0].center, width: windows[0].width };
    invert = false;
    view.turn = UPRIGHT;
    fit();
  }
  /** Zooms by a factor; the picture's point under (x, y), CSS pixels of the pane, stays there. */
  function zoomAt(factor, x = size().width / 2, y = size().height / 2) {
    if (!study) return;
    const stage = size();
    const at = toPicture(view, picture(), stage, { x, y });
    view.zoom = Math.min(MAX_ZOOM, Math.max(Math.min(fitting(), 1) / 2, view.zoom * factor));
    const now = toPicture(view, picture(), stage, { x, y });
    moveBy(at.x - now.x, at.y - now.y);
  }
  function pan(dx, dy) {
    const from = toPicture(view, picture(), size(), { x: 0, y: 0 }),
      to = toPicture(view, picture(), size(), { x: dx, y: dy });
    moveBy(from.x - to.x, from.y - to.y);
  }
  function moveBy(dx, dy) {
    const within = (value) => Math.min(1, Math.max(0, value));
    view.middle = {
      x: within(view.middle.x + dx / picture().width),
      y: within(view.middle.y + dy / picture().height),
    };
    fitted = false;
    redraw(true);
    onView();
  }

  // ---- images

  function nameImage(n) {
    const { length } = study.pictures;
    imageName.textContent = `Image ${n + 1} / ${length}`;
    slider.value = String(n + 1);
    slider.setAttribute("aria-valuetext", `Image ${n + 1} of ${length}`);
  }
  async function goToImage(next) {
    if (!study) return;
    const to = Math.min(study.pictures.length - 1, Math.max(0, next));
    if (to === asked) return;
    asked = to;
    nameImage(to);
    const of = opened;
    try {
      await fetchPicture(to);
    } catch (error) {
      if (of === opened) {
        cine.stop();
        fail(error);
      }
      return;
    }
    if (of !== opened || asked !== to) return;
    if (hold) cancelMeasure();
    const former = picture();
    index = to;
    selected = 0;
    if (!isAlike(former, picture())) newWindows();
    redraw();
    for (const near of [to + 1, to - 1]) if (study.pictures[near]) fetchPicture(near).catch(() => {});
  }
  /** Whether what was chosen for one picture means the same on the other. */
  const isAlike = (one, other) =>
    one.label === other.label &&
    one.bits === other.bits &&
    one.channels === other.channels &&
    one.inverted === other.inverted;

  function newWindows() {
    windows = windowsOf(picture(), study.facts.modality ?? null, kept.get(index)[0].pixels);
    windowNow = { center: windows[0].center, width: windows[0].width };
  }

  /** @param {number} n @returns {Promise<void>} */
  function fetchPicture(n) {
    if (kept.has(n)) return Promise.resolve();
    if (!coming.has(n)) {
      const of = opened,
        wire = study.pictures[n];
      coming.set(
        n,
        fetchPixels(n)
          .then((buffer) => {
            if (of === opened) keep(n, wire, buffer);
          })
          .finally(() => {
            if (of === opened) coming.delete(n);
          }),
      );
    }
    return coming.get(n);
  }
  function keep(n, wire, buffer) {
    kept.set(n, [
      { pixels: readPixels(buffer, wire), width: wire.width, height: wire.height, channels: wire.channels },
    ]);
    let bytes = 0;
    for (const [key, levels] of [...kept].reverse()) {
      bytes += levels[0].pixels.byteLength;
      if (bytes > KEPT_BYTES && key !== n && key !== index) kept.delete(key);
    }
  }

  const cine = createCine({
    next: () => goToImage((asked + 1) % study.pictures.length),
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
    if (state && study) {
      const weights = state.looked?.weights ?? null;
      looked = { map: weights && mapOf(weights), weights };
      put(lookedNote, state.note);
      lookedNote.hidden = !state.note;
      put(lookedWords, state.words && `For “${state.words}”`);
      lookedWords.hidden = !state.words;
      corner.help.hidden = true; // it stands where the legend does
    }
    lookedLegend.hidden = !looked;
    redraw();
  }
  function mapOf(weights) {
    const { width, height, data } = heat(weights);
    const map = el("canvas", { width, height });
    map.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
    return map;
  }

  // ---- measures

  /** Where the keyboard points while it measures, in picture pixels. @type {{x: number, y: number}|null} */
  let cross = null;
  /** Moves the cross by an arrow key; whether there is one to move. @param {KeyboardEvent} event */
  function nudge({ key, shiftKey }) {
    if (!study || tools.mode === "window" || document.activeElement !== canvas) return false;
    placeCross();
    const by = shiftKey ? NUDGE_FAR : NUDGE,
      at = shown(cross);
    at.x += { ArrowLeft: -by, ArrowRight: by }[key] ?? 0;
    at.y += { ArrowUp: -by, ArrowDown: by }[key] ?? 0;
    cross = inPicture(at);
    if (hold) hold.measure.points[hold.point] = cross;
    redraw(true);
    return true;
  }
  function placeCross() {
    const { width, height } = size();
    cross ??= inPicture({ x: width / 2, y: height / 2 });
  }
  /** Sets the next point of a measure where the cross is; the first press brings the cross. */
  function setPoint() {
    if (!study || tools.mode === "window" || document.activeElement !== canvas) return false;
    tools.written = true;
    if (!cross) {
      placeCross();
      say("Move the cross with the arrow keys, with Shift far; Enter sets a point.");
      redraw();
    } else if (hold) letGo();
    else {
      begin(cross);
      say("First point set.");
      redraw();
    }
    return true;
  }
  function begin(start) {
    const measure = { id: ++lastMeasure, kind: tools.mode, points: [start, { ...start }] };
    here().push(measure);
    selected = measure.id;
    hold = { measure, point: 1, fresh: true };
  }

  /** What the hand holds: a measure and which of its points, -1 for all of it. @type {any} */
  let hold = null;
  const here = () => {
    if (!measures.has(index)) measures.set(index, []);
    return measures.get(index);
  };
  const inPicture = (point) => {
    const { width, height } = picture(),
      { x, y } = toPicture(view, picture(), size(), point);
    return { x: Math.min(width, Math.max(0, x)), y: Math.min(height, Math.max(0, y)) };
  };
  /** Takes hold of a measure, or begins one; whether there is one to hold. */
  function grasp(at) {
    if (hold?.placing) {
      // An angle's third point, set by another press.
      hold.measure.points[hold.point] = inPicture(at);
      redraw(true);
      return true;
    }
    // Begun by the keyboard; the hand begins anew.
    cancelMeasure();
    const found = under(here(), shown, at);
    if (found && tools.written) {
      selected = found.measure.id;
      hold = { ...found, from: toPicture(view, picture(), size(), at), points: found.measure.points.map((p) => ({ ...p })) };
    } else if (tools.mode !== "window") {
      begin(inPicture(at));
    } else {
      selected = 0;
      redraw();
      return false;
    }
    redraw();
    return true;
  }
  function drawOut(at) {
    const { measure, point, from, points } = hold;
    if (point >= 0) measure.points[point] = inPicture(at);
    else {
      const to = toPicture(view, picture(), size(), at);
      const { width, height } = picture();
      const most = (side, sign, edge) =>
        Math.min(...points.map((one) => (sign > 0 ? edge - one[side] : one[side])));
      const dx = Math.max(-most("x", -1, width), Math.min(most("x", 1, width), to.x - from.x)),
        dy = Math.max(-most("y", -1, height), Math.min(most("y", 1, height), to.y - from.y));
      measure.points = points.map(({ x, y }) => ({ x: x + dx, y: y + dy }));
    }
    redraw(true);
  }
  function letGo() {
    const { measure, fresh } = hold;
    const [a, b] = measure.points.slice(-2).map(shown);
    if (fresh && Math.hypot(a.x - b.x, a.y - b.y) < 4) {
      cancelMeasure();
      return;
    }
    if (measure.points.length < POINTS[measure.kind]) {
      // The second arm follows the hand until it is pressed again.
      measure.points.push({ ...measure.points.at(-1) });
      hold = { measure, point: measure.points.length - 1, placing: true, fresh: true };
      return;
    }
    hold = null;
    say(`${measure.kind === "angle" ? "Angle" : "Length"}: ${wordsOf(measure, picture())}.`);
    redraw();
  }
  function cancelMeasure() {
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
  function deleteSelected() {
    const at = study ? here().findIndex(({ id }) => id === selected) : -1;
    if (at < 0) return false;
    hold = null;
    here().splice(at, 1);
    selected = 0;
    say("Measurement deleted.");
    redraw();
    return true;
  }

  // ---- hands

  const where = (event) => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  let drag = null;
  /** @type {Map<number, {x: number, y: number}>} fingers on the picture */
  const fingers = new Map();
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return { far: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (!study) return;
    canvas.focus({ preventScroll: true });
    onHand();
    corner.help.hidden = true; // the hand has found out
    canvas.setPointerCapture(event.pointerId);
    event.preventDefault();
    const at = where(event);
    if (event.pointerType === "touch") {
      fingers.set(event.pointerId, at);
      if (fingers.size === 2) {
        cancelMeasure();
        drag = { pinch: spread() };
        return;
      }
    }
    const moves = event.button === 1 || event.button === 2 || pane.moves();
    if (!moves && grasp(at)) {
      drag = { measuring: true, id: event.pointerId };
      return;
    }
    drag = { panning: moves, at, start: { ...windowNow }, id: event.pointerId };
    canvas.classList.toggle("panning", moves);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!study) return;
    const at = where(event);
    hand = at;
    if (fingers.has(event.pointerId)) fingers.set(event.pointerId, at);
    if (drag?.pinch && fingers.size === 2) {
      const now = spread(),
        before = drag.pinch;
      drag.pinch = now;
      pan(now.x - before.x, now.y - before.y);
      if (before.far > 0) zoomAt(now.far / before.far, now.x, now.y);
    } else if (hold && (hold.placing || drag?.measuring)) drawOut(at);
    else if (drag && drag.id === event.pointerId) {
      const dx = at.x - drag.at.x,
        dy = at.y - drag.at.y;
      if (drag.panning) {
        pan(dx, dy);
        drag.at = at;
      } else {
        // The file's own window sets the pace: its whole width is 400 CSS pixels away.
        const pace = Math.max(windows[0]?.width ?? 256, 32) / 400;
        const round = (value) => (pace < 0.25 ? Math.round(value * 10) / 10 : Math.round(value));
        setWindow(round(drag.start.center + dy * pace), round(drag.start.width + dx * pace), true);
      }
    } else {
      const over = tools.written && under(measures.get(index) ?? [], shown, at);
      canvas.classList.toggle("over", !!over);
      if (tools.lens) drawLens();
    }
    if (tools.lens && !wanted) drawLens();
  });
  const endDrag = (event) => {
    fingers.delete(event.pointerId);
    if (drag?.measuring && hold) letGo();
    drag = null;
    canvas.classList.remove("panning");
  };
  canvas.addEventListener("pointerup", endDrag);
  canvas.addEventListener("pointercancel", (event) => {
    fingers.delete(event.pointerId);
    if (drag?.measuring) cancelMeasure();
    drag = null;
    canvas.classList.remove("panning");
  });
  canvas.addEventListener("pointerleave", () => {
    hand = null;
    drawLens();
  });
  canvas.addEventListener("dblclick", () => {
    if (tools.mode === "window") reset();
  });
  canvas.addEventListener("auxclick", (event) => event.preventDefault());
  element.addEventListener("contextmenu", (event) => {
    if (study) event.preventDefault();
  });

  let wheelSum = 0;
  element.addEventListener(
    "wheel",
    (event) => {
      if (!study) return;
      event.preventDefault();
      onHand();
      const delta = (event.deltaY || event.deltaX) * (event.deltaMode === 1 ? 33 : 1);
      // A stack scrolls, as on every workstation; Shift or Ctrl swaps to zoom.
      if (study.pictures.length > 1 && !event.ctrlKey && !event.shiftKey) {
        wheelSum += delta;
        const steps = Math.trunc(wheelSum / 50);
        wheelSum -= steps * 50;
        if (steps) {
          cine.stop();
          goToImage(asked + steps);
        }
        return;
      }
      const { x, y } = where(event);
      zoomAt(Math.exp(-Math.max(-200, Math.min(200, delta)) * 0.0022), x, y);
    },
    { passive: false },
  );

  new ResizeObserver(() => redraw()).observe(element);

  function putAway() {
    opened++;
    cine.stop();
    for (const levels of kept.values()) for (const { pixels } of levels) pixels.fill(0);
    kept.clear();
    coming.clear();
    measures.clear();
    hold = drag = cross = looked = null;
    lookedLegend.hidden = true;
    study = null;
    selected = 0;
    painter.forget();
    lensPainter.forget();
    lens.width = lens.height = 0;
    lens.hidden = true;
    images.hidden = mirrored.hidden = scale.hidden = true;
    for (const node of [corner.tl, corner.help, windowLine, corner.br, ...Object.values(letters)]) put(node);
    for (const node of [corner.bl, ...Object.values(letters)]) node.hidden = true;
    canvas.setAttribute("aria-label", `Picture of the ${name}`);
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
      return study;
    },
    get state() {
      return { windows, windowNow, invert, index, several: (study?.pictures.length ?? 0) > 1 };
    },
    /** @param {Study} next @param {ArrayBuffer} buffer its first picture @param {string} called @param {boolean} [helped] */
    show(next, buffer, called, helped = true) {
      const [first] = next.pictures;
      readPixels(buffer, first); // throws before anything is changed
      putAway();
      study = next;
      index = asked = 0;
      keep(0, first, buffer);
      newWindows();
      const several = next.pictures.length > 1;
      corner.help.hidden = !helped;
      const hands = matchMedia("(pointer: coarse)").matches
        ? ["Drag: window", "Two fingers: zoom and move"]
        : ["Drag: window", `Wheel: ${several ? "images" : "zoom"}`, "Right drag: move"];
      put(corner.help, hands.join("  ·  "));
      images.hidden = !several;
      slider.max = String(next.pictures.length);
      nameImage(0);
      canvas.setAttribute("aria-label", `Picture of the ${name}: ${called}`);
      reset();
      if (several) fetchPicture(1).catch(() => {});
    },
    putAway,
    redraw,
    setWindow,
    toggleInvert() {
      invert = !invert;
      redraw();
    },
    fit,
    actualSize,
    turn,
    reset,
    zoomAt,
    step(by) {
      cine.stop();
      goToImage(asked + by);
    },
    cancelMeasure,
    deleteSelected,
    nudge,
    setPoint,
    /** Lays where the model looked over the first picture: null takes it away. @param {{looked?: import("../page/looked.js").Looked, note?: string}|null} state */
    showLooked,
    /** Where most of it lies as it is seen, in words. */
    lookedAt: () => (looked?.weights ? placeOf(looked.weights, view.turn) : ""),
    /** How the picture lies, in parts of its fit, so that another can lie the same way. */
    get placed() {
      return study && { fitted, factor: view.zoom / fitting(), middle: { ...view.middle } };
    },
    place(other) {
      if (!study || !other) return;
      ({ fitted } = other);
      view.middle = { ...other.middle };
      view.zoom = Math.min(MAX_ZOOM, other.factor * fitting());
      redraw(true);
    },
  };
  return pane;
}
