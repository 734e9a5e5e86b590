// A coarse map of weights as a picture that lies over another: values between the parts' middles, and colours that the
// colour-blind can tell apart and anatomy shows through. Pure; knows nothing of canvases.

/** Pixels of a part's side. */
export const FINE = 16;
/** Blue for little to orange for most (both of Okabe and Ito's palette), and how much covers what lies below. */
const LITTLE = [86, 180, 233],
  MOST = [255, 140, 0];
const COVER = 0.62;
/** Below this part of the most nothing is drawn. */
const FAINT = 0.12;

/** The colour of a part of the most, 0 to 1: red, green, blue and how much it covers, 0 to 255. @param {number} part */
export function colour(part) {
  if (part <= FAINT) return [0, 0, 0, 0];
  const t = Math.min(1, (part - FAINT) / (1 - FAINT));
  return [...LITTLE.map((low, i) => Math.round(low + (MOST[i] - low) * t)), Math.round(255 * COVER * Math.sqrt(t))];
}

/**
 * @param {number[][]} weights rows from the top; every part as large as the others
 * @returns {{width: number, height: number, data: Uint8ClampedArray<ArrayBuffer>}} RGBA, FINE pixels a part
 */
export function heat(weights) {
  const rows = weights.length,
    columns = weights[0].length,
    most = Math.max(...weights.flat());
  const width = columns * FINE,
    height = rows * FINE,
    data = new Uint8ClampedArray(width * height * 4);
  if (!(most > 0)) return { width, height, data };
  const between = (at, count) => {
    const place = Math.min(count - 1, Math.max(0, (at + 0.5) / FINE - 0.5)),
      low = Math.floor(place);
    return { low, high: Math.min(count - 1, low + 1), part: place - low };
  };
  const across = Array.from({ length: width }, (_, x) => between(x, columns));
  let at = 0;
  for (let y = 0; y < height; y++) {
    const down = between(y, rows),
      above = weights[down.low],
      below = weights[down.high];
    for (const { low, high, part } of across) {
      const upper = above[low] + (above[high] - above[low]) * part,
        lower = below[low] + (below[high] - below[low]) * part;
      data.set(colour((upper + (lower - upper) * down.part) / most), at);
      at += 4;
    }
  }
  return { width, height, data };
}

/**
 * Where most of a map lies as it is seen, in words: 'upper left'. The middle of its strongest part, 3 x 3 places.
 * @param {number[][]} weights @param {import("./geometry.js").Turn} turn
 */
export function placeOf(weights, [a, b, c, d]) {
  const rows = weights.length,
    columns = weights[0].length;
  let best = { weight: -1, u: 0, v: 0 };
  weights.forEach((row, r) =>
    row.forEach((weight, n) => {
      if (weight > best.weight) best = { weight, u: (n + 0.5) / columns - 0.5, v: (r + 0.5) / rows - 0.5 };
    }),
  );
  const x = a * best.u + b * best.v,
    y = c * best.u + d * best.v;
  const third = (value, names) => names[value < -1 / 6 ? 0 : value > 1 / 6 ? 2 : 1];
  const words = [third(y, ["upper", "", "lower"]), third(x, ["left", "", "right"])].filter(Boolean);
  return words.length ? words.join(" ") : "middle";
}
