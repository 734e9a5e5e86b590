// Opening studies and priors: one after the other, and nothing is called open that is not on the screen. Knows nothing of
// how a study is shown, nor of the report beyond what it is asked: it is given both.

/** @typedef {import("../page/desk.js").Study} Study */
/** @typedef {"opened"|"replaced"|"cleared"|"failed"} Outcome */
/**
 * @typedef {{study: Study, name: string}} Opened
 * @typedef {{
 *   show: (study: Study, pixels: ArrayBuffer, name: string) => void, none: () => void, putAway: () => void,
 *   waiting: (on: boolean) => void, fail: (error: unknown, besides?: string, again?: boolean) => void, quiet: () => void,
 *   keepReport: (hadStudy: boolean) => Promise<"keep"|"clear"|null>,
 *   showPrior: (prior: Study, pixels: ArrayBuffer, name: string) => void, putPriorAway: () => void, closePrior: () => void,
 * }} Screen `none`: no study is on it; `quiet`: takes away what was said of a failure; `keepReport`: null where nothing is to be opened
 */

const BUSY = "Another study is still opening, so this one was not opened. Try again when it is on screen.";
const UNSEEN = "The study could not be shown. Drafting is off until it is on screen.";

/**
 * @param {{screen: Screen, picture: () => Promise<ArrayBuffer>, priorPicture: () => Promise<ArrayBuffer>,
 *   report: () => {hasText: () => boolean, beginOpening: () => Promise<(outcome: Outcome) => void>}|null}} around
 *   `picture`: the first of the study that the desk has
 */
export function createOpening({ screen, picture, priorPicture, report }) {
  /** The study on screen. @type {Study|null} */
  let study = null;
  /** A study that the desk has and the screen does not. @type {Opened|null} */
  let unseen = null;
  /** Whether a study has been reported on, so that the words beside it are another patient's. */
  let hadStudy = false;
  let busy = false;

  /** One study after the other: which of two was meant, nobody could tell. */
  function refusedAsBusy() {
    if (busy) screen.fail(BUSY);
    return busy;
  }
  function begin() {
    busy = true;
    screen.quiet();
    screen.waiting(true);
  }
  function end() {
    busy = false;
    screen.waiting(false);
    if (!study) screen.none();
  }

  /** Shows the study that the desk has. Where its picture does not come, it can be asked for again. */
  async function showUnseen() {
    const { study: next, name } = unseen;
    try {
      if (!next.pictures.length) throw new Error("This file contains no image.");
      screen.show(next, await picture(), name);
    } catch (error) {
      screen.none();
      screen.fail(error, UNSEEN, true);
      return;
    }
    unseen = null;
    study = next;
  }

  return {
    get study() {
      return study;
    },
    get isBusy() {
      return busy;
    },
    get isUnseen() {
      return !!unseen;
    },
    /** @param {() => Promise<Study>} load @param {string} name @param {boolean} [resumed] whether it is the report's study from before */
    async open(load, name, resumed = false) {
      if (refusedAsBusy()) return;
      busy = true;
      /** @type {(outcome: Outcome) => void} */
      let tell = () => {};
      try {
        const beside = resumed ? null : report();
        const answer = beside?.hasText() ? await screen.keepReport(hadStudy) : "keep";
        if (!answer) return;
        begin();
        if (beside) tell = await beside.beginOpening();
        const next = await load();
        // From here on the model sees the next study, so nobody may go on seeing the former one or its words.
        screen.putAway();
        study = null;
        tell(answer === "clear" ? "cleared" : hadStudy ? "replaced" : "opened");
        hadStudy = true;
        unseen = { study: next, name };
        await showUnseen();
      } catch (error) {
        screen.fail(error, study ? "The study on screen is unchanged." : "Choose another file, or try again.");
      } finally {
        tell("failed");
        end();
      }
    },
    /** Asks again for the picture of a study that the desk has and the screen does not. */
    async showUnseen() {
      if (!unseen || refusedAsBusy()) return;
      begin();
      await showUnseen();
      end();
    },
    /** The desk has lost the study and cannot open it again. */
    lost() {
      screen.putAway();
      study = unseen = null;
      screen.none();
    },
    /** @param {() => Promise<Study>} load @param {string} name */
    async openPrior(load, name) {
      if (!study || refusedAsBusy()) return;
      begin();
      const beside = study;
      let isShown = false;
      try {
        const next = await load();
        screen.putPriorAway();
        const pixels = await priorPicture();
        if (study !== beside) return;
        screen.showPrior(next, pixels, name);
        isShown = true;
      } catch (error) {
        // What is not on screen is not kept on the desk either.
        if (!isShown) screen.closePrior();
        screen.fail(error);
      } finally {
        end();
      }
    },
  };
}
