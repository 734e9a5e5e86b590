import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { createLooking } from "../../src/page/looked.js";

const LOOKED = { weights: [[0.2]], share: 0.3 };

function scene(answer = async () => LOOKED) {
  const asked = [],
    shown = [];
  const all = { target: { id: "c1", part: [0, 3], words: "One" }, asked, shown };
  all.looking = createLooking({
    ask: (request) => {
      asked.push(request);
      return answer(request);
    },
  });
  all.looking.ofReport({ target: () => all.target, sent: async () => ({ version: 7, writer: "w" }) });
  all.looking.ofStudy({ show: (state) => shown.push(state) });
  return all;
}

test("off, nothing is asked", async () => {
  const { looking, asked } = scene();
  looking.moved();
  await pause(260);
  assert.deepEqual(asked, []);
});

test("the text at the caret is asked about once, in the version that the desk has", async () => {
  const { looking, asked, shown } = scene();
  looking.toggle();
  looking.moved();
  looking.moved();
  await pause(260);
  assert.deepEqual(asked, [{ span: "c1", part: [0, 3], version: 7, writer: "w" }]);
  assert.deepEqual(shown.at(-1), { on: true, looked: LOOKED, words: "One" });
});

test("the map is gone as soon as the caret is in another text, and an answer that is late is not shown", async () => {
  let answer;
  const all = scene(() => new Promise((resolve) => (answer = resolve)));
  all.looking.toggle();
  await pause(260);
  all.target = null;
  all.looking.moved();
  assert.equal(all.shown.at(-1).looked, undefined);
  answer(LOOKED);
  await pause(10);
  assert.equal(all.shown.at(-1).looked, undefined);
});

test("switched off, the map is gone", async () => {
  const { looking, shown } = scene();
  looking.toggle();
  await pause(260);
  looking.toggle();
  assert.deepEqual(shown.at(-1), { on: false, note: "" });
});

test("why there is none is said, and asked again when the caret moves", async () => {
  let tries = 0;
  const all = scene(async () => {
    if (!tries++) throw new Error("Not now.");
    return LOOKED;
  });
  all.looking.toggle();
  await pause(260);
  assert.equal(all.shown.at(-1).note, "Not now.");
  all.looking.moved();
  await pause(260);
  assert.equal(all.shown.at(-1).looked, LOOKED);
});
