// The sheet of shortcuts: made from the table that binds the keys. Knows nothing of what they do.

import { button, el } from "../dom.js";
import { SHORTCUTS, printed } from "./keys.js";

const isMac = /Mac|iPhone|iPad/.test(navigator.platform);

/** @param {import("./keys.js").Shortcut} shortcut */
const keyCaps = ({ keys, shown }) => {
  if (shown) return [el("kbd", {}, shown)];
  const cap = (part, i) => [i ? el("span", { class: "plus" }, "+") : null, el("kbd", {}, part)];
  return keys.flatMap((key, n) => [
    n ? el("span", { class: "or" }, "or") : null,
    el("span", { class: "combination" }, ...printed(key, isMac).flatMap(cap)),
  ]);
};

/** @param {{mouse: [string, string][]}} options what the mouse does, for the last column */
function sheet({ mouse }) {
  const dialog = el("dialog", { class: "question sheet", "aria-labelledby": "workstation-sheet" });
  const section = (title, where, rows) =>
    el("section", {}, el("h3", {}, title), el("p", {}, where), el("dl", {}, ...rows));
  const row = (caps, text) => el("div", {}, el("dt", {}, ...caps), el("dd", {}, text));
  dialog.append(
    el(
      "header",
      {},
      el("h2", { id: "workstation-sheet" }, "Shortcuts"),
      button({ name: "Close", icon: "close", iconOnly: true, onclick: () => dialog.close() }),
    ),
    el(
      "div",
      { class: "columns", tabindex: "0", role: "group", "aria-label": "Shortcuts by pane" },
      ...[SHORTCUTS.report, SHORTCUTS.drafting, SHORTCUTS.page, SHORTCUTS.study].map(({ title, where, shortcuts }) =>
        section(
          title,
          where,
          shortcuts.map((one) => row(keyCaps(one), one.text)),
        ),
      ),
      section(
        "Mouse and touch",
        "on the study",
        mouse.map(([what, text]) => row([el("kbd", {}, what)], text)),
      ),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  // A click beside the sheet closes it.
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  return dialog;
}

/** @type {[string, string][]} */
const MOUSE = [
  ["Drag", "Window"],
  ["Wheel", "Zoom; in a stack, frames"],
  ["Right drag", "Move"],
  ["Two fingers", "Zoom and move"],
  ["Double click", "Reset"],
];

/** Shows the sheet, or takes it away. @param {HTMLElement} parent */
export function toggleSheet(parent) {
  const open = /** @type {HTMLDialogElement|null} */ (document.querySelector("dialog.sheet"));
  if (open) {
    open.close();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  const dialog = sheet({ mouse: MOUSE });
  parent.append(dialog);
  dialog.showModal();
}
