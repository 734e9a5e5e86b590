import assert from "node:assert/strict";
import { test } from "node:test";
import { grayTable, halve, paint, readPixels, valueRange, windowsOf, wordTable } from "../../src/viewer/windowing.js";

const plain = { bits: 16, slope: 1, intercept: 0, inverted: false };

test("the window's edges are black and white, its middle is gray (DICOM PS3.3 C.11.2.1.2.1)", () => {
  const table = grayTable(plain, 2048, 4096, false);
  assert.equal(table[0], 0);
  assert.equal(table[4095], 255);
  assert.ok(Math.abs(table[2048] - 128) <= 1);
  assert.equal(table[65535], 255);
  for (let i = 1; i < table.length; i++) assert.ok(table[i] >= table[i - 1]);
});

test("rescale comes before the window", () => {
  const table = grayTable({ ...plain, intercept: -1024 }, 40, 400, false);
  assert.equal(table[1024 - 160], 0);
  assert.equal(table[1024 + 240], 255);
  assert.ok(Math.abs(table[1024 + 40] - 128) <= 1);
});

test("MONOCHROME1 and the Invert button each turn the table over, both together do not", () => {
  const one = grayTable(plain, 100, 200, false);
  assert.deepEqual(
    grayTable({ ...plain, inverted: true }, 100, 200, false),
    one.map((gray) => 255 - gray),
  );
  assert.deepEqual(grayTable({ ...plain, inverted: true }, 100, 200, true), one);
});

test("a window of width 1 is a threshold", () => {
  const table = grayTable({ ...plain, bits: 8 }, 100, 1, false);
  assert.deepEqual([table[99], table[100]], [0, 255]);
  assert.deepEqual([...new Set(table)], [0, 255]);
});

test("pixels are read as little-endian and their number is checked", () => {
  const picture = { width: 2, height: 1, channels: 1, bits: 16 };
  assert.deepEqual([...readPixels(new Uint8Array([1, 2, 0, 16]).buffer, picture)], [513, 4096]);
  assert.throws(() => readPixels(new ArrayBuffer(3), picture), RangeError);
});

test("halving takes the mean and keeps odd edges", () => {
  const half = halve({ pixels: new Uint16Array([0, 4, 10, 8, 4, 10]), width: 3, height: 2, channels: 1 });
  assert.deepEqual([half.width, half.height], [2, 1]);
  assert.deepEqual([...half.pixels], [4, 10]);
  const colour = halve({ pixels: new Uint8Array([0, 100, 200, 10, 110, 210]), width: 2, height: 1, channels: 3 });
  assert.deepEqual([...colour.pixels], [5, 105, 205]);
});

test("a part of a level is painted with the table", () => {
  const grays = new Uint8Array(256).map((_, i) => i),
    words = wordTable(grays),
    out = new Uint32Array(2);
  paint({ pixels: new Uint8Array([1, 2, 3, 4, 5, 6]), width: 3, channels: 1 }, 1, 1, 2, 1, grays, words, out);
  assert.deepEqual([...out], [0xff050505, 0xff060606]);
  paint({ pixels: new Uint8Array([10, 20, 30, 40, 50, 60]), width: 2, channels: 3 }, 0, 0, 2, 1, grays, words, out);
  assert.deepEqual([...new Uint8Array(out.buffer)], [10, 20, 30, 255, 40, 50, 60, 255]);
});

test("a picture without a window shows all its values, a CT offers the usual windows", () => {
  const pixels = new Uint16Array(1000).map((_, i) => 100 + (i % 900));
  assert.deepEqual(valueRange(pixels), { low: 100, high: 999 });
  const [full] = windowsOf({ ...plain, channels: 1, windows: [] }, null, pixels);
  assert.ok(full.center > 500 && full.center < 600 && full.width > 850);
  const names = windowsOf({ ...plain, channels: 1, windows: [{ center: 1, width: 2, name: "" }] }, "CT", pixels).map(
    (one) => one.name,
  );
  assert.deepEqual(names, ["Default", "Soft tissue", "Lung", "Bone", "Brain"]);
});

test("a radiograph offers its own windows first, then parts of them; dark is dark on screen", () => {
  const pixels = new Uint16Array([0, 4000]);
  const picture = { ...plain, channels: 1, windows: [{ center: 2000, width: 2000, name: "THORAX" }] };
  const offered = windowsOf(picture, "DX", pixels);
  assert.deepEqual(
    offered.map(({ name }) => name),
    ["THORAX", "High contrast", "Dark areas", "Bright areas", "All values"],
  );
  assert.ok(offered[2].center < offered[3].center);
  const turned = windowsOf({ ...picture, inverted: true }, "DX", pixels);
  assert.ok(turned[2].center > turned[3].center);
  const colour = { ...plain, bits: 8, channels: 3, windows: [] };
  assert.deepEqual(windowsOf(colour, "US", new Uint8Array(3)).length, 1);
});
