// The commands of a pane as registered values: each has a name, its keys and its words from the one table, what it does,
// and whether it would do anything now. Keys, buttons and the list of commands are made from them.

import { button } from "../dom.js";
import { SHORTCUTS, bound, shownKey } from "./keys.js";

/** @typedef {import("./keys.js").Pane} Pane */
/** A function, or one with a test. @typedef {((event?: any) => any) | {run: (event?: any) => any, isEnabled?: () => boolean}} Doing */
/** @typedef {{name: string, pane: Pane, keys: string[], text: string, run: (event?: any) => any, isEnabled: () => boolean}} Command */

export function createCommands() {
  /** @type {Map<string, Command>} */
  const commands = new Map();
  /** @type {{node: HTMLButtonElement, command: Command}[]} */
  const buttons = [];
  /** @param {string} name */
  function get(name) {
    const command = commands.get(name);
    if (!command) throw new Error(`No command has the name ${name}.`);
    return command;
  }
  return {
    get,
    /** Every command that the table has for the pane, and no other. @param {Pane} pane @param {Record<string, Doing>} doing */
    register(pane, doing) {
      const runs = Object.entries(doing).map(([name, how]) => [name, typeof how === "function" ? how : how.run]);
      bound(pane, Object.fromEntries(runs));
      for (const { command: name, keys, text } of SHORTCUTS[pane].shortcuts) {
        const how = doing[name];
        const { run, isEnabled = () => true } = typeof how === "function" ? { run: how } : how;
        commands.set(name, { name, pane, keys, text, run, isEnabled });
      }
    },
    /** @param {string} name @param {any} [event] */
    run: (name, event) => get(name).run(event),
    /** The pane's keys for CodeMirror. Where a command gives `false` the key goes on. @param {Pane} pane @returns {import("@codemirror/view").KeyBinding[]} */
    bindings: (pane) =>
      [...commands.values()]
        .filter((command) => command.pane === pane)
        .flatMap(({ keys, run }) => keys.map((key) => ({ key, run: () => run() !== false, preventDefault: true }))),
    /** @returns {Command[]} */
    all: () => [...commands.values()],
    /**
     * A button that runs a command; its title is the command's words and key where it is given no other.
     * @param {string} command @param {{name: string, icon?: any, iconOnly?: boolean, class?: string, title?: string, onclick?: (event: MouseEvent) => void}} looks
     */
    button(command, looks) {
      const key = shownKey(command);
      const title = looks.title ?? (key ? `${get(command).text} (${key})` : get(command).text);
      const node = button({ ...looks, title, onclick: looks.onclick ?? (() => get(command).run()) });
      buttons.push({ node, command: get(command) });
      return node;
    },
    /** The command of a pane that a pressed key means. @param {Pane} pane @param {string} key as `keyName` gives it */
    byKey: (pane, key) => [...commands.values()].find((command) => command.pane === pane && command.keys.includes(key)),
    /** Shows on the buttons which commands would do something now. */
    refresh() {
      for (const { node, command } of buttons) node.setAttribute("aria-disabled", String(!command.isEnabled()));
    },
  };
}
