// The viewer: a study, a prior beside it, and the tools for both.
// Knows nothing of the report, except to ask before a new study is opened beside it.

import { ask, button, el, icon } from "../dom.js";
import { createCommands } from "../page/commands.js";
import { desk, shared, watchPage } from "../page/desk.js";
import { keyName } from "../page/keys.js";
import { acceptDrops } from "./dropping.js";
import { createExamples } from "./examples.js";
import { droppedFiles, packed } from "./files.js";
import { createOpening } from "./opening.js";
import { createPane } from "./pane.js";
import { createToolbar } from "./toolbar.js";

/** @typedef {import("../page/desk.js").Study} Study */

const ACCEPT = ".dcm,.dicom,.png,.jpg,.jpeg,.zip,.tar,image/png,image/jpeg,application/dicom,*/*";

/** What may be said of a picture: never who it is of. @param {Study} study @param {number} index */
export function captionOf({ facts, pictures }, index) {
  const who = [Number.isInteger(facts.age) ? `${facts.age} y` : facts.age, facts.sex].filter(Boolean).join(" ");
  // Each image of several says itself which it is.
  const which = pictures.length > 1 ? pictures[index].label : "";
  const view = [facts.view, facts.laterality && `laterality ${facts.laterality}`].filter(Boolean).join(" · ");
  const about = [facts.modality, facts.body_part, which || view, who].filter(Boolean).join(" · ");
  return [facts.description, about].filter(Boolean).join("\n");
}

/** @param {{element: HTMLElement}} component */
export function mountViewer({ element }) {
  const root = /** @type {HTMLElement} */ (element.querySelector(".viewer-root")) ?? element;
  root.classList.add("workstation", "viewer");
  root.setAttribute("role", "region");
  root.setAttribute("aria-label", "Study");
  watchPage();

  /** @type {import("./pane.js").Tools} */
  const tools = { mode: "window", lens: false, written: true };
  let spaceDown = false,
    spaceUsed = false;

  // ---- commands, each with its keys and buttons

  const commands = createCommands();
  commands.register("study", {
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
    looked: () => void shared.looking.toggle(),
    prior: () => void togglePrior(),
    cine: () => active.state.several && active.cine.toggle(),
    zoomIn: () => active.zoomAt(1.25),
    zoomOut: () => active.zoomAt(0.8),
    nextFrame: (event) => active.nudge(event) || active.step(1),
    previousFrame: (event) => active.nudge(event) || active.step(-1),
    // When it is let go; held down, it turns a drag into a move.
    reset: () => {
      spaceDown = true;
    },
  });
  commands.register("studyBar", {
    open: () => file.click(),
    openFolder: () => folder.click(),
    examples: () => examples.toggle(),
    resetNow: () => active.reset(),
  });

  // ---- the page

  const chooser = (attributes) =>
    el("input", { type: "file", class: "visually-hidden", tabindex: "-1", "aria-hidden": "true", ...attributes });
  const file = chooser({ accept: ACCEPT, multiple: true });
  const folder = chooser({ webkitdirectory: true, "data-for": "folder" });
  const priorFile = chooser({ accept: ACCEPT, multiple: true, "data-for": "prior" });
  const openButton = commands.button("open", { name: "Open study", icon: "open", class: "primary" });
  const folderButton = commands.button("openFolder", { name: "Open folder", icon: "folder", iconOnly: true });
  const examplesButton = commands.button("examples", { name: "Examples", icon: "examples" });
  const priorButton = commands.button("prior", {
    name: "Prior",
    icon: "prior",
    title: "Open an earlier study beside this one (P)",
  });
  const factsLine = el("div", { class: "facts" });
  const bar = el(
    "div",
    { class: "bar", role: "toolbar", "aria-label": "Study" },
    openButton,
    folderButton,
    examplesButton,
    factsLine,
    priorButton,
  );
  const toolbar = createToolbar(commands, {
    preset(n) {
      preset(n);
      active.canvas.focus({ preventScroll: true });
    },
  });
  const examples = createExamples({
    opener: examplesButton,
    thumbnail: desk.thumbnail,
    onchoose({ name, title }, asPrior) {
      if (asPrior) openPrior(() => desk.openPriorExample(name), title);
      else open(() => desk.openExample(name), title);
    },
  });
  const empty = el(
    "div",
    { class: "empty" },
    el("h2", {}, "Lock what is right, and the model rewrites the rest"),
    el(
      "p",
      { class: "empty-lead" },
      "Open a study to begin: DICOM, PNG or JPEG, one or a series. Drop files here, or choose an example:",
    ),
    examples.thumbs,
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
      el("li", {}, el("span", {}, el("b", {}, "Type or lock"), " the words you are sure of. Nothing changes them.")),
      el("li", {}, el("span", {}, el("b", {}, "Draft"), ": the model writes only what is open.")),
    ),
  );
  const bannerText = el("span", {});
  const againButton = button({ name: "Show it", onclick: () => void opening.showUnseen() });
  const banner = el(
    "div",
    { class: "banner error", role: "alert", hidden: true },
    icon("warn"),
    bannerText,
    againButton,
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
  const say = (text) => {
    status.textContent = text;
  };

  const pane = createPane({
    name: "study",
    tools,
    fetchPixels: (index) => desk.picture(index),
    caption: (index) =>
      [captionOf(pane.study, index), index ? "The model sees image 1 only" : ""].filter(Boolean).join("\n"),
    fail,
    say,
    onView: () => priorPane.place(pane.placed),
    onState: () => tell(pane),
    onHand: () => touched(pane),
  });
  const priorPane = createPane({
    name: "prior",
    tools,
    fetchPixels: (index) => desk.priorPicture(index),
    caption: (index) => [captionOf(priorPane.study, index), "Prior study: the model does not see it"].filter(Boolean).join("\n"),
    fail,
    say,
    onView: () => pane.place(priorPane.placed),
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
        name: "Close prior study",
        icon: "close",
        iconOnly: true,
        class: "quiet",
        title: "Close the prior study (P)",
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
    examples.strip,
    banner,
    veil,
    dropVeil,
  );
  root.replaceChildren(bar, toolbar.node, stage, file, folder, priorFile, status);
  examplesButton.hidden = priorButton.hidden = true;

  // ---- the tools

  function tell(one) {
    if (one !== active) return;
    const { lens, written, mode } = tools;
    toolbar.showWindows(one.state);
    toolbar.press({
      invert: one.state.invert,
      lens,
      written,
      looked: shared.looking.isOn,
      length: mode === "length",
      angle: mode === "angle",
    });
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
    examples.hide();
  }
  function redrawAll() {
    stage.classList.toggle("unwritten", !tools.written);
    for (const one of panes) one.redraw();
  }
  /** @param {"length"|"angle"} mode */
  function setMode(mode) {
    for (const one of panes) one.cancelMeasure();
    tools.mode = tools.mode === mode ? "window" : mode;
    if (tools.mode !== "window") tools.written = true;
    redrawAll();
  }
  /** @param {"lens"|"written"} name */
  function toggleTool(name) {
    tools[name] = !tools[name];
    redrawAll();
  }
  function preset(n) {
    const one = active.state.windows[n];
    if (one) active.setWindow(one.center, one.width);
    return !!one;
  }

  // ---- what went wrong

  let bannerIsOfConnection = false;
  desk.connection.onChange((lost) => {
    if (lost) return;
    if (opening.isUnseen) opening.showUnseen();
    else if (bannerIsOfConnection) banner.hidden = true;
  });
  /** @param {any} error @param {string} [besides] what is safe, or what to do @param {boolean} [again] whether it can be tried again */
  function fail(error, besides = "", again = false) {
    bannerIsOfConnection = error.status === 0;
    const what = error instanceof Error ? error.message : String(error);
    bannerText.textContent = besides ? `${what} ${besides}` : what;
    againButton.hidden = !again;
    banner.hidden = false;
  }

  // ---- opening

  const opening = createOpening({
    picture: () => desk.picture(0),
    priorPicture: () => desk.priorPicture(0),
    report: () => shared.editor,
    screen: {
      show(study, pixels, name) {
        pane.show(study, pixels, name);
        stage.dataset.state = "study";
        empty.hidden = true;
        toolbar.node.hidden = priorButton.hidden = false;
        examplesButton.hidden = examples.count === 0;
        factsLine.textContent = factsLine.title = name;
        say(`Opened ${name}.`);
        shared.looking.forget();
        if (study.note) fail(study.note);
      },
      none() {
        stage.dataset.state = "empty";
        empty.hidden = false;
        toolbar.node.hidden = examplesButton.hidden = priorButton.hidden = true;
        factsLine.textContent = factsLine.title = "";
      },
      putAway() {
        putPriorAway();
        pane.putAway();
        shared.looking.forget();
      },
      waiting(on) {
        veil.hidden = !on;
        if (on) say("Opening…");
      },
      fail(error, besides, again) {
        fail(error, besides, again);
        say("");
      },
      quiet() {
        examples.hide();
        banner.hidden = true;
      },
      async keepReport(hadStudy) {
        const gone = hadStudy ? " Indication, hints and answers of the previous study are deleted." : "";
        const answer = await ask(
          root,
          "Keep the report?",
          `The report has text. Keep it for the new study, or start with an empty report?${gone}`,
          [
            { value: "keep", name: "Keep report", primary: true },
            { value: "clear", name: "Clear report" },
            { value: "", name: "Cancel" },
          ],
        );
        return /** @type {"keep"|"clear"|null} */ (answer);
      },
      showPrior(prior, pixels, name) {
        priorSide.hidden = studyBar.hidden = false;
        studyTitle.textContent = studyTitle.title = factsLine.textContent;
        showActive();
        priorPane.show(prior, pixels, name, false);
        priorTitle.textContent = priorTitle.title = name;
        priorButton.setAttribute("aria-pressed", "true");
        priorPane.place(pane.placed);
        say(`Opened prior study ${name}.`);
        if (prior.note) fail(prior.note);
      },
      putPriorAway,
      closePrior,
    },
  });
  const { open, openPrior } = opening;
  desk.onStudyLost(() => {
    opening.lost();
    fail("The server no longer has this study. Open it again.");
  });
  desk.onRenewed(() => {
    if (!priorPane.study) return;
    putPriorAway();
    fail("The server no longer has this prior study. Open it again.");
  });
  shared.looking.ofStudy({
    show({ on, looked, words, note }) {
      pane.showLooked(on ? { looked, note, words } : null);
      if (looked) say(`The model looked mostly at the ${pane.lookedAt()} for “${words}”. Not validated, not an explanation.`);
      else if (!on) say("");
      tell(active);
    },
  });

  // ---- the prior

  function putPriorAway() {
    priorPane.putAway();
    priorSide.hidden = studyBar.hidden = true;
    studyTitle.textContent = studyTitle.title = "";
    priorTitle.textContent = priorTitle.title = "";
    priorButton.setAttribute("aria-pressed", "false");
    active = pane;
    showActive();
    if (pane.study) tell(pane);
  }
  function closePrior() {
    if (priorSide.contains(document.activeElement)) pane.canvas.focus({ preventScroll: true });
    putPriorAway();
    say("Prior study closed.");
    desk.closePrior().catch(() => {
      // A session that is gone holds no prior either; a server out of reach forgets it with the session.
    });
  }
  async function togglePrior() {
    if (!pane.study) return;
    if (priorPane.study) {
      closePrior();
      return;
    }
    const answer = await ask(
      root,
      "Open a prior study",
      "An earlier study of the same patient, shown beside this one. The model does not see it.",
      [
        { value: "file", name: "Choose files", primary: true },
        ...(examples.count ? [{ value: "example", name: "An example" }] : []),
        { value: "", name: "Cancel" },
      ],
    );
    if (answer === "file") priorFile.click();
    if (answer === "example") examples.offerForPrior();
  }

  // ---- files and examples

  /** Files as one study. @param {readonly File[]} files @param {(load: () => Promise<Study>, name: string) => void} how @param {(body: Blob) => Promise<Study>} send */
  function openAll(files, how, send) {
    if (!files.length) return;
    try {
      const { body, name } = packed([...files]);
      how(() => send(body), name);
    } catch (error) {
      fail(error);
    }
  }
  const openStudy = (files) => openAll(files, open, desk.openFile);
  /** @param {DataTransfer} transfer @param {boolean} [asPrior] */
  async function openDropped(transfer, asPrior = false) {
    try {
      const files = await droppedFiles(transfer);
      if (asPrior) openAll(files, openPrior, desk.openPrior);
      else openStudy(files);
    } catch {
      fail("The dropped items cannot be read.");
    }
  }
  shared.viewer = {
    openFile: (chosen) => openStudy([chosen]),
    openDropped,
    hasStudy: () => !!opening.study || opening.isUnseen || opening.isBusy,
    isUnseen: () => opening.isUnseen,
    showUnseen: opening.showUnseen,
    /** Opens an example; whether it is on screen. @param {string} name */
    async openExample(name) {
      const { examples: all } = await desk.session();
      const example = all.find((one) => one.name === name);
      if (example) await open(() => desk.openExample(name), example.title);
      return !!example && !!opening.study;
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

  desk.session().then(({ examples: all, resumed }) => {
    // The file's name was never on the desk.
    if (resumed?.study && !opening.study)
      open(async () => resumed.study, "Study restored after the reload", true).then(() => {
        // Where it cannot be shown again, it is closed on the desk too.
        if (resumed.prior) openPrior(async () => resumed.prior, "Prior study restored after the reload");
      });
    examples.fill(all);
    if (!all.length)
      empty.querySelector(".empty-lead").textContent = "Open a study to begin: DICOM, PNG or JPEG. Drop files here.";
  }, fail);

  // ---- keys: where the viewer has the focus or the pointer, and nobody is typing

  let hovered = false;
  root.addEventListener("pointerenter", () => {
    hovered = true;
  });
  root.addEventListener("pointerleave", () => {
    hovered = false;
  });
  const isTyping = (node) =>
    node instanceof Element &&
    !!node.closest("input:not([type=range]), textarea, select, [contenteditable=true], dialog");
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && examples.isShown) {
      examples.hide();
      examplesButton.focus();
      event.preventDefault();
      return;
    }
    const focus = document.activeElement;
    const isMeant = hovered || root.contains(focus);
    if (!pane.study || event.ctrlKey || event.metaKey || event.altKey || isTyping(focus) || !isMeant) return;
    if (event.key === "Escape") {
      for (const one of panes) one.cancelMeasure();
      if (tools.mode !== "window") setMode(tools.mode);
      if (tools.lens) toggleTool("lens");
      return;
    }
    const onButton = focus instanceof HTMLButtonElement;
    const found = commands.byKey("study", keyName(event));
    if (!found || ((onButton || focus === active.slider) && event.key.startsWith("Arrow"))) return;
    if ((found.name === "reset" || found.name === "point") && onButton) return;
    if (found.run(event) !== false) event.preventDefault();
  });
  document.addEventListener("keyup", (event) => {
    if (event.key !== " " || !spaceDown) return;
    if (!spaceUsed) active.reset();
    spaceDown = spaceUsed = false;
  });
  acceptDrops({
    root,
    veil: dropVeil,
    ondrop: (transfer, target) =>
      openDropped(transfer, target instanceof Node && priorSide.contains(target)),
  });
}
