// Other texts for a span, and other words for a word: requested from the model, chosen from a list, inserted as a draft is.

import { waitingText } from "./status.js";

const COUNT = 5;
const TEXT_SHARE =
  "The model's probability for this text among the texts in this list. It is not the probability of being right.";
const WORD_SHARE =
  "The model's probability for this word, among single words with at most as many tokens, given the image and the rest of the report. It is not the probability of being right.";

/** @param {number} part 0 to 1 */
export const percent = (part) => `${(part * 100).toFixed(1)} %`;

/** @param {readonly {text: string, likelihood: number}[]} alternatives @param {string} now what stands there @returns {import("../report/menu.js").Item[]} */
export const textItems = (alternatives, now) =>
  alternatives.map(({ text, likelihood }) => ({
    name: text.trim(),
    note: `${text === now ? "now · " : ""}${percent(likelihood)}`,
    part: likelihood,
    title: TEXT_SHARE,
    value: text,
  }));

/** @param {readonly {text: string, probability: number}[]} words @param {string} now @returns {import("../report/menu.js").Item[]} */
export const wordItems = (words, now) =>
  words.map((one) => ({
    name: one.text,
    note: `${one.text === now ? "now · " : ""}${percent(one.probability)}`,
    part: one.probability,
    title: WORD_SHARE,
    value: one,
  }));

/** What the words of a list leave to all others, 0 to 1. @param {readonly {probability: number}[]} words */
export const restOf = (words) => Math.max(0, 1 - words.reduce((sum, { probability }) => sum + probability, 0));

/**
 * @param {{report: ReturnType<typeof import("../report/editor.js").createReportEditor>, aside: ReturnType<typeof import("./aside.js").createAside>, lists: ReturnType<typeof import("./lists.js").createLists>,
 *   hint: (name: any) => void, refuse: () => any, changed: () => void}} page `refuse`: the hint why nothing may be asked now, or null
 */
export function createAlternatives({ report, aside, lists, hint, refuse, changed }) {
  /**
   * Opens a list and fills it with what the model answers; whoever leaves the list takes nothing.
   * @param {{label: string, message: string, onchoose: (value: any) => void, onother?: (event: KeyboardEvent) => void}} options
   * @param {object} request @param {boolean} stops whether leaving it stops the desk
   * @param {(answer: any, list: any) => void} fill @param {(message: any, list: any) => void} progress
   */
  async function offer(options, request, stops, fill, progress = () => {}) {
    let left = false;
    const list = lists.open(
      {
        ...options,
        onclose() {
          left = true;
          aside.leave(stops);
        },
      },
      true,
    );
    try {
      const answer = await aside.ask(request, (message) => progress(message, list));
      if (!left) fill(answer, list);
    } catch (error) {
      if (!left) list.say(error.message);
    }
  }

  return {
    /** Other texts for the open span at the caret. */
    async texts() {
      const span = report.openSpan();
      const refusal = span ? refuse() : "nothing-open";
      if (refusal) return hint(refusal);
      await offer(
        {
          label: "Alternatives",
          message: "Drafting alternatives…",
          onchoose(text) {
            if (!report.startRun([span.id]).length) return;
            report.finishRun({ [span.id]: text });
            changed();
          },
        },
        { kind: "alternatives", span: span.id, count: COUNT },
        true,
        ({ alternatives }, list) => {
          list.show(textItems(alternatives, span.text));
          list.say(
            alternatives.length
              ? "↑ ↓ to choose, Enter to use, Esc to cancel · % among these texts"
              : "The model suggests nothing else here. Esc closes the list.",
          );
        },
        ({ step, place }, list) => list.say(place ? `${waitingText(place)}.` : `Drafting alternatives… step ${step}`),
      );
    },
    /** What else the model would write in the place of a word. @param {import("../report/spans.js").Place|null} place */
    async words(place) {
      const refusal = place ? refuse() : "no-word";
      if (refusal) return hint(refusal);
      const { id: span, start, end, word } = place;
      await offer(
        {
          label: `Instead of “${word}”`,
          message: "Asking the model…",
          onchoose({ text, probability }) {
            report.putWord(place, text, probability);
            changed();
          },
          // Who types on after a click has not asked for a list.
          onother(event) {
            report.view.focus();
            const again = new KeyboardEvent("keydown", event);
            if (!report.view.contentDOM.dispatchEvent(again)) event.preventDefault();
            event.stopPropagation();
          },
        },
        { kind: "words", span, start, end, word },
        false,
        ({ words }, list) => {
          list.show(wordItems(words, word), words.findIndex(({ text }) => text === word));
          list.say(`↑ ↓ to choose, Enter to use, Esc to cancel · ${percent(restOf(words))} for all other words`);
        },
      );
    },
  };
}
