// A draft's run in the report: it begins, shows its frames, and ends with a text or with the one from before. The report
// without the run is always there below the frames. Knows nothing of the server and of the page.

import { EditorSelection } from "@codemirror/state";
import { findWord, openAt, overlaps } from "./queries.js";
import { seal } from "./seal.js";
import {
  GAP,
  clean,
  cutOut,
  follow,
  isDrafted,
  newId,
  replaceTexts,
  sectionAt,
  tidy,
  withWord,
} from "./spans.js";
import { addStep, bareOf, baseTexts, dispatchOwn, docOf, hint, reportOf, setLastDraft, shownTexts, stepOf } from "./state.js";

/** @typedef {import("./state.js").Target} Target */
/** @typedef {import("./spans.js").Report} Report */
/** @typedef {[string, number, number]} DraftedPiece text, certainty, and whether it is accepted (1) or not (0) */

/**
 * Shows texts in the spans of these ids; caret and typing stay where they are.
 * @param {Target} target @param {Map<string, string>} texts @param {import("./spans.js").Run|null} run the run after it
 * @param {Parameters<typeof replaceTexts>[3]} [author] @param {Parameters<typeof replaceTexts>[4]} [reviewed]
 * @param {{effects?: import("@codemirror/state").StateEffect<any>[], report?: Partial<Report>}} [besides]
 */
function putTexts(target, texts, run, author, reviewed, { effects = [], report = {} } = {}) {
  const before = reportOf(target.state);
  const { changes, report: after } = replaceTexts(before, docOf(target.state), texts, author, reviewed);
  const next = { ...after, ...report, run };
  const at = (pos) => follow(before, next, pos);
  const { main } = target.state.selection;
  const selection = EditorSelection.single(at(main.anchor), at(main.head));
  dispatchOwn(target, { changes, selection }, run ? next : tidy(next), { effects });
}

/**
 * A draft's change, each span that it changed as a whole: a letter that both texts share is the model's in the one and
 * may be the radiologist's in the other, and Undo has to bring back whose it was.
 * @param {import("./state.js").Bare} before @param {Map<string, string>} texts by span
 */
const wholeSpans = ({ spans, doc }, texts) =>
  spans.flatMap(({ id, from, to }) => {
    const insert = texts.has(id) ? texts.get(id) || GAP : null;
    return insert === null || insert === doc.slice(from, to) ? [] : [{ from, to, insert }];
  });

/** What is to be drafted: everything, the section at the caret, or the selection or span there. */
function rangeOf(state, scope) {
  const { main } = state.selection;
  if (scope === "section") {
    const { body, to } = sectionAt(docOf(state), main.head);
    return { from: body, to };
  }
  if (scope === "span") return main.empty ? openAt(state) : main;
  return { from: 0, to: state.doc.length };
}

/**
 * Begins a run of the open spans in reach, or of those with these ids.
 * @param {Target} target @param {'all'|'section'|'span'|readonly string[]} scope
 * @returns {string[]} the ids of what is drafted; empty where nothing is open there
 */
export function startRun(target, scope) {
  seal(target);
  const doc = docOf(target.state);
  const byId = typeof scope !== "string";
  if (!byId) dispatchOwn(target, {}, tidy({ ...reportOf(target.state), kept: null }));
  const range = byId ? null : rangeOf(target.state, scope);
  const report = reportOf(target.state);
  const now = range && scope !== "all" ? cutOut(report, range.from, range.to) : report;
  const isInReach = (span) =>
    byId ? scope.includes(span.id) : range && ((range.from <= span.from && span.to <= range.to) || overlaps(span, range));
  const base = new Map();
  for (const span of now.spans)
    if (span.state === "open" && isInReach(span))
      base.set(span.id, { text: span.gap ? "" : doc.slice(span.from, span.to), author: span.author });
  if (base.size) dispatchOwn(target, {}, { ...now, run: { base, pieces: new Map() } });
  return [...base.keys()];
}

/** @param {Target} target @param {Record<string, DraftedPiece[]>} spans */
export function showFrame(target, spans) {
  const { run } = reportOf(target.state);
  if (!run) return;
  const pieces = new Map(run.pieces);
  for (const [id, list] of Object.entries(spans))
    if (run.base.has(id)) pieces.set(id, list.map(([text, certainty, accepted]) => [clean(text), certainty, accepted]));
  const next = { base: run.base, pieces };
  putTexts(target, shownTexts(next), next);
}

/**
 * Ends a run with the texts of the draft: one step back undoes it whole.
 * @param {Target} target @param {Record<string, string>} drafted by span
 */
export function finishRun(target, drafted) {
  const report = reportOf(target.state);
  const { run } = report;
  if (!run) return;
  const before = bareOf(target.state);
  const texts = new Map();
  for (const [id, { text }] of run.base) texts.set(id, Object.hasOwn(drafted, id) ? clean(drafted[id]) : text);
  const isSame = (span, text) => text === run.base.get(span.id).text;
  const author = (span, text) => (isSame(span, text) ? run.base.get(span.id).author : "model");
  const reviewed = (span, text) => !!span.reviewed && isSame(span, text);
  const changes = wholeSpans(before, texts);
  const certainty = new Map([...(report.certainty ?? []), ...run.pieces]);
  const after = replaceTexts({ ...report, run: null }, docOf(target.state), texts, author, reviewed).report.spans;
  const step = stepOf(before, after, changes, "draft");
  const lastDraft = before.spans.map(({ id, gap, from, to }) => {
    const text = gap ? "" : before.doc.slice(from, to);
    return { before: text, after: texts.get(id) ?? text };
  });
  putTexts(target, texts, null, author, reviewed, {
    // The spans stay apart, so that one can go on from the run's frames.
    report: { kept: new Set(run.base.keys()), certainty },
    effects: step ? [addStep.of(step), setLastDraft.of(lastDraft)] : [],
  });
}

/**
 * Ends a run with the report as it was before.
 * @param {Target} target @param {boolean} [keepApart] whether its spans stay apart, to be asked for again
 */
export function abandonRun(target, keepApart = false) {
  const report = reportOf(target.state);
  const { run } = report;
  if (!run) return;
  const kept = keepApart ? new Set(run.base.keys()) : report.kept;
  putTexts(target, baseTexts(run), null, (span) => run.base.get(span.id).author, undefined, { report: { kept } });
}

/** What the last frame shows, by span. @param {import("@codemirror/state").EditorState} state */
export function lastFrame(state) {
  const { run } = reportOf(state);
  return run ? Object.fromEntries(shownTexts(run)) : {};
}

/** Text of a run that the radiologist takes into hand: no later frame changes it. @param {Target} target @param {{from: number, to: number}} range */
export function takeFromRun(target, range) {
  const now = reportOf(target.state);
  if (!now.run) return;
  const taken = now.spans.filter((span) => isDrafted(now, span) && !span.gap && overlaps(span, range));
  if (!taken.length) return;
  const before = bareOf(target.state);
  const base = new Map(now.run.base),
    pieces = new Map(now.run.pieces),
    renamed = new Map(taken.map((span) => [span.id, newId()]));
  for (const { id } of taken) {
    base.delete(id);
    pieces.delete(id);
  }
  const texts = new Map(taken.map((span) => [span.id, target.state.sliceDoc(span.from, span.to)]));
  const written = (span) => texts.get(span.id) !== now.run.base.get(span.id).text;
  const spans = now.spans.map((span) =>
    renamed.has(span.id) ? { ...span, id: renamed.get(span.id), author: written(span) ? "model" : span.author } : span,
  );
  dispatchOwn(target, {}, { ...now, spans, run: { base, pieces } });
  const step = stepOf(before, bareOf(target.state).spans, wholeSpans(before, texts), "draft");
  if (step) target.dispatch({ effects: addStep.of(step) });
}

/**
 * Puts a word that the model offered in the place of another, as a draft of that word alone would.
 * @param {Target} target @param {import("./spans.js").Place} place @param {string} word @param {number} probability of it there
 */
export function putWord(target, place, word, probability) {
  const now = findWord(target.state, place.from);
  if (now?.id !== place.id || now.word !== place.word || now.start !== place.start) {
    hint(target, "word-gone");
    return;
  }
  if (word === place.word) return;
  const span = reportOf(target.state).spans.find((one) => one.id === place.id);
  const from = place.from - span.from,
    to = place.to - span.from,
    whole = target.state.sliceDoc(span.from, span.to);
  const shaded = reportOf(target.state).certainty?.get(place.id);
  startRun(target, [place.id]);
  finishRun(target, { [place.id]: whole.slice(0, from) + word + whole.slice(to) });
  if (!shaded) return;
  const report = reportOf(target.state);
  const certainty = new Map([...report.certainty, [place.id, withWord(shaded, from, to, [word, probability, 1])]]);
  dispatchOwn(target, {}, { ...report, certainty });
}
