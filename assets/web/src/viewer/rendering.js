// Draws a part of a picture through its window onto a canvas. Knows nothing of where the pixels come from.

import { toPicture } from "./geometry.js";
import { grayTable, paint, wordTable } from "./windowing.js";

/** @typedef {import("./images.js").Level} Level */
/** @typedef {import("../page/desk.js").Picture} Picture */
/** `ratio`: pixels of the screen for one CSS pixel.
 * @typedef {{picture: Picture, level: Level, view: import("./geometry.js").View, ratio: number,
 *   windowNow: {center: number, width: number}, invert: boolean, moving: boolean}} How */

/**
 * What is drawn from here on is in pixels of the picture, as it lies.
 * @param {CanvasRenderingContext2D} target @param {{width: number, height: number}} size CSS pixels @param {Pick<How, "picture"|"view"|"ratio">} how
 */
export function toPixels(target, size, { picture, view, ratio }) {
  const [a, b, c, d] = view.turn;
  const sx = view.zoom * ratio,
    sy = sx * picture.aspect;
  target.setTransform(
    a * sx,
    c * sx,
    b * sy,
    d * sy,
    (size.width / 2) * ratio - (a * sx * view.middle.x * picture.width + b * sy * view.middle.y * picture.height),
    (size.height / 2) * ratio - (c * sx * view.middle.x * picture.width + d * sy * view.middle.y * picture.height),
  );
}

/** Draws a level's part through the window; keeps what it needs from one picture to the next. */
export function createPainter() {
  const painted = document.createElement("canvas");
  const context = painted.getContext("2d");
  let image = null,
    tables = { key: "", grays: null, words: null };
  return {
    /** @param {CanvasRenderingContext2D} target @param {{width: number, height: number}} size @param {How} how */
    draw(target, size, { picture, level, view, ratio, windowNow, invert, moving }) {
      target.setTransform(1, 0, 0, 1, 0, 0);
      target.fillStyle = "#000";
      target.fillRect(0, 0, size.width * ratio, size.height * ratio);
      const corners = [0, size.width].flatMap((x) =>
        [0, size.height].map((y) => toPicture(view, picture, size, { x, y })),
      );
      const across = level.width / picture.width,
        down = level.height / picture.height;
      const x0 = Math.max(0, Math.floor(Math.min(...corners.map(({ x }) => x)) * across)),
        x1 = Math.min(level.width, Math.ceil(Math.max(...corners.map(({ x }) => x)) * across)),
        y0 = Math.max(0, Math.floor(Math.min(...corners.map(({ y }) => y)) * down)),
        y1 = Math.min(level.height, Math.ceil(Math.max(...corners.map(({ y }) => y)) * down));
      const w = x1 - x0,
        h = y1 - y0;
      if (w <= 0 || h <= 0) return;
      const { bits, slope, intercept, inverted } = picture;
      const key = [bits, slope, intercept, inverted, windowNow.center, windowNow.width, invert].join();
      if (tables.key !== key) {
        const grays = grayTable(picture, windowNow.center, windowNow.width, invert);
        tables = { key, grays, words: wordTable(grays) };
      }
      if (!image || image.width !== w || image.height !== h) {
        image = context.createImageData(w, h);
        if (painted.width < w) painted.width = w;
        if (painted.height < h) painted.height = h;
      }
      paint(level, x0, y0, w, h, tables.grays, tables.words, new Uint32Array(image.data.buffer));
      context.putImageData(image, 0, 0);
      toPixels(target, size, { picture, view, ratio });
      target.imageSmoothingEnabled = true;
      target.imageSmoothingQuality = moving ? "low" : "high";
      target.drawImage(painted, 0, 0, w, h, x0 / across, y0 / down, w / across, h / down);
    },
    forget() {
      image?.data.fill(0);
      image = null;
      painted.width = painted.height = 0;
    },
  };
}
