import assert from "node:assert/strict";
import { test } from "node:test";
import { header, packed } from "../../src/viewer/files.js";
import { under, wordsOf } from "../../src/viewer/measure.js";

const patient = { spacing: [0.5, 0.25], spacing_at: "patient", aspect: 2 };
const length = { id: 1, kind: "length", points: [{ x: 0, y: 0 }, { x: 40, y: 0 }] }; // prettier-ignore

test("a length is in millimetres, and says where they hold, or in pixels", () => {
  assert.equal(wordsOf(length, patient), "10.0 mm");
  assert.equal(wordsOf({ ...length, points: [{ x: 0, y: 0 }, { x: 0, y: 40 }] }, patient), "20.0 mm");
  assert.equal(wordsOf(length, { ...patient, spacing_at: "detector" }), "10.0 mm at detector");
  assert.equal(wordsOf(length, { ...patient, spacing_at: "film" }), "10.0 mm on film");
  assert.equal(wordsOf(length, { spacing: null, spacing_at: "patient", aspect: 1 }), "40 px");
});

test("an angle counts the pixels' shape", () => {
  const points = [{ x: 10, y: 0 }, { x: 0, y: 0 }, { x: 10, y: 5 }]; // prettier-ignore
  assert.equal(wordsOf({ id: 1, kind: "angle", points }, patient), "45.0°");
  assert.equal(wordsOf({ id: 1, kind: "angle", points: points.slice(0, 2) }, patient), "");
});

test("an end is nearer than a line, the newest measure first, and beyond reach there is none", () => {
  const same = (point) => point;
  const newer = { id: 2, kind: "length", points: [{ x: 0, y: 0 }, { x: 0, y: 40 }] }; // prettier-ignore
  assert.deepEqual(under([length, newer], same, { x: 1, y: 1 }), { measure: newer, point: 0 });
  assert.deepEqual(under([length, newer], same, { x: 20, y: 3 }), { measure: length, point: -1 });
  assert.deepEqual(under([length, newer], same, { x: 41, y: 3 }), { measure: length, point: 1 });
  assert.equal(under([length, newer], same, { x: 20, y: 20 }), null);
});

test("several files become one TAR file, numbered in the order of their names", async () => {
  const { body, name } = packed([new File(["ten"], "Doe10"), new File(["two"], "Doe2")]);
  const bytes = new Uint8Array(await body.arrayBuffer());
  const text = new TextDecoder("latin1").decode(bytes);
  assert.equal(name, "2 files");
  assert.equal(bytes.length, 6 * 512);
  assert.ok(!text.includes("Doe"));
  assert.deepEqual([text[0], text.slice(512, 515), text[1024], text.slice(1536, 1539)], ["1", "two", "2", "ten"]);
  const sum = header("1", 3).reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  assert.equal(parseInt(text.slice(148, 154), 8), sum);
});
