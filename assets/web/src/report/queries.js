// What can be asked of the report in the editor; nothing here changes it. Knows nothing of the page.

import { fieldsIn, isDrafted, isSealed, isUnreviewed, sentenceAt, spanAt, toWire, wordAt } from "./spans.js";
import { bareOf, docOf, reportOf } from "./state.js";

/** @typedef {import("./state.js").EditorState} EditorState */

/** @param {{from: number, to: number}} span @param {{from: number, to: number}} range */
export const overlaps = (span, { from, to }) => Math.max(from, span.from) < Math.min(to, span.to);

/** The open span that the caret touches or the selection begins in. @param {EditorState} state */
export function openAt(state) {
  const { from, to, head } = state.selection.main;
  const { spans } = reportOf(state);
  const open = (span) => span.state === "open";
  return spans.find((span) => open(span) && overlaps(span, { from, to })) ?? spanAt(spans, head, open) ?? null;
}

/** The same as the page needs it. @param {EditorState} state @returns {{id: string, text: string, hint: string}|null} */
export function openSpan(state) {
  const span = openAt(state);
  return span && { id: span.id, text: span.gap ? "" : state.sliceDoc(span.from, span.to), hint: span.hint ?? "" };
}

/** Where Tab stops: gaps, unreviewed text, and fields that can be typed over. @param {EditorState} state */
export function stops(state) {
  return reportOf(state).spans.flatMap((span) => {
    if (span.gap || isUnreviewed(span)) return [{ from: span.from, to: span.to, typing: null }];
    if (span.state === "locked" && span.author !== "radiologist") return [];
    const fields = fieldsIn(state.sliceDoc(span.from, span.to), span.from);
    return fields.map((field) => ({ ...field, typing: span.state === "locked" ? span.id : null }));
  });
}

/** The word of open text at a position that no run is writing, or null. @param {EditorState} state @param {number} at */
export function findWord(state, at) {
  const report = reportOf(state);
  const place = wordAt(report, docOf(state), at);
  return place && !report.run?.base.has(place.id) ? place : null;
}

/**
 * The selected part of the open span at the caret, or its sentence there: `part` in code points of the span's text.
 * @param {EditorState} state @returns {{id: string, part: [number, number], words: string}|null}
 */
export function lookable(state) {
  const span = openAt(state);
  if (!span || span.gap || reportOf(state).run) return null;
  const { main } = state.selection;
  const range = main.empty ? sentenceAt(docOf(state), main.head) : main;
  const from = Math.max(span.from, range.from),
    to = Math.min(span.to, range.to);
  const words = state.sliceDoc(from, to).trim();
  const points = (start, end) => [...state.sliceDoc(start, end)].length;
  const start = points(span.from, from);
  return words ? { id: span.id, part: [start, start + points(from, to)], words } : null;
}

/** The word with a dot before the caret, that may be a template's code. @param {EditorState} state */
export function codeAtCaret(state) {
  const { main } = state.selection;
  if (!main.empty || !reportOf(state).typing) return null;
  const line = state.doc.lineAt(main.head);
  const found = /(?:^|\s)\.([a-z][a-z0-9]*)$/.exec(line.text.slice(0, main.head - line.from));
  return found && { code: found[1], from: main.head - found[1].length - 1, to: main.head };
}

/** Whether neither the keyboard nor Replace may touch a part of this. @param {EditorState} state @param {number} from @param {number} to */
export function isLockedAt(state, from, to) {
  const report = reportOf(state);
  return report.spans.some((span) => (isSealed(report, span) || isDrafted(report, span)) && overlaps(span, { from, to }));
}

/** The report as it goes to the server: during a run, with the text from before it. @param {EditorState} state */
export function wire(state) {
  const { spans, doc } = bareOf(state);
  return toWire(spans, doc);
}

/** @param {EditorState} state */
export function counts(state) {
  const { spans } = reportOf(state);
  return {
    gaps: spans.filter((span) => span.gap).length,
    unreviewed: spans.filter(isUnreviewed).length,
    locked: spans.filter((span) => span.state === "locked").length,
  };
}

/** Whether there is anything that a draft could write. @param {EditorState} state */
export const hasOpen = (state) => reportOf(state).spans.some((span) => span.state === "open");
/** @param {EditorState} state */
export const hasRadiologistText = (state) => reportOf(state).spans.some((span) => span.author === "radiologist");
/** Whether a person has locked or accepted text of the model. @param {EditorState} state */
export const hasReviewedText = (state) =>
  reportOf(state).spans.some(
    (span) => span.author === "model" && !span.gap && (span.state === "locked" || span.reviewed),
  );

/** Whether the locked text that the selection touches is the radiologist's own. @param {EditorState} state */
export function caretIsInOwnText(state) {
  const { from, to } = state.selection.main;
  const locked = reportOf(state).spans.filter((span) => span.state === "locked" && span.from <= to && from <= span.to);
  return locked.length > 0 && locked.every((span) => span.author === "radiologist");
}

/** The selected text, span by span; what a draft under way shows is the model's. @param {EditorState} state */
export function selected(state) {
  const report = reportOf(state);
  return state.selection.ranges.flatMap(({ from, to }) =>
    report.spans
      .filter((span) => overlaps(span, { from, to }))
      .map((span) => ({
        id: span.id,
        text: span.gap ? "" : state.sliceDoc(Math.max(from, span.from), Math.min(to, span.to)),
        state: span.state,
        author: isDrafted(report, span) ? "model" : span.author,
        reviewed: !isDrafted(report, span) && !!span.reviewed,
      })),
  );
}
