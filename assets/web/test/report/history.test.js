import assert from "node:assert/strict";
import { test } from "node:test";
import { ChangeSet, Text } from "@codemirror/state";
import { emptyHistory, record, restated, touchesSealed, turnBack } from "../../src/report/history.js";
import { accept, emptyReport, fromWire, setState, toWire, withHint } from "../../src/report/spans.js";

const lay = (...wire) => {
  const { doc, spans } = fromWire(
    wire.map(([id, text, state, author = state === "open" ? "model" : "radiologist"]) => ({ id, text, state, author })),
  );
  return { doc, report: { ...emptyReport, spans } };
};
const step = (before, after, changes, kind, mark = null, time = 0) => {
  const change = ChangeSet.of(changes, before.doc.length);
  return {
    change,
    inverse: change.invert(Text.of(before.doc.split("\n"))),
    before: before.report.spans,
    after: after.report.spans,
    kind,
    mark,
    time,
  };
};
const run = (doc, change) => change.apply(Text.of(doc.split("\n"))).toString();

const gap = lay(["s1", "F: ", "locked", "template"], ["s2", "", "open"]);
const drafted = lay(["s1", "F: ", "locked", "template"], ["s2", "clear", "open"]);
const draft = step(gap, drafted, [{ from: 3, to: 4, insert: "clear" }], "draft");

test("a draft is taken back as one step and comes again", () => {
  const back = turnBack(record(emptyHistory, draft), drafted.report, "undo");
  assert.equal(toWire(back.report.spans, run(drafted.doc, back.change)).at(-1).text, "");
  const again = turnBack(back.history, back.report, "redo");
  assert.equal(run(gap.doc, again.change), drafted.doc);
  assert.equal(again.report.spans.at(-1).id, "s2");
});

test("undo stops before text that was locked since", () => {
  const locked = setState(drafted.report, 3, 8, "locked");
  assert.equal(turnBack(record(emptyHistory, draft), locked, "undo"), "locked");
  const opened = setState(locked, 3, 8, "open");
  assert.notEqual(turnBack(record(emptyHistory, draft), opened, "undo"), "locked");
});

test("typing in one breath is one step; a pause or another run makes another", () => {
  const typed = (n) => lay(["c1", "x".repeat(n), "locked"]);
  const type = (n, mark, time) =>
    step(
      n > 1 ? typed(n - 1) : { doc: "", report: emptyReport },
      typed(n),
      [{ from: n - 1, insert: "x" }],
      "type",
      mark,
      time,
    );
  let history = record(record(emptyHistory, type(1, "c1", 0)), type(2, "c1", 200));
  assert.equal(history.done.length, 1);
  assert.equal(run("xx", history.done[0].inverse), "");
  history = record(history, type(3, "c1", 2000));
  assert.equal(history.done.length, 2);
  history = record(history, type(4, "c2", 2100));
  assert.equal(history.done.length, 3);
});

test("typed text that redo brings back may be typed on and undone again", () => {
  const empty = { doc: "", report: emptyReport },
    typed = lay(["c1", "word", "locked"]);
  const history = record(emptyHistory, step(empty, typed, [{ from: 0, insert: "word" }], "type", "c1"));
  const undone = turnBack(history, { ...typed.report, typing: "c1" }, "undo");
  assert.deepEqual(undone.report.spans, []);
  const redone = turnBack(undone.history, undone.report, "redo");
  assert.equal(redone.report.typing, "c1");
  assert.notEqual(turnBack(redone.history, redone.report, "undo"), "locked");
});

test("nothing to undo, nothing to redo", () => {
  assert.equal(turnBack(emptyHistory, emptyReport, "undo"), "nothing");
  assert.equal(turnBack(emptyHistory, emptyReport, "redo"), "nothing");
});

test("only changes inside sealed text touch it", () => {
  const { doc, report } = lay(["s1", "LOCK", "locked"], ["s2", "open", "open"]);
  const touches = (...changes) => touchesSealed(report, ChangeSet.of(changes, doc.length));
  assert.ok(touches({ from: 3, to: 5 }));
  assert.ok(touches({ from: 2, insert: "x" }));
  assert.ok(!touches({ from: 4, insert: "x" }));
  assert.ok(!touches({ from: 0, insert: "x" }));
  assert.ok(!touches({ from: 4, to: 8, insert: "other" }));
  assert.ok(!touchesSealed({ ...report, typing: "s1" }, ChangeSet.of([{ from: 1, to: 3 }], doc.length)));
});

const restate = (doc, before, after) => {
  const none = ChangeSet.empty(doc.length);
  return { change: none, inverse: none, before: before.spans, after: after.spans, kind: "state", mark: null, time: 0 };
};

test("a lock is taken back and comes again, and so are unlocking, accepting and hints", () => {
  const { doc, report } = lay(["s1", "One. Two. ", "open"], ["s2", "Mine.", "locked"], ["s3", "", "open"]);
  const states = (one) => toWire(one.spans, doc).map(({ id: _, ...rest }) => rest);
  for (const change of [
    (now) => setState(now, 0, 4, "locked"),
    (now) => setState(now, 0, doc.length, "locked"),
    (now) => setState(now, 10, 15, "open"),
    (now) => accept(now, 5, 9),
    (now) => withHint(now, "s3", "size?"),
  ]) {
    const after = change(report);
    assert.notDeepEqual(states(after), states(report));
    const back = turnBack(record(emptyHistory, restate(doc, report, after)), after, "undo");
    assert.deepEqual(states(back.report), states(report));
    assert.ok(back.change.empty);
    const again = turnBack(back.history, back.report, "redo");
    assert.deepEqual(states(again.report), states(after));
  }
});

test("undoing a lock lets the draft before it be undone too", () => {
  const locked = setState(drafted.report, 3, 8, "locked");
  const history = record(record(emptyHistory, draft), restate(drafted.doc, drafted.report, locked));
  const unlocked = turnBack(history, locked, "undo");
  const back = turnBack(unlocked.history, unlocked.report, "undo");
  assert.equal(toWire(back.report.spans, run(drafted.doc, back.change)).at(-1).text, "");
});

test("only what a step has changed is said again", () => {
  const { report } = lay(["s1", "One. Two. ", "open"], ["s2", "Mine.", "locked"]);
  assert.deepEqual(restated({ before: report.spans, after: setState(report, 5, 15, "locked").spans }), [
    { fromA: 5, toA: 10, fromB: 5, toB: 10 },
  ]);
  assert.deepEqual(restated({ before: report.spans, after: report.spans }), []);
});
