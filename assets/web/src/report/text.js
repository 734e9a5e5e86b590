// The report as plain text, as it leaves the page: made here, so that a server out of reach keeps nobody from their text.
// The same text as `drafting/exports/text.py` gives.

/** @typedef {import("./spans.js").WireSpan} WireSpan */

export const NOTICE = "Research use only. Not a medical device.";
export const UNREVIEWED_NOTICE = "Text in [[ ]] was written by a model and has not been reviewed.";

/** @param {WireSpan} span whether a model wrote its text and no person has reviewed it: locking or accepting is */
const isUnreviewed = ({ text, state, author, reviewed }) =>
  author === "model" && state === "open" && text !== "" && !reviewed;

/** The spans' text; what nobody has reviewed stands in `[[ ]]`. @param {readonly WireSpan[]} spans */
export const marked = (spans) => spans.map((span) => (isUnreviewed(span) ? `[[${span.text}]]` : span.text)).join("");

/** The report's text, and after a blank line the notices. @param {readonly WireSpan[]} spans */
export function asText(spans) {
  const body = marked(spans);
  const notices = spans.some(isUnreviewed) ? [NOTICE, UNREVIEWED_NOTICE] : [NOTICE];
  const gap = body === "" ? "" : body.endsWith("\n") ? "\n" : "\n\n";
  return `${body}${gap}${notices.join("\n")}\n`;
}
