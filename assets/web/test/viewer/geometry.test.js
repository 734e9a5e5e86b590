import assert from "node:assert/strict";
import { test } from "node:test";
import { edgeLetters, fitZoom, isMirrored, scaleBar, toPicture, toStage, turned, UPRIGHT } from "../../src/viewer/geometry.js";

const picture = { width: 100, height: 40, aspect: 2 },
  stage = { width: 300, height: 200 };

test("a quarter turn right takes the top to the right, and four are none", () => {
  const view = { zoom: 1, middle: { x: 0.5, y: 0.5 }, turn: turned.right(UPRIGHT) };
  const top = toStage(view, picture, stage, { x: 50, y: 0 });
  assert.deepEqual([top.x, top.y], [190, 100]);
  let turn = UPRIGHT;
  for (let i = 0; i < 4; i++) turn = turned.right(turn);
  assert.deepEqual(turn, UPRIGHT);
  assert.deepEqual(turned.left(turned.right(UPRIGHT)), UPRIGHT);
});

test("a flip is across the screen, whatever has been turned before", () => {
  const turn = turned.flipAcross(turned.right(UPRIGHT));
  const top = toStage({ zoom: 1, middle: { x: 0.5, y: 0.5 }, turn }, picture, stage, { x: 50, y: 0 });
  assert.deepEqual([top.x, top.y], [110, 100]);
  assert.ok(isMirrored(turn));
  assert.ok(!isMirrored(turned.flipDown(turn)));
});

test("the way to the stage and back is the same, flipped and turned", () => {
  for (const turn of [UPRIGHT, turned.right(UPRIGHT), turned.flipDown(turned.left(UPRIGHT))]) {
    const view = { zoom: 2.5, middle: { x: 0.3, y: 0.7 }, turn };
    const back = toPicture(view, picture, stage, toStage(view, picture, stage, { x: 12, y: 34 }));
    assert.ok(Math.abs(back.x - 12) < 1e-9 && Math.abs(back.y - 34) < 1e-9);
  }
});

test("to fit counts the pixels' shape and the turn", () => {
  assert.equal(fitZoom(picture, UPRIGHT, stage), 2.5);
  assert.equal(fitZoom(picture, turned.left(UPRIGHT), stage), 2);
});

test("letters follow flips and turns, and there are none where nothing is known", () => {
  const upright = edgeLetters(["L", "F"], UPRIGHT);
  assert.deepEqual(upright, { right: "L", left: "R", bottom: "F", top: "H" });
  assert.equal(edgeLetters(["L", "F"], turned.flipAcross(UPRIGHT)).right, "R");
  assert.deepEqual(edgeLetters(["LP", "F"], turned.right(UPRIGHT)), { bottom: "LP", top: "RA", left: "F", right: "H" });
  assert.deepEqual(edgeLetters(null, UPRIGHT), { left: "", right: "", top: "", bottom: "" });
});

test("the scale bar is a round length that fits, and none without a spacing", () => {
  assert.deepEqual(scaleBar([0.2, 0.2], 0.25, 160), { mm: 100, pixels: 125, name: "10 cm" });
  assert.equal(scaleBar([0.2, 0.2], 8, 160).name, "2 mm");
  assert.equal(scaleBar(null, 1, 160), null);
});
