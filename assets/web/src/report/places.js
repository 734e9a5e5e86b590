// Where a text says something. Knows nothing of the page.

/**
 * Every place of `wanted` in a text, upper and lower case alike.
 * @param {string} text @param {string} wanted @returns {{from: number, to: number}[]}
 */
export function placesOf(text, wanted) {
  if (!wanted) return [];
  const pattern = new RegExp(wanted.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "giu");
  return [...text.matchAll(pattern)].map(({ index, 0: found }) => ({ from: index, to: index + found.length }));
}
