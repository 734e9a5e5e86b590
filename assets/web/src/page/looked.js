// Where the model looked, over the study, for the text at the caret: asks once the caret rests, and takes the map away
// as soon as it is of another text. Knows nothing of how the map is drawn and of what the text is.

const REST_MS = 180;

/** The part of a span that is asked about: `part` in code points of its text; `words` are the text itself.
 * @typedef {{id: string, part: [number, number], words: string}} Target */
/** `weights`: rows from the top of the picture as it is stored; their sum is how much is particular to the text.
 * @typedef {{weights: number[][], share: number}} Looked */

/**
 * @param {{ask: (request: {span: string, part: [number, number], version: number, writer: string}) => Promise<Looked>}} options
 */
export function createLooking({ ask }) {
  let on = false,
    timer = 0,
    shownFor = "",
    asked = 0;
  /** @type {{target: () => Target|null, sent: () => Promise<{version: number, writer: string}>}|null} */
  let report = null;
  /** @type {{show: (state: {on: boolean, looked?: Looked, words?: string, note?: string}) => void}|null} */
  let study = null;
  const keyOf = (target) => (target ? JSON.stringify([target.id, target.part, target.words]) : "");

  function clear(note = "") {
    clearTimeout(timer);
    asked++;
    shownFor = "";
    study?.show({ on, note });
  }
  /** What is said while there is nothing to show. */
  const WAITING = "Place the caret in open text by the model.";

  function moved() {
    if (!on) return;
    const target = report?.target() ?? null,
      key = keyOf(target);
    if (key && key === shownFor) return;
    clear(target ? "Looking…" : WAITING);
    if (!target) return;
    shownFor = key;
    timer = setTimeout(() => find(target, key), REST_MS);
  }
  async function find(target, key) {
    const mine = ++asked;
    try {
      const { version, writer } = await report.sent();
      // Typed, moved or switched off meanwhile.
      if (mine !== asked || !on || keyOf(report.target()) !== key) return;
      const looked = await ask({ span: target.id, part: target.part, version, writer });
      if (mine === asked && on) study?.show({ on, looked, words: target.words });
    } catch (error) {
      if (mine !== asked || !on) return;
      study?.show({ on, note: error.message });
      shownFor = "";
    }
  }
  return {
    /** The report's side. @param {NonNullable<typeof report>} side */
    ofReport(side) {
      report = side;
    },
    /** The study's side. @param {NonNullable<typeof study>} side */
    ofStudy(side) {
      study = side;
    },
    toggle() {
      on = !on;
      if (on) moved();
      else clear();
      return on;
    },
    get isOn() {
      return on;
    },
    moved,
    /** Another study is on screen: no map is of it. */
    forget() {
      if (!on) return;
      clear();
      moved();
    },
  };
}
