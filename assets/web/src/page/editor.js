// The editor component: tools, indication, report, status; sends the report and runs drafts.
// Knows nothing of how locked text is kept (report-editor.js) nor of the study (viewer.js).

import { createAutosave } from "./autosave.js";
import { sayLost } from "./connection.js";
import { desk, shared, watchPage } from "./desk.js";
import { ask as confirm, button, el, icon } from "../dom.js";
import { NOTICE, asText } from "./export.js";
import { createAsk } from "./ask.js";
import { diffOfParts } from "../report/diff.js";
import { createHint } from "../report/hint.js";
import { createFind } from "../report/find.js";
import { createMenu } from "../report/menu.js";
import { createTimeline } from "./timeline.js";
import { CERTAINTY_LEVELS, createReportEditor } from "../report/report-editor.js";
import { SHORTCUTS, keymapOf, shownKey } from "./keys.js";
import { mountShell } from "./shell.js";
import { newId } from "../report/spans.js";

const STOP_PATIENCE_MS = 5000;
const HINT_MS = 3500;
const ALTERNATIVES = 5;
const MAX_SEED = 2 ** 31 - 1;

const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
const key = (name) => (isMac ? "Cmd+" : "Ctrl+") + name;

const HINTS = {
  locked: `Locked. ${key("E")} to edit, ${key("U")} to unlock.`,
  "locked-other": `Locked. ${key("U")} to unlock.`,
  drafted: "The model is writing here. Press Stop (Esc) to edit it.",
  frame: "A frame of the last run. Keep it, or press Esc to leave it.",
  undo: "Undo stopped: it would change locked text. Unlock it first.",
  "nothing-to-lock": "Locked already: what you type is locked at once.",
  "nothing-to-unlock": "Nothing locked here.",
  "gap-here": "There is a gap here already.",
  "no-gap-left": "No gap and no unreviewed text left.",
  "nothing-to-accept": "No unreviewed text of the model here.",
  "nothing-open": "Nothing is open here: insert a gap or unlock text first.",
  busy: "A draft is being written. Stop it first (Esc).",
  "no-word": "No word of open text here.",
  "word-gone": "The word has changed meanwhile; choose it again.",
  "no-draft": "No draft has changed anything yet.",
  "no-code": "No template has this code.",
  "nothing-to-undo": "Nothing to undo.",
  "nothing-to-redo": "Nothing to redo.",
};
const TEXT_SHARE =
  "How probable the model finds this text, set against the others in this list. The model's belief, not a chance of being right.";
const WORD_SHARE =
  "Its share among the single words, no longer in tokens than this one, that the model would write here, with the image and the rest of the report as they are. The model's belief, not a chance of being right.";
const NOTHING_OPEN = "Nothing is open: insert a gap or unlock text first.";
const CUT_OFF_MS = 500;
const GONE = "The report from before is gone: the desk keeps it for a minute after its page was left. Begin a new one.";
const CUT_OFF = "The draft was cut off; the report is as it was.";

const template = () => [
  { id: newId(), text: "FINDINGS:\n", state: "locked", author: "template" },
  { id: newId(), text: "", state: "open", author: "model" },
  { id: newId(), text: "\n\nIMPRESSION:\n", state: "locked", author: "template" },
  { id: newId(), text: "", state: "open", author: "model" },
];

/** @param {{element: HTMLElement}} component */
export function mountEditor({ element }) {
  const root = element.querySelector(".editor-root") ?? element;
  root.classList.add("workstation", "editor");
  root.setAttribute("role", "region");
  root.setAttribute("aria-label", "Report editor");
  watchPage();

  /** The draft under way. @type {{sent: boolean, shown: boolean, started: number, stopping: boolean, clock: number}|null} */
  let run = null;
  let lastSeed = null;

  // ---- the page

  const draftButton = button({
    name: "Draft",
    icon: "draft",
    class: "primary wide",
    title: `Draft: the model writes the open text (${key("Enter")})`,
    onclick: () => draft(),
  });
  const stopButton = button({
    name: "Stop",
    icon: "stop",
    class: "stop wide",
    title: "Stop: keep what the last frame shows (Esc)",
    // The second click of a double click on Draft, whose place this button takes, is not meant for it.
    onclick: (event) => event.detail > 1 || stop(),
  });
  const lockButton = button({
    name: "Lock",
    icon: "lock",
    class: "named",
    title: `Lock the selection, or the sentence at the caret (${key("L")})`,
    onclick: () => report.lock(),
  });
  const unlockButton = button({
    name: "Unlock",
    icon: "unlock",
    class: "named",
    title: `Unlock the selection, or the locked text at the caret (${key("U")})`,
    onclick: () => report.unlock(),
  });
  const gapButton = button({
    name: "Insert gap",
    icon: "gap",
    title: `Insert a gap for the model to fill (${key("G")})`,
    onclick: () => report.insertGap(),
  });
  const undoButton = button({
    name: "Undo",
    icon: "undo",
    iconOnly: true,
    title: `Undo (${key("Z")})`,
    onclick: () => report.undo(),
  });
  const redoButton = button({
    name: "Redo",
    icon: "redo",
    iconOnly: true,
    title: `Redo (${key("Shift+Z")})`,
    onclick: () => report.redo(),
  });
  const copyButton = button({
    name: "Copy",
    icon: "copy",
    iconOnly: true,
    title: "Copy the report's text",
    onclick: () => copy(),
  });
  const downloadButton = button({
    name: "Download",
    icon: "download",
    iconOnly: true,
    title: "Download the report as a text file",
    onclick: () => download(),
  });
  const settingsButton = button({
    name: "Settings",
    icon: "settings",
    iconOnly: true,
    title: "Settings: steps, seed and spelling",
    onclick: () => toggleSettings(),
  });
  settingsButton.setAttribute("aria-expanded", "false");
  const moreButton = button({
    name: "More",
    icon: "more",
    iconOnly: true,
    title: "All that can be done here, with its keys",
    onclick: () => showCommands(),
  });
  const acceptButton = button({
    name: "Accept",
    icon: "accept",
    title: `Accept: mark the model's text at the caret as reviewed (${key("K")})`,
    onclick: () => report.accept(),
  });
  const templatesButton = button({
    name: "Templates",
    icon: "template",
    title: `Templates and macros (${shownKey("templates")}); or type a dot and a code, then Tab`,
    onclick: () => showTemplates(),
  });
  const askButton = button({
    name: "Ask",
    icon: "question",
    title: `Ask a question about the image (${shownKey("ask")})`,
    onclick: () => ask.open(),
  });
  const findButton = button({
    name: "Find",
    icon: "find",
    title: `Find and replace (${key("F")})`,
    onclick: () => find.open(),
  });
  const certaintyButton = button({
    name: "Certainty",
    icon: "certainty",
    title: `Shade the model's text by its certainty (${shownKey("certainty")})`,
    onclick: () => toggleCertainty(),
  });
  const changesButton = button({
    name: "Changes",
    icon: "changes",
    class: "to-end",
    title: `What the last draft changed (${shownKey("changes")})`,
    onclick: () => toggleChanges(),
  });
  const bar = el(
    "div",
    { class: "bar", role: "toolbar", "aria-label": "Report tools" },
    el("div", { class: "swap" }, draftButton, stopButton),
    el("div", { class: "group" }, lockButton, unlockButton, gapButton, acceptButton),
    el("div", { class: "group" }, undoButton, redoButton),
    el("div", { class: "group end" }, copyButton, downloadButton, settingsButton, moreButton),
  );
  const helpers = el("div", { class: "helpers" }, templatesButton, askButton, findButton);
  // The tools act on the caret: a click must not take it from the report.
  for (const tools of [bar, helpers])
    tools.addEventListener("mousedown", (event) => {
      if (event.target.closest("button")) event.preventDefault();
    });

  const steps = el("input", {
    type: "number",
    min: "1",
    max: "512",
    step: "1",
    inputmode: "numeric",
    placeholder: "model's own",
    id: "workstation-steps",
  });
  const seed = el("input", {
    type: "number",
    min: "0",
    max: String(MAX_SEED),
    step: "1",
    inputmode: "numeric",
    placeholder: "random",
    id: "workstation-seed",
  });
  const lastSeedText = el("span", {}, "No draft yet.");
  const useSeed = el(
    "button",
    {
      type: "button",
      class: "button small",
      hidden: true,
      onclick: () => {
        seed.value = String(lastSeed);
        seed.focus();
      },
    },
    "Use this seed",
  );
  const spelling = el("input", {
    type: "checkbox",
    id: "workstation-spelling",
    onchange: () => report.checkSpelling(spelling.checked),
  });
  const settings = el(
    "div",
    { class: "popover settings", role: "dialog", "aria-label": "Settings", hidden: true },
    el("label", { for: "workstation-steps" }, "Denoising steps, at most"),
    steps,
    el("label", { for: "workstation-seed" }, "Seed"),
    seed,
    el("div", { class: "last-seed" }, lastSeedText, useSeed),
    el(
      "label",
      { class: "check", for: "workstation-spelling", title: "Some browsers send the text to their maker for it" },
      spelling,
      "Spelling underlined by the browser; some send the text to their maker",
    ),
  );

  const indication = el("input", {
    type: "text",
    id: "workstation-indication",
    placeholder: "optional, e.g. cough, fever",
    autocomplete: "off",
    spellcheck: "false",
    writingsuggestions: "false",
    maxlength: "500",
    oninput: () => changed(),
  });
  const indicationRow = el(
    "div",
    { class: "indication" },
    el("label", { for: "workstation-indication" }, "Indication"),
    indication,
    helpers,
  );

  const paper = el("div", { class: "paper" });
  const hint = el("div", { class: "hint", role: "status", hidden: true });
  const changes = el("div", { class: "changes", role: "region", "aria-label": "Changes of the last draft", tabindex: "0", hidden: true });
  const overlay = el("div", { class: "overlay" });
  // Notices, questions and the guided example stand one above the other over the report's foot, and move nothing.
  const foot = el("div", { class: "foot" });
  const body = el("div", { class: "body" }, paper, changes, overlay, foot, hint);

  const bead = (name, text, title) =>
    el(
      "span",
      { class: "legend-item", title },
      el("span", { class: `swatch ${name}`, "aria-hidden": "true" }, "abc"),
      text,
    );
  const legend = el(
    "div",
    { class: "legend" },
    bead("locked", "Locked", "No draft and no key changes it"),
    bead("open", "Open", "The model may rewrite it"),
    bead("unreviewed", "Model text, not reviewed", "Lock or edit it once you have read it"),
  );
  const scale = el(
    "div",
    { class: "legend scale" },
    el("span", {}, "Uncertain"),
    el(
      "span",
      { class: "shades", "aria-hidden": "true" },
      ...Array.from({ length: CERTAINTY_LEVELS }, (_, i) => el("span", { class: `certainty-${i} accepted` })),
    ),
    el("span", {}, "certain"),
    el(
      "span",
      { class: "legend-item" },
      el("span", { class: "swatch unaccepted", "aria-hidden": "true" }, "abc"),
      "not accepted yet",
    ),
  );
  const live = el("div", { class: "live", role: "status", "aria-live": "polite" });
  const stepLine = el("div", { class: "step-line" });
  const progressBar = el("div", { class: "progress-bar" });
  const progress = el(
    "div",
    { class: "progress", role: "progressbar", "aria-label": "Draft", "aria-valuemin": "0", "aria-valuemax": "100" },
    progressBar,
  );
  const saved = el("div", { class: "saved" });
  const modelName = el("div", { class: "model-name" });
  const statusBar = el(
    "div",
    { class: "status" },
    progress,
    el("div", { class: "status-row" }, legend, stepLine, live),
    el("div", { class: "status-row" }, certaintyButton, scale, changesButton),
    el("div", { class: "status-row fine" }, el("strong", {}, NOTICE), modelName, saved),
  );

  const timeline = createTimeline({
    onShow: (frame) => showPast(frame),
    onKeep: (frame) => {
      report.finishRun(report.lastFrame());
      say(`Kept step ${frame.step}`);
      changed();
      report.view.focus();
    },
    onLeave: () => {
      report.abandonRun();
      report.view.focus();
    },
    onContinue: (name, frame) => draft("all", { run: name, step: frame.step }),
  });

  // Built whole and then shown at once; the find bar and the time line stand above and below the report.
  root.replaceChildren(bar, settings, indicationRow, body, timeline.node, statusBar);

  const report = createReportEditor({
    parent: paper,
    label: "Report",
    placeholder: "Type, or press Draft to let the model write the whole report.",
    title: `Tab goes to the next gap or unreviewed text. To leave the editor press Escape, then Tab.`,
    onChange: () => {
      changed();
      shared.looking.moved();
    },
    onHint: (name) => showHint(name === "drafted" && timeline.isScrubbing ? "frame" : name),
    onSelect: () => {
      refreshTools();
      shared.looking.moved();
    },
    onWord: (place) => showWords(place),
    onComposed: () => {
      for (const { of, message } of held.splice(0)) receive(of, message);
    },
    keys: [
      ...keymapOf(
        "drafting",
        Object.fromEntries(
          SHORTCUTS.drafting.shortcuts.map(({ command }) => [
            command,
            () => {
              commands[command]();
              return true;
            },
          ]),
        ),
      ),
      { key: "Tab", run: () => expandCode() },
      {
        key: "Escape",
        run: () => {
          if (timeline.isScrubbing) {
            timeline.leave();
            report.abandonRun();
            return true;
          }
          if (!run) return false;
          stop();
          return true;
        },
      },
    ],
  });
  const commands = {
    draft: () => draft(),
    draftSection: () => draft("section"),
    draftSpan: () => draft("span"),
    alternatives: () => showAlternatives(),
    words: () => showWords(report.wordAtCaret()),
    lock: () => report.lock(),
    lockSection: () => report.lockSection(),
    lockAll: () => report.lockAll(),
    unlock: () => report.unlock(),
    unlockSection: () => report.unlockSection(),
    openAll: () => report.openAll(),
    accept: () => report.accept(),
    insertGap: () => report.insertGap(),
    editOwn: () => report.editOwn(),
    templates: () => showTemplates(),
    normal: () => putNormal(),
    ask: () => ask.open(),
    find: () => find.open(),
    certainty: () => toggleCertainty(),
    hint: () => askHint(),
    whereLooked: () => shared.looking.toggle(),
    timeline: () => timeline.focus(),
    changes: () => toggleChanges(),
  };
  shared.looking.ofReport({
    target: () => (run || aside || report.isComposing() ? null : report.lookable()),
    sent: () => autosave.current(),
  });
  const find = createFind({ report });
  body.before(find.bar);
  const ask = createAsk({ answer, insert: insertAnswer, stop: () => stopAside(), onclose: () => report.view.focus() });
  foot.append(ask.node);

  // ---- words for the radiologist

  function say(text) {
    live.textContent = text;
    live.title = text;
  }
  /** @param {string} text @param {boolean} [ofConnection] whether it is over when the connection is back */
  function fail(text, ofConnection = false) {
    if (ofConnection && desk.connection.isLost()) {
      sayLost(shared.notices, text);
      return;
    }
    shared.notices.show("error", { kind: "error", text, answers: [{ name: "Dismiss", onclick: () => {} }] });
  }
  let hintTimer = 0;
  function showHint(name) {
    const text = HINTS[name === "locked" && !report.caretIsInOwnText() ? "locked-other" : name];
    hint.textContent = text;
    hint.hidden = false;
    clearTimeout(hintTimer);
    hintTimer = setTimeout(hideHint, HINT_MS);
    const caret = report.whereCaretIs(),
      box = body.getBoundingClientRect();
    if (!caret) return;
    const width = hint.offsetWidth,
      height = hint.offsetHeight;
    const below = caret.bottom - box.top + 8;
    hint.style.left = `${Math.max(8, Math.min(box.width - width - 8, caret.left - box.left - 12))}px`;
    hint.style.top = `${Math.max(8, below + height < box.height ? below : caret.top - box.top - height - 8)}px`;
  }

  const hideHint = () => {
    hint.hidden = true;
  };

  let toolsAsked = false;
  function refreshTools() {
    if (toolsAsked) return;
    toolsAsked = true;
    queueMicrotask(() => {
      toolsAsked = false;
      undoButton.setAttribute("aria-disabled", String(!report.canUndo()));
      redoButton.setAttribute("aria-disabled", String(!report.canRedo()));
      for (const node of [copyButton, downloadButton]) node.setAttribute("aria-disabled", String(report.isEmpty()));
    });
  }

  // ---- saving

  const autosave = createAutosave({
    now: () => ({ spans: report.wire(), indication: indication.value }),
    send: desk.saveReport,
    tell(text, failed) {
      saved.textContent = saved.title = text;
      saved.classList.toggle("failed", failed);
    },
    onOther: askWhichReport,
  });
  function changed() {
    refreshTools();
    autosave.changed();
  }
  desk.onRenewed(autosave.forgotten);
  desk.onHeld(autosave.compare);
  desk.onLeaving(autosave.takeUnsent);
  let runWasCutOff = false;
  desk.connection.onChange((lost) => {
    if (lost) return;
    autosave.changed();
    if (runWasCutOff) offerAgain("The draft was cut off by the lost connection; the report is as it was before.");
  });

  function offerAgain(text) {
    runWasCutOff = false;
    shared.notices.show("again", {
      text,
      kind: "warning",
      answers: [
        { name: "Draft again", onclick: draft },
        { name: "Dismiss", onclick: () => {} },
      ],
    });
  }

  /** Another tab has written the report: nothing is saved from here until the radiologist has chosen. */
  function askWhichReport() {
    shared.notices.show("other", {
      kind: "warning",
      text: "This report was changed in another tab. What is on screen here is not saved any more.",
      answers: [
        { name: "Show the other", onclick: () => choose(takeHeld) },
        { name: "Keep this one", onclick: () => choose(() => {}) },
      ],
    });
  }
  async function choose(take) {
    try {
      const held = await desk.report();
      if (run) stop();
      take(held);
      autosave.after(held.version);
      changed();
    } catch (error) {
      fail(error.message, error.status === 0);
      askWhichReport();
    }
  }
  function takeHeld({ spans, indication: text }) {
    report.abandonRun();
    if (run) endRun("");
    // One step, so that Undo brings back what was here.
    report.replaceReport(spans, "template");
    indication.value = text;
  }

  /** The report as it was before the page was loaded again. */
  function resume(held) {
    // Who typed before it came back chooses, and until then nothing is saved over it.
    if (!report.isEmpty() || indication.value) autosave.compare(held);
    else {
      autosave.after(held.version);
      report.replaceReport(held.spans);
      indication.value = held.indication;
      autosave.isSaved();
    }
    tellCutOff(held, 20);
  }
  /** A run that lost its page ends at its next frame, which may be after the page is back. */
  function tellCutOff({ cut_off: cutOff, drafting }, tries) {
    if (run) return;
    if (cutOff) offerAgain("The last draft was cut off; the report is as it was before.");
    else if (drafting && tries)
      setTimeout(() => {
        desk.report().then(
          (held) => tellCutOff(held, tries - 1),
          () => {},
        );
      }, CUT_OFF_MS);
  }

  // ---- a draft's run

  /**
   * @param {'all'|'section'|'span'} scope
   * @param {{run: string, step: number}|null} start the frame on screen, to go on from
   * @param {number|null} own the seed of this draft; null takes the settings' or a random one
   */
  async function draft(scope = "all", start = null, own = null) {
    // What was asked in a list that is closed again nobody waits for any more; the server takes one at a time.
    if (aside?.left) await aside.ended;
    if (run) return;
    if (aside) {
      showHint("busy");
      return;
    }
    for (const name of ["error", "again"]) shared.notices.drop(name);
    if (report.isEmpty()) report.replaceReport(template(), "template");
    if (!report.hasOpen()) {
      fail(NOTHING_OPEN);
      return;
    }
    closeSettings();
    closeChanges();
    if (!start) leaveTimeline();
    timeline.leave();
    const only = start ? null : report.startRun(scope);
    if (only && !only.length) {
      showHint("nothing-open");
      return;
    }
    shared.looking.moved();
    const mine = { sent: false, shown: false, started: performance.now(), stopping: false, clock: setInterval(tick, 1000) };
    run = mine;
    root.classList.add("running");
    const stopHadFocus = document.activeElement === draftButton;
    draftButton.hidden = true;
    stopButton.hidden = false;
    stopButton.disabled = false;
    if (stopHadFocus) stopButton.focus();
    progress.classList.add("waiting");
    setProgress(0);
    say("Drafting");
    stepLine.textContent = "Preparing…";
    try {
      const sent = await autosave.put();
      if (run !== mine) return;
      mine.sent = true;
      const asked = { kind: "draft", ...sent, ...wanted(), only: scope === "all" ? null : only, start };
      if (own !== null) asked.seed = own;
      for await (const message of desk.draft(asked)) receive(mine, message);
      if (!held.some(({ message }) => message.kind !== "frame")) throw new Error(CUT_OFF);
    } catch (error) {
      if (run !== mine) return;
      // No Stop: it would keep a frame on the desk that is not kept here. A run that has lost its reader ends by itself.
      report.abandonRun();
      endRun("");
      autosave.forgotten();
      runWasCutOff = mine.sent && (error.status === 0 || error.message === CUT_OFF);
      // Where the server is in reach again, that it was not is no news.
      if (runWasCutOff && !desk.connection.isLost()) offerAgain(CUT_OFF);
      else fail(error.message, error.status === 0);
    }
  }

  const wanted = () => ({
    seed: wholeNumber(seed, MAX_SEED) ?? Math.floor(Math.random() * MAX_SEED),
    steps: wholeNumber(steps, 512),
  });
  const wholeNumber = (input, most) => {
    const value = Number.parseInt(input.value, 10);
    return Number.isInteger(value) && value >= 0 && (value > 0 || input === seed) ? Math.min(value, most) : null;
  };

  function tick() {
    if (run && !run.shown)
      stepLine.textContent = `Waiting for the model · ${Math.round((performance.now() - run.started) / 1000)} s`;
  }
  /** A run may end before its last step, when nothing changes any more. */
  function timeLeft({ step, steps: most, seconds }) {
    const left = (seconds / step) * (most - step);
    return seconds > 0.5 && left >= 1 ? ` · at most ${Math.ceil(left)} s left` : "";
  }
  function setProgress(part) {
    progressBar.style.transform = `scaleX(${part})`;
    progress.setAttribute("aria-valuenow", String(Math.round(part * 100)));
  }

  /** Messages that wait until an input method has finished. */
  const held = [];
  /** @param {typeof run} of the run that the message belongs to */
  function receive(of, message) {
    if (run !== of) return;
    if (report.isComposing()) {
      if (held.at(-1)?.message.kind === "frame") held.pop();
      held.push({ of, message });
      return;
    }
    if (message.kind === "frame") {
      // Stop was pressed before the server had begun, and found nothing to stop.
      if (run.stopping && !run.shown) desk.stop().catch(() => {});
      run.shown = true;
      progress.classList.remove("waiting");
      setProgress(message.steps ? Math.min(1, message.step / message.steps) : 0);
      stepLine.textContent = `Step ${message.step} of ${message.steps} · ${message.seconds.toFixed(1)} s${timeLeft(message)}`;
      timeline.follow(message.step, message.steps);
      report.showFrame(message.spans);
    } else if (message.kind === "draft") {
      report.finishRun(message.texts);
      rememberSeed(message.seed);
      const { unreviewed } = report.counts();
      const how = `${message.steps} steps · ${message.seconds.toFixed(1)} s`;
      endRun(message.stopped ? `Stopped · ${how}` : `Draft ready · ${how}`);
      if (unreviewed && !message.stopped) live.title = "Read the marked text; lock or edit what you have reviewed.";
    } else {
      report.abandonRun();
      endRun("");
      fail(message.message);
    }
  }

  function endRun(text) {
    clearInterval(run?.clock);
    if (run?.shown) loadFrames();
    run = null;
    root.classList.remove("running");
    const focused = document.activeElement === stopButton;
    stopButton.hidden = true;
    draftButton.hidden = false;
    if (focused) draftButton.focus();
    shared.looking.moved();
    progress.classList.remove("waiting");
    setProgress(0);
    stepLine.textContent = "";
    say(text);
    changed();
  }

  function stop() {
    if (!run || run.stopping) return;
    const mine = run;
    if (!run.sent) {
      report.abandonRun();
      endRun("Stopped");
      return;
    }
    run.stopping = true;
    stopButton.disabled = true;
    const here = () => {
      // The server is out of reach or slow: the page keeps the last frame by itself.
      if (run !== mine) return;
      const shown = report.lastFrame();
      if (Object.keys(shown).length) report.finishRun(shown);
      else report.abandonRun();
      endRun("Stopped");
    };
    setTimeout(here, STOP_PATIENCE_MS);
    desk.stop().catch(here);
  }

  // ---- the time line and what a draft changed

  async function loadFrames() {
    // Without them there is nothing to go through; the report is not concerned.
    const last = await desk.frames().catch(() => null);
    if (!run) timeline.load(last);
  }
  /** @param {import("./timeline.js").Frame} frame */
  function showPast(frame) {
    if (run) return;
    closeChanges();
    report.abandonRun();
    if (!report.startRun(Object.keys(frame.spans)).length) {
      timeline.leave();
      say("The text of that run is no longer open.");
      return;
    }
    report.showFrame(frame.spans);
  }
  function leaveTimeline() {
    if (!timeline.isScrubbing) return;
    timeline.leave();
    report.abandonRun();
  }
  function toggleChanges() {
    const last = report.lastDraft();
    if (!changes.hidden) {
      closeChanges();
      report.view.focus();
      return;
    }
    if (!last) {
      showHint("no-draft");
      return;
    }
    leaveTimeline();
    hideHint();
    const tags = { same: "span", gone: "del", new: "ins" };
    changes.replaceChildren(
      el("div", { class: "changes-head" }, "The last draft: what it took away is struck out, what it wrote is dotted. Esc goes back."),
      el("div", { class: "changes-text" }, ...diffOfParts(last).map(({ kind, text }) => el(tags[kind], {}, text))),
    );
    changes.hidden = false;
    changesButton.setAttribute("aria-pressed", "true");
    changes.focus();
  }
  function closeChanges() {
    changes.hidden = true;
    changesButton.setAttribute("aria-pressed", "false");
  }
  changes.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    toggleChanges();
  });

  let shaded = true;
  function toggleCertainty() {
    shaded = !shaded;
    report.shade(shaded);
    certaintyButton.setAttribute("aria-pressed", String(shaded));
    root.classList.toggle("unshaded", !shaded);
  }
  certaintyButton.setAttribute("aria-pressed", "true");

  // ---- asking the model beside a draft: alternatives and answers, which leave the report as it is

  /** What is being asked of the model beside a draft; the server takes one at a time.
   * @type {{left: boolean, ended: Promise<void>}|null} */
  let aside = null;
  /** @param {object} request @param {(message: any) => void} show @returns {Promise<any>} the last message */
  async function askModel(request, show) {
    if (run || aside) throw new Error(HINTS.busy);
    leaveTimeline();
    let end = () => {};
    const mine = (aside = { left: false, ended: new Promise((resolve) => (end = resolve)) });
    try {
      const sent = await autosave.put();
      for await (const message of desk.draft({ ...sent, ...wanted(), ...request })) {
        if (message.kind === "error") throw new Error(message.message);
        if (message.kind === "frame" || message.kind === "progress") show(message);
        else return message;
      }
      throw new Error("The connection broke; the report is as it was.");
    } finally {
      if (aside === mine) aside = null;
      end();
    }
  }
  const stopAside = () => desk.stop().catch(() => {});

  let menu = null;
  let heedsHints = true;
  /** @param {Parameters<typeof createMenu>[0]} options @param {boolean} [atCaret] */
  function openMenu(options, atCaret = false) {
    menu?.close();
    const mine = createMenu({
      ...options,
      onclose: () => {
        options.onclose?.();
        report.view.focus();
      },
      onchoose: (value) => {
        report.view.focus();
        options.onchoose(value);
      },
    });
    menu = mine;
    lay(mine, atCaret);
    return mine;
  }
  /** Lays a list over the report, below the caret or at the top. */
  function lay(mine, atCaret) {
    hideHint();
    overlay.replaceChildren(mine.node);
    const caret = report.whereCaretIs(),
      box = body.getBoundingClientRect();
    const below = caret ? caret.bottom - box.top + 6 : 12;
    const top = atCaret ? Math.max(8, Math.min(below, box.height - 240)) : 8;
    mine.node.style.top = `${top}px`;
    mine.node.style.maxHeight = `${box.height - top - 8}px`;
    mine.focus();
  }
  function askHint() {
    const span = report.openSpan();
    if (!span || run) {
      showHint(run ? "busy" : "nothing-open");
      return;
    }
    leaveTimeline();
    menu?.close();
    const mine = createHint({
      text: span.hint,
      heeded: heedsHints,
      ontake(text) {
        report.setHint(span.id, text);
        changed();
        say(report.openSpan()?.hint ? `Hint: ${report.openSpan().hint}` : "No hint");
      },
      onclose: () => report.view.focus(),
    });
    menu = mine;
    lay(mine, true);
  }

  async function showAlternatives() {
    const span = report.openSpan();
    if (!span) {
      showHint("nothing-open");
      return;
    }
    if (run || aside) {
      showHint("busy");
      return;
    }
    let left = false;
    const list = openMenu(
      {
        label: "Alternatives",
        message: "Drafting alternatives…",
        onchoose: (text) => {
          if (!report.startRun([span.id]).length) return;
          report.finishRun({ [span.id]: text });
          changed();
        },
        onclose: () => {
          left = true;
          if (!aside) return;
          aside.left = true;
          stopAside();
        },
      },
      true,
    );
    try {
      const { alternatives } = await askModel({ kind: "alternatives", span: span.id, count: ALTERNATIVES }, (message) =>
        list.say(`Drafting alternatives… step ${message.step}`),
      );
      if (left) return;
      list.show(
        alternatives.map(({ text, likelihood }) => ({
          name: text.trim(),
          note: `${text === span.text ? "now · " : ""}${percent(likelihood)}`,
          part: likelihood,
          title: TEXT_SHARE,
          value: text,
        })),
      );
      list.say(
        alternatives.length
          ? "↑ ↓ choose · Enter take · Esc leave · % is the share among these texts"
          : "The model has no words to offer here. Esc leaves.",
      );
    } catch (error) {
      if (!left) list.say(error.message);
    }
  }

  /** What else the model would write in the place of a word. @param {import("../report/spans.js").Place|null} place */
  async function showWords(place) {
    if (!place || run || aside) {
      showHint(place ? "busy" : "no-word");
      return;
    }
    let left = false;
    const list = openMenu(
      {
        label: `Instead of “${place.word}”`,
        message: "Asking the model…",
        onchoose: ({ text, probability }) => {
          report.putWord(place, text, probability);
          changed();
        },
        onclose: () => {
          left = true;
          if (aside) aside.left = true;
        },
        // Who types on after a click has not asked for a list.
        onother: (event) => {
          report.view.focus();
          const again = new KeyboardEvent("keydown", event);
          if (!report.view.contentDOM.dispatchEvent(again)) event.preventDefault();
          event.stopPropagation();
        },
      },
      true,
    );
    try {
      const { id: span, start, end, word } = place;
      const { words } = await askModel({ kind: "words", span, start, end, word }, () => {});
      if (left) return;
      const rest = Math.max(0, 1 - words.reduce((sum, { probability }) => sum + probability, 0));
      list.show(
        words.map((one) => ({
          name: one.text,
          note: `${one.text === word ? "now · " : ""}${percent(one.probability)}`,
          part: one.probability,
          title: WORD_SHARE,
          value: one,
        })),
        words.findIndex(({ text }) => text === word),
      );
      list.say(`↑ ↓ choose · Enter take · Esc leave · all other words ${percent(rest)} · % is the share among these words`);
    } catch (error) {
      if (!left) list.say(error.message);
    }
  }
  const percent = (part) => `${(part * 100).toFixed(1)} %`;

  /** @param {string} question @param {(text: string) => void} show */
  async function answer(question, show) {
    return askModel({ kind: "question", question }, ({ spans }) =>
      show(Object.values(spans)[0]?.map(([piece]) => piece).join("") ?? ""),
    );
  }
  function insertAnswer(text, state) {
    return report.insertSpans([{ id: newId(), text, state, author: "model" }], "paste", true);
  }

  // ---- templates and macros

  /** @type {Promise<any[]>|null} */
  let loading = null;
  const templates = () => {
    loading ??= desk.templates().catch((error) => {
      loading = null;
      throw error;
    });
    return loading;
  };
  const withIds = (one) => one.spans.map((span) => ({ ...span, id: newId() }));
  async function putTemplate(one) {
    leaveTimeline();
    if (run) {
      showHint("busy");
      return;
    }
    if (!one.whole) {
      report.insertSpans(withIds(one), "template");
      return;
    }
    if (!report.isEmpty()) {
      const chosen = await confirm(root, "Replace the report?", "Undo brings back what it says now.", [
        { value: "yes", name: "Replace", primary: true },
        { value: "", name: "Keep the report" },
      ]);
      if (!chosen) {
        report.view.focus();
        return;
      }
    }
    report.replaceReport(withIds(one), "template");
    report.view.focus();
  }
  async function putNormal() {
    try {
      const normal = (await templates()).find(({ code }) => code === "normal");
      if (normal) await putTemplate(normal);
    } catch (error) {
      fail(error.message, error.status === 0);
    }
  }
  async function showTemplates() {
    const list = openMenu({
      label: "Templates and macros",
      filter: "Name or code",
      message: "Loading…",
      onchoose: (one) => putTemplate(one),
    });
    try {
      list.show(
        (await templates()).map((one) => {
          const text = one.spans.map((span) => span.text || "[gap]").join("");
          return { name: one.title, note: `.${one.code}`, words: text, preview: text, value: one };
        }),
      );
    } catch (error) {
      list.say(error.message);
    }
  }
  /** A dot and a template's code before the caret become the template. @returns {boolean} whether there is one */
  function expandCode() {
    const typed = report.codeAtCaret();
    if (!typed) return false;
    templates().then(
      (all) => {
        const one = all.find(({ code }) => code === typed.code);
        const now = report.codeAtCaret();
        if (!one || now?.from !== typed.from || now.code !== typed.code) {
          if (!one) showHint("no-code");
          return;
        }
        report.view.dispatch({ changes: { from: now.from, to: now.to }, userEvent: "delete" });
        putTemplate(one);
      },
      (error) => fail(error.message, error.status === 0),
    );
    return true;
  }

  function showCommands() {
    openMenu({
      label: "Commands",
      filter: "What to do",
      onchoose: (name) => commands[name](),
    }).show(
      [...SHORTCUTS.page.shortcuts, ...SHORTCUTS.drafting.shortcuts, ...SHORTCUTS.report.shortcuts]
        .filter(({ command }) => commands[command])
        .map(({ command, text }) => ({ name: text, note: shownKey(command), value: command })),
    );
  }

  function rememberSeed(value) {
    if (!Number.isInteger(value)) return;
    lastSeed = value;
    lastSeedText.textContent = `Last: ${value}`;
    useSeed.hidden = false;
  }

  // ---- taking the report away

  function reminder() {
    const { gaps, unreviewed } = report.counts();
    const parts = [];
    if (gaps) parts.push(`${gaps} ${gaps === 1 ? "gap" : "gaps"} left`);
    if (unreviewed) parts.push("model text not reviewed");
    return parts.length ? ` (${parts.join(", ")})` : "";
  }
  async function copy() {
    if (report.isEmpty()) {
      say("The report is empty.");
      return;
    }
    const text = asText(report.wire());
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      if (!copyByHand(text)) {
        fail("The browser does not allow copying. Select the text and press " + key("C") + ".");
        return;
      }
    }
    say(`Copied${reminder()}`);
  }
  function copyByHand(text) {
    const area = el("textarea", { class: "visually-hidden", "aria-hidden": "true" });
    area.value = text;
    root.append(area);
    const focus = document.activeElement;
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    focus?.focus?.();
    return done;
  }
  function download() {
    if (report.isEmpty()) {
      say("The report is empty.");
      return;
    }
    const link = el("a", {
      href: URL.createObjectURL(new Blob([asText(report.wire())], { type: "text/plain;charset=utf-8" })),
      download: "report.txt",
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    say(`Downloaded${reminder()}`);
  }

  // ---- settings

  function toggleSettings() {
    settings.hidden = !settings.hidden;
    settingsButton.setAttribute("aria-expanded", String(!settings.hidden));
    if (!settings.hidden) steps.focus();
  }
  function closeSettings(back = false) {
    if (settings.hidden) return;
    settings.hidden = true;
    settingsButton.setAttribute("aria-expanded", "false");
    if (back) settingsButton.focus();
  }
  document.addEventListener("pointerdown", (event) => {
    if (!settings.contains(event.target) && !settingsButton.contains(event.target)) closeSettings();
  });

  // ---- keys anywhere on the page, files anywhere on the pane

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") {
      if (!settings.hidden) closeSettings(true);
      else if (timeline.isScrubbing) leaveTimeline();
      else if (run) stop();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      draft();
    }
  });
  const carriesFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  root.addEventListener(
    "dragover",
    (event) => {
      if (carriesFile(event)) event.preventDefault();
    },
    true,
  );
  root.addEventListener(
    "drop",
    (event) => {
      if (!carriesFile(event)) return;
      // A study dropped on the report is still a study, never text.
      event.preventDefault();
      event.stopPropagation();
      shared.viewer?.openDropped(event.dataTransfer);
    },
    true,
  );

  // What a person has written, locked or accepted is not left by a slip; the guided example's report may be.
  let isExample = false;
  addEventListener("beforeunload", (event) => {
    if (report.hasRadiologistText() || (!isExample && report.hasReviewedText())) event.preventDefault();
  });

  shared.editor = {
    hasText: () => !report.isEmpty(),
    isRunning: () => run !== null,
    draft,
    /** Locks this passage where it stands last, as the radiologist's selection and key would. @param {string} passage */
    lockText(passage) {
      const from = report.view.state.doc.toString().lastIndexOf(passage);
      if (from < 0) return;
      report.view.dispatch({ selection: { anchor: from, head: from + passage.length } });
      report.lock();
      report.view.dispatch({ selection: { anchor: from + passage.length } });
    },
    text: () => report.view.state.doc.toString(),
    /** @param {import("../report/spans.js").WireSpan[]} spans */
    put(spans) {
      isExample = true;
      report.replaceReport(spans, "template");
    },
    clear() {
      isExample = false;
      leaveTimeline();
      timeline.load(null);
      report.abandonRun();
      if (run) endRun("");
      report.replaceReport([]);
    },
    stop,
  };
  stopButton.hidden = true;
  refreshTools();
  mountShell(root);
  desk.session().then(
    ({ model, heeds_hints, resumed, gone }) => {
      heedsHints = heeds_hints;
      if (resumed) resume(resumed);
      if (gone) shared.notices.show("gone", { kind: "warning", text: GONE, answers: [{ name: "Dismiss", onclick: () => {} }] });
      modelName.textContent = model ?? "";
      modelName.title = `Model: ${model ?? ""}`;
    },
    () => {
      saved.textContent = "Not saved: no connection";
      saved.classList.add("failed");
    },
  );
}
