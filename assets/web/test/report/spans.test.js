import assert from "node:assert/strict";
import { test } from "node:test";
import {
  GAP,
  assemble,
  clean,
  emptyReport,
  follow,
  fromWire,
  lengthOf,
  planEdit,
  replaceRange,
  replaceTexts,
  sentenceAt,
  setState,
  slice,
  toWire,
  weave,
} from "../../src/report/spans.js";

const span = (id, text, state = "open", author = state === "open" ? "model" : "radiologist") => ({
  id,
  text,
  state,
  author,
});
const lay = (...wire) => {
  const { doc, spans } = fromWire(wire);
  return { doc, report: { ...emptyReport, spans } };
};
const apply = (doc, changes) => {
  let out = "",
    at = 0;
  for (const { from, to, insert } of changes) {
    out += doc.slice(at, from) + insert;
    at = to;
  }
  return out + doc.slice(at);
};
const edit = ({ doc, report }, ...edits) => {
  const plan = planEdit(
    report,
    edits.map(([from, to, insert = ""]) => ({ from, to, insert })),
  );
  const next = apply(doc, plan.changes);
  assert.equal(lengthOf(plan.report.spans), next.length, "spans cover the text");
  plan.report.spans.forEach((one, i) => assert.equal(one.from, i ? plan.report.spans[i - 1].to : 0));
  assert.equal(new Set(plan.report.spans.map((one) => one.id)).size, plan.report.spans.length, "ids are unique");
  return { ...plan, doc: next, wire: toWire(plan.report.spans, next) };
};
const brief = (wire) => wire.map(({ text, state, author }) => `${state[0]}${author[0]}:${text}`);

test("a report goes to the editor and back byte for byte", () => {
  const wire = [
    span("s1", "FINDINGS:\n", "locked", "template"),
    span("s2", ""),
    span("s3", "👩‍⚕️ e\u0301 שלום\n", "locked"),
    span("s4", "ok"),
  ];
  const { doc, report } = lay(...wire);
  assert.deepEqual(toWire(report.spans, doc), wire);
});

test("typing inside an open span splits it: the left part keeps the id, the right part gets a new one", () => {
  const done = edit(lay(span("s1", "heart normal")), [5, 5, " is"]);
  assert.deepEqual(brief(done.wire), ["om:heart", "lr: is", "om: normal"]);
  assert.equal(done.wire[0].id, "s1");
  assert.notEqual(done.wire[2].id, "s1");
  assert.equal(done.report.typing, done.wire[1].id);
  assert.equal(done.caret, 8);
});

test("typing on in the same run stays one span, and deleting it all joins the open text again", () => {
  const one = edit(lay(span("s1", "heart normal")), [5, 5, "x"]);
  const two = edit({ doc: one.doc, report: one.report }, [6, 6, "y"]);
  assert.deepEqual(brief(two.wire), ["om:heart", "lr:xy", "om: normal"]);
  const three = edit({ doc: two.doc, report: two.report }, [5, 7]);
  assert.deepEqual(three.wire, [span("s1", "heart normal")]);
  assert.equal(three.report.typing, null);
});

test("sealed text refuses typing, deleting and replacing", () => {
  const start = lay(span("s1", "sure"), span("s2", " locked ", "locked"), span("s3", "open"));
  for (const change of [
    [6, 6, "x"],
    [5, 7],
    [5, 7, "x"],
    [4, 12, ""],
  ]) {
    const done = edit(start, change);
    assert.equal(done.doc, start.doc);
    assert.equal(done.refused, "locked");
  }
});

test("deleting everything leaves exactly the locked text", () => {
  const start = lay(
    span("s1", "a "),
    span("s2", "LOCKED", "locked"),
    span("s3", ""),
    span("s4", " b", "open"),
    span("s5", "\nTOO", "locked", "model"),
  );
  const done = edit(start, [0, start.doc.length]);
  assert.equal(done.wire.map((one) => one.text).join(""), "LOCKED\nTOO");
});

test("typing over a selection with locked text in it replaces the open text only", () => {
  const start = lay(span("s1", "LOCK", "locked"), span("s2", "open"));
  const done = edit(start, [2, 8, "new"]);
  assert.deepEqual(brief(done.wire), ["lr:LOCK", "lr:new"]);
  assert.equal(done.doc, "LOCKnew");
});

test("the radiologist may write at the borders of locked text", () => {
  const start = lay(span("s1", "A", "locked", "template"), span("s2", "B", "locked", "model"));
  assert.equal(edit(start, [1, 1, "x"]).doc, "AxB");
  assert.equal(edit(start, [0, 0, "x"]).doc, "xAB");
  assert.equal(edit(start, [2, 2, "x"]).doc, "ABx");
});

test("a gap is deleted as one character, and pasted placeholders do not make gaps", () => {
  const start = lay(span("s1", "A", "locked"), span("s2", ""));
  assert.deepEqual(brief(edit(start, [1, 2]).wire), ["lr:A"]);
  const pasted = edit(start, [2, 2, `x${GAP}\r\ny`]);
  assert.equal(pasted.wire.at(-1).text, "x\ny");
  assert.equal(clean(`a${GAP}\rb\uD83D👍`), "a\nb\uFFFD👍");
});

test("a split emoji never happens: offsets are UTF-16 and the text is taken whole", () => {
  const start = lay(span("s1", "👍🏽 ok", "open"));
  const done = edit(start, [4, 4, "é"]);
  assert.deepEqual(brief(done.wire), ["om:👍🏽", "lr:é", "om: ok"]);
});

test("locking a part leaves the rest its id; the author stays the model", () => {
  const { doc, report } = lay(span("s1", "One. Two. Three."));
  const locked = toWire(setState(report, 5, 9, "locked").spans, doc);
  assert.deepEqual(brief(locked), ["om:One. ", "lm:Two.", "om: Three."]);
  assert.equal(locked[0].id, "s1");
  const again = toWire(setState({ ...report, spans: setState(report, 5, 9, "locked").spans }, 5, 9, "open").spans, doc);
  assert.deepEqual(again, [span("s1", "One. Two. Three.")]);
});

test("locking whole spans keeps ids, and gaps stay gaps", () => {
  const { doc, report } = lay(span("s1", "One."), span("s2", ""), span("s3", "Two."));
  const wire = toWire(setState(report, 0, doc.length, "locked").spans, doc);
  assert.deepEqual(
    wire.map((one) => [one.id, one.state]),
    [
      ["s1", "locked"],
      ["s2", "open"],
      ["s3", "locked"],
    ],
  );
});

test("frames go into spans by id, and only where they changed", () => {
  const { doc, report } = lay(
    span("s1", "A", "locked"),
    span("s2", "old text"),
    span("s3", "B", "locked"),
    span("s4", ""),
  );
  const { changes, report: next } = replaceTexts(
    report,
    doc,
    new Map([
      ["s2", "old word"],
      ["s4", "new"],
      ["s1", "NO"],
      ["s9", "NO"],
    ]),
  );
  const after = apply(doc, changes);
  assert.equal(after, "Aold wordBnew");
  assert.deepEqual(changes[0], { from: 5, to: 9, insert: "word" });
  assert.deepEqual(
    toWire(next.spans, after).map((one) => one.id),
    ["s1", "s2", "s3", "s4"],
  );
  assert.ok(changes.every(({ from }) => from >= 5));
  const back = replaceTexts(next, after, new Map([["s4", ""]]));
  assert.equal(toWire(back.report.spans, apply(after, back.changes)).at(-1).text, "");
});

test("a caret stays where it is while text before it grows", () => {
  const { doc, report } = lay(span("s1", "ab"), span("s2", "typed", "locked"), span("s3", "cd"));
  const { report: next } = replaceTexts(
    report,
    doc,
    new Map([
      ["s1", "abcdef"],
      ["s3", ""],
    ]),
  );
  assert.equal(follow(report, next, 2), 6);
  assert.equal(follow(report, next, 5), 9);
  assert.equal(follow(report, next, doc.length), lengthOf(next.spans));
});

test("during a run, text typed inside a drafted span comes after it, and drafted text is not deleted", () => {
  const { doc, report } = lay(span("s1", "being drafted"), span("s2", "!", "locked"));
  const running = { ...report, run: { base: new Map([["s1", { text: "", author: "model" }]]), pieces: new Map() } };
  const typed = edit({ doc, report: running }, [3, 3, "mine"]);
  assert.deepEqual(brief(typed.wire), ["om:being drafted", "lr:mine", "lr:!"]);
  assert.equal(edit({ doc, report: running }, [3, 5]).refused, "drafted");
});

test("undo gives back the spans of the text that comes back and keeps the locks set since", () => {
  const before = lay(span("s1", "one two three"));
  const after = replaceRange(before.report, 4, 8, []);
  const lockedSince = setState(after, 0, 3, "locked").spans;
  const woven = weave(lockedSince, before.report.spans, [{ fromA: 4, toA: 4, fromB: 4, toB: 8 }]);
  const wire = toWire(woven, before.doc);
  assert.equal(wire.map((one) => one.text).join(""), "one two three");
  assert.equal(wire[0].state, "locked");
  assert.ok(wire.slice(1).every((one) => one.state === "open"));
});

test("pieces of a cut-out range keep state and length", () => {
  const { report } = lay(span("s1", "abcd"), span("s2", "ef", "locked"));
  assert.deepEqual(
    slice(report.spans, 2, 5).map(({ id, length }) => [id, length]),
    [
      ["s1", 2],
      ["s2", 1],
    ],
  );
  assert.equal(assemble(slice(report.spans, 0, 6)).length, 2);
});

test("the sentence at the caret", () => {
  const doc = `FINDINGS:\nThe node is 3.5 cm wide. No effusion? Yes.\n${GAP} Tail`;
  const at = (needle) => {
    const { from, to } = sentenceAt(doc, doc.indexOf(needle));
    return doc.slice(from, to);
  };
  assert.equal(at("3.5"), "The node is 3.5 cm wide.");
  assert.equal(at("No eff"), "No effusion?");
  assert.equal(at("Yes"), "Yes.");
  assert.equal(at("FIND"), "FINDINGS:");
  assert.equal(at("Tail").trim(), "Tail");
});

test("no sequence of edits ever changes sealed text", () => {
  let seed = 7;
  const random = (n) => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return seed % n;
  };
  for (let round = 0; round < 300; round++) {
    let state = lay(
      span("s1", "alpha beta"),
      span("s2", "LOCKED 🔒", "locked", "model"),
      span("s3", ""),
      span("s4", " gamma "),
      span("s5", "\nKEEP", "locked", "template"),
      span("s6", "tail"),
    );
    for (let i = 0; i < 12; i++) {
      const a = random(state.doc.length + 1),
        b = random(3) ? a : random(state.doc.length + 1);
      const done = edit(state, [Math.min(a, b), Math.max(a, b), ["", "x", "yz\n", GAP][random(4)]]);
      const sealed = done.wire
        .filter((one) => one.author !== "radiologist" && one.state === "locked")
        .map((one) => one.text)
        .join("");
      assert.equal(sealed, "LOCKED 🔒\nKEEP");
      state = { doc: done.doc, report: random(2) ? done.report : { ...done.report, typing: null } };
    }
  }
});
