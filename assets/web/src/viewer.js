// The viewer: opens a study and shows its pictures with window, zoom and frames.
// Knows nothing of the report, except to ask before a new study is opened beside it.

import { desk, shared, watchPage } from "./desk.js";
import { ask, button, el, icon } from "./dom.js";
import { bound, keyName } from "./keys.js";
import { grayTable, halve, paint, readPixels, windowsOf, wordTable } from "./windowing.js";

/** @typedef {import("./desk.js").Study} Study */
/** @typedef {import("./desk.js").Window} Window */
/** @typedef {{pixels: Uint8Array|Uint16Array, width: number, height: number, channels: 1|3}} Level */

const ACCEPT = ".dcm,.dicom,.png,.jpg,.jpeg,image/png,image/jpeg,application/dicom,*/*";
const KEPT_BYTES = 256 * 2 ** 20;
const MAX_ZOOM = 32;

/** @param {{element: HTMLElement}} component */
export function mountViewer({ element }) {
  const root = element.querySelector(".viewer-root") ?? element;
  root.classList.add("workstation", "viewer");
  root.setAttribute("role", "region");
  root.setAttribute("aria-label", "Study");
  watchPage();

  /** @type {Study|null} */
  let study = null;
  let index = 0;
  /** @type {Map<number, Level[]>} pictures at full size and halved, by index */
  const kept = new Map();
  /** @type {Window[]} */
  let windows = [];
  let windowNow = { center: 128, width: 256 };
  let invert = false;
  let zoom = 1; // CSS pixels for one picture column
  let fitted = true;
  let middle = { x: 0.5, y: 0.5 }; // the picture's point in the middle of the stage, in parts of its size
  let opened = 0; // counts studies, so that late pictures of an older one are dropped
  let busy = false;

  // ---- the page

  const file = el("input", {
    type: "file",
    accept: ACCEPT,
    class: "visually-hidden",
    tabindex: "-1",
    "aria-hidden": "true",
  });
  const openButton = button({
    name: "Open study",
    icon: "open",
    class: "primary",
    title: "Open a DICOM, PNG or JPEG file (or drop one anywhere on this pane)",
    onclick: () => file.click(),
  });
  const examplesButton = button({
    name: "Examples",
    icon: "examples",
    title: "Example studies",
    onclick: () => toggleExamples(),
  });
  const factsLine = el("div", { class: "facts" });
  const presets = el("div", { class: "presets", role: "group", "aria-label": "Windows" });
  const invertButton = button({
    name: "Invert",
    icon: "invert",
    iconOnly: true,
    title: "Invert gray (I)",
    onclick: () => toggleInvert(),
  });
  const fitButton = button({
    name: "Fit",
    icon: "fit",
    iconOnly: true,
    title: "Fit to the pane (F)",
    onclick: () => fit(),
  });
  const resetButton = button({
    name: "Reset",
    icon: "reset",
    iconOnly: true,
    title: "Reset window, zoom and position (Space, or double click)",
    onclick: () => reset(),
  });
  const tools = el("div", { class: "tools" }, presets, invertButton, fitButton, resetButton);
  const bar = el(
    "div",
    { class: "bar", role: "toolbar", "aria-label": "Viewer tools" },
    openButton,
    examplesButton,
    factsLine,
    tools,
  );

  const canvas = el("canvas", { class: "picture", tabindex: "0", role: "img", "aria-label": "Picture of the study" });
  const corner = {
    tl: el("div", { class: "corner top-left" }),
    help: el("div", { class: "corner bottom-middle" }),
    bl: el("div", { class: "corner bottom-left" }),
    br: el("div", { class: "corner bottom-right" }),
  };
  const slider = el("input", { type: "range", min: "1", max: "1", value: "1", "aria-label": "Frame" });
  const frameName = el("output", { class: "frame-name" });
  const frames = el("div", { class: "frames", hidden: true }, frameName, slider);
  const emptyThumbs = el("div", { class: "thumbs" });
  const empty = el(
    "div",
    { class: "empty" },
    el("h2", {}, "Open a study to begin"),
    el("p", { class: "empty-lead" }, "DICOM, PNG or JPEG. Drop a file here, or choose an example:"),
    emptyThumbs,
    button({
      name: "Watch the 20-second example",
      icon: "watch",
      class: "watch",
      onclick: () => shared.guide?.start(),
    }),
    el(
      "ol",
      { class: "steps" },
      el("li", {}, el("span", {}, el("b", {}, "Open"), " a study.")),
      el("li", {}, el("span", {}, el("b", {}, "Type or lock"), " the words you are sure of. They stay as they are.")),
      el("li", {}, el("span", {}, el("b", {}, "Draft"), ": the model writes only what is open.")),
    ),
  );
  const strip = el("div", { class: "strip", hidden: true, role: "group", "aria-label": "Example studies" });
  const bannerText = el("span", {});
  const banner = el(
    "div",
    { class: "banner error", role: "alert", hidden: true },
    icon("warn"),
    bannerText,
    button({
      name: "Dismiss",
      icon: "close",
      iconOnly: true,
      class: "quiet",
      onclick: () => {
        banner.hidden = true;
      },
    }),
  );
  const veil = el(
    "div",
    { class: "veil", hidden: true },
    el("div", {}, el("span", { class: "spinner", "aria-hidden": "true" }), "Opening…"),
  );
  const dropVeil = el("div", { class: "drop-veil", hidden: true }, "Drop the file to open it");
  const status = el("div", { class: "visually-hidden", role: "status", "aria-live": "polite" });
  const stage = el(
    "div",
    { class: "stage", "data-state": "empty" },
    canvas,
    corner.tl,
    corner.help,
    corner.bl,
    corner.br,
    frames,
    empty,
    strip,
    banner,
    veil,
    dropVeil,
  );
  root.replaceChildren(bar, stage, file, status);
  tools.hidden = true;
  examplesButton.hidden = true;

  // ---- drawing

  const context = canvas.getContext("2d", { alpha: false });
  const painted = document.createElement("canvas");
  const paintedContext = painted.getContext("2d");
  let image = null;
  let tables = { key: "", grays: null, words: null };
  let wanted = 0,
    settled = 0;

  const picture = () => study.pictures[index];
  const aspect = () => {
    const { spacing } = picture();
    return spacing && spacing[0] > 0 && spacing[1] > 0 ? spacing[0] / spacing[1] : 1;
  };
  const fitZoom = () =>
    Math.min(stage.clientWidth / picture().width, stage.clientHeight / (picture().height * aspect()));

  function redraw(moving = false) {
    if (!wanted)
      wanted = requestAnimationFrame(() => {
        wanted = 0;
        draw(moving);
      });
    if (moving) {
      clearTimeout(settled);
      settled = setTimeout(() => redraw(), 150);
    }
  }

  /** The level whose values are at least as fine as the screen's pixels. */
  function levelFor(scale) {
    const levels = kept.get(index);
    let n = 0;
    for (let s = scale; s <= 0.5 && levels[n].width > 1 && levels[n].height > 1; s *= 2) {
      n++;
      levels[n] ??= halve(levels[n - 1]);
    }
    return levels[n];
  }

  function draw(moving) {
    const ratio = devicePixelRatio || 1;
    const width = Math.round(stage.clientWidth * ratio),
      height = Math.round(stage.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    if (!study || !kept.has(index)) return;
    const full = picture();
    if (fitted) zoom = fitZoom();
    const sx = zoom * ratio,
      sy = sx * aspect();
    const left = width / 2 - middle.x * full.width * sx,
      top = height / 2 - middle.y * full.height * sy;
    const level = levelFor(Math.max(sx, sy));
    const lx = (full.width * sx) / level.width,
      ly = (full.height * sy) / level.height;
    const x0 = Math.max(0, Math.floor(-left / lx)),
      x1 = Math.min(level.width, Math.ceil((width - left) / lx));
    const y0 = Math.max(0, Math.floor(-top / ly)),
      y1 = Math.min(level.height, Math.ceil((height - top) / ly));
    if (x1 <= x0 || y1 <= y0) return;
    const w = x1 - x0,
      h = y1 - y0;

    const key = [
      full.bits,
      full.slope,
      full.intercept,
      full.inverted,
      windowNow.center,
      windowNow.width,
      invert,
    ].join();
    if (tables.key !== key) {
      const grays = grayTable(full, windowNow.center, windowNow.width, invert);
      tables = { key, grays, words: wordTable(grays) };
    }
    if (!image || image.width !== w || image.height !== h) {
      image = paintedContext.createImageData(w, h);
      if (painted.width < w) painted.width = w;
      if (painted.height < h) painted.height = h;
    }
    paint(level, x0, y0, w, h, tables.grays, tables.words, new Uint32Array(image.data.buffer));
    paintedContext.putImageData(image, 0, 0);
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = moving ? "low" : "high";
    context.drawImage(painted, 0, 0, w, h, left + x0 * lx, top + y0 * ly, w * lx, h * ly);
    tell();
  }

  const number = (value) =>
    Math.abs(value) >= 20 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(2);
  const put = (node, ...lines) => {
    const text = lines.filter(Boolean).join("\n");
    if (node.textContent !== text) node.textContent = text;
  };
  function tell() {
    const full = picture();
    put(corner.bl, `C ${number(windowNow.center)}  W ${number(windowNow.width)}${invert ? "  inverted" : ""}`);
    put(corner.br, `${Math.round(zoom * 100)} %`, `${full.width} × ${full.height}`);
    for (const node of presets.children) {
      const { center, width } = windows[Number(node.dataset.window)];
      node.setAttribute("aria-pressed", String(center === windowNow.center && width === windowNow.width));
    }
  }

  // ---- window, zoom, frames

  function setWindow(center, width, moving = false) {
    windowNow = { center, width: Math.max(1, width) };
    redraw(moving);
  }
  function toggleInvert() {
    invert = !invert;
    invertButton.setAttribute("aria-pressed", String(invert));
    redraw();
  }
  function fit() {
    fitted = true;
    middle = { x: 0.5, y: 0.5 };
    redraw();
  }
  function reset() {
    if (!study) return;
    if (windows.length) windowNow = { center: windows[0].center, width: windows[0].width };
    invert = false;
    invertButton.setAttribute("aria-pressed", "false");
    fit();
  }
  /** Zooms by a factor; the picture's point under (x, y), CSS pixels of the stage, stays there. */
  function zoomAt(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
    if (!study) return;
    const next = Math.min(MAX_ZOOM, Math.max(Math.min(fitZoom(), 1) / 2, zoom * factor));
    const { width, height } = picture(),
      a = aspect();
    const dx = x - stage.clientWidth / 2,
      dy = y - stage.clientHeight / 2;
    middle.x += dx / (zoom * width) - dx / (next * width);
    middle.y += dy / (zoom * a * height) - dy / (next * a * height);
    zoom = next;
    fitted = false;
    clampMiddle();
    redraw(true);
  }
  function pan(dx, dy) {
    middle.x -= dx / (zoom * picture().width);
    middle.y -= dy / (zoom * aspect() * picture().height);
    fitted = false;
    clampMiddle();
    redraw(true);
  }
  function clampMiddle() {
    middle.x = Math.min(1, Math.max(0, middle.x));
    middle.y = Math.min(1, Math.max(0, middle.y));
  }

  function nameFrame(shown) {
    frameName.textContent = `Frame ${shown + 1} / ${study.pictures.length}`;
    slider.value = String(shown + 1);
  }
  let asked = 0;
  async function goToFrame(next) {
    if (!study) return;
    const to = Math.min(study.pictures.length - 1, Math.max(0, next));
    if (to === asked) return;
    asked = to;
    nameFrame(to);
    const of = opened;
    try {
      await fetchPicture(to);
    } catch (error) {
      if (of === opened) fail(error);
      return;
    }
    if (of !== opened || asked !== to) return;
    index = to;
    redraw();
    for (const near of [to + 1, to - 1]) if (study.pictures[near]) fetchPicture(near).catch(() => {});
  }

  const coming = new Map();
  /** @param {number} n @returns {Promise<void>} */
  function fetchPicture(n) {
    if (kept.has(n)) return Promise.resolve();
    if (!coming.has(n)) {
      const of = opened,
        wire = study.pictures[n];
      coming.set(
        n,
        desk
          .picture(n)
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

  // ---- opening

  let bannerIsOfConnection = false;
  desk.connection.onChange((lost) => {
    if (!lost && bannerIsOfConnection) banner.hidden = true;
  });
  function fail(error) {
    bannerIsOfConnection = error.status === 0;
    bannerText.textContent = error instanceof Error ? error.message : String(error);
    banner.hidden = false;
  }

  /** @param {() => Promise<Study>} load @param {string} name */
  async function open(load, name, resumed = false) {
    if (busy) return;
    busy = true;
    hideExamples();
    let clear = false;
    try {
      if (!resumed && shared.editor?.hasText()) {
        const answer = await ask(
          root,
          "Keep the report?",
          "The report holds text. Keep it beside the new study, or start with an empty one?",
          [
            { value: "keep", name: "Keep report", primary: true },
            { value: "clear", name: "Clear report" },
            { value: "", name: "Cancel" },
          ],
        );
        if (!answer) return;
        clear = answer === "clear";
      }
      if (!resumed) shared.editor?.stop();
      banner.hidden = true;
      veil.hidden = false;
      status.textContent = "Opening…";
      const next = await load();
      // From here on the model sees the next study, so nobody may go on seeing the former one.
      putAway();
      const first = next.pictures[0];
      if (!first) throw new Error("This file holds no picture.");
      const buffer = await desk.picture(0);
      readPixels(buffer, first);
      study = next;
      index = asked = 0;
      keep(0, first, buffer);
      show(name);
      if (clear) shared.editor?.clear();
    } catch (error) {
      fail(error);
      status.textContent = "";
    } finally {
      busy = false;
      veil.hidden = true;
      if (!study) showNone();
    }
  }

  function putAway() {
    opened++;
    kept.clear();
    coming.clear();
    study = null;
    redraw();
  }
  function showNone() {
    stage.dataset.state = "empty";
    empty.hidden = false;
    tools.hidden = frames.hidden = examplesButton.hidden = true;
    factsLine.textContent = factsLine.title = "";
    for (const node of Object.values(corner)) put(node);
    canvas.setAttribute("aria-label", "Picture of the study");
  }
  desk.onStudyLost(() => {
    putAway();
    showNone();
    fail("The server has lost this study; open it again.");
  });

  function show(name) {
    const { facts, pictures } = study;
    stage.dataset.state = "study";
    empty.hidden = true;
    tools.hidden = false;
    examplesButton.hidden = strip.childElementCount === 0;
    const who = [Number.isInteger(facts.age) ? `${facts.age} y` : facts.age, facts.sex].filter(Boolean).join(" ");
    const line = [
      facts.modality,
      facts.body_part,
      facts.view,
      facts.laterality && `laterality ${facts.laterality}`,
      who,
    ]
      .filter(Boolean)
      .join(" · ");
    factsLine.textContent = name;
    factsLine.title = name;
    put(corner.tl, line);
    windows = windowsOf(pictures[0], facts.modality ?? null, kept.get(0)[0].pixels);
    presets.replaceChildren(
      ...(windows.length > 1 ? windows : []).map((one, i) => {
        const node = el(
          "button",
          {
            type: "button",
            class: "button preset",
            title: `${one.name}: C ${number(one.center)} W ${number(one.width)} (key ${i + 1})`,
            "data-window": String(i),
            onclick: () => setWindow(one.center, one.width),
          },
          one.name,
        );
        return node;
      }),
    );
    put(corner.help, `Drag: window  ·  Wheel: ${pictures.length > 1 ? "frames" : "zoom"}  ·  Right drag: move`);
    frames.hidden = pictures.length < 2;
    slider.max = String(pictures.length);
    nameFrame(0);
    canvas.setAttribute("aria-label", `Picture of the study: ${name}`);
    status.textContent = `Opened ${name}.`;
    reset();
    if (pictures.length > 1) fetchPicture(1).catch(() => {});
  }

  const openFile = (chosen) => open(() => desk.openFile(chosen), chosen.name);
  shared.viewer = {
    openFile,
    hasStudy: () => !!study || busy,
    /** Opens an example; whether it is on screen. @param {string} name */
    async openExample(name) {
      const { examples } = await desk.session();
      const example = examples.find((one) => one.name === name);
      if (example) await open(() => desk.openExample(name), example.title);
      return !!example && !!study;
    },
  };
  file.addEventListener("change", () => {
    const [chosen] = file.files;
    file.value = "";
    if (chosen) openFile(chosen);
  });

  function thumb({ name, title, description }) {
    const node = el(
      "button",
      {
        type: "button",
        class: "thumb",
        title: description || title,
        "aria-label": title,
        onclick: () => open(() => desk.openExample(name), title),
      },
      el("img", { src: desk.thumbnail(name), alt: "", loading: "lazy", draggable: "false" }),
      el("span", {}, title),
    );
    return node;
  }
  function toggleExamples() {
    strip.hidden = !strip.hidden;
    examplesButton.setAttribute("aria-expanded", String(!strip.hidden));
    if (!strip.hidden) strip.querySelector("button")?.focus();
  }
  function hideExamples() {
    if (!strip.hidden) toggleExamples();
  }
  desk.session().then(({ examples, resumed }) => {
    // The file's name was never on the desk.
    if (resumed?.study && !study) open(async () => resumed.study, "Study from before the reload", true);
    emptyThumbs.replaceChildren(...examples.map(thumb));
    strip.replaceChildren(...examples.map(thumb));
    if (!examples.length)
      empty.querySelector(".empty-lead").textContent = "DICOM, PNG or JPEG. Drop a file here, or press Open study.";
  }, fail);

  // ---- pointer

  let drag = null;
  let spaceDown = false,
    spaceUsed = false;
  canvas.addEventListener("pointerdown", (event) => {
    if (!study) return;
    canvas.focus({ preventScroll: true });
    hideExamples();
    const panning = event.button === 1 || event.button === 2 || spaceDown || event.pointerType === "touch";
    if (spaceDown) spaceUsed = true;
    corner.help.hidden = true; // the hand has found out
    drag = { panning, x: event.clientX, y: event.clientY, start: { ...windowNow }, id: event.pointerId };
    canvas.setPointerCapture(event.pointerId);
    canvas.classList.toggle("panning", panning);
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag || drag.id !== event.pointerId) return;
    const dx = event.clientX - drag.x,
      dy = event.clientY - drag.y;
    if (drag.panning) {
      pan(dx, dy);
      drag.x = event.clientX;
      drag.y = event.clientY;
    } else {
      // The file's own window sets the pace: its whole width is 400 CSS pixels away.
      const pace = Math.max(windows[0]?.width ?? 256, 32) / 400;
      const round = (value) => (pace < 0.25 ? Math.round(value * 10) / 10 : Math.round(value));
      setWindow(round(drag.start.center + dy * pace), round(drag.start.width + dx * pace), true);
    }
  });
  const endDrag = () => {
    drag = null;
    canvas.classList.remove("panning");
  };
  canvas.addEventListener("pointerup", endDrag);
  canvas.addEventListener("pointercancel", endDrag);
  canvas.addEventListener("dblclick", reset);
  stage.addEventListener("contextmenu", (event) => {
    if (study) event.preventDefault();
  });
  canvas.addEventListener("auxclick", (event) => event.preventDefault());

  let wheelSum = 0;
  stage.addEventListener(
    "wheel",
    (event) => {
      if (!study || strip.contains(event.target)) return;
      event.preventDefault();
      const delta = (event.deltaY || event.deltaX) * (event.deltaMode === 1 ? 33 : 1);
      const several = study.pictures.length > 1;
      // A stack scrolls, as on every workstation; Shift or Ctrl swaps to zoom.
      if (several && !event.ctrlKey && !event.shiftKey) {
        wheelSum += delta;
        const steps = Math.trunc(wheelSum / 50);
        wheelSum -= steps * 50;
        if (steps) goToFrame(asked + steps);
        return;
      }
      const box = stage.getBoundingClientRect();
      zoomAt(
        Math.exp(-Math.max(-200, Math.min(200, delta)) * 0.0022),
        event.clientX - box.left,
        event.clientY - box.top,
      );
    },
    { passive: false },
  );

  slider.addEventListener("input", () => goToFrame(Number(slider.value) - 1));

  // ---- keys: where the viewer has the focus or the pointer, and nobody is typing

  let hovered = false;
  root.addEventListener("pointerenter", () => {
    hovered = true;
  });
  root.addEventListener("pointerleave", () => {
    hovered = false;
  });
  const commands = bound("study", {
    preset: (event) => {
      const preset = windows[Number(event.key) - 1];
      if (preset) setWindow(preset.center, preset.width);
      return !!preset;
    },
    invert: toggleInvert,
    fit,
    zoomIn: () => zoomAt(1.25),
    zoomOut: () => zoomAt(0.8),
    nextFrame: () => goToFrame(asked + 1),
    previousFrame: () => goToFrame(asked - 1),
    // When it is let go; held down, it turns a drag into a move.
    reset: () => {
      spaceDown = true;
    },
  });
  const isTyping = (node) =>
    node instanceof Element &&
    !!node.closest("input:not([type=range]), textarea, select, [contenteditable=true], dialog");
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !strip.hidden) {
      hideExamples();
      examplesButton.focus();
      event.preventDefault();
      return;
    }
    const focus = document.activeElement;
    if (
      !study ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      isTyping(focus) ||
      !(hovered || root.contains(focus))
    )
      return;
    const onControl = focus instanceof HTMLButtonElement || focus === slider;
    const found = commands.get(keyName(event));
    if (!found || (onControl && event.key.startsWith("Arrow"))) return;
    if (found.command === "reset" && focus instanceof HTMLButtonElement) return;
    if (found.run(event) !== false) event.preventDefault();
  });
  document.addEventListener("keyup", (event) => {
    if (event.key !== " " || !spaceDown) return;
    if (!spaceUsed) reset();
    spaceDown = spaceUsed = false;
  });

  // ---- dropping a file anywhere on the viewer

  let depth = 0;
  const carriesFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  root.addEventListener("dragenter", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    depth++;
    dropVeil.hidden = false;
  });
  root.addEventListener("dragover", (event) => {
    if (carriesFile(event)) event.preventDefault();
  });
  root.addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    dropVeil.hidden = depth === 0;
  });
  root.addEventListener("drop", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    event.stopPropagation();
    depth = 0;
    dropVeil.hidden = true;
    const dropped = event.dataTransfer.files[0];
    if (dropped) openFile(dropped);
  });

  new ResizeObserver(() => redraw()).observe(stage);
  redraw();
}
