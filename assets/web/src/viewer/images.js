// The pictures of a study as they come from the desk: fetched once, halved for small sizes, and kept within a budget of
// memory. Knows nothing of the page.

import { halve, readPixels } from "./windowing.js";

/** @typedef {import("../page/desk.js").Picture} Picture */
/** @typedef {{pixels: Uint8Array|Uint16Array, width: number, height: number, channels: 1|3}} Level */

const KEPT_BYTES = 256 * 2 ** 20;

/** @param {{fetchPixels: (index: number) => Promise<ArrayBuffer>, budget?: number}} options `budget` in bytes */
export function createImages({ fetchPixels, budget = KEPT_BYTES }) {
  /** At full size and halved, by index. @type {Map<number, Level[]>} */
  const kept = new Map();
  /** @type {Map<number, Promise<void>>} */
  const coming = new Map();
  /** @type {readonly Picture[]} */
  let pictures = [];
  let studies = 0; // counts studies, so that late pictures of an older one are dropped

  /** @param {number} n @param {ArrayBuffer} buffer @param {number} [shown] the picture on screen, which stays */
  function keep(n, buffer, shown = n) {
    const { width, height, channels } = pictures[n];
    kept.set(n, [{ pixels: readPixels(buffer, pictures[n]), width, height, channels }]);
    let bytes = 0;
    for (const [key, levels] of [...kept].reverse()) {
      bytes += levels[0].pixels.byteLength;
      if (bytes > budget && key !== n && key !== shown) kept.delete(key);
    }
  }
  return {
    /** @param {readonly Picture[]} all @param {ArrayBuffer} first the first one's pixels */
    begin(all, first) {
      pictures = all;
      keep(0, first);
    },
    /** Wipes every pixel. */
    forget() {
      studies++;
      for (const levels of kept.values()) for (const { pixels } of levels) pixels.fill(0);
      kept.clear();
      coming.clear();
      pictures = [];
    },
    /** @param {number} n */
    has: (n) => kept.has(n),
    /** @param {number} n */
    pixels: (n) => kept.get(n)[0].pixels,
    /** @param {number} n @param {() => number} shown which picture is on screen by then @returns {Promise<void>} */
    fetch(n, shown) {
      if (kept.has(n)) return Promise.resolve();
      if (!coming.has(n)) {
        const of = studies;
        const arriving = fetchPixels(n)
          .then((buffer) => {
            if (of === studies) keep(n, buffer, shown());
          })
          .finally(() => {
            if (of === studies) coming.delete(n);
          });
        coming.set(n, arriving);
      }
      return coming.get(n);
    },
    /**
     * The level whose values are at least as fine as the screen's pixels.
     * @param {number} n @param {number} zoom pixels of the screen for one of the picture @returns {Level}
     */
    level(n, zoom) {
      const levels = kept.get(n);
      let at = 0;
      for (let s = zoom; s <= 0.5 && levels[at].width > 1 && levels[at].height > 1; s *= 2) {
        at++;
        levels[at] ??= halve(levels[at - 1]);
      }
      return levels[at];
    },
  };
}
