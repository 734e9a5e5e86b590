import assert from "node:assert/strict";
import { test } from "node:test";
import { FINE, colour, heat, placeOf } from "../../src/viewer/heat.js";
import { UPRIGHT, turned } from "../../src/viewer/geometry.js";

const at = ({ width, data }, x, y) => [...data.slice((y * width + x) * 4, (y * width + x) * 4 + 4)];

test("the strongest part is the most opaque, and where nothing is nothing is drawn", () => {
  const map = heat([
    [0, 0, 0],
    [0, 0, 0.4],
  ]);
  assert.equal(map.width, 3 * FINE);
  assert.equal(map.height, 2 * FINE);
  // The middle of the last part, and of the first.
  const strong = at(map, 2.5 * FINE, 1.75 * FINE);
  assert.ok(strong[3] > 120, String(strong));
  assert.ok(strong[3] < 200, "anatomy shows through");
  assert.deepEqual(at(map, FINE / 2, FINE / 2), [0, 0, 0, 0]);
});

test("a map without weights is drawn as nothing", () => {
  assert.ok(heat([[0, 0]]).data.every((value) => value === 0));
});

test("more is more opaque and warmer", () => {
  const shades = [0.2, 0.4, 0.6, 0.8, 1].map(colour);
  for (let i = 1; i < shades.length; i++) {
    assert.ok(shades[i][3] > shades[i - 1][3]);
    assert.ok(shades[i][0] > shades[i - 1][0]);
    assert.ok(shades[i][2] < shades[i - 1][2]);
  }
});

test("the place is told as it is seen", () => {
  const weights = [
    [0, 0, 0, 0],
    [0, 0, 0, 0],
    [0, 0, 0, 1],
  ];
  assert.equal(placeOf(weights, UPRIGHT), "lower right");
  assert.equal(placeOf(weights, turned.flipAcross(UPRIGHT)), "lower left");
  assert.equal(placeOf(weights, turned.right(UPRIGHT)), "lower left");
  assert.equal(placeOf([[0, 0, 0], [0, 1, 0], [0, 0, 0]], UPRIGHT), "middle");
});
