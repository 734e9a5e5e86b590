// Undo and redo of what the report says, and of what was locked, unlocked, accepted or hinted at.
// Knows nothing of the page. A step is a value: the change of text, and the spans before and after it. A step of kind
// 'state' changes no text.
//
// Written by hand although CodeMirror has `history()`: that maps its steps through the frames of a run, and the text that a
// frame replaces is gone from the step. Undo during a run, or after one that was abandoned, then puts the old text beside
// the new instead of in its place. Steps are kept here in terms of the report without the run, which no frame changes.

import { GAP, weave, isSealed, tidy, withoutHints as withoutHintsIn } from "./spans.js";

/** @typedef {import("./spans.js").Report} Report */
/** @typedef {import("./spans.js").Span} Span */
/** @typedef {import("@codemirror/state").ChangeSet} ChangeSet */
/**
 * @typedef {{change: ChangeSet, inverse: ChangeSet, before: readonly Span[], after: readonly Span[],
 *   kind: 'type'|'delete'|'gap'|'draft'|'template'|'paste'|'state', mark: string|null, time: number}} Step
 */
/** @typedef {{done: readonly Step[], undone: readonly Step[]}} History */

/** @type {History} */
export const emptyHistory = Object.freeze({ done: Object.freeze([]), undone: Object.freeze([]) });

const OWN_LOCKS = new Set(["template", "paste"]);
const asItWas = ({ id, state, author, from, to }) => `${id} ${state} ${author} ${to - from}`;

const GROUP_MS = 600;
const DEPTH = 200;

/**
 * @param {History} history @param {Step} step @returns {History}
 * Typing of one run in one breath is one step: steps with the same `mark` join.
 */
export function record(history, step) {
  const last = history.done[history.done.length - 1];
  const joins =
    last &&
    step.mark !== null &&
    last.mark === step.mark &&
    last.kind === step.kind &&
    !history.undone.length &&
    step.time - last.time < GROUP_MS;
  if (!joins) return { done: [...history.done.slice(1 - DEPTH), step], undone: [] };
  const joined = {
    ...step,
    before: last.before,
    change: last.change.compose(step.change),
    inverse: step.inverse.compose(last.inverse),
  };
  return { done: [...history.done.slice(0, -1), joined], undone: [] };
}

/**
 * @param {History} history @param {Report} report with no draft showing @param {'undo'|'redo'} way
 * @returns {{history: History, change: ChangeSet, report: Report, step: Step} | 'nothing' | 'locked'}
 */
export function turnBack(history, report, way) {
  const from = way === "undo" ? history.done : history.undone;
  const step = from[from.length - 1];
  if (!step) return "nothing";
  const change = way === "undo" ? step.inverse : step.change;
  const target = way === "undo" ? step.before : step.after;
  // What the step itself put in locked, a template or a paste, goes with it while nobody has touched it since.
  const own = new Set(OWN_LOCKS.has(step.kind) ? (way === "undo" ? step.after : step.before).map(asItWas) : []);
  if (touchesSealed(report, change, (span) => own.has(asItWas(span)))) return "locked";
  const changed = [];
  change.iterChanges((fromA, toA, fromB, toB) => changed.push({ fromA, toA, fromB, toB }), true);
  if (step.kind === "state") changed.push(...restated(step));
  const spans = weave(report.spans, target, changed);
  // Typed text that comes back may be typed on, so that undo and redo can go to and fro.
  const back =
    changed.length === 1 && way === "redo" && step.kind === "type"
      ? spans.find(
          (span) =>
            span.state === "locked" &&
            span.author === "radiologist" &&
            span.from <= changed[0].fromB &&
            changed[0].toB <= span.to &&
            span.to > changed[0].fromB,
        )
      : undefined;
  const typing = back?.id ?? (spans.some((span) => span.id === report.typing) ? report.typing : null);
  const moved = { ...step, time: 0 };
  const rest = from.slice(0, -1);
  return {
    change,
    step,
    report: tidy({ ...report, spans, typing }),
    history:
      way === "undo"
        ? { done: rest, undone: [...history.undone, moved] }
        : { done: [...history.done, moved], undone: rest },
  };
}

/** The same steps, from which no hint comes back. @param {History} history @returns {History} */
export function withoutHints(history) {
  const bare = (spans) => withoutHintsIn({ spans }).spans;
  const steps = (some) => some.map((step) => ({ ...step, before: bare(step.before), after: bare(step.after) }));
  // What only set or took a hint changes nothing any more.
  const matters = (step) => step.kind !== "state" || restated(step).length > 0;
  return { done: steps(history.done).filter(matters), undone: steps(history.undone).filter(matters) };
}

/** @param {Span} span */
const asItIs = ({ state, author, reviewed, hint }) => `${state} ${author} ${!!reviewed} ${hint ?? ""}`;

/** Where a step that leaves the text has changed what is known of it. @param {Pick<Step, "before"|"after">} step */
export function restated({ before, after }) {
  const ranges = [];
  let i = 0,
    j = 0;
  for (let at = 0; i < before.length && j < after.length; ) {
    const to = Math.min(before[i].to, after[j].to);
    const last = ranges[ranges.length - 1];
    if (asItIs(before[i]) !== asItIs(after[j])) {
      if (last?.toA === at) last.toA = last.toB = to;
      else ranges.push({ fromA: at, toA: to, fromB: at, toB: to });
    }
    at = to;
    if (before[i].to === to) i++;
    if (after[j].to === to) j++;
  }
  return ranges;
}

/**
 * Would this change alter a byte of sealed text, or put words inside it?
 * @param {Report} report @param {ChangeSet} change @param {(span: Span) => boolean} [mayGo] sealed text that it may
 */
export function touchesSealed(report, change, mayGo = () => false) {
  let touched = false;
  change.iterChanges((fromA, toA, _fromB, _toB, inserted) => {
    for (const span of report.spans) {
      if (!isSealed(report, span) || mayGo(span)) continue;
      const overlaps = Math.max(fromA, span.from) < Math.min(toA, span.to);
      const splits = inserted.length > 0 && span.from < fromA && fromA < span.to && inserted.toString() !== GAP;
      if (overlaps || splits) touched = true;
    }
  }, true);
  return touched;
}
