// The buttons over the report, made from the registered commands.

import { el } from "../dom.js";
import { printedKey, shownKey } from "./keys.js";

/** @param {ReturnType<typeof import("./commands.js").createCommands>} commands */
export function createToolbar(commands) {
  const { button } = commands;
  const draft = button("draft", {
    name: "Draft",
    icon: "draft",
    class: "primary wide",
    title: `Draft: the model writes the open text (${shownKey("draft")})`,
  });
  const stop = button("stop", {
    name: "Stop",
    icon: "stop",
    class: "stop wide",
    title: "Stop and keep the last frame (Esc)",
    // The second click of a double click on Draft, whose place this button takes, is not meant for it.
    onclick: (event) => event.detail > 1 || commands.run("stop"),
  });
  const settings = button("settings", {
    name: "Settings",
    icon: "settings",
    iconOnly: true,
    title: "Settings: steps, seed and spelling",
  });
  const bar = el(
    "div",
    { class: "bar", role: "toolbar", "aria-label": "Report tools" },
    el("div", { class: "swap" }, draft, stop),
    el(
      "div",
      { class: "group" },
      button("lock", { name: "Lock", icon: "lock", class: "named" }),
      button("unlock", {
        name: "Unlock",
        icon: "unlock",
        class: "named",
        title: `Unlock the selection, or the locked text at the caret (${shownKey("unlock")})`,
      }),
      button("insertGap", { name: "Insert gap", icon: "gap" }),
      button("accept", {
        name: "Mark reviewed",
        icon: "accept",
        title: `Mark the model's text at the caret as reviewed (${shownKey("accept")})`,
      }),
    ),
    el(
      "div",
      { class: "group" },
      button("undo", { name: "Undo", icon: "undo", iconOnly: true, title: `Undo (${printedKey("Mod-z")})` }),
      button("redo", { name: "Redo", icon: "redo", iconOnly: true, title: `Redo (${printedKey("Mod-Shift-z")})` }),
    ),
    el(
      "div",
      { class: "group end" },
      button("copy", { name: "Copy", icon: "copy", iconOnly: true, title: "Copy the report's text" }),
      button("download", { name: "Download", icon: "download", iconOnly: true, title: "Download the report as a text file" }),
      settings,
      button("more", { name: "More", icon: "more", iconOnly: true, title: "All commands and their keys" }),
    ),
  );
  const helpers = el(
    "div",
    { class: "helpers" },
    button("templates", {
      name: "Templates",
      icon: "template",
      title: `Templates and macros (${shownKey("templates")}), or type a dot, a code and Tab`,
    }),
    button("ask", { name: "Ask", icon: "question", title: `Ask a question about the image (${shownKey("ask")})` }),
    button("find", { name: "Find", icon: "find" }),
  );
  // The tools act on the caret: a click must not take it from the report.
  for (const tools of [bar, helpers])
    tools.addEventListener("mousedown", (event) => {
      if (event.target instanceof Element && event.target.closest("button")) event.preventDefault();
    });
  stop.hidden = true;
  return {
    bar,
    helpers,
    settings,
    certainty: button("certainty", {
      name: "Certainty",
      icon: "certainty",
      title: `Shade the model's text by its certainty (${shownKey("certainty")})`,
    }),
    changes: button("changes", {
      name: "Changes",
      icon: "changes",
      class: "to-end",
    }),
    /** Draft and Stop change places, and the focus goes along. @param {boolean} on */
    running(on) {
      const [from, to] = on ? [draft, stop] : [stop, draft];
      const hadFocus = document.activeElement === from;
      from.hidden = true;
      to.hidden = false;
      stop.disabled = false;
      if (hadFocus) to.focus();
    },
    stopping() {
      stop.disabled = true;
    },
  };
}
