import assert from "node:assert/strict";
import { test } from "node:test";
import { NOTICE, UNREVIEWED_NOTICE, asText } from "../../src/report/text.js";

const span = (text, state, author) => ({ id: "c1", text, state, author });

test("locked text stands character for character, with the notice behind it", () => {
  const locked = "Côté:\tno [[shift]]… e\u0301 \u{1F469}\u200D\u2695\uFE0F \u05D0\n\n  Ω ";
  assert.equal(asText([span(locked, "locked", "radiologist")]), `${locked}\n\n${NOTICE}\n`);
});

test("text of the model is marked until a person has locked it", () => {
  assert.equal(
    asText([span("Lungs: ", "locked", "template"), span("Clear.", "open", "model"), span("", "open", "model")]),
    `Lungs: [[Clear.]]\n\n${NOTICE}\n${UNREVIEWED_NOTICE}\n`,
  );
  assert.equal(asText([span("Clear.", "locked", "model")]), `Clear.\n\n${NOTICE}\n`);
  assert.equal(asText([span("Clear.", "open", "radiologist")]), `Clear.\n\n${NOTICE}\n`);
});

test("a report that ends its last line gets one blank line, and an empty one is the notice alone", () => {
  assert.equal(asText([span("A.\n", "locked", "radiologist")]), `A.\n\n${NOTICE}\n`);
  assert.equal(asText([]), `${NOTICE}\n`);
});
