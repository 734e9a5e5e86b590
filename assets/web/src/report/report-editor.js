// The report in CodeMirror: shows the spans, keeps locked text from being edited, and takes a draft's frames.
// Knows nothing of the server; `editor.js` puts the tools and the status around it.

import {
  Annotation,
  ChangeSet,
  Compartment,
  EditorSelection,
  EditorState,
  StateEffect,
  StateField,
  Transaction,
} from "@codemirror/state";
import { Decoration, EditorView, WidgetType, drawSelection, keymap, placeholder } from "@codemirror/view";
import { editingKeymap, keymapOf } from "../page/keys.js";
import {
  GAP,
  emptyReport,
  clean,
  isSealed,
  newId,
  planEdit,
  replaceRange,
  setState,
  replaceTexts,
  follow,
  fromWire,
  toWire,
  sentenceAt,
  spanAt,
  isDrafted,
  isUnreviewed,
  accept as acceptRange,
  asHint,
  cutOut,
  fieldsIn,
  fromMarked,
  sectionAt,
  sections,
  tidy,
  withHint,
  withWord,
  wordAt,
} from "./spans.js";
import { marked } from "../page/export.js";
import { placesOf } from "./find.js";
import { emptyHistory, record, restated, turnBack, touchesSealed } from "./history.js";

/** @typedef {import("./spans.js").Report} Report */
/** @typedef {import("./spans.js").Span} Span */
/** @typedef {'locked'|'drafted'|'undo'|'nothing-to-lock'|'nothing-to-unlock'|'gap-here'|'no-gap-left'|'nothing-to-undo'|'nothing-to-redo'|'nothing-to-accept'|'nothing-open'} Hint */

/** A second click within this time selects the word instead. */
const DOUBLE_CLICK_MS = 260;
/** CodeMirror reads the outcome of a composition a moment after its end. */
const COMPOSED_MS = 60;

const setReport = StateEffect.define();
const refuse = StateEffect.define();
const lookFor = StateEffect.define();
/** What the find bar looks for, marked wherever it stands. @type {StateField<string>} */
const lookedFor = StateField.define({
  create: () => "",
  update: (wanted, tr) => tr.effects.reduce((now, effect) => (effect.is(lookFor) ? effect.value : now), wanted),
});
/** Marks the workstation's own changes: they bring their spans along and are not the radiologist's edits. */
const own = Annotation.define();
/** The kind of undo step that a change is; without it, a change is not recorded. */
const stepKind = Annotation.define();

const sealWhereLeft = (report, selection) => {
  if (!report.typing) return report;
  const span = report.spans.find((one) => one.id === report.typing);
  const inside = span && selection.ranges.every((range) => span.from <= range.from && range.to <= span.to);
  return inside ? report : tidy({ ...report, typing: null });
};

/** @type {StateField<Report>} */
const reportField = StateField.define({
  create: () => emptyReport,
  update(report, tr) {
    let next = report;
    for (const effect of tr.effects) if (effect.is(setReport)) next = effect.value;
    return sealWhereLeft(next, tr.newSelection);
  },
});

/** Every edit that is not the workstation's own is planned: sealed text stays, new text is the radiologist's. */
const protectLockedText = EditorState.transactionFilter.of((tr) => {
  if (!tr.docChanged || tr.annotation(own)) return tr;
  const report = tr.startState.field(reportField);
  const edits = [];
  tr.changes.iterChanges(
    (from, to, _from, _to, inserted) => edits.push({ from, to, insert: inserted.toString() }),
    true,
  );
  const { changes, report: next, caret, refused } = planEdit(report, edits);
  const effects = refused ? [refuse.of(refused)] : [];
  if (!changes.length) return [{ effects }];
  const spec = {
    changes,
    effects: [setReport.of(next), ...effects],
    scrollIntoView: true,
    annotations: [
      own.of(true),
      stepKind.of(caret === null ? "delete" : "type"),
      Transaction.userEvent.of(tr.annotation(Transaction.userEvent) ?? "input"),
    ],
  };
  if (caret !== null) spec.selection = { anchor: caret };
  else if (!tr.startState.selection.main.empty) spec.selection = { anchor: changes[0].from };
  return [spec];
});

/** The selected text, span by span; what a draft under way shows is the model's. @param {EditorState} state */
function selected(state) {
  const report = state.field(reportField);
  const cut = (from, to) =>
    report.spans
      .filter((span) => Math.max(from, span.from) < Math.min(to, span.to))
      .map((span) => ({
        id: span.id,
        text: span.gap ? "" : state.sliceDoc(Math.max(from, span.from), Math.min(to, span.to)),
        state: span.state,
        author: isDrafted(report, span) ? "model" : span.author,
        reviewed: !isDrafted(report, span) && !!span.reviewed,
      }));
  return state.selection.ranges.flatMap(({ from, to }) => cut(from, to));
}

class GapWidget extends WidgetType {
  /** @param {boolean} drafting @param {string} [hint] */
  constructor(drafting, hint = "") {
    super();
    this.drafting = drafting;
    this.hint = hint;
  }
  eq(other) {
    return other.drafting === this.drafting && other.hint === this.hint;
  }
  toDOM() {
    const chip = document.createElement("span");
    chip.className = `gap${this.drafting ? " drafting" : ""}${this.hint ? " hinted" : ""}`;
    chip.textContent = this.hint || "gap";
    chip.title = "A gap: the model writes here when you press Draft. Backspace removes it.";
    if (this.hint) {
      chip.title = `A gap with a hint, which the model is told. ${chip.title}`;
      chip.setAttribute("role", "img");
      chip.setAttribute("aria-label", `Gap, hint: ${this.hint}`);
    }
    return chip;
  }
  ignoreEvent() {
    return false;
  }
}

const TITLES = {
  locked: {
    radiologist: "Written by you, locked",
    model: "Written by the model, locked by you",
    template: "From the template, locked",
  },
  open: {
    radiologist: "Written by you, open: the model may rewrite it",
    model: "Written by the model, not reviewed",
    template: "From the template, open: the model may rewrite it",
  },
};
const mark = (className, title) => Decoration.mark({ class: className, attributes: title ? { title } : {} });
const MARKS = new Map();
const markFor = (className, title) => {
  const key = `${className}\n${title ?? ""}`;
  if (!MARKS.has(key)) MARKS.set(key, mark(className, title));
  return MARKS.get(key);
};
const gapChip = (drafting, hint) => Decoration.replace({ widget: new GapWidget(drafting, hint) });

export const CERTAINTY_LEVELS = 5;

/** Certainty in 0..1 as one of the shades of the style sheet. @param {number} certainty */
export const shade = (certainty) =>
  Math.max(0, Math.min(CERTAINTY_LEVELS - 1, Math.floor(certainty * CERTAINTY_LEVELS)));

/** How certain the model was of what it wrote here, as long as the text is the last draft's. */
function shades(report, span, state) {
  const pieces = report.certainty?.get(span.id) ?? [];
  if (!pieces.length || pieces.map(([text]) => text).join("") !== state.sliceDoc(span.from, span.to)) return [];
  let at = span.from;
  return pieces.flatMap(([text, certainty]) => {
    const from = at;
    at += text.length;
    const title = `Certainty ${Math.round(certainty * 100)} %`;
    return at > from ? [markFor(`certainty-${shade(certainty)}`, title).range(from, at)] : [];
  });
}

/** @param {EditorState} state */
function decorate(state) {
  const report = state.field(reportField);
  const marks = [];
  /** The locked span before, where it touches: one padlock stands for both. @type {Span|null} */
  let before = null;
  for (const span of report.spans) {
    const goesOn = before?.author === span.author && span.state === "locked" && before.to === span.from;
    before = span.state === "locked" && span.id !== report.typing ? span : null;
    if (span.gap) {
      marks.push(gapChip(isDrafted(report, span), span.hint).range(span.from, span.to));
    } else if (isDrafted(report, span)) {
      let at = span.from,
        start = at,
        shown = null;
      const flush = () => {
        if (shown !== null && at > start) marks.push(markFor(shown).range(start, at));
        start = at;
      };
      for (const [text, certainty, accepted] of report.run.pieces.get(span.id) ?? []) {
        const next = `drafting ${report.plain ? "" : `certainty-${shade(certainty)}`} ${accepted ? "accepted" : "unaccepted"}`;
        if (next !== shown) {
          flush();
          shown = next;
        }
        at = Math.min(span.to, at + clean(text).length);
      }
      flush();
      if (at < span.to) marks.push(markFor("drafting certainty-0 unaccepted").range(at, span.to));
    } else {
      const typing = span.id === report.typing;
      const reviewed = span.state === "open" && span.author === "model" && span.reviewed;
      const name = `span ${typing ? "typing" : span.state} ${reviewed ? "reviewed" : span.author}`;
      const about = typing
        ? "Written by you, locked for the model"
        : reviewed
          ? "Written by the model, accepted by you, open: the model may rewrite it"
          : TITLES[span.state][span.author];
      const title = span.hint ? `${about}. Hint: ${span.hint}` : about;
      // One mark a line, so that the padlock stands at the first line only.
      let first = !goesOn || state.doc.sliceString(span.from - 1, span.from) === "\n";
      for (let at = span.from; at < span.to;) {
        const line = state.doc.lineAt(at);
        const end = Math.min(span.to, line.to);
        if (end > at) {
          marks.push(markFor(`${name}${first ? " first" : ""}`, title).range(at, end));
          first = false;
        }
        at = line.to + 1;
      }
      if (!report.plain && isUnreviewed(span)) marks.push(...shades(report, span, state));
      if (span.state === "open" || span.author === "radiologist")
        for (const { from, to } of fieldsIn(state.sliceDoc(span.from, span.to), span.from))
          marks.push(markFor("field").range(from, to));
    }
  }
  return Decoration.set(marks, true);
}

/** Right-to-left lines keep their direction. */
const autoDirection = Decoration.line({ attributes: { dir: "auto" } });
function lineDirections(state) {
  const lines = [];
  for (let n = 1; n <= state.doc.lines; n++) lines.push(autoDirection.range(state.doc.line(n).from));
  return Decoration.set(lines);
}

/**
 * @param {{parent: HTMLElement, placeholder: string, title: string, label: string,
 *   onChange: () => void, onHint: (hint: Hint) => void, onSelect: () => void, onComposed: () => void,
 *   onWord: (place: import("./spans.js").Place) => void,
 *   keys: import("@codemirror/view").KeyBinding[]}} options
 */
export function createReportEditor({
  parent,
  placeholder: emptyText,
  title,
  label,
  onChange,
  onHint,
  onSelect,
  onComposed,
  onWord,
  keys,
}) {
  const spelling = new Compartment();
  let history = emptyHistory;
  /** What was last copied here, so that it comes back as it was: unreviewed text of the model, and not its marks. */
  let copied = null;
  /** The report before and after the last draft, span by span. @type {{before: string, after: string}[]|null} */
  let lastDraft = null;

  const view = new EditorView({
    parent,
    state: EditorState.create({
      extensions: [
        reportField,
        lookedFor,
        protectLockedText,
        keymap.of([
          // First, because they may leave a key to the report: Tab, where no code stands before the caret.
          ...keys,
          ...keymapOf("report", {
            lock,
            lockSection: () => lockSection(),
            lockAll: () => lockAll(),
            unlock,
            unlockSection: () => unlockSection(),
            openAll,
            accept,
            insertGap,
            editOwn,
            nextOpen: () => goToOpen(1),
            previousOpen: () => goToOpen(-1),
            undo: () => turn("undo"),
            redo: () => turn("redo"),
          }),
          ...editingKeymap,
        ]),
        // Before the spans' own marks, so that it lies inside them and cuts none in two.
        EditorView.decorations.compute([lookedFor, "doc"], (state) =>
          Decoration.set(
            placesOf(state.doc.toString(), state.field(lookedFor)).map(({ from, to }) => markFor("found").range(from, to)),
          ),
        ),
        EditorView.decorations.compute([reportField, "doc"], decorate),
        EditorView.decorations.compute(["doc"], lineDirections),
        EditorView.perLineTextDirection.of(true),
        EditorView.lineWrapping,
        // No spelling service unless it is asked for: some browsers send what they check to their maker.
        spelling.of(EditorView.contentAttributes.of({ spellcheck: "false" })),
        EditorView.contentAttributes.of({
          "aria-label": label,
          title,
          autocorrect: "off",
          writingsuggestions: "false",
          "data-gramm": "false",
        }),
        // What leaves by the keyboard or the mouse is marked as in any export.
        EditorView.clipboardOutputFilter.of((_text, state) => {
          const spans = selected(state);
          copied = { text: marked(spans), spans };
          return copied.text;
        }),
        EditorView.clipboardInputFilter.of(clean),
        placeholder(emptyText),
        drawSelection(),
        EditorView.domEventHandlers({
          beforeinput(event) {
            const way = { historyUndo: "undo", historyRedo: "redo" }[event.inputType];
            if (!way) return false;
            event.preventDefault();
            return turn(way);
          },
          mousedown(event, self) {
            const chip = event.target instanceof Element ? event.target.closest(".gap") : null;
            if (!chip || event.button !== 0 || event.shiftKey) return false;
            const at = self.posAtDOM(chip);
            self.dispatch({ selection: { anchor: at, head: at + 1 } });
            self.focus();
            event.preventDefault();
            return true;
          },
          click(event, self) {
            clearTimeout(wordTimer);
            const plain = event.button === 0 && event.detail === 1 && !event.shiftKey && !event.ctrlKey && !event.metaKey;
            const written = event.target instanceof Element && event.target.closest(".span.open:not(.radiologist):not(.template)");
            const at = plain && written ? self.posAtCoords({ x: event.clientX, y: event.clientY }) : null;
            if (at === null || !self.state.selection.main.empty) return false;
            const state = self.state;
            wordTimer = setTimeout(() => {
              if (self.state.doc !== state.doc || !self.state.selection.eq(state.selection) || !self.hasFocus) return;
              const place = findWord(at);
              if (place?.author === "model") onWord(place);
            }, DOUBLE_CLICK_MS);
            return false;
          },
          paste(event) {
            const pasted = event.clipboardData?.getData("text/plain").replace(/\r\n?/g, "\n") ?? "";
            const same = copied && copied.text === pasted;
            if (!same && !pasted.includes("[[")) return false;
            event.preventDefault();
            insertSpans(same ? copied.spans : fromMarked(pasted), "paste");
            return true;
          },
          // Without a selection CodeMirror takes the whole line: too much to lose by a slip.
          copy: (_event, self) => self.state.selection.main.empty,
          cut: (_event, self) => self.state.selection.main.empty,
          blur: () => {
            seal();
            return false;
          },
          compositionend: () => {
            setTimeout(onComposed, COMPOSED_MS);
            return false;
          },
        }),
        EditorView.updateListener.of((update) => {
          for (const tr of update.transactions)
            for (const effect of tr.effects) if (effect.is(refuse)) onHint(effect.value);
          if (update.docChanged || update.startState.field(reportField) !== update.state.field(reportField)) onChange();
          if (update.selectionSet || update.docChanged || update.focusChanged) onSelect();
        }),
      ],
    }),
    dispatchTransactions(transactions, self) {
      // The last guard: whatever sends a change, and even with filters off, sealed text stays.
      for (const tr of transactions) {
        if (tr.docChanged && !tr.annotation(own) && touchesSealed(tr.startState.field(reportField), tr.changes)) {
          onHint("locked");
          return;
        }
      }
      for (const tr of transactions) remember(tr);
      self.update(transactions);
    },
  });

  let wordTimer = 0;
  const report = () => view.state.field(reportField);
  const text = () => view.state.doc.toString();

  // ---- history: steps are kept in terms of the report without the draft under way

  /** The text and spans as they are without the frames of a run. */
  function withoutRun(state) {
    const now = state.field(reportField);
    const doc = state.doc.toString();
    if (!now.run) return { spans: now.spans, doc };
    const texts = new Map([...now.run.base].map(([id, { text: base }]) => [id, base]));
    const { changes, report: bare } = replaceTexts(
      { ...now, run: null },
      doc,
      texts,
      (span) => now.run.base.get(span.id).author,
    );
    return { spans: bare.spans, doc: ChangeSet.of(changes, doc.length).apply(state.doc).toString() };
  }

  function remember(tr) {
    const kind = tr.annotation(stepKind);
    if (!kind || !tr.docChanged) return;
    const startReport = tr.startState.field(reportField),
      start = withoutRun(tr.startState),
      end = withoutRun(tr.state);
    // Edits never fall inside a span that is being drafted, so a place in one span has one counterpart.
    const bare = { spans: start.spans, typing: null, run: null };
    const changes = [];
    tr.changes.iterChanges((from, to, _from, _to, inserted) => {
      const a = follow(startReport, bare, from);
      const b = to === from ? a : follow(startReport, bare, to);
      changes.push({ from: a, to: b, insert: inserted });
    }, true);
    const startDoc = view.state.toText(start.doc);
    const change = ChangeSet.of(changes, start.doc.length);
    // Keys pressed in one breath are one step: typing in one run, deleting in one span.
    const mark =
      kind === "type"
        ? tr.state.field(reportField).typing
        : kind === "delete"
          ? (spanAt(startReport.spans, tr.startState.selection.main.head)?.id ?? null)
          : null;
    history = record(history, {
      change,
      inverse: change.invert(startDoc),
      before: start.spans,
      after: end.spans,
      kind,
      mark,
      time: performance.now(),
    });
  }

  /** @param {'undo'|'redo'} way */
  function turn(way) {
    const shown = report();
    if (shown.run) putTexts(new Map([...shown.run.base].map(([id, { text: base }]) => [id, base])));
    const outcome = turnBack(history, report(), way);
    if (typeof outcome === "string") {
      if (shown.run) showPieces();
      onHint(outcome === "locked" ? "undo" : way === "undo" ? "nothing-to-undo" : "nothing-to-redo");
      return true;
    }
    history = outcome.history;
    let anchor = outcome.step.kind === "state" ? restated(outcome.step).at(-1).toB : 0;
    outcome.change.iterChanges((_from, _to, _fromB, toB) => {
      anchor = toB;
    }, true);
    view.dispatch({
      changes: outcome.change,
      selection: { anchor },
      scrollIntoView: true,
      effects: setReport.of({ ...outcome.report, run: shown.run }),
      annotations: [own.of(true), Transaction.userEvent.of(way)],
    });
    if (shown.run) showPieces();
    return true;
  }

  // ---- the radiologist's commands

  /** @param {import("@codemirror/state").TransactionSpec} spec @param {Report} next */
  function dispatchOwn(spec, next, kind = null) {
    const annotations = [own.of(true)];
    if (kind) annotations.push(stepKind.of(kind));
    view.dispatch({ ...spec, effects: setReport.of(next), annotations });
  }

  function seal() {
    if (report().typing) dispatchOwn({}, tidy({ ...report(), typing: null }));
  }

  /** Text of a run that the radiologist takes into hand: no later frame changes it. */
  function takeFromRun(from, to) {
    const now = report();
    if (!now.run) return;
    const taken = now.spans.filter(
      (span) => isDrafted(now, span) && !span.gap && Math.max(from, span.from) < Math.min(to, span.to),
    );
    if (!taken.length) return;
    const before = withoutRun(view.state);
    const base = new Map(now.run.base),
      pieces = new Map(now.run.pieces);
    const renamed = new Map(taken.map((span) => [span.id, newId()]));
    for (const span of taken) {
      base.delete(span.id);
      pieces.delete(span.id);
    }
    const spans = now.spans.map((span) =>
      renamed.has(span.id) ? { ...span, id: renamed.get(span.id), author: "model" } : span,
    );
    dispatchOwn({}, { ...now, spans, run: { base, pieces } });
    const after = withoutRun(view.state);
    const texts = new Map(taken.map((span) => [span.id, text().slice(span.from, span.to)]));
    recordDraft(before, after, wholeSpans(before, texts));
  }

  /**
   * A draft's change, each span that it changed as a whole: a letter that both texts share is the model's in the one and
   * may be the radiologist's in the other, and Undo has to bring back whose it was.
   * @param {Map<string, string>} texts by span
   */
  const wholeSpans = ({ spans, doc }, texts) =>
    spans.flatMap(({ id, from, to }) => {
      const insert = texts.has(id) ? clean(texts.get(id)) || GAP : null;
      return insert === null || insert === doc.slice(from, to) ? [] : [{ from, to, insert }];
    });

  function recordDraft(before, after, changes, kind = "draft") {
    if (!changes.length) return;
    const change = ChangeSet.of(changes, before.doc.length);
    history = record(history, {
      change,
      inverse: change.invert(view.state.toText(before.doc)),
      before: before.spans,
      after: after.spans,
      kind,
      mark: null,
      time: performance.now(),
    });
  }

  /** Changes what is known of the text and leaves it: one step back. @param {Report} next @param {any} [spec] */
  function restate(next, spec = {}) {
    const before = withoutRun(view.state);
    dispatchOwn(spec, next);
    const after = withoutRun(view.state);
    const step = { before: before.spans, after: after.spans };
    if (before.doc !== after.doc || !restated(step).length) return;
    const none = ChangeSet.empty(before.doc.length);
    history = record(history, { ...step, change: none, inverse: none, kind: "state", mark: null, time: performance.now() });
    onSelect();
  }

  const overlaps = (span, { from, to }) => Math.max(from, span.from) < Math.min(to, span.to);
  const caret = () => view.state.selection.main.head;
  const everything = () => ({ from: 0, to: view.state.doc.length });

  function lockRange(range) {
    if (!report().spans.some((span) => span.state === "open" && !span.gap && overlaps(span, range))) {
      onHint("nothing-to-lock");
      return true;
    }
    takeFromRun(range.from, range.to);
    restate(setState(report(), range.from, range.to, "locked"));
    return true;
  }
  function unlockRange(range) {
    if (!report().spans.some((span) => span.state === "locked" && overlaps(span, range))) {
      onHint("nothing-to-unlock");
      return true;
    }
    restate(setState(report(), range.from, range.to, "open"));
    return true;
  }

  function lock() {
    const { main } = view.state.selection;
    const typing = report().typing;
    seal();
    return typing && main.empty ? true : lockRange(main.empty ? sentenceAt(text(), main.head) : main);
  }
  function unlock() {
    const { main } = view.state.selection;
    seal();
    if (!main.empty) return unlockRange(main);
    const sentence = sentenceAt(text(), main.head);
    const isLocked = (span) => span.state === "locked";
    if (report().spans.some((span) => isLocked(span) && overlaps(span, sentence))) return unlockRange(sentence);
    return unlockRange(spanAt(report().spans, main.head, isLocked) ?? sentence);
  }
  const sealed =
    (act, range) =>
    () => {
      seal();
      return act(range());
    };
  const lockSection = sealed(lockRange, () => sectionAt(text(), caret()));
  /** The heading stays locked. */
  const unlockSection = sealed(unlockRange, () => {
    const { body, to } = sectionAt(text(), caret());
    return { from: body, to };
  });
  const lockAll = sealed(lockRange, everything);
  /** All but the headings. */
  function openAll() {
    seal();
    let now = report();
    if (!now.spans.some((span) => span.state === "locked")) {
      onHint("nothing-to-unlock");
      return true;
    }
    for (const { body, to } of sections(text())) now = setState(now, body, to, "open");
    restate(now);
    return true;
  }

  /** Marks the model's text at the caret, or in the selection, as reviewed, and goes on to the next. */
  function accept() {
    const { main } = view.state.selection;
    const now = report();
    const span = main.empty ? spanAt(now.spans, main.head, isUnreviewed) : null;
    const range = span ?? main;
    const found = now.spans.filter((one) => isUnreviewed(one) && overlaps(one, range));
    if (!found.length || found.some((one) => isDrafted(now, one))) {
      onHint(found.length ? "drafted" : "nothing-to-accept");
      return true;
    }
    restate(acceptRange(now, range.from, range.to), { selection: { anchor: range.to } });
    if (stops().length) goToOpen(1);
    return true;
  }

  /**
   * Puts spans in place of the selection, or at the caret, as one step.
   * @param {import("./spans.js").WireSpan[]} wire @param {boolean} apart with a space to the words beside them
   */
  function insertSpans(wire, kind, apart = false) {
    const { main } = view.state.selection;
    const now = report();
    let { from, to } = main;
    const within = now.spans.filter((span) => overlaps(span, main));
    if (within.some((span) => isSealed(now, span) || isDrafted(now, span))) from = to = main.head;
    const host = now.spans.find((span) => span.from < from && from < span.to);
    if (host && isDrafted(now, host)) from = to = host.to;
    else if (host && isSealed(now, host)) {
      onHint("locked");
      return false;
    }
    const near = (start, end) => view.state.doc.sliceString(Math.max(start, 0), end);
    const before = apart && /\S/.test(near(from - 1, from)) ? " " : "",
      behind = apart && /[^\s.,;:!?)]/.test(near(to, to + 1)) ? " " : "";
    const fresh = fromWire(
      wire.map((span, at) => ({
        ...span,
        id: newId(),
        text: (at === 0 ? before : "") + span.text + (at === wire.length - 1 ? behind : ""),
      })),
    );
    const pieces = fresh.spans.map((span) => ({ ...span, length: span.to - span.from }));
    if (!pieces.length) return false;
    const next = replaceRange(now, from, to, pieces);
    // A template's first field or gap is what comes next.
    const first = kind === "template" ? fresh.spans.find((span) => span.state === "open") : null;
    const selection = first
      ? { anchor: from + first.from, head: from + first.to }
      : { anchor: from + fresh.doc.length };
    dispatchOwn({ changes: { from, to, insert: fresh.doc }, selection, scrollIntoView: true }, next, kind);
    view.focus();
    return true;
  }

  function insertGap() {
    seal();
    const { main } = view.state.selection;
    let { from, to } = main;
    const now = report();
    const selected = now.spans.filter((span) => Math.max(from, span.from) < Math.min(to, span.to));
    if (selected.some((span) => span.state === "locked" || isDrafted(now, span))) from = to = main.head;
    const host = now.spans.find((span) => span.from < from && from < span.to && isDrafted(now, span));
    if (host) from = to = host.to;
    if (from === to && now.spans.some((span) => span.gap && (span.from === from || span.to === from))) {
      onHint("gap-here");
      return true;
    }
    const gap = { id: newId(), state: "open", author: "model", gap: true, length: GAP.length };
    dispatchOwn(
      { changes: { from, to, insert: GAP }, selection: { anchor: from + GAP.length }, scrollIntoView: true },
      replaceRange(now, from, to, [gap]),
      "gap",
    );
    view.focus();
    return true;
  }

  /** Re-opens the radiologist's own locked text for the keyboard; for the model it stays locked. */
  function editOwn() {
    const now = report();
    const span = spanAt(
      now.spans,
      view.state.selection.main.head,
      (one) => one.state === "locked" && one.author === "radiologist",
    );
    if (!span) {
      onHint("nothing-to-unlock");
      return true;
    }
    const { main } = view.state.selection;
    const selection = span.from <= main.from && main.to <= span.to ? main : EditorSelection.cursor(main.head);
    dispatchOwn({ selection: EditorSelection.create([selection]) }, { ...now, typing: span.id });
    return true;
  }

  /** Where Tab stops: gaps, unreviewed text, and fields that can be typed over. */
  function stops() {
    return report().spans.flatMap((span) => {
      if (span.gap || isUnreviewed(span)) return [{ from: span.from, to: span.to }];
      if (span.state === "locked" && span.author !== "radiologist") return [];
      const fields = fieldsIn(text().slice(span.from, span.to), span.from);
      return fields.map((field) => ({ ...field, typing: span.state === "locked" ? span.id : null }));
    });
  }

  /** @param {1|-1} way */
  function goToOpen(way) {
    const { from, to } = view.state.selection.main;
    const wanted = stops();
    const next =
      way > 0
        ? (wanted.find((span) => span.from > from || (span.from === from && span.to !== to)) ?? wanted[0])
        : (wanted.findLast((span) => span.from < from) ?? wanted[wanted.length - 1]);
    if (!next) {
      onHint("no-gap-left");
      return true;
    }
    // A field in one's own text can be typed over at once.
    const typing = next.typing ?? null;
    dispatchOwn({ selection: { anchor: next.from, head: next.to }, scrollIntoView: true }, { ...report(), typing });
    return true;
  }

  // ---- a draft's run

  /** Shows texts in the spans of these ids; caret and typing stay where they are. @param {Map<string, string>} texts */
  function putTexts(texts, run = report().run, author, reviewed) {
    const before = report();
    const { changes, report: after } = replaceTexts(before, text(), texts, author, reviewed);
    const { main } = view.state.selection;
    const next = { ...after, run };
    const at = (pos) => follow(before, next, pos);
    const selection = EditorSelection.single(at(main.anchor), at(main.head));
    dispatchOwn({ changes, selection }, run ? next : tidy(next));
    return changes;
  }

  function showPieces() {
    const { run } = report();
    putTexts(new Map([...run.pieces].map(([id, pieces]) => [id, pieces.map(([piece]) => piece).join("")])));
  }

  /** @returns {boolean} whether there is anything that a draft could write */
  const hasOpen = () => report().spans.some((span) => span.state === "open");

  /** What is to be drafted: everything, the section at the caret, or the selection or span there. */
  function rangeOf(scope) {
    const { main } = view.state.selection;
    if (scope === "section") {
      const { body, to } = sectionAt(text(), main.head);
      return { from: body, to };
    }
    if (scope === "span") return main.empty ? openAt() : main;
    return everything();
  }
  const openAt = () => {
    const { from, to, head } = view.state.selection.main;
    const open = (span) => span.state === "open";
    const chosen = report().spans.find((span) => open(span) && overlaps(span, { from, to }));
    return chosen ?? spanAt(report().spans, head, open) ?? null;
  };

  /**
   * Begins a run of the open spans in reach, or of those with these ids.
   * @param {'all'|'section'|'span'|readonly string[]} scope
   * @returns {string[]} the ids of what is drafted; empty where nothing is open there
   */
  function startRun(scope = "all") {
    seal();
    const doc = text();
    if (!Array.isArray(scope)) dispatchOwn({}, tidy({ ...report(), kept: null }));
    const range = Array.isArray(scope) ? everything() : rangeOf(scope);
    const now = range && scope !== "all" && !Array.isArray(scope) ? cutOut(report(), range.from, range.to) : report();
    const inReach = (span) =>
      Array.isArray(scope)
        ? scope.includes(span.id)
        : range && ((range.from <= span.from && span.to <= range.to) || overlaps(span, range));
    const base = new Map();
    for (const span of now.spans) {
      if (span.state === "open" && inReach(span))
        base.set(span.id, { text: span.gap ? "" : doc.slice(span.from, span.to), author: span.author });
    }
    if (base.size) dispatchOwn({}, { ...now, run: { base, pieces: new Map() } });
    return [...base.keys()];
  }

  /** @param {Record<string, [string, number, number][]>} spans */
  function showFrame(spans) {
    const { run } = report();
    if (!run) return;
    const pieces = new Map(run.pieces);
    for (const [id, list] of Object.entries(spans)) {
      if (run.base.has(id))
        pieces.set(
          id,
          list.map(([piece, certainty, accepted]) => [clean(piece), certainty, accepted]),
        );
    }
    const texts = new Map([...pieces].map(([id, list]) => [id, list.map(([piece]) => piece).join("")]));
    putTexts(texts, { base: run.base, pieces });
  }

  /** Ends a run with the texts of the draft: one step back undoes it whole. @param {Record<string, string>} drafted */
  function finishRun(drafted) {
    const { run } = report();
    if (!run) return;
    const before = withoutRun(view.state);
    const texts = new Map();
    for (const [id, { text: base }] of run.base) texts.set(id, clean(drafted[id] ?? base));
    const same = (span, now) => now === run.base.get(span.id).text;
    const author = (span, now) => (same(span, now) ? run.base.get(span.id).author : "model");
    const reviewed = (span, now) => !!span.reviewed && same(span, now);
    const changes = wholeSpans(before, texts);
    dispatchOwn({}, { ...report(), kept: new Set(run.base.keys()) });
    putTexts(texts, null, author, reviewed);
    dispatchOwn({}, { ...report(), certainty: new Map([...(report().certainty ?? []), ...run.pieces]) });
    recordDraft(before, { spans: report().spans }, changes);
    if (changes.length)
      lastDraft = before.spans.map(({ id, from, to }) => {
        const said = before.doc.slice(from, to).replaceAll(GAP, "");
        return { before: said, after: texts.get(id) ?? said };
      });
  }

  /** The word of open text at a position that no run is writing, or null. @param {number} at */
  function findWord(at) {
    const place = wordAt(report(), text(), at);
    return place && !report().run?.base.has(place.id) ? place : null;
  }

  /**
   * Puts a word that the model offered in the place of another, as a draft of that word alone would.
   * @param {import("./spans.js").Place} place @param {string} word @param {number} probability how likely it is there
   */
  function putWord(place, word, probability) {
    const now = findWord(place.from);
    if (now?.id !== place.id || now.word !== place.word || now.start !== place.start) {
      onHint("word-gone");
      return;
    }
    if (word === place.word) return;
    const span = report().spans.find((one) => one.id === place.id);
    const from = place.from - span.from,
      to = place.to - span.from,
      whole = text().slice(span.from, span.to);
    const shaded = report().certainty?.get(place.id);
    startRun([place.id]);
    finishRun({ [place.id]: whole.slice(0, from) + word + whole.slice(to) });
    if (shaded)
      dispatchOwn(
        {},
        {
          ...report(),
          certainty: new Map([...report().certainty, [place.id, withWord(shaded, from, to, [word, probability, 1])]]),
        },
      );
  }

  /** What the last frame shows, by span. */
  const lastFrame = () =>
    Object.fromEntries(
      [...(report().run?.pieces ?? [])].map(([id, list]) => [id, list.map(([piece]) => piece).join("")]),
    );

  /** Ends a run with the report as it was before. */
  function abandonRun() {
    const { run } = report();
    if (!run) return;
    putTexts(
      new Map([...run.base].map(([id, { text: base }]) => [id, base])),
      null,
      (span) => run.base.get(span.id).author,
    );
  }

  /** Puts a whole report in place of the present one. @param {import("./spans.js").WireSpan[]} wire */
  function replaceReport(wire, kind = null) {
    const { doc, spans } = fromWire(wire);
    const before = withoutRun(view.state);
    dispatchOwn(
      { changes: { from: 0, to: view.state.doc.length, insert: doc }, selection: { anchor: 0 } },
      { spans, typing: null, run: null, plain: report().plain },
    );
    lastDraft = null;
    if (kind) recordDraft(before, { spans }, [{ from: 0, to: before.doc.length, insert: doc }], kind);
    else history = emptyHistory;
  }

  /** Whether the browser underlines what it takes for misspelled. @param {boolean} on */
  function checkSpelling(on) {
    const attributes = EditorView.contentAttributes.of({ spellcheck: String(on) });
    view.dispatch({ effects: spelling.reconfigure(attributes) });
  }

  return {
    view,
    checkSpelling,
    /** Marks this text wherever it stands; the empty one marks nothing. @param {string} wanted */
    lookFor: (wanted) => view.dispatch({ effects: lookFor.of(wanted) }),
    lock,
    unlock,
    lockSection,
    unlockSection,
    lockAll,
    openAll,
    accept,
    insertSpans,
    insertGap,
    editOwn,
    seal,
    hasOpen,
    startRun,
    showFrame,
    finishRun,
    abandonRun,
    lastFrame,
    replaceReport,
    undo: () => turn("undo"),
    redo: () => turn("redo"),
    /** The open span that the caret touches or the selection begins in. @returns {{id: string, text: string, hint: string}|null} */
    openSpan() {
      const span = openAt();
      return span && { id: span.id, text: span.gap ? "" : text().slice(span.from, span.to), hint: span.hint ?? "" };
    },
    putWord,
    /** Tells the model what is wanted in an open span; the empty text takes that back. */
    setHint(id, hint) {
      const now = report();
      const span = now.spans.find((one) => one.id === id);
      if (!span || span.state !== "open" || isDrafted(now, span)) onHint("nothing-open");
      else restate(withHint(now, id, asHint(hint)));
    },
    /** The word of open text at the caret, or null. */
    wordAtCaret: () => findWord(caret()),
    /**
     * The selected part of the open span at the caret, or its sentence there: `part` in code points of the span's text.
     * @returns {import("../page/looked.js").Target|null}
     */
    lookable() {
      const span = openAt();
      if (!span || span.gap || report().run) return null;
      const { main } = view.state.selection;
      const range = main.empty ? sentenceAt(text(), main.head) : main;
      const from = Math.max(span.from, range.from),
        to = Math.min(span.to, range.to);
      const words = text().slice(from, to);
      const points = (start, end) => [...text().slice(start, end)].length;
      const start = points(span.from, from);
      return words.trim() ? { id: span.id, part: [start, start + points(from, to)], words: words.trim() } : null;
    },
    isAtGap: () => {
      const span = openAt();
      const { main } = view.state.selection;
      return !!span?.gap && main.from === span.from && main.to === span.to;
    },
    /** The report before and after the last draft, span by span, or null. */
    lastDraft: () => lastDraft,
    /** @param {boolean} on whether the model's certainty is shaded */
    shade: (on) => dispatchOwn({}, { ...report(), plain: !on }),
    /** The word with a dot before the caret, that may be a template's code. */
    codeAtCaret() {
      const { main } = view.state.selection;
      if (!main.empty || !report().typing) return null;
      const line = view.state.doc.lineAt(main.head);
      const found = /(?:^|\s)\.([a-z][a-z0-9]*)$/.exec(line.text.slice(0, main.head - line.from));
      return found && { code: found[1], from: main.head - found[1].length - 1, to: main.head };
    },
    isLockedAt: (from, to) =>
      report().spans.some((span) => (isSealed(report(), span) || isDrafted(report(), span)) && overlaps(span, { from, to })),
    isEmpty: () => view.state.doc.length === 0,
    /** Whether an input method is at work: drawing would take its text away from it. */
    isComposing: () => view.compositionStarted,
    canUndo: () => history.done.length > 0,
    canRedo: () => history.undone.length > 0,
    /** The report as it goes to the server: during a run, with the text from before it. */
    wire() {
      const { spans, doc } = withoutRun(view.state);
      return toWire(spans, doc);
    },
    counts() {
      const { spans } = report();
      return {
        gaps: spans.filter((span) => span.gap).length,
        unreviewed: spans.filter(isUnreviewed).length,
        locked: spans.filter((span) => span.state === "locked").length,
      };
    },
    hasRadiologistText: () => report().spans.some((span) => span.author === "radiologist"),
    /** Whether a person has locked or accepted text of the model. */
    hasReviewedText: () =>
      report().spans.some((span) => span.author === "model" && !span.gap && (span.state === "locked" || span.reviewed)),
    whereCaretIs() {
      const coords = view.coordsAtPos(view.state.selection.main.head);
      return coords && { left: coords.left, top: coords.top, bottom: coords.bottom };
    },
    /** Whether the locked text that the selection touches is the radiologist's own. */
    caretIsInOwnText() {
      const { from, to } = view.state.selection.main;
      const locked = report().spans.filter((span) => span.state === "locked" && span.from <= to && from <= span.to);
      return locked.length > 0 && locked.every((span) => span.author === "radiologist");
    },
  };
}
