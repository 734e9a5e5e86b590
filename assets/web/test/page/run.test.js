import assert from "node:assert/strict";
import { test } from "node:test";
import { CUT_OFF, createRun } from "../../src/page/run.js";
import { finishRun, abandonRun, lastFrame, showFrame, startRun } from "../../src/report/run.js";
import { locked, open, reportWith } from "../report/target.js";

/** A desk whose messages the test sends one by one. */
function scriptedDesk() {
  const waiting = [];
  let wake = () => {};
  const desk = {
    requests: [],
    stops: 0,
    left: false,
    send(message) {
      waiting.push(message);
      wake();
    },
    async *draft(request) {
      desk.requests.push(request);
      try {
        for (;;) {
          while (!waiting.length) await new Promise((resolve) => (wake = resolve));
          const message = waiting.shift();
          if (message === "end") return;
          if (message instanceof Error) throw message;
          yield message;
        }
      } finally {
        desk.left = true;
      }
    },
    async stop() {
      desk.stops++;
    },
  };
  return desk;
}
const settle = () => new Promise((resolve) => setTimeout(resolve, 0));
const frame = (step, spans) => ({ kind: "frame", step, steps: 4, seconds: step / 10, spans });
const drafted = (texts, stopped = false) => ({ kind: "draft", steps: 4, seconds: 0.4, seed: 7, stopped, texts });

function running(spans, { send = async () => ({ version: 1 }), patience } = {}) {
  const target = reportWith(spans);
  const desk = scriptedDesk();
  const told = [];
  let composing = false;
  const run = createRun({
    report: {
      startRun: (scope) => startRun(target, scope),
      showFrame: (some) => showFrame(target, some),
      finishRun: (texts) => finishRun(target, texts),
      abandonRun: (apart) => abandonRun(target, apart),
      lastFrame: () => lastFrame(target.state),
      isComposing: () => composing,
    },
    desk,
    send,
    settings: () => ({ seed: 3, steps: null }),
    events: {
      begin: (asked) => told.push(["begin", asked]),
      frame: ({ step }) => told.push(["frame", step]),
      end: (_run, text) => told.push(["end", text]),
      fail: (error, asked) => told.push(["fail", error.message, asked]),
    },
    patience,
  });
  return { target, desk, told, run, compose: (on) => (composing = on) };
}
const REPORT = [locked("s1", "F: "), open("s2", ""), locked("s3", " I: "), open("s4", "Old.")];

test("a draft is shown frame by frame and kept, and its seed was the settings'", async () => {
  const { target, desk, told, run } = running(REPORT);
  const done = run.begin();
  await settle();
  assert.deepEqual(desk.requests, [{ kind: "draft", version: 1, seed: 3, steps: null, only: null, start: null }]);
  desk.send(frame(1, { s2: [["noise", 0.1, 0]] }));
  await settle();
  assert.equal(target.doc, "F: noise I: Old.");
  desk.send(drafted({ s2: "Clear.", s4: "New." }));
  assert.equal(await done, true);
  assert.deepEqual(target.texts, ["F: ", "Clear.", " I: ", "New."]);
  assert.deepEqual(told.map(([name]) => name), ["begin", "frame", "end"]);
  assert.ok(desk.left, "the stream is left");
});

test("a draft that is cut off leaves the report and can be asked for again, for the same spans alone", async () => {
  const { target, desk, told, run } = running(REPORT);
  target.select(target.state.doc.length);
  const done = run.begin({ scope: "span" });
  await settle();
  assert.deepEqual(desk.requests[0].only, ["s4"]);
  desk.send(frame(1, { s4: [["noise", 0.1, 0]] }));
  desk.send("end");
  await done;
  assert.deepEqual(target.texts, ["F: ", "", " I: ", "Old."]);
  const [name, message, asked] = told.at(-1);
  assert.deepEqual([name, message, asked], ["fail", CUT_OFF, { only: ["s4"], start: null }]);
  target.select(0);
  const again = run.begin({ again: asked });
  await settle();
  assert.deepEqual(desk.requests[1].only, ["s4"]);
  desk.send(drafted({ s4: "New." }));
  await again;
  assert.deepEqual(target.texts, ["F: ", "", " I: ", "New."]);
});

test("a draft that goes on from a frame is asked for again from that frame", async () => {
  const { target, desk, told, run } = running(REPORT);
  startRun(target, ["s2"]);
  showFrame(target, { s2: [["half", 0.5, 1]] });
  const done = run.begin({ start: { run: "d1", step: 2 } });
  await settle();
  desk.send(Object.assign(new Error("broke"), { status: 0 }));
  await done;
  const asked = told.at(-1)[2];
  assert.deepEqual(asked, { only: ["s2"], start: { run: "d1", step: 2 } });
  run.begin({ again: asked });
  await settle();
  assert.deepEqual(desk.requests[1].start, { run: "d1", step: 2 });
  assert.equal(desk.requests[1].only, null);
});

test("what the desk refuses is said and not offered again", async () => {
  const { target, desk, told, run } = running(REPORT);
  const done = run.begin();
  await settle();
  desk.send({ kind: "error", message: "Too many drafts." });
  await done;
  assert.deepEqual(told.at(-1), ["fail", "Too many drafts.", null]);
  assert.deepEqual(target.texts, ["F: ", "", " I: ", "Old."]);
});

test("stop before the report is sent leaves the report as it was and asks for nothing", async () => {
  let arrived = () => {};
  const { target, desk, told, run } = running(REPORT, { send: () => new Promise((resolve) => (arrived = resolve)) });
  const done = run.begin();
  run.stop();
  arrived({ version: 1 });
  await done;
  assert.deepEqual(told.at(-1), ["end", "Stopped"]);
  assert.deepEqual(desk.requests, []);
  assert.equal(desk.stops, 0);
  assert.deepEqual(target.texts, ["F: ", "", " I: ", "Old."]);
});

test("a desk that does not answer Stop is not waited for longer than patience lasts", async () => {
  const { target, desk, told, run } = running(REPORT, { patience: 5 });
  run.begin();
  await settle();
  desk.send(frame(1, { s2: [["half", 0.5, 1]] }));
  await settle();
  run.stop();
  await run.ended();
  assert.deepEqual(told.at(-1), ["end", "Stopped"]);
  assert.deepEqual(target.texts, ["F: ", "half", " I: ", "Old."]);
  assert.equal(run.isUnderWay, false);
  // What the desk sends after that changes nothing, and its stream is left.
  desk.send(drafted({ s2: "Late.", s4: "Late." }));
  await settle();
  await settle();
  assert.deepEqual(target.texts, ["F: ", "half", " I: ", "Old."]);
  assert.ok(desk.left);
});

test("Stop that came before the desk had begun is told again at its first frame", async () => {
  const { desk, run } = running(REPORT);
  run.begin();
  await settle();
  run.stop();
  assert.equal(desk.stops, 1);
  desk.send(frame(1, { s2: [["half", 0.5, 1]] }));
  await settle();
  assert.equal(desk.stops, 2);
});

test("messages wait while an input method is at work, and the end is not lost", async () => {
  const { target, desk, told, run, compose } = running(REPORT);
  const done = run.begin();
  await settle();
  compose(true);
  desk.send(frame(1, { s2: [["noise", 0.1, 0]] }));
  desk.send(drafted({ s2: "Clear.", s4: "New." }));
  desk.send("end");
  await done;
  assert.deepEqual(target.texts, ["F: ", "", " I: ", "Old."]);
  compose(false);
  run.resume();
  assert.deepEqual(target.texts, ["F: ", "Clear.", " I: ", "New."]);
  assert.equal(told.at(-1)[0], "end");
});

test("an abandoned run leaves the report as it was, and whoever waits for its end hears of it", async () => {
  const { target, desk, run } = running(REPORT);
  run.begin();
  await settle();
  desk.send(frame(1, { s2: [["noise", 0.1, 0]] }));
  await settle();
  const ended = run.ended();
  run.abandon();
  await ended;
  assert.deepEqual(target.texts, ["F: ", "", " I: ", "Old."]);
  assert.equal(desk.stops, 1);
});

test("where nothing is open nothing is begun", async () => {
  const { run, told } = running([locked("s1", "All.")]);
  assert.equal(await run.begin(), false);
  assert.deepEqual(told, []);
});
