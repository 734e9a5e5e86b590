// What the editor holds beside its text, as CodeMirror state: the report's spans with the draft under way, the history,
// and what the last draft changed. A command takes a target, which is an EditorView or, in tests, a bare state.
// Knows nothing of the page.

import { Annotation, ChangeSet, StateEffect, StateField, Text, Transaction } from "@codemirror/state";
import { emptyHistory, record } from "./history.js";
import { emptyReport, follow, replaceTexts, spanAt, tidy } from "./spans.js";

/** @typedef {import("./spans.js").Report} Report */
/** @typedef {import("./spans.js").Span} Span */
/** @typedef {import("./spans.js").Author} Author */
/** @typedef {import("./history.js").Step} Step */
/** @typedef {import("./history.js").History} History */
/** @typedef {import("@codemirror/state").EditorState} EditorState */
/** @typedef {import("@codemirror/state").TransactionSpec} TransactionSpec */
/** `dispatch` changes `state` at once. @typedef {{readonly state: EditorState, dispatch: (spec: TransactionSpec) => void}} Target */
/**
 * Why a command did nothing: a name, for the page to put into words.
 * @typedef {'locked'|'drafted'|'undo'|'nothing-to-lock'|'nothing-to-unlock'|'gap-here'|'no-gap-left'|'nothing-to-undo'
 *   |'nothing-to-redo'|'nothing-to-accept'|'nothing-open'|'word-gone'} Hint
 */
/** A report without the frames of a run. @typedef {{spans: readonly Span[], doc: string}} Bare */

/** The only line end of the editor; a carriage return is a character like any other and keeps its place. */
export const LINE_END = "\n";
/** @param {string} text */
export const textOf = (text) => Text.of(text.split(LINE_END));
/** @param {readonly {from: number, to?: number, insert?: string|Text}[]} changes @param {number} length of the text they change */
export const changesOf = (changes, length) => ChangeSet.of([...changes], length, LINE_END);

/** @type {import("@codemirror/state").StateEffectType<Report>} */
export const setReport = StateEffect.define();
/** @type {import("@codemirror/state").StateEffectType<Hint>} */
export const tellHint = StateEffect.define();
/** @type {import("@codemirror/state").StateEffectType<string>} */
export const lookFor = StateEffect.define();
/** @type {import("@codemirror/state").StateEffectType<Step>} */
export const addStep = StateEffect.define();
/** @type {import("@codemirror/state").StateEffectType<History>} */
export const setHistory = StateEffect.define();
/** @type {import("@codemirror/state").StateEffectType<{before: string, after: string}[]|null>} */
export const setLastDraft = StateEffect.define();

/** Marks the workstation's own changes: they bring their spans along and are not the radiologist's edits. */
export const own = Annotation.define();
/** The kind of undo step that an edit is; without it, an edit is not recorded. @type {import("@codemirror/state").AnnotationType<Step["kind"]>} */
export const stepKind = Annotation.define();

/** What the find bar looks for, marked wherever it stands. @type {StateField<string>} */
export const lookedFor = StateField.define({
  create: () => "",
  update: (wanted, tr) => tr.effects.reduce((now, effect) => (effect.is(lookFor) ? effect.value : now), wanted),
});

/** Text that is being typed is sealed once the caret has left it. */
function sealWhereLeft(report, selection) {
  if (!report.typing) return report;
  const span = report.spans.find((one) => one.id === report.typing);
  const inside = span && selection.ranges.every((range) => span.from <= range.from && range.to <= span.to);
  return inside ? report : tidy({ ...report, typing: null });
}

/** @param {Report} report @param {Transaction} tr */
function reportAfter(report, tr) {
  let next = report;
  for (const effect of tr.effects) if (effect.is(setReport)) next = effect.value;
  return sealWhereLeft(next, tr.newSelection);
}

/** @type {StateField<Report>} */
export const reportField = StateField.define({ create: () => emptyReport, update: reportAfter });

/** @param {EditorState} state */
export const reportOf = (state) => state.field(reportField);
/** @param {EditorState} state */
export const docOf = (state) => state.doc.toString();

/** The texts that stood in a run's spans before it. @param {import("./spans.js").Run} run */
export const baseTexts = (run) => new Map([...run.base].map(([id, { text }]) => [id, text]));
/** What a run's last frame shows in each of its spans. @param {import("./spans.js").Run} run */
export const shownTexts = (run) =>
  new Map([...run.pieces].map(([id, pieces]) => [id, pieces.map(([text]) => text).join("")]));

/** @param {Report} report @param {string} doc @returns {Bare} */
export function withoutRun(report, doc) {
  if (!report.run) return { spans: report.spans, doc };
  const { base } = report.run;
  const { changes, report: bare } = replaceTexts(
    { ...report, run: null },
    doc,
    baseTexts(report.run),
    (span) => base.get(span.id).author,
  );
  return { spans: bare.spans, doc: changesOf(changes, doc.length).apply(textOf(doc)).toString() };
}
/** @param {EditorState} state */
export const bareOf = (state) => withoutRun(reportOf(state), docOf(state));

/**
 * A change of a report without a run, as a step back; null where nothing changes.
 * @param {Bare} before @param {readonly Span[]} after @param {readonly {from: number, to: number, insert: string|Text}[]} changes
 * @param {Step["kind"]} kind @returns {Step|null}
 */
export function stepOf(before, after, changes, kind) {
  if (!changes.length) return null;
  const change = changesOf(changes, before.doc.length);
  const inverse = change.invert(textOf(before.doc));
  return { change, inverse, before: before.spans, after, kind, mark: null, time: Date.now() };
}

/** An edit as a step, in terms of the report without the draft under way. @param {Transaction} tr @param {Step["kind"]} kind @returns {Step} */
function stepOfEdit(tr, kind) {
  const startReport = reportOf(tr.startState),
    start = bareOf(tr.startState),
    endReport = reportAfter(startReport, tr),
    end = withoutRun(endReport, tr.newDoc.toString());
  // Edits never fall inside a span that is being drafted, so a place in one span has one counterpart.
  const bare = { spans: start.spans, typing: null, run: null };
  const changes = [];
  tr.changes.iterChanges((from, to, _from, _to, insert) => {
    const a = follow(startReport, bare, from);
    changes.push({ from: a, to: to === from ? a : follow(startReport, bare, to), insert });
  }, true);
  // Keys pressed in one breath are one step: typing in one run, deleting in one span.
  const mark =
    kind === "type"
      ? endReport.typing
      : kind === "delete"
        ? (spanAt(startReport.spans, tr.startState.selection.main.head)?.id ?? null)
        : null;
  return { ...stepOf(start, end.spans, changes, kind), mark, time: tr.annotation(Transaction.time) };
}

/** @type {StateField<History>} */
export const historyField = StateField.define({
  create: () => emptyHistory,
  update(history, tr) {
    let next = history;
    const kind = tr.annotation(stepKind);
    if (kind && tr.docChanged) next = record(next, stepOfEdit(tr, kind));
    for (const effect of tr.effects) {
      if (effect.is(setHistory)) next = effect.value;
      else if (effect.is(addStep)) next = record(next, effect.value);
    }
    return next;
  },
});

/** The report before and after the last draft, span by span. @type {StateField<{before: string, after: string}[]|null>} */
export const lastDraftField = StateField.define({
  create: () => null,
  update: (last, tr) => tr.effects.reduce((now, effect) => (effect.is(setLastDraft) ? effect.value : now), last),
});

/**
 * A change of the workstation's own.
 * @param {Target} target @param {TransactionSpec} spec @param {Report} next the report after it
 * @param {{kind?: Step["kind"], effects?: import("@codemirror/state").StateEffect<any>[]}} [besides]
 */
export function dispatchOwn(target, spec, next, { kind, effects = [] } = {}) {
  const annotations = [own.of(true)];
  if (kind) annotations.push(stepKind.of(kind));
  target.dispatch({ ...spec, effects: [setReport.of(next), ...effects], annotations });
}

/** Says why nothing was done. A command's key is answered by it, so this gives true. @param {Target} target @param {Hint} name */
export function hint(target, name) {
  target.dispatch({ effects: tellHint.of(name) });
  return true;
}
