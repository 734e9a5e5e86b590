// The page around the two panes: theme, sheet of shortcuts, guided example, notices. Knows the panes by what they offer
// in `shared`, and nothing of how they work.

import { watchConnection } from "./connection.js";
import { desk, shared } from "./desk.js";
import { button, el, icon } from "../dom.js";
import { mountGuide } from "./guide.js";
import { keyName } from "./keys.js";
import { followAddress, setTheme, theme } from "./theme.js";

followAddress();

const isTyping = (node) =>
  node instanceof Element &&
  !!node.closest("input:not([type=range]), textarea, select, [contenteditable=true]");

/**
 * @param {HTMLElement} root the editor's pane, whose last row carries the page's own buttons
 * @param {ReturnType<typeof import("./commands.js").createCommands>} commands
 */
export function mountShell(root, commands) {
  const guide = (shared.guide = mountGuide(root));
  const otherTheme = () => (theme() === "dark" ? "light" : "dark");
  const themeButton = button({
    name: "Light",
    icon: "theme",
    onclick: () => {
      setTheme(otherTheme());
      nameTheme();
    },
  });
  const themeName = themeButton.querySelector(".button-name");
  function nameTheme() {
    const other = otherTheme();
    themeName.textContent = other === "light" ? "Light" : "Dark";
    themeButton.setAttribute("aria-label", `${themeName.textContent} theme`);
    themeButton.title = `Use the ${other} theme (stored in the address)`;
  }
  nameTheme();
  const tools = el(
    "div",
    { class: "shell-tools", role: "group", "aria-label": "Page" },
    button({ name: "Example", icon: "watch", title: "Watch the guided example (about 20 seconds)", onclick: () => guide.start() }),
    button({
      name: "Keys",
      icon: "keys",
      title: "Shortcuts (?, or F1 while typing)",
      onclick: () => commands.run("sheet"),
    }),
    themeButton,
  );
  root.querySelector(".status-row.fine").append(tools);

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.altKey) return;
    const found = commands.byKey("page", keyName(event));
    if (!found || (event.key === "?" && isTyping(document.activeElement))) return;
    // A question on the page is answered first; the sheet's key closes the sheet.
    if (found.name !== "sheet" && document.querySelector("dialog[open]")) return;
    if (found.run() !== false) event.preventDefault();
  });

  const notices = el("div", { class: "notices" });
  root.querySelector(".foot").prepend(notices);
  shared.notices = noticesIn(notices);
  watchConnection(desk, shared.notices);
}

/** Notices by name: one of each at most, said once to a screen reader, gone when what they tell of is. */
function noticesIn(parent) {
  const shown = new Map();
  const drop = (name) => {
    const one = shown.get(name);
    if (!one) return;
    clearTimeout(one.timer);
    one.node.remove();
    shown.delete(name);
  };
  return {
    drop,
    /** @param {string} name @param {{text: string, kind?: string, seconds?: number, answers?: {name: string, onclick: () => void}[]}} notice */
    show(name, { text, kind = "", seconds = 0, answers = [] }) {
      drop(name);
      const buttons = answers.map(({ name: label, onclick }) =>
        button({
          name: label,
          onclick: () => {
            drop(name);
            onclick();
          },
        }),
      );
      const node = el(
        "div",
        { class: `notice ${kind}`, role: kind ? "alert" : "status" },
        kind && icon("warn"),
        el("span", {}, text),
        ...buttons,
      );
      parent.append(node);
      shown.set(name, { node, timer: seconds ? setTimeout(() => drop(name), seconds * 1000) : 0 });
    },
  };
}
