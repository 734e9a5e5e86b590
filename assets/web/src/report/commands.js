// What the radiologist does to the report: lock, open, accept, put something in, go to what is left to do. A command takes
// a target, changes it or says why not, and gives whether its key is answered. Knows nothing of the page.

import { EditorSelection } from "@codemirror/state";
import { emptyHistory, restated, withoutHints as historyWithoutHints } from "./history.js";
import { overlaps, stops } from "./queries.js";
import { takeFromRun } from "./run.js";
import { seal } from "./seal.js";
import {
  GAP,
  accept as acceptRange,
  asHint,
  fromWire,
  isDrafted,
  isSealed,
  isUnreviewed,
  newId,
  replaceRange,
  sectionAt,
  sections,
  sentenceAt,
  setState,
  spanAt,
  withHint,
  withoutHints,
} from "./spans.js";
import {
  addStep,
  bareOf,
  changesOf,
  dispatchOwn,
  docOf,
  hint,
  historyField,
  reportOf,
  setHistory,
  setLastDraft,
  stepOf,
} from "./state.js";

/** @typedef {import("./state.js").Target} Target */
/** @typedef {import("./spans.js").Report} Report */
/** @typedef {import("./spans.js").WireSpan} WireSpan */
/** @typedef {{from: number, to: number}} Range */

const isLocked = (span) => span.state === "locked";

/** Changes what is known of the text and leaves it: one step back. @param {Target} target @param {Report} next */
function restate(target, next, spec = {}) {
  const before = bareOf(target.state);
  dispatchOwn(target, spec, next);
  const after = bareOf(target.state).spans;
  if (!restated({ before: before.spans, after }).length) return;
  const none = changesOf([], before.doc.length);
  target.dispatch({
    effects: addStep.of({
      before: before.spans,
      after,
      change: none,
      inverse: none,
      kind: "state",
      mark: null,
      time: Date.now(),
    }),
  });
}

/** @param {Target} target @param {Range} range */
function lockRange(target, range) {
  if (!reportOf(target.state).spans.some((span) => !isLocked(span) && !span.gap && overlaps(span, range)))
    return hint(target, "nothing-to-lock");
  takeFromRun(target, range);
  restate(target, setState(reportOf(target.state), range.from, range.to, "locked"));
  return true;
}
/** @param {Target} target @param {Range} range */
function unlockRange(target, range) {
  const report = reportOf(target.state);
  if (!report.spans.some((span) => isLocked(span) && overlaps(span, range))) return hint(target, "nothing-to-unlock");
  restate(target, setState(report, range.from, range.to, "open"));
  return true;
}

const caretOf = (target) => target.state.selection.main.head;
const sectionOf = (target) => sectionAt(docOf(target.state), caretOf(target));

/** The selection, or the sentence at the caret; what is being typed is locked already. @param {Target} target */
export function lock(target) {
  const { main } = target.state.selection;
  const { typing } = reportOf(target.state);
  seal(target);
  if (typing && main.empty) return true;
  return lockRange(target, main.empty ? sentenceAt(docOf(target.state), main.head) : main);
}
/** @param {Target} target */
export function lockSection(target) {
  seal(target);
  return lockRange(target, sectionOf(target));
}
/** @param {Target} target */
export function lockAll(target) {
  seal(target);
  return lockRange(target, { from: 0, to: target.state.doc.length });
}
/** The selection, or the sentence at the caret, or else the locked text there. @param {Target} target */
export function unlock(target) {
  const { main } = target.state.selection;
  seal(target);
  if (!main.empty) return unlockRange(target, main);
  const sentence = sentenceAt(docOf(target.state), main.head);
  const { spans } = reportOf(target.state);
  if (spans.some((span) => isLocked(span) && overlaps(span, sentence))) return unlockRange(target, sentence);
  return unlockRange(target, spanAt(spans, main.head, isLocked) ?? sentence);
}
/** The heading stays locked. @param {Target} target */
export function unlockSection(target) {
  seal(target);
  const { body, to } = sectionOf(target);
  return unlockRange(target, { from: body, to });
}
/** All but the headings. @param {Target} target */
export function openAll(target) {
  seal(target);
  let next = reportOf(target.state);
  if (!next.spans.some(isLocked)) return hint(target, "nothing-to-unlock");
  for (const { body, to } of sections(docOf(target.state))) next = setState(next, body, to, "open");
  restate(target, next);
  return true;
}

/** Marks the model's text at the caret, or in the selection, as reviewed, and goes on to the next. @param {Target} target */
export function accept(target) {
  const { main } = target.state.selection;
  const report = reportOf(target.state);
  const range = (main.empty ? spanAt(report.spans, main.head, isUnreviewed) : null) ?? main;
  const found = report.spans.filter((span) => isUnreviewed(span) && overlaps(span, range));
  if (!found.length) return hint(target, "nothing-to-accept");
  if (found.some((span) => isDrafted(report, span))) return hint(target, "drafted");
  restate(target, acceptRange(report, range.from, range.to), { selection: { anchor: range.to } });
  if (stops(target.state).length) nextOpen(target);
  return true;
}

/** Re-opens the radiologist's own locked text for the keyboard; for the model it stays locked. @param {Target} target */
export function editOwn(target) {
  const report = reportOf(target.state);
  const { main } = target.state.selection;
  const span = spanAt(report.spans, main.head, (one) => isLocked(one) && one.author === "radiologist");
  if (!span) return hint(target, "nothing-to-unlock");
  const selection = span.from <= main.from && main.to <= span.to ? main : EditorSelection.cursor(main.head);
  dispatchOwn(target, { selection: EditorSelection.create([selection]) }, { ...report, typing: span.id });
  return true;
}

/** Where something may be put in: not into a draft under way, nor in place of locked text. @param {Target} target */
function placeFor(target) {
  const report = reportOf(target.state);
  const { main } = target.state.selection;
  const isKept = (span) => isSealed(report, span) || isDrafted(report, span);
  const { from, to } = report.spans.some((span) => overlaps(span, main) && isKept(span))
    ? { from: main.head, to: main.head }
    : main;
  const host = report.spans.find((span) => span.from < from && from < span.to);
  return host && isDrafted(report, host) ? { from: host.to, to: host.to, host: null } : { from, to, host: host ?? null };
}

/**
 * Puts spans in place of the selection, or at the caret, as one step.
 * @param {Target} target @param {readonly Omit<WireSpan, "id">[]} wire @param {'template'|'paste'} kind
 * @param {boolean} [apart] with a space to the words beside them @returns {boolean} whether it was done
 */
export function insertSpans(target, wire, kind, apart = false) {
  const report = reportOf(target.state);
  const { from, to, host } = placeFor(target);
  if (host && isSealed(report, host)) {
    hint(target, "locked");
    return false;
  }
  const near = (start, end) => target.state.sliceDoc(Math.max(start, 0), Math.min(end, target.state.doc.length));
  const before = apart && /\S/.test(near(from - 1, from)) ? " " : "",
    behind = apart && /[^\s.,;:!?)]/.test(near(to, to + 1)) ? " " : "";
  const { doc, spans } = fromWire(
    wire.map((span, at) => ({
      ...span,
      id: newId(),
      text: (at === 0 ? before : "") + span.text + (at === wire.length - 1 ? behind : ""),
    })),
  );
  if (!spans.length) return false;
  const pieces = spans.map((span) => ({ ...span, length: span.to - span.from }));
  // A template's first field or gap is what comes next.
  const first = kind === "template" ? spans.find((span) => span.state === "open") : null;
  const selection = first ? { anchor: from + first.from, head: from + first.to } : { anchor: from + doc.length };
  const next = replaceRange(report, from, to, pieces);
  dispatchOwn(target, { changes: { from, to, insert: doc }, selection, scrollIntoView: true }, next, { kind });
  return true;
}

/** A gap in place of the open text that is selected, or at the caret, also inside locked text. @param {Target} target */
export function insertGap(target) {
  seal(target);
  const report = reportOf(target.state);
  const { from, to } = placeFor(target);
  if (from === to && report.spans.some((span) => span.gap && (span.from === from || span.to === from)))
    return hint(target, "gap-here");
  /** @type {import("./spans.js").Piece} */
  const gap = { id: newId(), state: "open", author: "model", gap: true, length: GAP.length };
  dispatchOwn(
    target,
    { changes: { from, to, insert: GAP }, selection: { anchor: from + GAP.length }, scrollIntoView: true },
    replaceRange(report, from, to, [gap]),
    { kind: "gap" },
  );
  return true;
}

/** @param {1|-1} way @returns {(target: Target) => boolean} */
const goToOpen = (way) => (target) => {
  const { from, to } = target.state.selection.main;
  const wanted = stops(target.state);
  const next =
    way > 0
      ? (wanted.find((span) => span.from > from || (span.from === from && span.to !== to)) ?? wanted[0])
      : (wanted.findLast((span) => span.from < from) ?? wanted[wanted.length - 1]);
  if (!next) return hint(target, "no-gap-left");
  // A field in one's own text can be typed over at once.
  dispatchOwn(
    target,
    { selection: { anchor: next.from, head: next.to }, scrollIntoView: true },
    { ...reportOf(target.state), typing: next.typing },
  );
  return true;
};
export const nextOpen = goToOpen(1);
export const previousOpen = goToOpen(-1);

/** Tells the model what is wanted in an open span; the empty text takes that back. @param {Target} target @param {string} id @param {string} text */
export function setHint(target, id, text) {
  const report = reportOf(target.state);
  const span = report.spans.find((one) => one.id === id);
  if (!span || isLocked(span) || isDrafted(report, span)) hint(target, "nothing-open");
  else restate(target, withHint(report, id, asHint(text)));
}

/** Puts a whole report in place of the present one; without a kind nothing leads back. @param {Target} target @param {readonly WireSpan[]} wire @param {'template'|null} [kind] */
export function replaceReport(target, wire, kind = null) {
  const { doc, spans } = fromWire(wire);
  const before = bareOf(target.state);
  const step = kind && stepOf(before, spans, [{ from: 0, to: before.doc.length, insert: doc }], kind);
  dispatchOwn(
    target,
    { changes: { from: 0, to: target.state.doc.length, insert: doc }, selection: { anchor: 0 } },
    { spans, typing: null, run: null, plain: reportOf(target.state).plain },
    { effects: [setLastDraft.of(null), step ? addStep.of(step) : setHistory.of(emptyHistory)] },
  );
}

/** Another study is reported on: what was asked of the model for the former one goes, and no undo brings it back. @param {Target} target */
export function forgetStudy(target) {
  const history = historyWithoutHints(target.state.field(historyField));
  dispatchOwn(target, {}, withoutHints(reportOf(target.state)), {
    effects: [setHistory.of(history), setLastDraft.of(null)],
  });
}

/** @param {Target} target @param {boolean} on whether the model's certainty is shaded */
export const shade = (target, on) => dispatchOwn(target, {}, { ...reportOf(target.state), plain: !on });
