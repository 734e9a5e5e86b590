import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyReport, fromWire, withWord, wordAt } from "../src/spans.js";

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
