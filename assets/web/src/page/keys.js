// The keys of the page: the one table from which they are bound, and the sheet and the titles are made.

/**
 * Every command of the page, by the pane that answers it. `keys` in CodeMirror's names; a command with several keys answers
 * each, and one without any has a button alone.
 * @typedef {{command: string, keys: string[], text: string, shown?: string}} Shortcut
 * @typedef {"report"|"drafting"|"study"|"page"|"bar"|"studyBar"} Pane
 * @type {Record<Pane, {title: string, where: string, shortcuts: Shortcut[]}>}
 */
export const SHORTCUTS = {
  report: {
    title: "Report",
    where: "with the caret in the report; Shift: the section, Alt: the whole report",
    shortcuts: [
      { command: "lock", keys: ["Mod-l"], text: "Lock the selection, or the sentence at the caret" },
      { command: "lockSection", keys: ["Mod-Shift-l"], text: "Lock the section" },
      { command: "lockAll", keys: ["Alt-l"], text: "Lock all" },
      { command: "unlock", keys: ["Mod-u"], text: "Unlock the selection, or the sentence at the caret" },
      { command: "unlockSection", keys: ["Mod-Shift-u"], text: "Unlock the section, except its heading" },
      { command: "openAll", keys: ["Alt-u"], text: "Unlock everything except headings" },
      { command: "accept", keys: ["Mod-k"], text: "Mark the model's text as reviewed and go to the next" },
      { command: "insertGap", keys: ["Mod-g"], text: "Insert a gap for the model to fill" },
      { command: "editOwn", keys: ["Mod-e"], text: "Edit your own locked text" },
      { command: "nextOpen", keys: ["Tab"], text: "Go to the next gap, field or unreviewed text" },
      { command: "previousOpen", keys: ["Shift-Tab"], text: "Go to the previous one" },
      { command: "undo", keys: ["Mod-z"], text: "Undo, also locks; a whole draft is one step" },
      { command: "redo", keys: ["Mod-Shift-z", "Mod-y"], text: "Redo" },
    ],
  },
  drafting: {
    title: "Drafting",
    where: "with the caret in the report",
    shortcuts: [
      { command: "draftSection", keys: ["Mod-Shift-Enter"], text: "Draft this section" },
      { command: "draftSpan", keys: ["Alt-Enter"], text: "Draft this span, or the selection" },
      { command: "alternatives", keys: ["Alt-ArrowDown"], text: "Alternatives for the span at the caret" },
      { command: "words", keys: ["Alt-o"], text: "Alternatives for the word at the caret; or click a word of the model" },
      { command: "hint", keys: ["Alt-h"], text: "A hint for the gap at the caret" },
      { command: "timeline", keys: ["Alt-t"], text: "Go to the time line of the last draft" },
      { command: "changes", keys: ["Alt-x"], text: "Show what the last draft changed" },
      { command: "certainty", keys: ["Alt-c"], text: "Show or hide certainty shading" },
      { command: "whereLooked", keys: ["Alt-w"], text: "Show or hide where the model looked" },
      { command: "templates", keys: ["Alt-m"], text: "Templates and macros" },
      { command: "normal", keys: ["Alt-n"], text: "Normal report" },
      { command: "ask", keys: ["Alt-q"], text: "Ask about the image" },
      { command: "find", keys: ["Mod-f"], text: "Find and replace" },
    ],
  },
  study: {
    title: "Study",
    where: "with the pointer or the focus on the study",
    shortcuts: [
      { command: "preset", keys: ["1", "2", "3", "4", "5"], shown: "1 to 5", text: "Windows of the file" },
      { command: "invert", keys: ["i"], text: "Invert gray" },
      { command: "fit", keys: ["f"], text: "Fit to the pane" },
      { command: "actualSize", keys: ["a"], text: "Actual size: one image pixel per screen pixel" },
      { command: "magnify", keys: ["z"], text: "Magnifier" },
      { command: "flipAcross", keys: ["h"], text: "Flip left and right" },
      { command: "flipDown", keys: ["v"], text: "Flip up and down" },
      { command: "turnLeft", keys: ["l"], text: "Turn left" },
      { command: "turnRight", keys: ["r"], text: "Turn right" },
      { command: "length", keys: ["m"], text: "Measure a length" },
      { command: "angle", keys: ["n"], text: "Measure an angle" },
      { command: "point", keys: ["Enter"], text: "Set a point; arrows move the cross, Shift moves it further" },
      { command: "remove", keys: ["Delete", "Backspace"], text: "Delete the chosen measurement" },
      { command: "written", keys: ["t"], text: "Show or hide the text on the image" },
      { command: "looked", keys: ["w"], text: "Where the model looked, for the text at the caret" },
      { command: "prior", keys: ["p"], text: "Show or hide a prior study" },
      { command: "cine", keys: ["c"], text: "Play the frames, or stop" },
      { command: "zoomIn", keys: ["+", "="], text: "Zoom in" },
      { command: "zoomOut", keys: ["-"], text: "Zoom out" },
      { command: "nextFrame", keys: ["ArrowRight", "ArrowDown"], text: "Next frame" },
      { command: "previousFrame", keys: ["ArrowLeft", "ArrowUp"], text: "Previous frame" },
      { command: "reset", keys: ["Space"], text: "Reset window, zoom and position; hold it and drag to move" },
    ],
  },
  page: {
    title: "Page",
    where: "anywhere",
    shortcuts: [
      { command: "draft", keys: ["Mod-Enter"], text: "Draft: the model writes the open text" },
      { command: "stop", keys: ["Escape"], text: "Stop the draft and keep the last frame; close a list or box" },
      { command: "sheet", keys: ["?", "F1"], text: "Show or hide these shortcuts (F1 while typing)" },
    ],
  },
  bar: {
    title: "Toolbar",
    where: "only as buttons",
    shortcuts: [
      { command: "copy", keys: [], text: "Copy the report's text" },
      { command: "download", keys: [], text: "Download the report as a text file" },
      { command: "settings", keys: [], text: "Settings: steps, seed and spelling" },
      { command: "more", keys: [], text: "All commands and their keys" },
    ],
  },
  studyBar: {
    title: "Study",
    where: "only as buttons",
    shortcuts: [
      {
        command: "open",
        keys: [],
        text: "Open DICOM, PNG or JPEG files, or a ZIP of them (or drop them anywhere on this pane)",
      },
      { command: "openFolder", keys: [], text: "Open a folder as a series" },
      { command: "examples", keys: [], text: "Example studies" },
      { command: "resetNow", keys: [], text: "Reset window, zoom, position and turns" },
    ],
  },
};

/**
 * Binds commands to their keys of the table. Every command of the pane wants its function, and no other may have one.
 * @param {Pane} pane @param {Record<string, (event?: any) => any>} commands
 * @returns {Map<string, {command: string, run: (event?: any) => any}>} by key
 */
export function bound(pane, commands) {
  const { shortcuts } = SHORTCUTS[pane];
  const known = new Set(shortcuts.map(({ command }) => command));
  const stray = Object.keys(commands).find((command) => !known.has(command));
  const missing = shortcuts.find(({ command }) => !commands[command]);
  if (stray || missing) throw new Error(`The table of keys and the commands differ: ${stray ?? missing.command}`);
  return new Map(
    shortcuts.flatMap(({ command, keys }) => keys.map((key) => [key, { command, run: commands[command] }])),
  );
}

/** The name under which the table knows a pressed key. @param {KeyboardEvent} event */
export function keyName(event) {
  const name = event.key === " " ? "Space" : event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return (event.ctrlKey || event.metaKey ? "Mod-" : "") + name;
}

const MAC = { Mod: "⌘", Shift: "⇧", Alt: "⌥" };
const ELSEWHERE = { Mod: "Ctrl" };
const NAMES = { ArrowRight: "→", ArrowLeft: "←", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc" };

/** A key of the table as it is printed on the keyboard, in parts. @param {string} key @param {boolean} mac */
export const printed = (key, mac) =>
  (key === "-" ? ["-"] : key.split("-")).map(
    (part) => (mac ? MAC : ELSEWHERE)[part] ?? NAMES[part] ?? (part.length === 1 ? part.toUpperCase() : part),
  );

const isMac = /Mac|iPhone|iPad/.test(globalThis.navigator?.platform ?? "");

/** A key of the table, printed on this machine. @param {string} key */
export const printedKey = (key) => printed(key, isMac).join("+");

/** The first key of a command, as it is printed: for titles and lists. @param {string} command */
export function shownKey(command) {
  const found = Object.values(SHORTCUTS)
    .flatMap(({ shortcuts }) => shortcuts)
    .find((one) => one.command === command);
  return found?.keys.length ? printedKey(found.keys[0]) : "";
}
