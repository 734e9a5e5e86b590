import assert from "node:assert/strict";
import { test } from "node:test";
import { Text, ChangeSet } from "@codemirror/state";
import { sentence } from "../../src/page/ask.js";
import { diff } from "../../src/report/diff.js";
import { asText } from "../../src/report/text.js";
import { placesOf } from "../../src/report/places.js";
import { emptyHistory, record, turnBack } from "../../src/report/history.js";
import {
  accept,
  cutOut,
  emptyReport,
  fieldsIn,
  fromMarked,
  fromWire,
  isUnreviewed,
  replaceTexts,
  sectionAt,
  sections,
  tidy,
  toWire,
} from "../../src/report/spans.js";

const DOC = "Portable film.\n\nFINDINGS:\nClear. \n\nIMPRESSION: Normal.";

test("sections begin at their headings and end before the next one's white space", () => {
  const shown = sections(DOC).map(({ from, body, to }) => [DOC.slice(from, body), DOC.slice(body, to)]);
  assert.deepEqual(shown, [
    ["", "Portable film."],
    ["FINDINGS:\n", "Clear."],
    ["IMPRESSION: ", "Normal."],
  ]);
  assert.equal(sectionAt(DOC, DOC.indexOf("Clear")).from, DOC.indexOf("FINDINGS"));
  assert.deepEqual(sectionAt("", 0), { from: 0, body: 0, to: 0 });
  assert.equal(sections("No HEADING: here\nHello: no").length, 1);
});

test("fields are found where they stand", () => {
  assert.deepEqual(fieldsIn("A [size] mm [[x]] []", 5), [
    { from: 7, to: 13 },
    { from: 18, to: 21 },
  ]);
});

test("marked text comes back as the model's, and the rest as the radiologist's", () => {
  const spans = fromMarked("Clear. [[No effusion.]] [[]]]] x");
  assert.deepEqual(
    spans.map(({ text, state, author }) => [text, state, author]),
    [
      ["Clear. ", "locked", "radiologist"],
      ["No effusion.", "open", "model"],
      [" ", "locked", "radiologist"],
      ["", "open", "model"],
      ["]] x", "locked", "radiologist"],
    ],
  );
});

const lay = (...wire) => {
  const { doc, spans } = fromWire(wire);
  return { doc, report: { ...emptyReport, spans } };
};
const open = (id, text, author = "model") => ({ id, text, state: "open", author });

test("accepting a part marks that part alone, on the wire and in the export, until a draft changes it", () => {
  const { doc, report } = lay(open("c1", "Clear. Small heart."));
  const accepted = accept(report, 0, 6);
  const wire = toWire(accepted.spans, doc);
  assert.deepEqual(
    wire.map(({ text, reviewed }) => [text, reviewed]),
    [
      ["Clear.", true],
      [" Small heart.", undefined],
    ],
  );
  assert.equal(asText(wire).split("\n")[0], "Clear.[[ Small heart.]]");
  assert.deepEqual(fromWire(wire).spans.map(isUnreviewed), [false, true]);
  const texts = new Map([[wire[0].id, "Hazy."]]);
  const { report: drafted } = replaceTexts(accepted, doc, texts, undefined, () => false);
  assert.ok(isUnreviewed(drafted.spans[0]));
});

test("a part that is cut out to be drafted joins its neighbours again once it is no longer kept", () => {
  const { report } = lay(open("c1", "Clear. Small heart."));
  const cut = cutOut(report, 7, 19);
  assert.equal(cut.spans.length, 2);
  const kept = { ...cut, kept: new Set([cut.spans[1].id]) };
  assert.equal(tidy(kept).spans.length, 2);
  assert.equal(tidy({ ...kept, kept: null }).spans.length, 1);
});

test("a template that was put in goes with one undo, unless a lock in it has changed since", () => {
  const { doc, report } = lay({ id: "c7", text: "Normal.", state: "locked", author: "template" });
  const change = ChangeSet.of([{ from: 0, insert: doc }], 0);
  const step = { change, inverse: change.invert(Text.empty), before: [], after: report.spans, mark: null, time: 0 };
  const after = (kind) => record(emptyHistory, { ...step, kind });
  assert.equal(turnBack(after("template"), report, "undo").report.spans.length, 0);
  assert.equal(turnBack(after("type"), report, "undo"), "locked");
  const relocked = { ...report, spans: [{ ...report.spans[0], id: "c8" }] };
  assert.equal(turnBack(after("template"), relocked, "undo"), "locked");
});

test("a diff says every word once, in order", () => {
  const before = "The heart is normal. No effusion.",
    after = "The heart is large. No effusion.";
  assert.deepEqual(diff(before, after), [
    { kind: "same", text: "The heart is " },
    { kind: "gone", text: "normal." },
    { kind: "new", text: "large." },
    { kind: "same", text: " No effusion." },
  ]);
  const joined = (kinds) => diff("a b  c d", "b x  d e").filter(({ kind }) => kinds.includes(kind));
  assert.equal(joined(["same", "gone"]).map(({ text }) => text).join(""), "a b  c d");
  assert.equal(joined(["same", "new"]).map(({ text }) => text).join(""), "b x  d e");
  assert.deepEqual(diff("", ""), []);
});

test("what is looked for is taken letter by letter, in either case", () => {
  assert.deepEqual(placesOf("A.b a.B axb", "a.b"), [
    { from: 0, to: 3 },
    { from: 4, to: 7 },
  ]);
  assert.deepEqual(placesOf("abc", ""), []);
});

test("an answer becomes a sentence", () => {
  assert.equal(sentence("  left lower   lobe ", "where is it?"), "Left lower lobe.");
  assert.equal(sentence("No.", "is there an  effusion ?"), "Is there an effusion? No.");
  assert.equal(sentence("cardiomegaly", "What is abnormal"), "What is abnormal? Cardiomegaly.");
  assert.equal(sentence(" ", "Is there an effusion?"), "");
});
