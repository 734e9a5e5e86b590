// The report's keys, for the editor and for whoever lists them. One pattern: Ctrl is here, Ctrl+Shift the section, Alt all.

const isMac = /Mac|iPhone|iPad/.test(globalThis.navigator?.platform ?? "");
/** A key as it is printed on screen. @param {string} key in CodeMirror's words */
const printed = (key) =>
  key
    .split("-")
    .map((part) => ({ Mod: isMac ? "Cmd" : "Ctrl", ArrowDown: "↓" })[part] ?? (part.length === 1 ? part.toUpperCase() : part))
    .join("+");

/** `run`: what `editor.js` binds; the others the report itself binds. */
const KEYS = [
  ["draft", "Draft all open text", "Mod-Enter", true],
  ["draftSection", "Draft this section", "Mod-Shift-Enter", true],
  ["draftSpan", "Draft this span, or the selection", "Alt-Enter", true],
  ["alternatives", "Alternatives for the span at the caret", "Alt-ArrowDown", true],
  ["lock", "Lock the sentence, or the selection", "Mod-l"],
  ["lockSection", "Lock the section", "Mod-Shift-l"],
  ["lockAll", "Lock all", "Alt-l"],
  ["unlock", "Unlock the sentence, or the selection", "Mod-u"],
  ["unlockSection", "Unlock the section, but for its heading", "Mod-Shift-u"],
  ["openAll", "Open all, but for the headings", "Alt-u"],
  ["accept", "Accept the model's text as reviewed, and go on", "Mod-k"],
  ["gap", "Insert a gap", "Mod-g"],
  ["editOwn", "Edit your own locked text", "Mod-e"],
  ["templates", "Templates and macros", "Alt-m", true],
  ["normal", "Normal report", "Alt-n", true],
  ["ask", "Ask about the image", "Alt-q", true],
  ["find", "Find and replace", "Mod-f", true],
  ["certainty", "Certainty shading on or off", "Alt-c", true],
  ["timeline", "Go to the time line", "Alt-t", true],
  ["changes", "What the last draft changed", "Alt-x", true],
  [null, "Next gap, field or unreviewed text", "Tab"],
  [null, "The one before", "Shift-Tab"],
  [null, "Stop a draft; leave a list or a frame", "Escape"],
];

/** @type {readonly {name: string|null, does: string, key: string, keys: string, run: string|null}[]} */
export const EDITOR_KEYS = KEYS.map(([name, does, key, bound]) => ({
  name,
  does,
  key,
  keys: printed(key),
  run: bound ? name : null,
}));

/** The key of a command, as it is printed. @param {string} name */
export const shown = (name) => EDITOR_KEYS.find((one) => one.name === name)?.keys ?? "";
