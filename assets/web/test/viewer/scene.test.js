import assert from "node:assert/strict";
import { test } from "node:test";
import { draggedWindow } from "../../src/viewer/gestures.js";
import { createImages } from "../../src/viewer/images.js";
import { createMeasuring } from "../../src/viewer/measuring.js";
import { MAX_ZOOM, createScene } from "../../src/viewer/scene.js";

const PICTURE = { width: 100, height: 50, aspect: 1, channels: 1, bits: 8, spacing: [1, 1], spacing_at: "patient" };

function stage() {
  const told = { changed: 0, moved: 0 };
  const scene = createScene({
    size: () => ({ width: 200, height: 200 }),
    ratio: () => 2,
    changed: () => told.changed++,
    moved: () => told.moved++,
  });
  scene.study = { facts: {}, note: "", pictures: [PICTURE, PICTURE] };
  scene.windows = [{ center: 100, width: 50, name: "file" }];
  scene.reset();
  return { scene, told };
}

test("a picture fits its stage, and reset brings that back", () => {
  const { scene } = stage();
  assert.equal(scene.view.zoom, 2);
  scene.zoomAt(3, 10, 10);
  scene.turn("left");
  scene.toggleInvert();
  scene.setWindow(1, 2);
  assert.equal(scene.fitted, false);
  scene.reset();
  assert.deepEqual(
    [scene.view.zoom, scene.fitted, scene.invert, scene.windowNow],
    [2, true, false, { center: 100, width: 50 }],
  );
});

test("the point under the hand stays there while it is zoomed", () => {
  const { scene } = stage();
  const at = { x: 60, y: 90 };
  const before = scene.pointed(at);
  scene.zoomAt(1.7, at.x, at.y);
  const after = scene.pointed(at);
  assert.ok(Math.hypot(before.x - after.x, before.y - after.y) < 1e-9);
  scene.zoomAt(1e9);
  assert.equal(scene.view.zoom, MAX_ZOOM);
});

test("a pan goes with the hand and never off the picture", () => {
  const { scene } = stage();
  const held = scene.pointed({ x: 100, y: 100 });
  scene.pan(10, 0);
  assert.ok(Math.abs(scene.shown(held).x - 110) < 1e-9);
  scene.pan(1e6, 1e6);
  assert.deepEqual(scene.view.middle, { x: 0, y: 0 });
});

test("another scene can lie the same way", () => {
  const { scene } = stage(),
    { scene: other } = stage();
  scene.zoomAt(2, 20, 20);
  other.place(scene.placed);
  assert.deepEqual([other.view.zoom, other.view.middle, other.fitted], [scene.view.zoom, scene.view.middle, false]);
});

test("nothing moves where there is no study", () => {
  const { scene, told } = stage();
  scene.study = null;
  told.changed = told.moved = 0;
  scene.fit();
  scene.turn("left");
  scene.zoomAt(2);
  assert.deepEqual([told, scene.placed], [{ changed: 0, moved: 0 }, null]);
});

test("a drag of the window goes at the pace of the file's own", () => {
  assert.deepEqual(draggedWindow({ center: 100, width: 400 }, 400, 10, -5), { center: 95, width: 410 });
  assert.deepEqual(draggedWindow({ center: 1, width: 2 }, 40, 7, 0), { center: 1, width: 2.7 });
});

// ---- measures

function measuring(mode = "length") {
  const { scene } = stage();
  const tools = { mode, lens: false, written: true };
  const said = [];
  return { scene, tools, said, hand: createMeasuring({ scene, tools, say: (text) => said.push(text), redraw() {} }) };
}

test("a length is drawn out, said, moved as a whole and deleted", () => {
  const { hand, said } = measuring();
  assert.equal(hand.grasp({ x: 20, y: 100 }), true);
  hand.drawOut({ x: 60, y: 100 });
  hand.letGo();
  assert.match(said.at(-1), /^Length: 20(\.0)? mm\.$/);
  assert.equal(hand.shown.length, 1);
  hand.grasp({ x: 40, y: 100 });
  hand.drawOut({ x: 1000, y: 100 });
  hand.letGo();
  assert.deepEqual(hand.shown[0].points.map(({ x }) => x), [80, 100]);
  assert.equal(hand.deleteSelected(), true);
  assert.equal(hand.shown.length, 0);
});

test("a slip of the hand measures nothing, and Escape takes a move back", () => {
  const { hand, tools } = measuring();
  hand.grasp({ x: 20, y: 100 });
  hand.letGo();
  assert.equal(hand.shown.length, 0);
  hand.grasp({ x: 20, y: 100 });
  hand.drawOut({ x: 60, y: 100 });
  hand.letGo();
  tools.mode = "window";
  hand.grasp({ x: 40, y: 100 });
  hand.drawOut({ x: 90, y: 120 });
  assert.equal(hand.cancel(), true);
  assert.deepEqual(hand.shown[0].points.map(({ x }) => x), [10, 30]);
});

test("an angle takes a drag and a press", () => {
  const { hand, said } = measuring("angle");
  hand.grasp({ x: 20, y: 100 });
  hand.drawOut({ x: 100, y: 100 });
  hand.letGo();
  assert.equal(hand.isPlacing, true);
  hand.grasp({ x: 100, y: 120 });
  hand.letGo();
  assert.match(said.at(-1), /^Angle: 90/);
});

test("by keyboard the cross is moved and sets the points", () => {
  const { hand, said } = measuring();
  hand.setPoint();
  hand.setPoint();
  hand.nudge({ key: "ArrowRight", shiftKey: true });
  hand.setPoint();
  assert.match(said.at(-1), /^Length: 12\.5 mm\.$/);
});

// ---- images

test("images are fetched once, kept within a budget, and wiped when they go", async () => {
  const fetched = [];
  const given = [];
  const images = createImages({
    budget: 12,
    async fetchPixels(n) {
      fetched.push(n);
      given[n] = new Uint8Array(4).fill(n + 1).buffer;
      return given[n];
    },
  });
  const pictures = Array.from({ length: 5 }, () => ({ width: 2, height: 2, channels: 1, bits: 8 }));
  images.begin(pictures, new Uint8Array(4).fill(9).buffer);
  await Promise.all([images.fetch(1, () => 0), images.fetch(1, () => 0)]);
  for (const n of [2, 3, 4]) await images.fetch(n, () => 0);
  assert.deepEqual(fetched, [1, 2, 3, 4]);
  assert.equal(images.has(0), true, "the image on screen stays");
  assert.equal([1, 2, 3, 4].filter(images.has).length < 4, true);
  const pixels = images.pixels(0);
  images.forget();
  assert.deepEqual([...pixels], [0, 0, 0, 0]);
  assert.equal(images.has(0), false);
});

test("an image of a former study that comes late is dropped", async () => {
  let arrive = () => {};
  const images = createImages({ fetchPixels: () => new Promise((resolve) => (arrive = resolve)) });
  const pictures = Array.from({ length: 2 }, () => ({ width: 1, height: 1, channels: 1, bits: 8 }));
  images.begin(pictures, new ArrayBuffer(1));
  const late = images.fetch(1, () => 0);
  images.forget();
  images.begin(pictures, new ArrayBuffer(1));
  arrive(new ArrayBuffer(1));
  await late;
  assert.equal(images.has(1), false);
});
