import assert from "node:assert/strict";
import test from "node:test";

import { diff, diffOfParts } from "../../src/report/diff.js";

const side = (changes, other) =>
  changes
    .filter(({ kind }) => kind !== other)
    .map(({ text }) => text)
    .join("");

test("a changed word stands alone between what stayed", () => {
  assert.deepEqual(diff("The heart is normal in size.", "The heart is enlarged in size."), [
    { kind: "same", text: "The heart is " },
    { kind: "gone", text: "normal" },
    { kind: "new", text: "enlarged" },
    { kind: "same", text: " in size." },
  ]);
});

test("a word or two that stayed by chance do not cut a rewritten sentence into shreds", () => {
  const changes = diff("A. The lungs are clear of effusion. Z.", "A. Both lungs look fairly clear today. Z.");
  assert.deepEqual(
    changes.map(({ kind }) => kind),
    ["same", "gone", "new", "same"],
  );
});

test("what stayed between two changes is kept where it can be read", () => {
  const changes = diff("x one two three y", "p one two three q");
  assert.deepEqual(
    changes.map(({ kind, text }) => [kind, text.trim()]),
    [
      ["gone", "x"],
      ["new", "p"],
      ["same", "one two three"],
      ["gone", "y"],
      ["new", "q"],
    ],
  );
});

test("both sides can be read from it, whatever they are", () => {
  const words = ["No", "effusion", "or", "The", "heart", "\n", "é😀", "אב"];
  let state = 7;
  const random = (below) => (state = (state * 48271) % 2147483647) % below;
  const text = () => Array.from({ length: random(30) }, () => words[random(words.length)]).join(" ");
  for (let n = 0; n < 500; n++) {
    const before = text(),
      after = text();
    const changes = diff(before, after);
    assert.equal(side(changes, "new"), before);
    assert.equal(side(changes, "gone"), after);
    assert.ok(changes.every(({ text }) => text));
  }
});

test("what no draft may touch never shows as gone and come again", () => {
  const heading = "\n\nIMPRESSION:\n";
  const shown = diffOfParts([
    { before: "Focal air space disease within the right lower lobe.", after: "There is a patchy opacity." },
    { before: heading, after: heading },
    { before: "Hazy opacity.", after: "Focal air space disease within the right lower lobe." },
  ]);
  assert.deepEqual(
    shown.filter(({ text }) => text.includes("IMPRESSION")),
    [{ kind: "same", text: heading }],
  );
});
