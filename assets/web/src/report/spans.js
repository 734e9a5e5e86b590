// The report as spans laid over a text: which characters belong to which span, and what an edit does to them.
// Knows nothing of the page, of CodeMirror or of the server. Offsets are UTF-16 code units and never leave the browser.
//
// A gap is an open span with no text. In the editor it stands as one placeholder character, so that the caret can
// stand before it and after it; on the wire it is the empty string. The report's own text may hold that character too:
// what is a gap is told by the span, never by the character.

export const GAP = "\uFFFC";

/** @typedef {'locked'|'open'} State */
/** @typedef {'radiologist'|'model'|'template'} Author */
/** @typedef {{id: string, text: string, state: State, author: Author, reviewed?: boolean, hint?: string}} WireSpan */
/** @typedef {{id: string, state: State, author: Author, gap: boolean, reviewed?: boolean, hint?: string, from: number, to: number}} Span */
/** @typedef {{id: string, state: State, author: Author, gap: boolean, reviewed?: boolean, hint?: string, length: number}} Piece */
/**
 * What the editor holds beside its text.
 * `typing` is the id of the span being typed, `run` the draft under way.
 * `kept` are the spans of the last run: they stay apart, so that one can go on from its frames.
 * `certainty` keeps the last draft's pieces by span, `plain` is whether they go unshaded.
 * @typedef {{spans: readonly Span[], typing: string|null, run: Run|null,
 *   kept?: Set<string>|null, certainty?: Map<string, [string, number, number][]>, plain?: boolean}} Report
 */
/**
 * `base` keeps what stood in each span before the run, `pieces` what the last frame shows in it.
 * @typedef {{base: Map<string, {text: string, author: Author}>, pieces: Map<string, [string, number, number][]>}} Run
 */

/** @type {Report} */
export const emptyReport = Object.freeze({ spans: Object.freeze([]), typing: null, run: null });

/** A report outlives its page and may come from another one, so each page numbers its spans under a name of its own. */
const PAGE = Array.from(crypto.getRandomValues(new Uint32Array(2)), (word) => word.toString(36)).join("");
let numbered = 0;
/** An id that no other span has, on this page or any other; at most 32 characters, as the desk asks. */
export const newId = () => `c${PAGE}-${++numbered}`;

/**
 * New text as the editor takes it, typed, pasted or drafted: one kind of line end, no placeholder, no half of a character.
 * Text that the report already holds never goes through this: locked text keeps every byte.
 * @param {string} text
 */
export const clean = (text) =>
  text
    .replace(/\r\n?/g, "\n")
    .replaceAll(GAP, "")
    .replace(/\p{Surrogate}/gu, "\uFFFD");

/** @param {readonly Span[]} spans */
export const lengthOf = (spans) => (spans.length ? spans[spans.length - 1].to : 0);

/**
 * What a person has said of a span, absent where nothing: that the model's text is accepted as it stands, and what is
 * wanted there. @param {boolean} [reviewed] @param {string} [hint]
 */
const said = (reviewed, hint) => ({ ...(reviewed ? { reviewed: true } : {}), ...(hint ? { hint } : {}) });

export const MOST_HINT_CHARACTERS = 120;
/** A hint as the server takes it: one line, without what the markup sets it apart by. @param {string} text */
export const asHint = (text) =>
  [...clean(text).replace(/[[\]|\s\p{Cc}]+/gu, " ").trim()].slice(0, MOST_HINT_CHARACTERS).join("").trim();

/** @param {readonly Span[]} spans @param {number} from @param {number} to @returns {Piece[]} */
export function slice(spans, from, to) {
  const pieces = [];
  for (const { id, state, author, gap, reviewed, hint, from: a, to: b } of spans) {
    const length = Math.min(b, to) - Math.max(a, from);
    if (length > 0) pieces.push({ id, state, author, gap, ...said(reviewed, hint), length });
  }
  return pieces;
}

/**
 * Lays pieces end to end. Neighbours of one id and state become one span again; where something has come between
 * them, the left part keeps the id and the hint, and the right part gets a new id.
 * @param {readonly Piece[]} pieces @returns {Span[]}
 */
export function assemble(pieces) {
  /** @type {Span[]} */
  const spans = [];
  const seen = new Set();
  let at = 0;
  let origin = null; // the id that the last piece came with, before it was given a new one
  for (const { id, state, author, gap, reviewed, hint, length } of pieces) {
    if (length <= 0) continue;
    const last = spans[spans.length - 1];
    const alike = last?.state === state && last.author === author && last.gap === gap && !last.reviewed === !reviewed;
    if (last && origin === id && alike && !gap) {
      last.to += length;
    } else {
      const own = seen.has(id) ? newId() : id;
      // Nothing is left to write in locked text.
      const wanted = own === id && state === "open" ? hint : "";
      spans.push({ id: own, state, author, gap, ...said(reviewed, wanted), from: at, to: at + length });
      seen.add(own);
    }
    origin = id;
    at += length;
  }
  return spans;
}

/**
 * Joins neighbours that nobody needs apart: open text of one author. Locked spans stay apart, for what an undo brings
 * back may belong between them.
 * @param {readonly Span[]} spans @param {(id: string) => boolean} apart spans to leave alone
 * @returns {readonly Span[]}
 */
export function mergeNeighbours(spans, apart) {
  const joinable = (a, b) =>
    !a.gap &&
    !b.gap &&
    a.state === "open" &&
    b.state === "open" &&
    a.author === b.author &&
    !a.reviewed === !b.reviewed &&
    !a.hint &&
    !b.hint &&
    !apart(a.id) &&
    !apart(b.id);
  if (!spans.some((span, i) => i && joinable(spans[i - 1], span))) return spans;
  const merged = [];
  for (const span of spans) {
    const last = merged[merged.length - 1];
    if (last && joinable(last, span)) last.to = span.to;
    else merged.push({ ...span });
  }
  return merged;
}

/** @param {Report} report @returns {Report} */
export function tidy(report) {
  const { spans, run, kept } = report;
  const merged = mergeNeighbours(spans, (id) => !!run?.base.has(id) || !!kept?.has(id));
  return merged === spans ? report : { ...report, spans: merged };
}

/** @param {Report} report @param {Span} span */
export const isDrafted = (report, span) => span.state === "open" && !!report.run?.base.has(span.id);
/** Text that the keyboard must not change. @param {Report} report @param {Span} span */
export const isSealed = (report, span) => span.state === "locked" && span.id !== report.typing;

/** @param {readonly Span[]} spans @param {number} at @param {(span: Span) => boolean} [wanted] */
export function spanAt(spans, at, wanted = () => true) {
  const touching = spans.filter((span) => span.from <= at && at <= span.to && wanted(span));
  return (
    touching.find((span) => span.from < at && at < span.to) ?? touching.find((span) => span.from === at) ?? touching[0]
  );
}

/**
 * @typedef {{from: number, to: number, insert: string}} Change
 * @typedef {{changes: Change[], report: Report, caret: number|null, refused: 'locked'|'drafted'|null}} Plan
 */
/**
 * What the radiologist's edit may do: sealed text stays, open text is replaced, new text is the radiologist's.
 * @param {Report} report @param {readonly Change[]} edits ascending, in offsets of the present text
 * @returns {Plan} `changes` is empty where nothing may happen
 */
export function planEdit(report, edits) {
  const { spans } = report;
  const typed = spans.find((span) => span.id === report.typing);
  /** @type {{from: number, to: number, insert: string, id: string|null}[]} */
  const ops = [];
  let refused = null;
  for (const { from, to, insert: raw } of edits) {
    const insert = clean(raw);
    const removed = [];
    for (const span of spans) {
      const a = Math.max(from, span.from),
        b = Math.min(to, span.to);
      if (a >= b) continue;
      if (isSealed(report, span)) refused = "locked";
      else if (isDrafted(report, span)) refused ??= "drafted";
      else removed.push({ from: a, to: b, insert: "", id: null });
    }
    if (insert) {
      const host = spans.find((span) => span.from < from && from < span.to);
      let at = from;
      let id = null;
      if (typed && typed.from <= from && from <= typed.to) id = typed.id;
      else if (removed.length) at = removed[0].from;
      else if (to > from) at = -1;
      else if (host && isSealed(report, host)) {
        refused = "locked";
        at = -1;
      } else if (host && isDrafted(report, host)) at = host.to;
      if (at >= 0) {
        id ??= newId();
        if (removed.length && removed[0].from === at) Object.assign(removed[0], { insert, id });
        else removed.unshift({ from: at, to: at, insert, id });
      }
    }
    ops.push(...removed);
  }
  ops.sort((a, b) => a.from - b.from || a.to - b.to);

  const pieces = [];
  let done = 0,
    shift = 0,
    caret = null,
    typing = report.typing;
  for (const op of ops) {
    pieces.push(...slice(spans, done, op.from));
    if (op.insert) {
      pieces.push({ id: op.id, state: "locked", author: "radiologist", gap: false, length: op.insert.length });
      typing = op.id;
      caret = op.from + shift + op.insert.length;
    }
    shift += op.insert.length - (op.to - op.from);
    done = op.to;
  }
  pieces.push(...slice(spans, done, lengthOf(spans)));
  const laid = assemble(pieces);
  if (!laid.some((span) => span.id === typing)) typing = null;
  const changes = ops.map(({ from, to, insert }) => ({ from, to, insert }));
  return { changes, report: tidy({ ...report, spans: laid, typing }), caret, refused };
}

/**
 * Puts one piece in place of [from, to).
 * @param {Report} report @param {number} from @param {number} to @param {readonly Piece[]} inserted @returns {Report}
 */
export function replaceRange(report, from, to, inserted) {
  const { spans } = report;
  const laid = assemble([...slice(spans, 0, from), ...inserted, ...slice(spans, to, lengthOf(spans))]);
  return { ...report, spans: laid, typing: laid.some((span) => span.id === report.typing) ? report.typing : null };
}

/**
 * Locks or opens the text of [from, to); gaps stay gaps, the author stays.
 * @param {Report} report @param {number} from @param {number} to @param {State} state @returns {Report}
 */
export function setState(report, from, to, state) {
  const pieces = slice(report.spans, from, to).map((piece) => {
    const changes = !piece.gap && piece.state !== state;
    // A new id where only a part changes hands, so that the rest keeps its own.
    if (!changes) return piece;
    return { ...(partly(report.spans, piece, from, to) ? renewed(piece) : piece), state };
  });
  return tidy(replaceRange({ ...report, typing: null }, from, to, pieces));
}

/**
 * Marks the model's open text in [from, to) as reviewed by a person.
 * @param {Report} report @param {number} from @param {number} to @returns {Report}
 */
export function accept(report, from, to) {
  const pieces = slice(report.spans, from, to).map((piece) =>
    isUnreviewed(piece)
      ? { ...(partly(report.spans, piece, from, to) ? renewed(piece) : piece), reviewed: true }
      : piece,
  );
  return tidy(replaceRange(report, from, to, pieces));
}

/**
 * Says what is wanted in an open span; the empty text takes that back.
 * @param {Report} report @param {string} id @param {string} hint @returns {Report}
 */
export function withHint(report, id, hint) {
  const spans = report.spans.map(({ hint: had, ...span }) => ({
    ...span,
    ...said(false, span.id === id && span.state === "open" ? hint : had),
  }));
  return { ...report, spans };
}

/** Without any hint. @template {{spans: readonly Span[]}} T @param {T} report @returns {T} */
export const withoutHints = (report) => ({ ...report, spans: report.spans.map(({ hint: _, ...span }) => span) });

/** The model's text that no person has locked, edited or accepted. @param {Span|Piece} span */
export const isUnreviewed = (span) => !span.gap && span.state === "open" && span.author === "model" && !span.reviewed;

/**
 * Cuts open spans at the borders of [from, to), so that what lies inside has ids of its own.
 * @param {Report} report @param {number} from @param {number} to @returns {Report}
 */
export function cutOut(report, from, to) {
  const pieces = slice(report.spans, from, to).map((piece) =>
    piece.state === "open" && !piece.gap && partly(report.spans, piece, from, to) ? renewed(piece) : piece,
  );
  return replaceRange(report, from, to, pieces);
}

/** A part of a span as one of its own; the hint stays with the rest. @param {Piece} piece */
const renewed = ({ hint: _, ...piece }) => ({ ...piece, id: newId() });
const partly = (spans, piece, from, to) => {
  const span = spans.find((one) => one.id === piece.id);
  return span.from < from || to < span.to;
};

/**
 * New texts for spans, by id; every other span keeps its text and only moves.
 * The changes are as small as a common start and end allow, so that what stays the same is not drawn again.
 * @param {Report} report @param {string} doc @param {Map<string, string>} texts
 * @param {(span: Span, text: string) => Author} [author] @param {(span: Span, text: string) => boolean} [reviewed]
 * @returns {{changes: Change[], report: Report}}
 */
export function replaceTexts(
  report,
  doc,
  texts,
  author = (span) => span.author,
  reviewed = (span) => span.reviewed ?? false,
) {
  const changes = [],
    pieces = [];
  for (const span of report.spans) {
    const text = span.state === "open" ? texts.get(span.id) : undefined;
    if (text === undefined) {
      pieces.push({ ...span, length: span.to - span.from });
      continue;
    }
    const before = doc.slice(span.from, span.to),
      after = text || GAP;
    pieces.push({
      ...span,
      author: author(span, text),
      reviewed: reviewed(span, text),
      gap: text === "",
      length: after.length,
    });
    if (before === after) continue;
    let start = 0,
      end = 0;
    const most = Math.min(before.length, after.length);
    while (start < most && before[start] === after[start]) start++;
    while (end < most - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
    changes.push({ from: span.from + start, to: span.to - end, insert: after.slice(start, after.length - end) });
  }
  return { changes, report: { ...report, spans: assemble(pieces) } };
}

const WORD = /[\p{L}\p{N}\p{M}]+(?:['’/.-][\p{L}\p{N}\p{M}]+)*/gu;

/**
 * A word of open text. `from` and `to` are its place in the text, `start` and `end` count characters (code points) from
 * the beginning of its span, as the server does.
 * @typedef {{id: string, from: number, to: number, start: number, end: number, word: string, author: Author}} Place
 */
/** @param {Report} report @param {string} doc @param {number} at @returns {Place|null} the word of open text there */
export function wordAt({ spans }, doc, at) {
  for (const { id, state, author, gap, from, to } of spans) {
    if (state !== "open" || gap || at < from || to < at) continue;
    const text = doc.slice(from, to);
    for (const { index, 0: word } of text.matchAll(WORD)) {
      if (at < from + index || from + index + word.length < at) continue;
      const start = [...text.slice(0, index)].length;
      return { id, from: from + index, to: from + index + word.length, start, end: start + [...word].length, word, author };
    }
  }
  return null;
}

/**
 * The pieces of a span, each a text and what is known of it, with one word in place of another.
 * @param {readonly [string, number, number][]} pieces @param {number} from @param {number} to code units within the span
 * @param {[string, number, number]} word @returns {[string, number, number][]}
 */
export function withWord(pieces, from, to, word) {
  const laid = [];
  let at = 0;
  let isIn = false;
  for (const [text, ...rest] of pieces) {
    const before = text.slice(0, Math.max(0, from - at)),
      after = text.slice(Math.max(0, to - at));
    if (at + text.length <= from || to <= at) laid.push([text, ...rest]);
    else {
      if (before) laid.push([before, ...rest]);
      if (!isIn) laid.push(word);
      isIn = true;
      if (after) laid.push([after, ...rest]);
    }
    at += text.length;
  }
  return laid;
}

/** Where a position stands once the spans of `before` are laid out as in `after`, offset kept inside its span.
 * @param {Report} before @param {Report} after @param {number} at */
export function follow(before, after, at) {
  const span =
    spanAt(before.spans, at, (one) => one.from < at && at < one.to) ?? before.spans.find((one) => one.from === at);
  if (!span) return lengthOf(after.spans);
  const now = after.spans.find((one) => one.id === span.id);
  return now ? Math.min(now.from + at - span.from, now.to) : Math.min(at, lengthOf(after.spans));
}

/**
 * Spans after an undo: text that stays keeps the state it has now, text that comes back gets the state it had.
 * @param {readonly Span[]} current @param {readonly Span[]} target
 * @param {readonly {fromA: number, toA: number, fromB: number, toB: number}[]} changed ranges, A in current, B in target
 */
export function weave(current, target, changed) {
  const pieces = [];
  let at = 0;
  for (const { fromA, toA, fromB, toB } of changed) {
    pieces.push(...slice(current, at, fromA), ...slice(target, fromB, toB));
    at = toA;
  }
  pieces.push(...slice(current, at, lengthOf(current)));
  return assemble(pieces);
}

/** @param {readonly Span[]} spans @param {string} doc @returns {WireSpan[]} */
export const toWire = (spans, doc) =>
  spans.map(({ id, state, author, gap, reviewed, hint, from, to }) => ({
    id,
    text: gap ? "" : doc.slice(from, to),
    state,
    author,
    ...said(reviewed, hint),
  }));

/** @param {readonly WireSpan[]} wire @returns {{doc: string, spans: Span[]}} */
export function fromWire(wire) {
  const isGap = (span) => span.state === "open" && span.text === "";
  const texts = wire.map((span) => (isGap(span) ? GAP : span.text));
  const pieces = wire.map(({ id, state, author, reviewed, hint }, i) => ({
    id,
    state,
    author,
    ...said(reviewed, hint),
    gap: isGap(wire[i]),
    length: texts[i].length,
  }));
  return { doc: texts.join(""), spans: assemble(pieces) };
}

/**
 * The sentence around a position: up to a full stop, a line end or a gap.
 * @param {string} doc @param {number} at @returns {{from: number, to: number}}
 */
export function sentenceAt(doc, at) {
  const isEdge = (i) => doc[i] === "\n" || doc[i] === GAP;
  let start = at,
    end = at;
  while (start > 0 && !isEdge(start - 1)) start--;
  while (end < doc.length && !isEdge(end)) end++;
  const line = doc.slice(start, end);
  let from = 0;
  for (const match of line.matchAll(/[.!?]+(?=\s|$)\s*/g)) {
    const next = match.index + match[0].length;
    // A caret in the white space behind a full stop still belongs to the sentence before it.
    if (start + next > at || next === line.length) {
      const stop = match.index + match[0].trimEnd().length;
      return { from: start + from, to: start + stop };
    }
    from = next;
  }
  return { from: start + from, to: start + line.trimEnd().length };
}

const HEADING = /^[ \t]*[A-Z][A-Z /&()-]{2,40}:/gm;

/** @typedef {{from: number, body: number, to: number}} Section `from`: where its heading begins, `body`: its text */
/**
 * The sections of a text; what stands before the first heading is one too.
 * @param {string} doc @returns {Section[]}
 */
export function sections(doc) {
  const headings = [...doc.matchAll(HEADING)].map(({ index, 0: heading }) => {
    const end = index + heading.length;
    return { from: index, body: end + /^[ \t]*\n?/.exec(doc.slice(end))[0].length };
  });
  if (headings[0]?.from !== 0) headings.unshift({ from: 0, body: 0 });
  return headings.map(({ from, body }, i) => {
    const end = headings[i + 1]?.from ?? doc.length;
    return { from, body, to: Math.max(body, from + doc.slice(from, end).trimEnd().length) };
  });
}

/** @param {string} doc @param {number} at @returns {Section} */
export const sectionAt = (doc, at) => sections(doc).findLast(({ from }) => from <= at);

/** The `[fields]` in a text that are still to be filled in. @param {string} text @param {number} [at] where it begins */
export const fieldsIn = (text, at = 0) =>
  [...text.matchAll(/\[[^[\]\n]{1,80}\]/g)].map(({ index, 0: field }) => ({
    from: at + index,
    to: at + index + field.length,
  }));

/**
 * Text as it was exported or copied: what stands in `[[ ]]` was written by a model and nobody has reviewed it; `[[]]`
 * is a gap. All else is the radiologist's, who puts it here.
 * @param {string} text @returns {WireSpan[]}
 */
export function fromMarked(text) {
  const spans = [];
  let at = 0;
  const mine = (piece) => {
    if (piece) spans.push({ id: newId(), text: piece, state: "locked", author: "radiologist" });
  };
  for (const { index, 0: whole, 1: inside } of text.matchAll(/\[\[((?:(?!\[\[|\]\])[^])*)\]\]/g)) {
    mine(text.slice(at, index));
    spans.push({ id: newId(), text: inside, state: "open", author: "model" });
    at = index + whole.length;
  }
  mine(text.slice(at));
  return spans;
}
