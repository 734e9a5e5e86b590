// A small list over the report: arrow keys choose, Enter takes, Escape leaves everything as it was.

import { el } from "../dom.js";

/** @typedef {{name: string, note?: string, detail?: string, part?: number, words?: string, preview?: string, value: any, title?: string}} Item */

let numbered = 0;

/**
 * @param {{label: string, filter?: string, message?: string, onchoose: (value: any) => void, onclose?: () => void,
 *   onother?: (event: KeyboardEvent) => void}} options `onother`: a key that is not the list's closes it and goes here
 */
export function createMenu({ label, filter, message = "", onchoose, onclose, onother }) {
  const id = `menu-${++numbered}`;
  const list = el("div", { class: "menu-list", role: "listbox", id, "aria-label": label, tabindex: "0" });
  const search = filter
    ? el("input", {
        type: "text",
        class: "menu-filter",
        placeholder: filter,
        "aria-label": filter,
        role: "combobox",
        "aria-expanded": "true",
        "aria-controls": id,
        autocomplete: "off",
        spellcheck: "false",
      })
    : null;
  const preview = el("div", {
    class: "menu-preview",
    role: "group",
    "aria-label": "Preview",
    "aria-live": "polite",
    tabindex: "0",
    hidden: true,
  });
  const note = el("div", { class: "menu-message", role: "status" }, message);
  const node = el(
    "div",
    { class: "menu", role: "dialog", "aria-label": label },
    el("div", { class: "menu-head" }, label),
    search,
    el("div", { class: "menu-body" }, list, preview),
    note,
  );
  const holder = search ?? list;
  /** @type {Item[]} */
  let items = [];
  let shown = [],
    at = 0;

  function draw() {
    const wanted = (search?.value ?? "").trim().toLowerCase();
    shown = items.filter(({ name, note: code, words }) => `${name} ${code} ${words}`.toLowerCase().includes(wanted));
    // Who types a code means the one that has it.
    shown.sort((a, b) => Number(b.note === `.${wanted}`) - Number(a.note === `.${wanted}`));
    at = Math.min(at, Math.max(0, shown.length - 1));
    list.replaceChildren(
      ...shown.map((item, number) =>
        el(
          "div",
          {
            class: "menu-item",
            role: "option",
            id: `${id}-${number}`,
            title: item.title,
            onclick: () => {
              at = number;
              choose();
            },
            onpointermove: () => number === at || move(number - at),
          },
          el("span", { class: "menu-name" }, item.name),
          item.part !== undefined &&
            el("span", { class: "menu-part", "aria-hidden": "true" }, bar(item.part)),
          item.note && el("span", { class: "menu-note" }, item.note),
        ),
      ),
    );
    if (items.length) note.textContent = shown.length ? "↑ ↓ to choose, Enter to use, Esc to cancel" : "Nothing matches.";
    mark();
  }
  const bar = (part) => {
    const node = el("span", {});
    node.style.width = `${Math.round(part * 100)}%`;
    return node;
  };
  function mark() {
    [...list.children].forEach((option, number) => option.setAttribute("aria-selected", String(number === at)));
    const chosen = list.children[at];
    if (chosen) holder.setAttribute("aria-activedescendant", chosen.id);
    else holder.removeAttribute("aria-activedescendant");
    chosen?.scrollIntoView({ block: "nearest" });
    preview.hidden = !shown[at]?.preview;
    preview.textContent = shown[at]?.preview ?? "";
  }
  function move(by) {
    if (!shown.length) return;
    at = (at + by + shown.length) % shown.length;
    mark();
  }
  function choose() {
    const item = shown[at];
    if (!item) return;
    close(false);
    onchoose(item.value);
  }
  let open = true;
  function close(left = true) {
    if (!open) return;
    open = false;
    document.removeEventListener("pointerdown", outside, true);
    node.remove();
    if (left) onclose?.();
  }
  const outside = (event) => {
    if (!node.contains(event.target)) close();
  };
  node.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") move(1);
    else if (event.key === "ArrowUp") move(-1);
    // With Ctrl it is the page's: it drafts, whatever list is open.
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      close();
      onother?.(event);
      return;
    } else if (event.key === "Enter") choose();
    else if (event.key === "Escape") close();
    else if (onother && !["Shift", "Control", "Alt", "Meta", "Tab"].includes(event.key)) {
      close();
      onother(event);
      return;
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  search?.addEventListener("input", () => {
    at = 0;
    draw();
  });
  document.addEventListener("pointerdown", outside, true);
  return {
    node,
    close,
    focus: () => holder.focus(),
    say: (text) => {
      note.textContent = text;
    },
    /** @param {Item[]} those @param {number} [first] the one that is chosen at first */
    show(those, first = 0) {
      items = those;
      at = first;
      draw();
    },
  };
}
