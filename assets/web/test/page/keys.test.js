import assert from "node:assert/strict";
import { test } from "node:test";
import { SHORTCUTS, bound, keyName, printed } from "../../src/page/keys.js";

const commandsOf = (pane) => Object.fromEntries(SHORTCUTS[pane].shortcuts.map(({ command }) => [command, () => command]));

test("every key of the table runs its command, and none is there twice", () => {
  for (const pane of Object.keys(SHORTCUTS)) {
    const keys = SHORTCUTS[pane].shortcuts.flatMap((one) => one.keys);
    assert.equal(new Set(keys).size, keys.length);
    const map = bound(pane, commandsOf(pane));
    for (const { command, keys: own } of SHORTCUTS[pane].shortcuts)
      for (const key of own) assert.equal(map.get(key).run(), command);
  }
});

test("a command without a key, and a key without a command, is refused", () => {
  const { lock, ...rest } = commandsOf("report");
  assert.throws(() => bound("report", rest), /lock/);
  assert.throws(() => bound("report", { ...rest, lock, fly: () => true }), /fly/);
});

test("a pressed key has the name of the table", () => {
  assert.equal(keyName({ key: "I" }), "i");
  assert.equal(keyName({ key: " " }), "Space");
  assert.equal(keyName({ key: "?" }), "?");
  assert.equal(keyName({ key: "Enter", ctrlKey: true }), "Mod-Enter");
});

test("keys are printed as they stand on the keyboard", () => {
  assert.deepEqual(printed("Mod-Shift-z", false), ["Ctrl", "Shift", "Z"]);
  assert.deepEqual(printed("Mod-l", true), ["⌘", "L"]);
  assert.deepEqual(printed("-", false), ["-"]);
});
