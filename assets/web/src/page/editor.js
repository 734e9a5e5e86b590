// The editor component: puts the report, the draft under way and everything around them together.
// Knows nothing of how locked text is kept (report/) nor of how a study is shown (viewer/).

import { el } from "../dom.js";
import { createReportEditor } from "../report/editor.js";
import { carriesFile } from "../viewer/dropping.js";
import { createFind } from "../report/find.js";
import { createHint } from "../report/hint.js";
import { clean } from "../report/spans.js";
import { createAlternatives } from "./alternatives.js";
import { createAside } from "./aside.js";
import { createAsk } from "./ask.js";
import { createChanges } from "./changes.js";
import { createCommands } from "./commands.js";
import { sayLost } from "./connection.js";
import { desk, shared, watchPage } from "./desk.js";
import { createExport } from "./export.js";
import { HINTS, createHints } from "./hints.js";
import { shownKey } from "./keys.js";
import { createLists } from "./lists.js";
import { CUT_OFF, createRun } from "./run.js";
import { askedBefore, createSaving } from "./saving.js";
import { createSettings } from "./settings.js";
import { mountShell } from "./shell.js";
import { toggleSheet } from "./shortcuts.js";
import { createStatus } from "./status.js";
import { blank, createTemplates } from "./templates.js";
import { createTimeline } from "./timeline.js";
import { createToolbar } from "./toolbar.js";

const NOTHING_OPEN = "Nothing is open. Insert a gap or unlock text first.";
const UNSEEN = "The new study is not on screen yet, so drafting is off. Show it or open another study.";
const GONE = "The earlier report is gone: the server keeps it for one minute after its tab is closed. Start a new report.";
const CUT_OFF_BY_CONNECTION = "The connection was lost during the draft. The report is unchanged.";

/** @param {{element: HTMLElement}} component */
export function mountEditor({ element }) {
  const root = /** @type {HTMLElement} */ (element.querySelector(".editor-root")) ?? element;
  root.classList.add("workstation", "editor");
  root.setAttribute("role", "region");
  root.setAttribute("aria-label", "Report editor");
  watchPage();

  let heedsHints = true;
  let isOpening = false; // a study is on its way: nobody knows which one the desk would draft on
  let isExample = false; // the report is the guided example's
  let studies = 0; // counts studies, so that what was asked about a former one is dropped

  // ---- commands, each with its keys and buttons

  const commands = createCommands();
  const isFilled = () => !report.isEmpty();
  commands.register("report", {
    ...fromReport("lock", "lockSection", "lockAll", "unlock", "unlockSection", "openAll", "accept", "insertGap"),
    ...fromReport("editOwn", "nextOpen", "previousOpen"),
    undo: { run: () => report.commands.undo(), isEnabled: () => report.canUndo() },
    redo: { run: () => report.commands.redo(), isEnabled: () => report.canRedo() },
  });
  commands.register("drafting", {
    draftSection: () => void draft({ scope: "section" }),
    draftSpan: () => void draft({ scope: "span" }),
    alternatives: () => void alternatives.texts(),
    words: () => void alternatives.words(report.wordAtCaret()),
    hint: () => askHint(),
    timeline: () => timeline.focus(),
    changes: () => toggleChanges(),
    certainty: () => toggleCertainty(),
    whereLooked: () => void shared.looking.toggle(),
    templates: () => void templates.list(),
    normal: () => void templates.normal(),
    ask: () => ask.open(),
    find: () => find.open(),
  });
  commands.register("page", {
    draft: () => void draft(),
    stop: () => (settings.isOpen ? settings.close(true) : escape()),
    sheet: () => toggleSheet(root),
  });
  commands.register("bar", {
    copy: { run: () => void exporting.copy(), isEnabled: isFilled },
    download: { run: () => exporting.download(), isEnabled: isFilled },
    settings: () => settings.toggle(),
    more: () => showCommands(),
  });
  /** @param {...keyof ReturnType<typeof createReportEditor>["commands"]} names */
  function fromReport(...names) {
    return Object.fromEntries(names.map((name) => [name, () => report.commands[name]()]));
  }

  // ---- the page

  const toolbar = createToolbar(commands);
  const status = createStatus({ certaintyButton: toolbar.certainty, changesButton: toolbar.changes });
  const settings = createSettings({ opener: toolbar.settings, checkSpelling: (on) => report.checkSpelling(on) });
  const changes = createChanges({ opener: toolbar.changes, back: () => report.view.focus() });
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
    toolbar.helpers,
  );
  const paper = el("div", { class: "paper" });
  const overlay = el("div", { class: "overlay" });
  // Notices, questions and the guided example stand one above the other over the report's foot, and move nothing.
  const foot = el("div", { class: "foot" });
  const body = el("div", { class: "body" }, paper, changes.node, overlay, foot);
  const whereCaretIs = () => report.whereCaretIs();
  const hints = createHints({ body, whereCaretIs });
  body.append(hints.node);
  const back = () => report.view.focus();
  const lists = createLists({ body, overlay, whereCaretIs, back, before: hints.hide });
  const timeline = createTimeline({
    onShow: (frame) => showPast(frame),
    onKeep(frame) {
      report.finishRun(report.lastFrame());
      status.say(`Using step ${frame.step}`);
      changed();
      back();
    },
    onLeave() {
      report.abandonRun();
      back();
    },
    onContinue: (name, frame) => void draft({ start: { run: name, step: frame.step } }),
  });
  // Built whole and then shown at once; the find bar and the time line stand above and below the report.
  root.replaceChildren(toolbar.bar, settings.node, indicationRow, body, timeline.node, status.node);

  const report = createReportEditor({
    parent: paper,
    label: "Report",
    placeholder: "Type, or press Draft to let the model write the whole report.",
    title: `Tab moves to the next gap or unreviewed text. Escape, then Tab leaves the editor.`,
    onChange() {
      changed();
      shared.looking.moved();
    },
    onHint: (name) => showHint(name === "drafted" && timeline.isScrubbing ? "frame" : name),
    onSelect() {
      refreshTools();
      shared.looking.moved();
    },
    onWord: (place) => void alternatives.words(place),
    onComposed: () => run.resume(),
    // In this order: Tab is the report's where no code stands before the caret.
    keys: [
      ...commands.bindings("drafting"),
      { key: "Tab", run: () => templates.expandCode() },
      ...commands.bindings("report"),
      { key: "Escape", run: () => escape() },
    ],
  });
  const find = createFind({ report });
  body.before(find.bar);

  // ---- words for the radiologist

  /** @param {string} text @param {boolean} [ofConnection] whether it is over when the connection is back */
  function fail(text, ofConnection = false) {
    if (ofConnection && desk.connection.isLost()) sayLost(shared.notices, text);
    else shared.notices.show("error", { kind: "error", text, answers: [{ name: "Dismiss", onclick: () => {} }] });
  }
  const failUnseen = () =>
    shared.notices.show("error", {
      kind: "error",
      text: UNSEEN,
      answers: [
        { name: "Show the study", onclick: () => void shared.viewer.showUnseen() },
        { name: "Dismiss", onclick: () => {} },
      ],
    });
  /** @param {any} error */
  const failed = (error) => fail(error.message, error.status === 0);
  /** @param {keyof typeof HINTS} name */
  const showHint = (name) => hints.show(name === "locked" && !report.caretIsInOwnText() ? "locked-other" : name);

  let toolsAsked = false;
  function refreshTools() {
    if (toolsAsked) return;
    toolsAsked = true;
    queueMicrotask(() => {
      toolsAsked = false;
      commands.refresh();
    });
  }
  function changed() {
    refreshTools();
    saving.changed();
  }

  // ---- a draft's run

  let clock = 0;
  let cutOff = null; // what a draft that the lost connection cut off was asked for
  const run = createRun({
    report,
    desk,
    send: () => saving.put(),
    settings: settings.wanted,
    events: {
      begin(asked) {
        askedBefore.set(asked);
        shared.looking.moved();
        root.classList.add("running");
        toolbar.running(true);
        status.begin();
        status.say("Drafting");
        const started = performance.now();
        clock = window.setInterval(() => status.waiting((performance.now() - started) / 1000), 1000);
      },
      frame(message) {
        clearInterval(clock);
        status.frame(message);
        if (!message.place) timeline.follow(message.step, message.steps);
      },
      end({ shown }, text, outcome) {
        clearInterval(clock);
        askedBefore.set(null);
        if (shown) loadFrames();
        root.classList.remove("running");
        toolbar.running(false);
        shared.looking.moved();
        status.end();
        settings.rememberSeed(outcome?.seed);
        const isToBeRead = outcome && !outcome.stopped && report.counts().unreviewed > 0;
        status.say(text, isToBeRead ? "Read the marked text, then lock or edit it." : text);
        changed();
      },
      fail(error, asked) {
        saving.forgotten();
        cutOff = asked;
        // A reload may come before it is asked for again.
        askedBefore.set(asked);
        // Where the server is in reach again, that it was not is no news.
        if (asked && !desk.connection.isLost()) offerAgain(CUT_OFF);
        else failed(error);
      },
    },
  });
  const saving = createSaving({
    report,
    indication,
    desk,
    run,
    notices: () => shared.notices,
    tell: status.saved,
    fail: failed,
    again: (asked) => void draft(asked ? { again: asked } : {}),
  });
  desk.connection.onChange((lost) => {
    if (lost) return;
    saving.changed();
    if (cutOff) offerAgain(CUT_OFF_BY_CONNECTION);
  });
  /** @param {string} text */
  function offerAgain(text) {
    const asked = cutOff;
    cutOff = null;
    saving.offerAgain(text, asked);
  }

  /** Why the model may be asked for nothing now: a hint's name, or null. @returns {keyof typeof HINTS|null} */
  const refusal = () => (isOpening ? "opening" : run.isUnderWay || aside.current ? "busy" : null);

  /** @param {Parameters<typeof run.begin>[0]} [wanted] */
  async function draft(wanted = {}) {
    // What was asked in a list that is closed again nobody waits for any more; the desk takes one at a time.
    if (aside.current?.left) await aside.current.ended;
    if (run.isUnderWay) return;
    const refused = refusal();
    if (refused) return showHint(refused);
    for (const name of ["error", "again"]) shared.notices.drop(name);
    if (shared.viewer?.isUnseen()) return failUnseen();
    if (report.isEmpty()) report.replaceReport(blank(), "template");
    if (!report.hasOpen()) return fail(NOTHING_OPEN);
    settings.close();
    changes.close();
    if (wanted.start) timeline.leave();
    else leaveTimeline();
    if (!(await run.begin(wanted))) showHint("nothing-open");
  }
  function stop() {
    toolbar.stopping();
    run.stop();
  }
  /** @returns {boolean} whether there was anything to leave */
  function escape() {
    if (timeline.isScrubbing) leaveTimeline();
    else if (run.isUnderWay) stop();
    else return false;
    return true;
  }

  // ---- the time line and what a draft changed

  async function loadFrames() {
    const of = studies;
    // Without them there is nothing to go through; the report is not concerned.
    const last = await desk.frames().catch(() => null);
    if (!run.isUnderWay && of === studies) timeline.load(last);
  }
  /** @param {import("./timeline.js").Frame} frame */
  function showPast(frame) {
    if (run.isUnderWay) return;
    changes.close();
    report.abandonRun();
    if (!report.startRun(Object.keys(frame.spans)).length) {
      timeline.leave();
      status.say("The text of that run is now locked.");
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
    if (changes.isOpen) {
      changes.close();
      back();
      return;
    }
    const last = report.lastDraft();
    if (!last) return showHint("no-draft");
    leaveTimeline();
    hints.hide();
    changes.show(last);
  }
  let shaded = true;
  function toggleCertainty() {
    shaded = !shaded;
    report.shade(shaded);
    toolbar.certainty.setAttribute("aria-pressed", String(shaded));
    root.classList.toggle("unshaded", !shaded);
  }
  toolbar.certainty.setAttribute("aria-pressed", "true");

  // ---- asking the model beside a draft

  const aside = createAside({
    desk,
    send: () => saving.put(),
    settings: settings.wanted,
    refuse() {
      const refused = refusal();
      if (refused) return HINTS[refused];
      if (shared.viewer?.isUnseen()) return UNSEEN;
      leaveTimeline();
      return null;
    },
  });
  const alternatives = createAlternatives({ report, aside, lists, hint: showHint, refuse: refusal, changed });
  const ask = createAsk({
    answer: (question, show) =>
      aside.ask({ kind: "question", question }, ({ spans }) =>
        show(Object.values(spans)[0]?.map(([piece]) => piece).join("") ?? ""),
      ),
    insert(text, state) {
      if (!isOpening) return report.insertSpans([{ text: clean(text), state, author: "model" }], "paste", true);
      showHint("opening");
      return false;
    },
    stop: aside.stop,
    onclose: back,
  });
  foot.append(ask.node);
  shared.looking.ofReport({
    target: () => (run.isUnderWay || aside.current || isOpening || report.isComposing() ? null : report.lookable()),
    sent: () => saving.current(),
  });

  function askHint() {
    const span = report.openSpan();
    if (!span || run.isUnderWay) return showHint(span ? "busy" : "nothing-open");
    leaveTimeline();
    const box = createHint({
      text: span.hint,
      heeded: heedsHints,
      ontake(text) {
        report.setHint(span.id, text);
        changed();
        const said = report.openSpan()?.hint;
        status.say(said ? `Hint: ${said}` : "No hint");
      },
      onclose: back,
    });
    lists.show(box, true);
  }
  const templates = createTemplates({
    root,
    report,
    load: desk.templates,
    lists,
    hint: showHint,
    fail: failed,
    isBusy: () => run.isUnderWay,
    leaveTimeline,
  });
  const exporting = createExport({ root, report, say: status.say, fail });
  function showCommands() {
    const all = commands.all();
    const of = (pane) => all.filter((command) => command.pane === pane);
    lists
      .open({ label: "Commands", filter: "Search commands", onchoose: (name) => commands.run(name) })
      .show(
        [commands.get("draft"), ...of("drafting"), ...of("report")]
          .filter(({ name }) => name !== "nextOpen" && name !== "previousOpen" && name !== "undo" && name !== "redo")
          .map(({ name, text }) => ({ name: text, note: shownKey(name), value: name })),
      );
  }

  // ---- files anywhere on the pane

  const onFile = (name, act) =>
    root.addEventListener(
      name,
      (event) => {
        if (!carriesFile(event)) return;
        event.preventDefault();
        act(event);
      },
      true,
    );
  onFile("dragover", () => {});
  onFile("drop", (event) => {
    // A study dropped on the report is still a study, never text.
    event.stopPropagation();
    shared.viewer?.openDropped(event.dataTransfer);
  });

  // What a person has written, locked or accepted is not left by a slip; the guided example's report may be.
  addEventListener("beforeunload", (event) => {
    if (report.hasRadiologistText() || (!isExample && report.hasReviewedText())) event.preventDefault();
  });

  // ---- one study after the other

  /** What was asked of the model about the study, and what it answered. */
  function forgetAnswers() {
    studies++;
    cutOff = null;
    aside.leave(true);
    run.abandon();
    lists.close();
    ask.forget();
    leaveTimeline();
    timeline.load(null);
    changes.close();
    for (const name of ["error", "again"]) shared.notices.drop(name);
    askedBefore.set(null);
    status.say("");
  }
  /** An empty report, and nothing of what belonged to the one before. */
  function clear() {
    isExample = false;
    forgetAnswers();
    report.replaceReport([]);
    report.forgetStudy();
    find.forget();
    indication.value = "";
    changed();
  }

  shared.editor = {
    hasText: isFilled,
    isRunning: () => run.isUnderWay,
    /** @param {Parameters<typeof draft>[0]} [wanted] */
    draft,
    /** Locks this passage where it stands last, as the radiologist's selection and key would. @param {string} passage */
    lockText(passage) {
      const from = report.text().lastIndexOf(passage);
      if (from < 0) return;
      report.view.dispatch({ selection: { anchor: from, head: from + passage.length } });
      report.commands.lock();
      report.view.dispatch({ selection: { anchor: from + passage.length } });
    },
    text: () => report.text(),
    /** @param {import("../report/spans.js").WireSpan[]} spans */
    put(spans) {
      isExample = true;
      report.replaceReport(spans, "template");
    },
    clear,
    stop,
    /**
     * A study is about to be opened: the draft is stopped, and until the outcome is told nothing is sent and nothing asked,
     * for nobody knows which study the desk would take it for.
     * @returns {Promise<(outcome: "opened"|"replaced"|"cleared"|"failed") => void>} "opened": the first study of this
     *   report; "replaced": there was another one before; "cleared": and its report goes too
     */
    async beginOpening() {
      lists.close();
      aside.leave(true);
      run.stop();
      isOpening = true;
      const release = await saving.hold();
      await run.ended();
      let told = false;
      return (outcome) => {
        if (told) return;
        told = true;
        isOpening = false;
        if (outcome === "cleared") clear();
        else if (outcome !== "failed") {
          forgetAnswers();
          if (outcome === "replaced") {
            report.forgetStudy();
            indication.value = "";
          }
          changed();
        }
        release();
      };
    },
  };
  refreshTools();
  mountShell(root, commands);
  desk.session().then(
    ({ model, heeds_hints, resumed, gone }) => {
      heedsHints = heeds_hints;
      if (resumed) saving.resume(resumed);
      if (gone)
        shared.notices.show("gone", { kind: "warning", text: GONE, answers: [{ name: "Dismiss", onclick: () => {} }] });
      status.model(model ?? "");
    },
    () => status.saved("Not saved: no connection", true),
  );
}
