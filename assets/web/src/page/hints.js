// Why nothing happened, said for a moment at the caret.

import { el } from "../dom.js";
import { printedKey } from "./keys.js";

const SHOWN_MS = 3500;

export const HINTS = {
  locked: `Locked. ${printedKey("Mod-e")} edits it, ${printedKey("Mod-u")} unlocks it.`,
  "locked-other": `Locked. ${printedKey("Mod-u")} unlocks it.`,
  drafted: "The model is writing here. Press Stop (Esc) to edit it.",
  frame: "This is a frame of the last run. Use it, or press Esc to go back.",
  undo: "Undo would change locked text. Unlock that text first.",
  "nothing-to-lock": "Already locked: typed text is locked at once.",
  "nothing-to-unlock": "Nothing is locked here.",
  "gap-here": "There is already a gap here.",
  "no-gap-left": "No gaps and no unreviewed text are left.",
  "nothing-to-accept": "The model has no unreviewed text here.",
  "nothing-open": "Nothing is open here. Insert a gap or unlock text first.",
  busy: "A draft is running. Stop it first (Esc).",
  opening: "A study is opening. Wait until it is on screen.",
  "no-word": "There is no word of open text here.",
  "word-gone": "This word has changed. Choose it again.",
  "no-draft": "No draft has changed anything yet.",
  "no-code": "No template has this code.",
  "nothing-to-undo": "Nothing to undo.",
  "nothing-to-redo": "Nothing to redo.",
};

/** @param {{body: HTMLElement, whereCaretIs: () => {left: number, top: number, bottom: number}|null}} place */
export function createHints({ body, whereCaretIs }) {
  const node = el("div", { class: "hint", role: "status", hidden: true });
  let timer = 0;
  const hide = () => {
    node.hidden = true;
  };
  return {
    node,
    hide,
    /** @param {keyof typeof HINTS} name */
    show(name) {
      node.textContent = HINTS[name];
      node.hidden = false;
      clearTimeout(timer);
      timer = window.setTimeout(hide, SHOWN_MS);
      const caret = whereCaretIs(),
        box = body.getBoundingClientRect();
      if (!caret) return;
      const { offsetWidth: width, offsetHeight: height } = node;
      const below = caret.bottom - box.top + 8;
      node.style.left = `${Math.max(8, Math.min(box.width - width - 8, caret.left - box.left - 12))}px`;
      node.style.top = `${Math.max(8, below + height < box.height ? below : caret.top - box.top - height - 8)}px`;
    },
  };
}
