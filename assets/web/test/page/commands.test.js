import assert from "node:assert/strict";
import { test } from "node:test";
import { createCommands } from "../../src/page/commands.js";
import { SHORTCUTS } from "../../src/page/keys.js";

const doing = (pane, how) => Object.fromEntries(SHORTCUTS[pane].shortcuts.map(({ command }) => [command, how(command)]));

test("a registered command has its keys and words from the table and runs by its name and by its key", () => {
  const ran = [];
  const commands = createCommands();
  commands.register("report", doing("report", (name) => () => ran.push(name)));
  assert.deepEqual(commands.get("lock").keys, ["Mod-l"]);
  commands.run("lock");
  commands.byKey("report", "Mod-Shift-l").run();
  assert.deepEqual(ran, ["lock", "lockSection"]);
  assert.equal(commands.byKey("study", "Mod-l"), undefined);
});

test("a pane whose commands and table differ is refused", () => {
  const commands = createCommands();
  const { lock: _, ...rest } = doing("report", () => () => {});
  assert.throws(() => commands.register("report", rest), /lock/);
  assert.throws(() => commands.register("report", { ...rest, lock() {}, fly() {} }), /fly/);
  assert.throws(() => commands.get("fly"), /fly/);
});

test("the editor's keys are the table's; a command that gives false leaves the key to others", () => {
  const commands = createCommands();
  commands.register("report", doing("report", (name) => () => (name === "nextOpen" ? false : undefined)));
  const bindings = commands.bindings("report");
  assert.deepEqual(bindings.map(({ key }) => key), SHORTCUTS.report.shortcuts.flatMap(({ keys }) => keys));
  assert.equal(bindings.find(({ key }) => key === "Tab").run(), false);
  assert.equal(bindings.find(({ key }) => key === "Mod-l").run(), true);
});

test("a command without a test is always enabled, and one with a test as it says", () => {
  const commands = createCommands();
  let filled = false;
  commands.register("bar", doing("bar", (name) => (name === "copy" ? { run() {}, isEnabled: () => filled } : () => {})));
  assert.equal(commands.get("copy").isEnabled(), false);
  filled = true;
  assert.equal(commands.get("copy").isEnabled(), true);
  assert.equal(commands.get("download").isEnabled(), true);
});
