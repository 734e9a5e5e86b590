// How the report looks: locked, open, unreviewed and drafted text, gaps, fields and what was found. Knows nothing of how
// any of it comes about.

import { Decoration, EditorView, WidgetType } from "@codemirror/view";
import { placesOf } from "./places.js";
import { clean, fieldsIn, isDrafted, isUnreviewed } from "./spans.js";
import { docOf, lookedFor, reportField, reportOf } from "./state.js";

/** @typedef {import("./spans.js").Span} Span */
/** @typedef {import("./state.js").EditorState} EditorState */

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
      chip.title = `A gap with a hint for the model: ${this.hint}. The model writes here when you press Draft. Backspace removes it.`;
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
    model: "AI draft, unreviewed",
    template: "From the template, open: the model may rewrite it",
  },
};
const MARKS = new Map();
/** @param {string} className @param {string} [title] @returns {Decoration} */
function markFor(className, title) {
  const key = `${className}\n${title ?? ""}`;
  if (!MARKS.has(key)) MARKS.set(key, Decoration.mark({ class: className, attributes: title ? { title } : {} }));
  return MARKS.get(key);
}
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
  const report = reportOf(state);
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
        ? "Written by you, locked"
        : reviewed
          ? "AI draft, reviewed, open: the model may rewrite it"
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

/** All marks of the report, as an extension. */
export const decorations = [
  // Before the spans' own marks, so that it lies inside them and cuts none in two.
  EditorView.decorations.compute([lookedFor, "doc"], (state) =>
    Decoration.set(placesOf(docOf(state), state.field(lookedFor)).map(({ from, to }) => markFor("found").range(from, to))),
  ),
  EditorView.decorations.compute([reportField, "doc"], decorate),
  EditorView.decorations.compute(["doc"], lineDirections),
  EditorView.perLineTextDirection.of(true),
];
