// The report in CodeMirror: puts the state, the marks, the keys and the mouse together, and offers the page what it may do
// with the report. Knows nothing of the server.

import { Compartment, EditorState } from "@codemirror/state";
import { EditorView, drawSelection, keymap, placeholder } from "@codemirror/view";
import * as commands from "./commands.js";
import { decorations } from "./decorations.js";
import { editingKeymap } from "./keymap.js";
import { isForbidden, protectLockedText } from "./protect.js";
import * as queries from "./queries.js";
import * as runs from "./run.js";
import { seal } from "./seal.js";
import { clean, fromMarked } from "./spans.js";
import { LINE_END, docOf, historyField, lastDraftField, lookFor, lookedFor, reportField, reportOf, tellHint } from "./state.js";
import { marked } from "./text.js";
import { redo, undo } from "./turn.js";

/** A second click within this time selects the word instead. */
const DOUBLE_CLICK_MS = 260;
/** CodeMirror reads the outcome of a composition a moment after its end. */
const COMPOSED_MS = 60;

/** The report's state and its rules, which need no page. */
export const reportExtensions = [
  EditorState.lineSeparator.of(LINE_END),
  reportField,
  historyField,
  lastDraftField,
  lookedFor,
  protectLockedText,
];

const asPasted = (text) => text.replace(/\r\n?/g, "\n");

/**
 * @param {{parent: HTMLElement, placeholder: string, title: string, label: string,
 *   onChange: () => void, onHint: (hint: import("./state.js").Hint) => void, onSelect: () => void, onComposed: () => void,
 *   onWord: (place: import("./spans.js").Place) => void, keys: import("@codemirror/view").KeyBinding[]}} options
 *   `onComposed`: an input method has finished; `keys` come before the editor's own, and may leave one to it
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
  /** What was last copied here, so that it comes back as it was: unreviewed text of the model, and not its marks. */
  let copied = null;
  let wordTimer = 0;

  const hands = EditorView.domEventHandlers({
    beforeinput(event) {
      const turn = { historyUndo: undo, historyRedo: redo }[event.inputType];
      if (!turn) return false;
      event.preventDefault();
      return turn(view);
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
      const written =
        event.target instanceof Element && event.target.closest(".span.open:not(.radiologist):not(.template)");
      const at = plain && written ? self.posAtCoords({ x: event.clientX, y: event.clientY }) : null;
      if (at === null || !self.state.selection.main.empty) return false;
      const { doc, selection } = self.state;
      wordTimer = window.setTimeout(() => {
        if (self.state.doc !== doc || !self.state.selection.eq(selection) || !self.hasFocus) return;
        const place = queries.findWord(self.state, at);
        if (place?.author === "model") onWord(place);
      }, DOUBLE_CLICK_MS);
      return false;
    },
    paste(event) {
      const pasted = asPasted(event.clipboardData?.getData("text/plain") ?? "");
      const isOurs = copied && asPasted(copied.text) === pasted;
      if (!isOurs && !pasted.includes("[[")) return false;
      event.preventDefault();
      commands.insertSpans(view, isOurs ? copied.spans : fromMarked(clean(pasted)), "paste");
      return true;
    },
    // Without a selection CodeMirror takes the whole line: too much to lose by a slip.
    copy: (_event, self) => self.state.selection.main.empty,
    cut: (_event, self) => self.state.selection.main.empty,
    blur(_event, self) {
      seal(self);
      return false;
    },
    compositionend() {
      setTimeout(onComposed, COMPOSED_MS);
      return false;
    },
  });

  const view = new EditorView({
    parent,
    state: EditorState.create({
      extensions: [
        reportExtensions,
        keymap.of([...keys, ...editingKeymap]),
        decorations,
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
          const spans = queries.selected(state);
          copied = { text: marked(spans), spans };
          return copied.text;
        }),
        EditorView.clipboardInputFilter.of(clean),
        placeholder(emptyText),
        drawSelection(),
        hands,
        EditorView.updateListener.of((update) => {
          for (const tr of update.transactions)
            for (const effect of tr.effects) if (effect.is(tellHint)) onHint(effect.value);
          if (update.docChanged || reportOf(update.startState) !== reportOf(update.state)) onChange();
          if (
            update.selectionSet ||
            update.docChanged ||
            update.focusChanged ||
            update.startState.field(historyField) !== update.state.field(historyField)
          )
            onSelect();
        }),
      ],
    }),
    dispatchTransactions(transactions, self) {
      if (transactions.some(isForbidden)) onHint("locked");
      else self.update(transactions);
    },
  });
  const focused = (done) => {
    view.focus();
    return done;
  };

  return {
    view,
    /** The commands of the report, for their keys and buttons. */
    commands: {
      lock: () => commands.lock(view),
      lockSection: () => commands.lockSection(view),
      lockAll: () => commands.lockAll(view),
      unlock: () => commands.unlock(view),
      unlockSection: () => commands.unlockSection(view),
      openAll: () => commands.openAll(view),
      accept: () => commands.accept(view),
      insertGap: () => focused(commands.insertGap(view)),
      editOwn: () => commands.editOwn(view),
      nextOpen: () => commands.nextOpen(view),
      previousOpen: () => commands.previousOpen(view),
      undo: () => undo(view),
      redo: () => redo(view),
    },
    /** Marks this text wherever it stands; the empty one marks nothing. @param {string} wanted */
    lookFor: (wanted) => view.dispatch({ effects: lookFor.of(wanted) }),
    seal: () => seal(view),
    /** @param {readonly Omit<import("./spans.js").WireSpan, "id">[]} spans @param {'template'|'paste'} kind @param {boolean} [apart] */
    insertSpans: (spans, kind, apart) => focused(commands.insertSpans(view, spans, kind, apart)),
    /** @param {readonly import("./spans.js").WireSpan[]} spans @param {'template'|null} [kind] */
    replaceReport: (spans, kind) => commands.replaceReport(view, spans, kind),
    /** Another study is reported on. What was copied of the former report comes back as any other text. */
    forgetStudy() {
      copied = null;
      clearTimeout(wordTimer);
      commands.forgetStudy(view);
    },
    /** @param {string} id @param {string} text */
    setHint: (id, text) => commands.setHint(view, id, text),
    /** @param {boolean} on whether the model's certainty is shaded */
    shade: (on) => commands.shade(view, on),
    /** Whether the browser underlines what it takes for misspelled. @param {boolean} on */
    checkSpelling: (on) =>
      view.dispatch({
        effects: spelling.reconfigure(EditorView.contentAttributes.of({ spellcheck: String(on) })),
      }),

    /** @param {'all'|'section'|'span'|readonly string[]} [scope] */
    startRun: (scope = "all") => runs.startRun(view, scope),
    /** @param {Record<string, import("./run.js").DraftedPiece[]>} spans */
    showFrame: (spans) => runs.showFrame(view, spans),
    /** @param {Record<string, string>} drafted */
    finishRun: (drafted) => runs.finishRun(view, drafted),
    /** @param {boolean} [keepApart] */
    abandonRun: (keepApart) => runs.abandonRun(view, keepApart),
    lastFrame: () => runs.lastFrame(view.state),
    /** @param {import("./spans.js").Place} place @param {string} word @param {number} probability */
    putWord: (place, word, probability) => runs.putWord(view, place, word, probability),

    hasOpen: () => queries.hasOpen(view.state),
    openSpan: () => queries.openSpan(view.state),
    /** The word of open text at the caret, or null. */
    wordAtCaret: () => queries.findWord(view.state, view.state.selection.main.head),
    lookable: () => queries.lookable(view.state),
    codeAtCaret: () => queries.codeAtCaret(view.state),
    /** @param {number} from @param {number} to */
    isLockedAt: (from, to) => queries.isLockedAt(view.state, from, to),
    counts: () => queries.counts(view.state),
    wire: () => queries.wire(view.state),
    hasRadiologistText: () => queries.hasRadiologistText(view.state),
    hasReviewedText: () => queries.hasReviewedText(view.state),
    caretIsInOwnText: () => queries.caretIsInOwnText(view.state),
    isEmpty: () => view.state.doc.length === 0,
    text: () => docOf(view.state),
    /** The report before and after the last draft, span by span, or null. */
    lastDraft: () => view.state.field(lastDraftField),
    canUndo: () => view.state.field(historyField).done.length > 0,
    canRedo: () => view.state.field(historyField).undone.length > 0,
    /** Whether an input method is at work: drawing would take its text away from it. */
    isComposing: () => view.compositionStarted,
    whereCaretIs() {
      const coords = view.coordsAtPos(view.state.selection.main.head);
      return coords && { left: coords.left, top: coords.top, bottom: coords.bottom };
    },
  };
}
