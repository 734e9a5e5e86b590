// A report to try commands on: the editor's state without a page.

import { EditorState } from "@codemirror/state";
import { replaceReport } from "../../src/report/commands.js";
import { reportExtensions } from "../../src/report/editor.js";
import { wire } from "../../src/report/queries.js";
import { docOf, reportOf, tellHint } from "../../src/report/state.js";

/** @param {readonly any[]} [spans] as they come over the wire */
export function reportWith(spans = []) {
  const target = {
    state: EditorState.create({ extensions: [reportExtensions] }),
    hints: [],
    dispatch(spec) {
      const tr = target.state.update(spec);
      for (const effect of tr.effects) if (effect.is(tellHint)) target.hints.push(effect.value);
      target.state = tr.state;
    },
    select(anchor, head = anchor) {
      target.dispatch({ selection: { anchor, head } });
    },
    /** As the keyboard does. */
    type(text, from = target.state.selection.main.from, to = target.state.selection.main.to) {
      target.dispatch({ changes: { from, to, insert: text }, userEvent: "input.type" });
    },
    get wire() {
      return wire(target.state);
    },
    get doc() {
      return docOf(target.state);
    },
    get report() {
      return reportOf(target.state);
    },
    get texts() {
      return target.wire.map(({ text }) => text);
    },
  };
  replaceReport(target, spans);
  return target;
}

export const locked = (id, text, author = "radiologist") => ({ id, text, state: "locked", author });
export const open = (id, text, author = "model") => ({ id, text, state: "open", author });
