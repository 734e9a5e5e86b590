// What the last draft changed, word by word, over the report.

import { el } from "../dom.js";
import { diffOfParts } from "../report/diff.js";

const TAGS = { same: "span", gone: "del", new: "ins" };

/** @param {{opener: HTMLElement, back: () => void}} options `opener`: the button that shows them; `back`: the focus goes back */
export function createChanges({ opener, back }) {
  const node = el("div", {
    class: "changes",
    role: "region",
    "aria-label": "Changes of the last draft",
    tabindex: "0",
    hidden: true,
  });
  function close() {
    node.hidden = true;
    node.replaceChildren();
    opener.setAttribute("aria-pressed", "false");
  }
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    close();
    back();
  });
  return {
    node,
    close,
    get isOpen() {
      return !node.hidden;
    },
    /** @param {readonly {before: string, after: string}[]} parts of the report, each before and after */
    show(parts) {
      node.replaceChildren(
        el("div", { class: "changes-head" }, "The last draft: what it took away is struck out, what it wrote is dotted. Esc goes back."),
        el("div", { class: "changes-text" }, ...diffOfParts(parts).map(({ kind, text }) => el(TAGS[kind], {}, text))),
      );
      node.hidden = false;
      opener.setAttribute("aria-pressed", "true");
      node.focus();
    },
  };
}
