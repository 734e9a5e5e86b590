// What a draft changed, word by word. Knows nothing of spans or of the page.

/** @typedef {{kind: 'same'|'gone'|'new', text: string}} Change */

/** Beyond this many words on both sides the middle is shown as replaced whole: the table would grow too large. */
const MOST_CELLS = 4_000_000;

/** Fewer unchanged words than this between two changes are shown as changed too: nobody can read a text in shreds. */
const LEAST_KEPT = 3;

const words = (text) => text.match(/\s+|[^\s]+/g) ?? [];

/**
 * The changes of a text that is made of parts, each compared with itself alone: what no draft may touch never shows as
 * gone and come again.
 * @param {readonly {before: string, after: string}[]} parts @returns {Change[]}
 */
export const diffOfParts = (parts) => parts.flatMap(({ before, after }) => diff(before, after));

/** @param {string} before @param {string} after @returns {Change[]} joined, in order, what went before what came */
export function diff(before, after) {
  const a = words(before),
    b = words(after);
  let start = 0,
    end = 0;
  const most = Math.min(a.length, b.length);
  while (start < most && a[start] === b[start]) start++;
  while (end < most - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const changes = [];
  const add = (kind, list) => {
    const text = list.join("");
    if (!text) return;
    const last = changes[changes.length - 1];
    if (last?.kind === kind) last.text += text;
    else changes.push({ kind, text });
  };
  add("same", a.slice(0, start));
  const gone = a.slice(start, a.length - end),
    come = b.slice(start, b.length - end);
  for (const [kind, list] of inBlocks(middle(gone, come))) add(kind, list);
  add("same", end ? a.slice(a.length - end) : []);
  return changes;
}

/**
 * Steps in blocks: what went before what came, and between two blocks enough that stayed to be read.
 * @param {[Change["kind"], string][]} steps @returns {[Change["kind"], string[]][]}
 */
function inBlocks(steps) {
  const blocks = [];
  let gone = [],
    come = [],
    kept = [];
  const close = () => {
    blocks.push(["gone", gone], ["new", come]);
    gone = [];
    come = [];
  };
  for (const [kind, word] of steps) {
    if (kind === "same") {
      kept.push(word);
      continue;
    }
    if (kept.filter((one) => one.trim()).length >= LEAST_KEPT) {
      close();
      blocks.push(["same", kept]);
    } else {
      gone.push(...kept);
      come.push(...kept);
    }
    kept = [];
    (kind === "gone" ? gone : come).push(word);
  }
  close();
  blocks.push(["same", kept]);
  return blocks;
}

/** @param {string[]} a @param {string[]} b @returns {[Change["kind"], string][]} */
function middle(a, b) {
  /** @param {Change["kind"]} kind @returns {(word: string) => [Change["kind"], string]} */
  const as = (kind) => (word) => [kind, word];
  if (a.length * b.length > MOST_CELLS) return [...a.map(as("gone")), ...b.map(as("new"))];
  const width = b.length + 1;
  const longest = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      longest[i * width + j] =
        a[i] === b[j]
          ? longest[(i + 1) * width + j + 1] + 1
          : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
  const steps = [];
  let i = 0,
    j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      steps.push(["same", a[i++]]);
      j++;
    } else if (i < a.length && (j === b.length || longest[(i + 1) * width + j] >= longest[i * width + j + 1]))
      steps.push(["gone", a[i++]]);
    else steps.push(["new", b[j++]]);
  }
  return steps;
}
