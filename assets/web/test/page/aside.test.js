import assert from "node:assert/strict";
import { test } from "node:test";
import { percent, restOf, textItems, wordItems } from "../../src/page/alternatives.js";
import { createAside } from "../../src/page/aside.js";
import { reminder } from "../../src/page/export.js";
import { wholeNumber } from "../../src/page/settings.js";
import { stepText, timeLeft } from "../../src/page/status.js";

const asideWith = (messages, { refuse = () => null, send = async () => ({ version: 1 }) } = {}) => {
  const desk = {
    requests: [],
    stops: 0,
    async *draft(request) {
      desk.requests.push(request);
      yield* messages;
    },
    async stop() {
      desk.stops++;
    },
  };
  return { desk, aside: createAside({ desk, send, settings: () => ({ seed: 3 }), refuse }) };
};

test("what is there so far is shown and the last message is the answer", async () => {
  const shown = [];
  const { aside, desk } = asideWith([{ kind: "frame", step: 1 }, { kind: "progress", step: 2 }, { kind: "answer", text: "No." }]);
  const answer = await aside.ask({ kind: "question", question: "?" }, ({ step }) => shown.push(step));
  assert.deepEqual([answer.text, shown], ["No.", [1, 2]]);
  assert.deepEqual(desk.requests, [{ version: 1, seed: 3, kind: "question", question: "?" }]);
  assert.equal(aside.current, null);
});

test("an error, a broken stream and a refusal are each one sentence", async () => {
  await assert.rejects(asideWith([{ kind: "error", message: "Too many." }]).aside.ask({}, () => {}), /Too many/);
  await assert.rejects(asideWith([]).aside.ask({}, () => {}), /connection was lost/);
  const { aside, desk } = asideWith([], { refuse: () => "A draft is running." });
  await assert.rejects(aside.ask({}, () => {}), /is running/);
  assert.deepEqual(desk.requests, []);
});

test("who has left before the report was sent asks for nothing", async () => {
  let arrived = () => {};
  const { aside, desk } = asideWith([{ kind: "answer", text: "Late." }], { send: () => new Promise((done) => (arrived = done)) });
  const asking = assert.rejects(aside.ask({}, () => assert.fail("shown")));
  const { ended } = aside.current;
  aside.leave(true);
  arrived({});
  await asking;
  await ended;
  assert.deepEqual([desk.requests, desk.stops, aside.current], [[], 1, null]);
});

test("lists say which text stands there now and what share each has", () => {
  const [first, second] = textItems([{ text: " Clear. ", likelihood: 0.75 }, { text: "Small.", likelihood: 0.25 }], "Small.");
  assert.deepEqual([first.name, first.note, second.note], ["Clear.", "75.0 %", "now · 25.0 %"]);
  const words = [{ text: "large", probability: 0.5 }, { text: "tiny", probability: 0.25 }];
  assert.equal(wordItems(words, "tiny")[1].note, "now · 25.0 %");
  assert.equal(percent(restOf(words)), "25.0 %");
});

test("what is left to do is said to whoever takes the report away", () => {
  assert.equal(reminder({ gaps: 0, unreviewed: 0 }), "");
  assert.equal(reminder({ gaps: 1, unreviewed: 0 }), " (1 gap left)");
  assert.equal(reminder({ gaps: 2, unreviewed: 1 }), " (2 gaps left, unreviewed AI draft)");
});

test("numbers that are typed are whole and within their bounds, or none", () => {
  assert.deepEqual(
    ["", "x", "0", "7", "7.9", "9999", "-3"].map((typed) => wholeNumber(typed, 1, 512)),
    [null, null, null, 7, 7, 512, null],
  );
  assert.equal(wholeNumber("0", 0, 512), 0);
});

test("the time left is said once it can be told and is worth it", () => {
  assert.equal(timeLeft({ step: 1, steps: 10, seconds: 0.4 }), "");
  assert.equal(timeLeft({ step: 5, steps: 10, seconds: 5 }), " · up to 5 s left");
  assert.equal(timeLeft({ step: 10, steps: 10, seconds: 5 }), "");
});

test("a draft that waits shows its place in the line instead of a step", () => {
  const frame = { step: 0, steps: 48, seconds: 2.5 };
  assert.equal(stepText({ ...frame, place: 3 }), "Waiting, 2 ahead of you");
  assert.equal(stepText({ ...frame, place: 1 }), "Waiting, you are next");
  assert.equal(stepText({ step: 2, steps: 48, seconds: 0.4 }), "Step 2 of 48 · 0.4 s");
});
