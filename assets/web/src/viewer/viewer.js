// The viewer: opens a study, and a prior beside it, and offers the tools for both.
// Knows nothing of the report, except to ask before a new study is opened beside it.

import { desk, shared, watchPage } from "../page/desk.js";
import { ask, button, el, icon } from "../dom.js";
import { droppedFiles, packed } from "./files.js";
import { bound, keyName } from "../page/keys.js";
import { createPane } from "./pane.js";

/** @typedef {import("../page/desk.js").Study} Study */

const ACCEPT = ".dcm,.dicom,.png,.jpg,.jpeg,.zip,.tar,image/png,image/jpeg,application/dicom,*/*";

/** @param {{element: HTMLElement}} component */
export function mountViewer({ element }) {
  const root = element.querySelector(".viewer-root") ?? element;
  root.classList.add("workstation", "viewer");
  root.setAttribute("role", "region");
  root.setAttribute("aria-label", "Study");
  watchPage();

  /** @type {Study|null} */
  let study = null;
  let busy = false;
  /** @type {import("./pane.js").Tools} */
  const tools = { mode: "window", lens: false, written: true };

  // ---- the page

  const file = el("input", {
    type: "file",
    accept: ACCEPT,
    multiple: true,
    class: "visually-hidden",
    tabindex: "-1",
    "aria-hidden": "true",
  });
  const chooser = (attributes) => el("input", { type: "file", class: "visually-hidden", tabindex: "-1", ...attributes });
  const folder = chooser({ webkitdirectory: true, "aria-hidden": "true", "data-for": "folder" });
  const priorFile = chooser({ accept: ACCEPT, multiple: true, "aria-hidden": "true", "data-for": "prior" });
  const openButton = button({
    name: "Open study",
    icon: "open",
    class: "primary",
    title: "Open DICOM, PNG or JPEG files, or a ZIP of them (or drop them anywhere on this pane)",
    onclick: () => file.click(),
  });
  const folderButton = button({
    name: "Open folder",
    icon: "folder",
    iconOnly: true,
    title: "Open a folder as a series",
    onclick: () => folder.click(),
  });
  const examplesButton = button({
    name: "Examples",
    icon: "examples",
    title: "Example studies",
    onclick: () => toggleExamples(),
  });
  const factsLine = el("div", { class: "facts" });
  const priorButton = button({
    name: "Prior",
    icon: "prior",
    title: "Open an earlier study beside this one (P)",
    onclick: () => togglePrior(),
  });
  const bar = el(
    "div",
    { class: "bar", role: "toolbar", "aria-label": "Study" },
    openButton,
    folderButton,
    examplesButton,
    factsLine,
    priorButton,
  );

  const presets = el("select", { class: "presets", "aria-label": "Window", title: "Window (keys 1 to 5)" });
  presets.addEventListener("change", () => {
    preset(Number(presets.value));
    active.canvas.focus({ preventScroll: true });
  });
  const tool = (name, shape, title, onclick) => button({ name, icon: shape, iconOnly: true, title, onclick });
  const toolButtons = {
    invert: tool("Invert", "invert", "Invert gray (I)", () => active.toggleInvert()),
    fit: tool("Fit", "fit", "Fit to the pane (F)", () => active.fit()),
    actual: tool("Actual size", "actual", "Actual size: one pixel for one of the screen (A)", () => active.actualSize()),
    lens: tool("Magnifier", "lens", "Magnifier under the pointer (Z)", () => toggleTool("lens")),
    flipAcross: tool("Flip left and right", "flip-across", "Flip left and right (H)", () => active.turn("flipAcross")),
    flipDown: tool("Flip top and bottom", "flip-down", "Flip top and bottom (V)", () => active.turn("flipDown")),
    left: tool("Rotate left", "turn-left", "Rotate left (L)", () => active.turn("left")),
    right: tool("Rotate right", "turn-right", "Rotate right (R)", () => active.turn("right")),
    length: tool("Measure length", "length", "Measure a length (M): drag; Delete removes it", () => setMode("length")),
    angle: tool("Measure angle", "angle", "Measure an angle (N): drag one arm, press for the other", () =>
      setMode("angle"),
    ),
    looked: tool(
      "Where the model looked",
      "looked",
      "Where the model looked for the text at the caret (W): not validated, not an explanation",
      () => shared.looking.toggle(),
    ),
    written: tool("Overlay", "text", "Writing over the picture (T)", () => toggleTool("written")),
    reset: tool("Reset", "reset", "Reset window, zoom, position and turns (Space, or double click)", () =>
      active.reset(),
    ),
  };
  const group = (...names) => el("div", { class: "tool-group" }, ...names.map((name) => toolButtons[name]));
  const toolbar = el(
    "div",
    { class: "tools", role: "toolbar", "aria-label": "Viewer tools", hidden: true },
    el("div", { class: "tool-group" }, presets, toolButtons.invert),
    group("fit", "actual", "lens"),
    group("flipAcross", "flipDown", "left", "right"),
    group("length", "angle"),
    group("looked", "written", "reset"),
  );

  const emptyThumbs = el("div", { class: "thumbs" });
  const empty = el(
    "div",
    { class: "empty" },
    el("h2", {}, "Lock what is right, and the model rewrites the rest"),
    el(
      "p",
      { class: "empty-lead" },
      "Open a study to begin: DICOM, PNG or JPEG, one or a series. Drop files here, or choose an example:",
    ),
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
  const dropVeil = el("div", { class: "drop-veil", hidden: true }, "Drop to open");
  const status = el("div", { class: "visually-hidden", role: "status", "aria-live": "polite" });
  const pane = createPane({
    name: "study",
    tools,
    fetchPixels: (index) => desk.picture(index),
    caption: (index) => {
      const seen = index ? "The model looks at image 1 only" : "";
      return [captionOf(study, index), seen].filter(Boolean).join("\n");
    },
    fail: (error) => fail(error),
    say: (text) => say(text),
    onView: () => link(pane, priorPane),
    onState: () => tell(pane),
    onHand: () => touched(pane),
  });
  const priorPane = createPane({
    name: "prior",
    tools,
    fetchPixels: (index) => desk.priorPicture(index),
    caption: (index) => [captionOf(priorPane.study, index), "Prior: the model does not see it"].filter(Boolean).join("\n"),
    fail: (error) => fail(error),
    say: (text) => say(text),
    onView: () => link(priorPane, pane),
    onState: () => tell(priorPane),
    onHand: () => touched(priorPane),
  });
  const panes = [pane, priorPane];
  for (const one of panes) one.moves = () => spaceDown && (spaceUsed = true);
  let active = pane;
  const studyTitle = el("div", { class: "side-title" });
  const studyBar = el("div", { class: "side-bar", hidden: true }, el("b", {}, "Current"), studyTitle);
  const studySide = el("div", { class: "side" }, studyBar, pane.element);
  const priorTitle = el("div", { class: "side-title" });
  const priorSide = el(
    "div",
    { class: "side prior", hidden: true },
    el(
      "div",
      { class: "side-bar" },
      el("b", {}, "Prior"),
      priorTitle,
      button({
        name: "Close prior",
        icon: "close",
        iconOnly: true,
        class: "quiet",
        title: "Close the prior and forget its pixels (P)",
        onclick: () => closePrior(),
      }),
    ),
    priorPane.element,
  );
  const stage = el(
    "div",
    { class: "stage", "data-state": "empty" },
    el("div", { class: "panes" }, studySide, priorSide),
    empty,
    strip,
    banner,
    veil,
    dropVeil,
  );
  root.replaceChildren(bar, toolbar, stage, file, folder, priorFile, status);
  examplesButton.hidden = priorButton.hidden = true;

  // ---- the tools

  const say = (text) => {
    status.textContent = text;
  };
  /** What may be said of a picture: never who it is of. */
  function captionOf(of, index) {
    const { facts, pictures } = of;
    const who = [Number.isInteger(facts.age) ? `${facts.age} y` : facts.age, facts.sex].filter(Boolean).join(" ");
    // Each image of several says itself which it is.
    const which = pictures.length > 1 ? pictures[index].label : "";
    const view = [facts.view, facts.laterality && `laterality ${facts.laterality}`].filter(Boolean).join(" · ");
    return [
      facts.description,
      [facts.modality, facts.body_part, which || view, who].filter(Boolean).join(" · "),
    ]
      .filter(Boolean)
      .join("\n");
  }
  function tell(one) {
    if (one !== active) return;
    const { windows, windowNow, invert } = one.state;
    const names = windows.map(({ name }, i) => `${i + 1}  ${name}`);
    if (presets.dataset.names !== names.join("\n")) {
      presets.dataset.names = names.join("\n");
      presets.replaceChildren(
        ...names.map((name, i) => el("option", { value: String(i) }, name)),
        el("option", { value: "-1", hidden: true }, "Custom"),
      );
    }
    const at = windows.findIndex(({ center, width }) => center === windowNow.center && width === windowNow.width);
    presets.value = String(at);
    presets.disabled = windows.length < 2;
    const pressed = { invert, lens: tools.lens, written: tools.written, looked: shared.looking.isOn };
    for (const mode of ["length", "angle"]) pressed[mode] = tools.mode === mode;
    for (const [name, on] of Object.entries(pressed)) toolButtons[name].setAttribute("aria-pressed", String(on));
  }
  /** With two panes, which of them the tools and keys are for. */
  function showActive() {
    studySide.classList.toggle("active", active === pane);
    priorSide.classList.toggle("active", active === priorPane);
  }
  function touched(one) {
    if (one.study && active !== one) {
      active = one;
      showActive();
      tell(one);
    }
    hideExamples();
  }
  function link(from, to) {
    to.place(from.placed);
  }
  function redrawAll() {
    stage.classList.toggle("unwritten", !tools.written);
    for (const one of panes) one.redraw();
  }
  function setMode(mode) {
    for (const one of panes) one.cancelMeasure();
    tools.mode = tools.mode === mode ? "window" : mode;
    if (tools.mode !== "window") tools.written = true;
    redrawAll();
  }
  function toggleTool(name) {
    tools[name] = !tools[name];
    redrawAll();
  }
  function preset(n) {
    const one = active.state.windows[n];
    if (one) active.setWindow(one.center, one.width);
    return !!one;
  }
  const several = () => active.state.several;

  // ---- opening

  let bannerIsOfConnection = false;
  desk.connection.onChange((lost) => {
    if (!lost && bannerIsOfConnection) banner.hidden = true;
  });
  /** @param {Error|string} error @param {string} [besides] what is safe, or what to do */
  function fail(error, besides = "") {
    bannerIsOfConnection = error.status === 0;
    const what = error instanceof Error ? error.message : String(error);
    bannerText.textContent = besides ? `${what} ${besides}` : what;
    banner.hidden = false;
  }

  /** One study after the other: which of two was meant, nobody could tell. */
  function refusedAsBusy() {
    if (busy) fail("Another study is being opened; this one was left alone. Open it again when the other is there.");
    return busy;
  }

  /** @param {() => Promise<Study>} load @param {string} name */
  async function open(load, name, resumed = false) {
    if (refusedAsBusy()) return;
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
      pane.show(next, buffer, name);
      study = next;
      show(name);
      if (clear) shared.editor?.clear();
    } catch (error) {
      fail(error, study ? "The study on screen is as it was." : "Choose another file, or try again.");
      status.textContent = "";
    } finally {
      busy = false;
      veil.hidden = true;
      if (!study) showNone();
    }
  }

  function putAway() {
    putPriorAway();
    study = null;
    pane.putAway();
    shared.looking.forget();
  }
  shared.looking.ofStudy({
    show({ on, looked, words, note }) {
      pane.showLooked(on ? { looked, note, words } : null);
      if (looked) say(`Where the model looked for “${words}”: most ${pane.lookedAt()}. Not validated, not an explanation.`);
      else if (!on) say("");
      tell(active);
    },
  });
  function showNone() {
    stage.dataset.state = "empty";
    empty.hidden = false;
    toolbar.hidden = examplesButton.hidden = priorButton.hidden = true;
    factsLine.textContent = factsLine.title = "";
  }
  desk.onStudyLost(() => {
    putAway();
    showNone();
    fail("The server has lost this study; open it again.");
  });
  desk.onRenewed(() => {
    if (!priorPane.study) return;
    putPriorAway();
    fail("The server has lost the prior; open it again.");
  });

  function show(name) {
    stage.dataset.state = "study";
    empty.hidden = true;
    toolbar.hidden = priorButton.hidden = false;
    examplesButton.hidden = strip.childElementCount === 0;
    factsLine.textContent = name;
    factsLine.title = name;
    say(`Opened ${name}.`);
    shared.looking.forget();
    if (study.note) fail(study.note);
  }

  // ---- the prior

  /** @param {() => Promise<Study>} load @param {string} name */
  async function openPrior(load, name) {
    if (!study || refusedAsBusy()) return;
    busy = true;
    hideExamples();
    const beside = study;
    try {
      banner.hidden = true;
      veil.hidden = false;
      say("Opening…");
      const next = await load();
      putPriorAway();
      const buffer = await desk.priorPicture(0);
      if (study !== beside) return;
      priorSide.hidden = studyBar.hidden = false;
      studyTitle.textContent = studyTitle.title = factsLine.textContent;
      showActive();
      priorPane.show(next, buffer, name, false);
      priorTitle.textContent = priorTitle.title = name;
      priorButton.setAttribute("aria-pressed", "true");
      priorPane.place(pane.placed);
      say(`Opened prior ${name}.`);
      if (next.note) fail(next.note);
    } catch (error) {
      if (!priorPane.study) closePrior();
      fail(error);
      say("");
    } finally {
      busy = false;
      veil.hidden = true;
    }
  }
  function putPriorAway() {
    priorPane.putAway();
    priorSide.hidden = studyBar.hidden = true;
    studyTitle.textContent = studyTitle.title = "";
    priorTitle.textContent = priorTitle.title = "";
    priorButton.setAttribute("aria-pressed", "false");
    active = pane;
    showActive();
    if (study) tell(pane);
  }
  function closePrior() {
    if (priorSide.contains(document.activeElement)) pane.canvas.focus({ preventScroll: true });
    putPriorAway();
    say("Prior closed.");
    desk.closePrior().catch(() => {
      // A session that is gone holds no prior either; a server out of reach forgets it with the session.
    });
  }
  async function togglePrior() {
    if (!study) return;
    if (priorPane.study) {
      closePrior();
      return;
    }
    const { examples } = await desk.session();
    const answer = await ask(
      root,
      "Open a prior",
      "An earlier study of the same patient, to look at beside this one. The model does not see it.",
      [
        { value: "file", name: "Choose files", primary: true },
        ...(examples.length ? [{ value: "example", name: "An example" }] : []),
        { value: "", name: "Cancel" },
      ],
    );
    if (answer === "file") priorFile.click();
    if (answer === "example") {
      forPrior = true;
      toggleExamples();
    }
  }

  // ---- files and examples

  /** Files as one study. @param {(load: () => Promise<Study>, name: string) => void} how @param {(body: Blob) => Promise<Study>} send */
  function openAll(files, how, send) {
    if (!files.length) return;
    try {
      const { body, name } = packed(files);
      how(() => send(body), name);
    } catch (error) {
      fail(error);
    }
  }
  const openStudy = (files) => openAll(files, open, desk.openFile);
  const openFile = (chosen) => openStudy([chosen]);
  /** @param {DataTransfer} transfer @param {boolean} [asPrior] */
  async function openDropped(transfer, asPrior = false) {
    try {
      const files = await droppedFiles(transfer);
      if (asPrior) openAll(files, openPrior, desk.openPrior);
      else openStudy(files);
    } catch {
      fail("What was dropped cannot be read.");
    }
  }
  shared.viewer = {
    openFile,
    openDropped,
    hasStudy: () => !!study || busy,
    /** Opens an example; whether it is on screen. @param {string} name */
    async openExample(name) {
      const { examples } = await desk.session();
      const example = examples.find((one) => one.name === name);
      if (example) await open(() => desk.openExample(name), example.title);
      return !!example && !!study;
    },
  };
  const onChosen = (input, take) =>
    input.addEventListener("change", () => {
      const files = [...input.files];
      input.value = "";
      take(files);
    });
  onChosen(file, openStudy);
  onChosen(folder, openStudy);
  onChosen(priorFile, (files) => openAll(files, openPrior, desk.openPrior));

  let forPrior = false; // what the examples are offered for
  function thumb({ name, title, description }) {
    const node = el(
      "button",
      {
        type: "button",
        class: "thumb",
        title: description || title,
        "aria-label": title,
        onclick: () =>
          forPrior
            ? openPrior(() => desk.openPriorExample(name), title)
            : open(() => desk.openExample(name), title),
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
    else forPrior = false;
  }
  function hideExamples() {
    if (!strip.hidden) toggleExamples();
  }
  desk.session().then(({ examples, resumed }) => {
    // The file's name was never on the desk.
    if (resumed?.study && !study)
      open(async () => resumed.study, "Study from before the reload", true).then(() => {
        // Where it cannot be shown again, it is closed on the desk too.
        if (resumed.prior) openPrior(async () => resumed.prior, "Prior from before the reload");
      });
    emptyThumbs.replaceChildren(...examples.map(thumb));
    strip.replaceChildren(...examples.map(thumb));
    if (!examples.length)
      empty.querySelector(".empty-lead").textContent = "Open a study to begin: DICOM, PNG or JPEG. Drop files here.";
  }, fail);

  // ---- keys: where the viewer has the focus or the pointer, and nobody is typing

  let spaceDown = false,
    spaceUsed = false;
  let hovered = false;
  root.addEventListener("pointerenter", () => {
    hovered = true;
  });
  root.addEventListener("pointerleave", () => {
    hovered = false;
  });
  const commands = bound("study", {
    preset: (event) => preset(Number(event.key) - 1),
    invert: () => active.toggleInvert(),
    fit: () => active.fit(),
    actualSize: () => active.actualSize(),
    magnify: () => toggleTool("lens"),
    flipAcross: () => active.turn("flipAcross"),
    flipDown: () => active.turn("flipDown"),
    turnLeft: () => active.turn("left"),
    turnRight: () => active.turn("right"),
    length: () => setMode("length"),
    angle: () => setMode("angle"),
    point: () => active.setPoint(),
    remove: () => active.deleteSelected(),
    written: () => toggleTool("written"),
    looked: () => {
      shared.looking.toggle();
    },
    prior: () => togglePrior(),
    cine: () => several() && active.cine.toggle(),
    zoomIn: () => active.zoomAt(1.25),
    zoomOut: () => active.zoomAt(0.8),
    nextFrame: (event) => active.nudge(event) || active.step(1),
    previousFrame: (event) => active.nudge(event) || active.step(-1),
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
    if (event.key === "Escape") {
      for (const one of panes) one.cancelMeasure();
      if (tools.mode !== "window") setMode(tools.mode);
      if (tools.lens) toggleTool("lens");
      return;
    }
    const onButton = focus instanceof HTMLButtonElement;
    const found = commands.get(keyName(event));
    if (!found || ((onButton || focus === active.slider) && event.key.startsWith("Arrow"))) return;
    if ((found.command === "reset" || found.command === "point") && onButton) return;
    if (found.run(event) !== false) event.preventDefault();
  });
  document.addEventListener("keyup", (event) => {
    if (event.key !== " " || !spaceDown) return;
    if (!spaceUsed) active.reset();
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
    openDropped(event.dataTransfer, priorSide.contains(event.target));
  });
}
