import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as commands from "../../src/report/commands.js";
import { abandonRun, finishRun, lastFrame, putWord, showFrame, startRun, takeFromRun } from "../../src/report/run.js";
import { findWord } from "../../src/report/queries.js";
import { seal } from "../../src/report/seal.js";
import { GAP } from "../../src/report/spans.js";
import { redo, undo } from "../../src/report/turn.js";
import { locked, open, reportWith } from "./target.js";

const lockedTexts = (target) => target.wire.filter(({ state }) => state === "locked").map(({ text }) => text);
const SPAN_ID = /^[A-Za-z][A-Za-z0-9_-]{0,31}$/;

/** What the desk asks of a report (drafting/report.py, drafting/ui/wire.py). */
function assertAccepted(wire) {
  const ids = wire.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length, `two spans have one id: ${ids}`);
  for (const { id, text, state, author, hint, reviewed } of wire) {
    assert.match(id, SPAN_ID);
    assert.equal(typeof text, "string");
    assert.ok(["locked", "open"].includes(state));
    assert.ok(["radiologist", "model", "template"].includes(author));
    assert.ok(!hint || state === "open");
    assert.ok([undefined, true].includes(reviewed));
  }
}

// ---- ids

const ids = fc.oneof(
  fc.integer({ min: 1, max: 12 }).map((number) => `c${number}`),
  fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/),
);
const texts = fc.oneof(
  fc.constantFrom("", " ", "Clear.", "No effusion. Heart normal.", "FINDINGS:\n", `a${GAP}b`, "x\r\ny\rz", GAP),
  fc.string({ unit: "grapheme", maxLength: 12 }),
);
const wireSpans = fc.uniqueArray(
  fc
    .record({
      id: ids,
      text: texts,
      state: fc.constantFrom("locked", "open"),
      author: fc.constantFrom("radiologist", "model", "template"),
      hint: fc.constantFrom("", "size?"),
    })
    .map(({ hint, ...span }) => (hint && span.state === "open" ? { ...span, hint } : span)),
  { selector: ({ id }) => id, maxLength: 8 },
);
const place = fc.nat({ max: 60 });
const operation = fc.oneof(
  fc.record({ do: fc.constant("select"), a: place, b: place }),
  fc.record({ do: fc.constant("type"), text: texts }),
  fc.record({ do: fc.constant("frame"), text: texts }),
  fc.record({ do: fc.constant("finish"), text: texts }),
  fc.record({ do: fc.constant("insert"), spans: wireSpans, kind: fc.constantFrom("template", "paste") }),
  fc.record({ do: fc.constant("replace"), spans: wireSpans }),
  fc.record({ do: fc.constant("start"), scope: fc.constantFrom("all", "section", "span") }),
  fc.record({ do: fc.constant("abandon"), apart: fc.boolean() }),
  fc.record({
    do: fc.constantFrom(
      "lock", "unlock", "lockSection", "unlockSection", "lockAll", "openAll", "accept", "insertGap", "editOwn",
      "nextOpen", "undo", "redo", "undo", "hint", "word", "seal", "forgetStudy",
    ),
  }),
);

function perform(target, step) {
  const length = target.state.doc.length;
  const within = (at) => Math.min(at, length);
  const { run } = target.report;
  const everyOpen = (text) => Object.fromEntries([...(run?.base.keys() ?? [])].map((id) => [id, text]));
  switch (step.do) {
    case "select": return target.select(within(step.a), within(step.b));
    case "type": return target.type(step.text);
    case "start": return run ? null : startRun(target, step.scope);
    case "frame":
      return showFrame(target, Object.fromEntries([...(run?.base.keys() ?? [])].map((id) => [id, [[step.text, 0.5, 1]]])));
    case "finish": return finishRun(target, everyOpen(step.text));
    case "abandon": return abandonRun(target, step.apart);
    case "insert": return commands.insertSpans(target, step.spans, step.kind);
    case "replace": return commands.replaceReport(target, step.spans, "template");
    case "undo": return undo(target);
    case "redo": return redo(target);
    case "seal": return seal(target);
    case "hint": {
      const span = target.report.spans.find(({ state }) => state === "open");
      return span && commands.setHint(target, span.id, "size?");
    }
    case "word": {
      const found = findWord(target.state, target.state.selection.main.head);
      return found && !run && putWord(target, found, "large", 0.5);
    }
    default: return commands[step.do](target);
  }
}

test("whatever comes over the wire and whatever is done to it, ids stay unique and the desk accepts the report", () => {
  fc.assert(
    fc.property(wireSpans, fc.array(operation, { maxLength: 25 }), (spans, steps) => {
      const target = reportWith(spans);
      for (const step of steps) {
        const before = lockedTexts(target);
        perform(target, step);
        if (["start", "frame", "finish", "abandon", "word"].includes(step.do)) assert.deepEqual(lockedTexts(target), before);
        assertAccepted(target.wire);
        assert.equal(target.report.spans.at(-1)?.to ?? 0, target.state.doc.length, "spans cover the text");
      }
    }),
    { numRuns: 400 },
  );
});

test("what a page types into a report that another page began has ids of its own", () => {
  const target = reportWith(Array.from({ length: 30 }, (_, n) => locked(`c${n + 1}`, `${n}. `)));
  for (let n = 0; n < 30; n++) {
    target.type("x", 0, 0);
    seal(target);
  }
  assertAccepted(target.wire);
});

test("a page that is loaded again, or another page, gives no id that one before it has given", async () => {
  const pages = await Promise.all([1, 2, 3].map((page) => import(`../../src/report/spans.js?page=${page}`)));
  const given = pages.flatMap(({ newId }) => Array.from({ length: 200 }, () => newId()));
  assert.equal(new Set(given).size, 600);
  for (const id of given) assert.match(id, SPAN_ID);
});

// ---- bytes

test("text of the report keeps every byte, whatever is typed beside it", () => {
  const nasty = ["a\r\nb", "a\rb", `a${GAP}b`, GAP, "\r", "\n\r", "a\u2028b\u0085c\u0000", "e\u0301\uFEFF\u200B", "\uD83D\uDE00"];
  for (const text of nasty) {
    const target = reportWith([locked("s1", text, "template"), open("s2", `open ${text}`), open("s3", "")]);
    target.type("x", target.state.doc.length, target.state.doc.length);
    target.type("y", 0, 0);
    assert.deepEqual(target.texts, ["y", text, `open ${text}`, "", "x"], JSON.stringify(text));
    startRun(target, ["s3"]);
    showFrame(target, { s3: [["No effusion.", 0.5, 1]] });
    target.type("z", 0, 0);
    finishRun(target, { s3: "No effusion." });
    undo(target);
    redo(target);
    assert.deepEqual(target.texts.slice(-4), [text, `open ${text}`, "No effusion.", "x"], JSON.stringify(text));
  }
});

test("an abandoned run leaves open text as it was, byte for byte", () => {
  const text = `open\r\n${GAP}\rtext`;
  const target = reportWith([open("s1", text)]);
  startRun(target, "all");
  showFrame(target, { s1: [["Something else.", 0.5, 1]] });
  abandonRun(target);
  assert.deepEqual(target.texts, [text]);
});

test("the placeholder as text is no gap, and a gap is none of the text", () => {
  const target = reportWith([locked("s1", GAP), open("s2", ""), open("s3", GAP)]);
  assert.deepEqual(target.report.spans.map(({ gap }) => gap), [false, true, false]);
  assert.deepEqual(target.texts, [GAP, "", GAP]);
});

// ---- a run

const drafted = (target, text) => {
  const [id] = startRun(target, "all");
  finishRun(target, { [id]: text });
  return id;
};

for (const frames of [0, 1, 2])
  test(`undo during a run, after ${frames} of its frames, brings back what stood there before the first draft`, () => {
    const target = reportWith([locked("s1", "FINDINGS: ", "template"), open("s2", "What I had typed.", "radiologist")]);
    drafted(target, "The first draft.");
    startRun(target, "all");
    for (let n = 0; n < frames; n++) showFrame(target, { s2: [[`noise ${n}`, 0.1, 0]] });
    undo(target);
    assert.deepEqual(target.texts, ["FINDINGS: ", "What I had typed."]);
    assert.equal(target.wire[1].author, "radiologist");
    finishRun(target, { s2: "The second draft." });
    assert.deepEqual(target.texts, ["FINDINGS: ", "The second draft."]);
    undo(target);
    assert.deepEqual(target.texts, ["FINDINGS: ", "What I had typed."]);
    assert.equal(target.wire[1].author, "radiologist");
  });

test("undo during a run that is then abandoned leaves what undo brought back", () => {
  const target = reportWith([open("s1", "")]);
  drafted(target, "The first draft.");
  startRun(target, "all");
  showFrame(target, { s1: [["noise", 0.1, 0]] });
  undo(target);
  assert.ok(target.doc.includes("noise"), "the run goes on on screen");
  redo(target);
  undo(target);
  abandonRun(target);
  assert.deepEqual(target.texts, [""]);
  redo(target);
  assert.deepEqual(target.texts, ["The first draft."]);
});

test("text that a run has not reached yet stays its author's when it is locked during the run", () => {
  const target = reportWith([open("s1", "Mine.", "radiologist")]);
  startRun(target, "all");
  target.select(0, 5);
  commands.lock(target);
  assert.deepEqual(target.wire.map(({ text, state, author }) => [text, state, author]), [["Mine.", "locked", "radiologist"]]);
  assert.equal(target.report.run.base.size, 0);
});

test("a word locked during a run is taken from it and one undo gives it back", () => {
  const target = reportWith([open("s1", "")]);
  startRun(target, "all");
  showFrame(target, { s1: [["Small effusion.", 0.9, 1]] });
  takeFromRun(target, { from: 0, to: 3 });
  assert.deepEqual(target.texts, ["Small effusion."]);
  undo(target);
  assert.deepEqual(target.texts, [""]);
});

test("a part that was asked for alone stays apart after a run that broke off", () => {
  const target = reportWith([open("s1", "One. Two. Three.")]);
  target.select(5, 9);
  const asked = startRun(target, "span");
  showFrame(target, { [asked[0]]: [["noise", 0.1, 0]] });
  abandonRun(target, true);
  assert.deepEqual(target.texts, ["One. ", "Two.", " Three."]);
  assert.deepEqual(startRun(target, asked), asked);
  finishRun(target, { [asked[0]]: "2." });
  assert.deepEqual(target.texts, ["One. ", "2.", " Three."]);
});

test("the last frame is what Stop keeps", () => {
  const target = reportWith([open("s1", "")]);
  startRun(target, "all");
  showFrame(target, { s1: [["Small ", 0.9, 1], ["effusion.", 0.2, 0]] });
  assert.deepEqual(lastFrame(target.state), { s1: "Small effusion." });
});

// ---- commands

test("a command that can do nothing says why and changes nothing", () => {
  const target = reportWith([locked("s1", "Clear.", "template")]);
  target.select(3);
  for (const name of ["lock", "accept", "editOwn", "undo", "redo", "nextOpen"])
    (name === "undo" ? undo : name === "redo" ? redo : commands[name])(target);
  assert.deepEqual(target.hints, [
    "nothing-to-lock", "nothing-to-accept", "nothing-to-unlock", "nothing-to-undo", "nothing-to-redo", "no-gap-left",
  ]);
  assert.deepEqual(target.texts, ["Clear."]);
});

test("hints and what the last draft changed go with the study, and no undo brings them back", () => {
  const target = reportWith([open("s1", "")]);
  commands.setHint(target, "s1", "size?");
  finishRunOf(target, "Small effusion.");
  commands.setHint(target, "s1", "side?");
  commands.forgetStudy(target);
  const seen = [];
  for (let n = 0; n < 4; n++) {
    seen.push(JSON.stringify(target.wire));
    undo(target);
  }
  for (let n = 0; n < 4; n++) {
    redo(target);
    seen.push(JSON.stringify(target.wire));
  }
  assert.ok(seen.every((one) => !one.includes("hint")), seen.join("\n"));
  assert.deepEqual(target.texts, ["Small effusion."]);
});
function finishRunOf(target, text) {
  startRun(target, "all");
  finishRun(target, { s1: text });
}
