import assert from "node:assert/strict";
import { test } from "node:test";
import { asHint, cutOut, emptyReport, fromWire, replaceTexts, setState, tidy, toWire, withHint, withWord, wordAt } from "../../src/report/spans.js";

const lay = (...wire) => {
  const { doc, spans } = fromWire(wire.map(([id, text, state, author = "model"]) => ({ id, text, state, author })));
  return { doc, report: { ...emptyReport, spans } };
};

test("the word of open text at a position, its place counted in characters of its span", () => {
  const { doc, report } = lay(["s1", "Locked. ", "locked"], ["s2", "𝒜 left-sided, 1.5 cm.", "open"], ["s3", "", "open"]);
  const at = doc.indexOf("sided");
  assert.deepEqual(wordAt(report, doc, at), { id: "s2", from: 11, to: 21, start: 2, end: 12, word: "left-sided", author: "model" });
  assert.equal(wordAt(report, doc, doc.indexOf("1.5") + 3).word, "1.5");
  assert.equal(wordAt(report, doc, doc.indexOf("cm.") + 2).word, "cm");
  assert.equal(wordAt(report, doc, 3), null);
  assert.equal(wordAt(report, doc, doc.length), null);
});

test("certainty follows a word that is put in place of another", () => {
  const pieces = [["A ", 0.9, 1], ["card", 0.5, 1], ["iac", 0.4, 1], [" mass.", 0.8, 1]];
  const now = withWord(pieces, 2, 9, ["large", 0.25, 1]);
  assert.deepEqual(now, [["A ", 0.9, 1], ["large", 0.25, 1], [" mass.", 0.8, 1]]);
  assert.deepEqual(withWord([["one two", 0.5, 0]], 0, 3, ["no", 0.1, 1]), [["no", 0.1, 1], [" two", 0.5, 0]]);
});

test("a hint stays with its gap through a draft, and goes with the lock", () => {
  const { doc, report } = lay(["s1", "F: ", "locked"], ["s2", "", "open"], ["s3", " End.", "open"]);
  const hinted = withHint(report, "s2", "size?");
  assert.deepEqual(toWire(hinted.spans, doc).map(({ hint }) => hint), [undefined, "size?", undefined]);
  assert.equal(fromWire(toWire(hinted.spans, doc)).spans[1].hint, "size?");
  const { report: drafted } = replaceTexts(hinted, doc, new Map([["s2", "small effusion"]]));
  assert.equal(tidy(drafted).spans[1].hint, "size?");
  const locked = setState(drafted, 3, 17, "locked");
  assert.ok(locked.spans.every(({ hint }) => !hint));
  // Of a part that is cut out, the first piece keeps it.
  const cut = cutOut(drafted, 9, 17).spans.filter(({ state }) => state === "open");
  assert.deepEqual(cut.map(({ hint }) => hint), ["size?", undefined, undefined]);
  assert.ok(!("hint" in withHint(hinted, "s2", "").spans[1]));
});

test("a hint is one line of what the markup can hold", () => {
  assert.equal(asHint("  size\n[of]|effusion?  "), "size of effusion?");
  assert.equal([...asHint("é".repeat(300))].length, 120);
});
