// Undo and redo in the editor, also while a draft is under way: the step changes the report below the frames, and the run
// goes on over what the step leaves. Knows nothing of the page.

import { Transaction } from "@codemirror/state";
import { restated, turnBack } from "./history.js";
import { replaceTexts } from "./spans.js";
import { baseTexts, changesOf, docOf, hint, historyField, own, reportOf, setHistory, setReport, shownTexts } from "./state.js";

/** @typedef {import("./state.js").Target} Target */

/**
 * The run over the report as a step has left it: what stood in its spans before is what stands there now.
 * @param {import("./spans.js").Run|null} run @param {import("./spans.js").Report} report @param {string} doc
 */
function over(run, report, doc) {
  if (!run) return null;
  const base = new Map(),
    pieces = new Map();
  for (const { id, state, author, gap, from, to } of report.spans) {
    if (state !== "open" || !run.base.has(id)) continue;
    base.set(id, { text: gap ? "" : doc.slice(from, to), author });
    if (run.pieces.has(id)) pieces.set(id, run.pieces.get(id));
  }
  return { base, pieces };
}

/** @param {'undo'|'redo'} way @returns {(target: Target) => boolean} */
export const turn = (way) => (target) => {
  const { state } = target;
  const shown = reportOf(state);
  const author = (span) => shown.run.base.get(span.id).author;
  const below = shown.run ? replaceTexts(shown, docOf(state), baseTexts(shown.run), author) : { changes: [], report: shown };
  const toBare = changesOf(below.changes, state.doc.length);
  const outcome = turnBack(state.field(historyField), below.report, way);
  if (outcome === "locked") return hint(target, "undo");
  if (outcome === "nothing") return hint(target, way === "undo" ? "nothing-to-undo" : "nothing-to-redo");
  const bare = outcome.change.apply(toBare.apply(state.doc));
  const run = over(shown.run, outcome.report, bare.toString());
  const above = run
    ? replaceTexts({ ...outcome.report, run }, bare.toString(), shownTexts(run))
    : { changes: [], report: outcome.report };
  const toShown = changesOf(above.changes, bare.length);
  let at = outcome.step.kind === "state" ? restated(outcome.step).at(-1).toB : 0;
  outcome.change.iterChanges((_from, _to, _fromB, toB) => {
    at = toB;
  }, true);
  target.dispatch({
    changes: toBare.compose(outcome.change).compose(toShown),
    selection: { anchor: toShown.mapPos(at, 1) },
    scrollIntoView: true,
    effects: [setReport.of({ ...above.report, run }), setHistory.of(outcome.history)],
    annotations: [own.of(true), Transaction.userEvent.of(way)],
  });
  return true;
};

export const undo = turn("undo");
export const redo = turn("redo");
