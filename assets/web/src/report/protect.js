// Keeps the keyboard away from sealed text: every edit that is not the workstation's own is planned first.

import { EditorState, Transaction } from "@codemirror/state";
import { touchesSealed } from "./history.js";
import { planEdit } from "./spans.js";
import { own, reportOf, setReport, stepKind, tellHint } from "./state.js";

/** Sealed text stays, open text is replaced, new text is the radiologist's. */
export const protectLockedText = EditorState.transactionFilter.of((tr) => {
  if (!tr.docChanged || tr.annotation(own)) return tr;
  const edits = [];
  tr.changes.iterChanges((from, to, _from, _to, inserted) => edits.push({ from, to, insert: inserted.toString() }), true);
  const { changes, report, caret, refused } = planEdit(reportOf(tr.startState), edits);
  const effects = refused ? [tellHint.of(refused)] : [];
  if (!changes.length) return [{ effects }];
  /** @type {import("@codemirror/state").TransactionSpec} */
  const spec = {
    changes,
    effects: [setReport.of(report), ...effects],
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

/** The last guard: whatever sends a change, and even with filters off, sealed text stays. @param {Transaction} tr */
export const isForbidden = (tr) =>
  tr.docChanged && !tr.annotation(own) && touchesSealed(reportOf(tr.startState), tr.changes);
