// From stored pixel values to what the screen shows. Pure functions of arrays: knows nothing of canvases.

/** @typedef {import("../page/desk.js").Picture} Picture */

/**
 * Values from the wire: little-endian, row by row.
 * @param {ArrayBuffer} buffer @param {Picture} picture @returns {Uint8Array|Uint16Array}
 */
export function readPixels(buffer, picture) {
  const count = picture.width * picture.height * picture.channels;
  const bytes = count * (picture.bits / 8);
  if (buffer.byteLength !== bytes)
    throw new RangeError(`The image is incomplete: ${buffer.byteLength} of ${bytes} bytes arrived.`);
  return picture.bits === 16 ? new Uint16Array(buffer) : new Uint8Array(buffer);
}

/**
 * Gray for every stored value, DICOM PS3.3 C.11.2.1.2.1 (linear). (2^bits,)
 * @param {{bits: number, slope: number, intercept: number, inverted: boolean}} picture
 * @param {number} center @param {number} width in modality values @param {boolean} invert as asked on screen
 * @returns {Uint8Array}
 */
export function grayTable({ bits, slope, intercept, inverted }, center, width, invert) {
  const table = new Uint8Array(2 ** bits);
  const w = Math.max(1, width);
  const low = center - 0.5 - (w - 1) / 2,
    high = center - 0.5 + (w - 1) / 2;
  const flip = inverted !== invert;
  for (let stored = 0; stored < table.length; stored++) {
    const value = stored * slope + intercept;
    const gray = value <= low ? 0 : value > high ? 255 : Math.round(((value - (center - 0.5)) / (w - 1) + 0.5) * 255);
    table[stored] = flip ? 255 - gray : gray;
  }
  return table;
}

/** Opaque RGBA words of a gray table, for little-endian machines. @param {Uint8Array} grays */
export function wordTable(grays) {
  const words = new Uint32Array(grays.length);
  for (let i = 0; i < grays.length; i++) words[i] = 0xff000000 | (grays[i] * 0x010101);
  return words;
}

/**
 * Paints a part of a level into RGBA words.
 * @param {{pixels: Uint8Array|Uint16Array, width: number, channels: 1|3}} level
 * @param {number} x @param {number} y @param {number} w @param {number} h
 * @param {Uint8Array} grays @param {Uint32Array} words @param {Uint32Array} out (h * w,)
 */
export function paint({ pixels, width, channels }, x, y, w, h, grays, words, out) {
  let at = 0;
  for (let row = y; row < y + h; row++) {
    if (channels === 1) {
      let from = row * width + x;
      for (const end = from + w; from < end; from++) out[at++] = words[pixels[from]];
    } else {
      let from = (row * width + x) * 3;
      for (const end = from + w * 3; from < end; from += 3) {
        out[at++] = 0xff000000 | (grays[pixels[from + 2]] << 16) | (grays[pixels[from + 1]] << 8) | grays[pixels[from]];
      }
    }
  }
}

/**
 * Half the size: each value is the mean of up to four.
 * @param {import("./images.js").Level} level @returns {import("./images.js").Level}
 */
export function halve({ pixels, width, height, channels }) {
  const w = (width + 1) >> 1,
    h = (height + 1) >> 1;
  const half = pixels instanceof Uint16Array ? new Uint16Array(w * h * channels) : new Uint8Array(w * h * channels);
  let at = 0;
  for (let y = 0; y < h; y++) {
    const top = 2 * y * width,
      bottom = Math.min(2 * y + 1, height - 1) * width;
    for (let x = 0; x < w; x++) {
      const left = 2 * x,
        right = Math.min(2 * x + 1, width - 1);
      for (let c = 0; c < channels; c++) {
        half[at++] =
          (pixels[(top + left) * channels + c] +
            pixels[(top + right) * channels + c] +
            pixels[(bottom + left) * channels + c] +
            pixels[(bottom + right) * channels + c] +
            2) >>
          2;
      }
    }
  }
  return { pixels: half, width: w, height: h, channels };
}

/**
 * Lowest and highest stored value, leaving out a share of outliers at either end.
 * @param {Uint8Array|Uint16Array} pixels @param {number} [outliers]
 */
export function valueRange(pixels, outliers = 0) {
  const counts = new Uint32Array(pixels instanceof Uint16Array ? 65536 : 256);
  for (let i = 0; i < pixels.length; i++) counts[pixels[i]]++;
  const leave = pixels.length * outliers;
  let low = 0,
    high = counts.length - 1,
    sum = 0;
  while (low < high && (sum += counts[low]) <= leave) low++;
  sum = 0;
  while (high > low && (sum += counts[high]) <= leave) high--;
  return { low, high };
}

const CT_WINDOWS = [
  { center: 40, width: 400, name: "Soft tissue" },
  { center: -600, width: 1500, name: "Lung" },
  { center: 400, width: 1800, name: "Bone" },
  { center: 40, width: 80, name: "Brain" },
];

/**
 * The windows to offer: the file's, then those usual for the modality. Only a CT's values mean the same everywhere; all
 * others get windows that are parts of the first one.
 * @param {Picture} picture @param {string|null} modality @param {Uint8Array|Uint16Array} pixels
 */
export function windowsOf(picture, modality, pixels) {
  const windows = picture.windows
    .filter((one) => one.width >= 1)
    .map((one, i, { length }) => ({ ...one, name: one.name || (length > 1 ? `Window ${i + 1}` : "Default") }));
  const between = (low, high, name) => {
    const a = low * picture.slope + picture.intercept,
      b = high * picture.slope + picture.intercept;
    return { center: (a + b + 1) / 2, width: Math.max(1, Math.abs(b - a) + 1), name };
  };
  if (!windows.length) {
    const { low, high } = picture.bits === 8 ? { low: 0, high: 255 } : valueRange(pixels, 0.002);
    windows.push(between(low, high, "Full"));
  }
  if (picture.channels === 1) {
    const usual = modality === "CT" ? CT_WINDOWS : relativeTo(windows[0], picture);
    for (const one of usual)
      if (!windows.some(({ center, width }) => one.center === center && one.width === width)) windows.push(one);
    if (modality !== "CT" && windows.length < 5) {
      const { low, high } = valueRange(pixels);
      const all = between(low, high, "All values");
      if (!windows.some(({ center, width }) => all.center === center && all.width === width)) windows.push(all);
    }
  }
  return windows.slice(0, 5);
}

function relativeTo({ center, width }, { inverted }) {
  const half = Math.max(1, width / 2),
    bright = inverted ? -width / 4 : width / 4;
  return [
    { center, width: half, name: "High contrast" },
    { center: center - bright, width: half, name: "Dark areas" },
    { center: center + bright, width: half, name: "Bright areas" },
  ];
}
