// Where lists and boxes lie over the report: one at a time, at the caret or at the top.

import { createMenu } from "../report/menu.js";

/** @typedef {{node: HTMLElement, close: (left?: boolean) => void, focus: () => void}} Box */

/** @param {{body: HTMLElement, overlay: HTMLElement, whereCaretIs: () => {bottom: number}|null, back: () => void, before: () => void}} place
 *   `back`: gives the report the focus; `before`: called before a list shows */
export function createLists({ body, overlay, whereCaretIs, back, before }) {
  /** @type {Box|null} */
  let shown = null;
  /** @param {Box} box @param {boolean} atCaret below the caret, or at the top */
  function lay(box, atCaret) {
    before();
    overlay.replaceChildren(box.node);
    const caret = whereCaretIs(),
      around = body.getBoundingClientRect();
    const below = caret ? caret.bottom - around.top + 6 : 12;
    const top = atCaret ? Math.max(8, Math.min(below, around.height - 240)) : 8;
    box.node.style.top = `${top}px`;
    box.node.style.maxHeight = `${around.height - top - 8}px`;
    box.focus();
  }
  return {
    close() {
      shown?.close();
      shown = null;
    },
    /** @template {Box} T @param {T} box @param {boolean} [atCaret] */
    show(box, atCaret = false) {
      shown?.close();
      shown = box;
      lay(box, atCaret);
      return box;
    },
    /** A list to choose from. @param {Parameters<typeof createMenu>[0]} options @param {boolean} [atCaret] */
    open(options, atCaret = false) {
      shown?.close();
      const menu = createMenu({
        ...options,
        onclose() {
          options.onclose?.();
          back();
        },
        onchoose(value) {
          back();
          options.onchoose(value);
        },
      });
      return this.show(menu, atCaret);
    },
  };
}
