// The report on the desk: saved as it is written, brought back after a reload, and chosen where two tabs hold one report.
// What asks again after a draft that was cut off stands here too, for a reload cuts one off.

import { createAutosave } from "./autosave.js";

const CUT_OFF_MS = 500;
const CUT_OFF_TRIES = 20;

/** @typedef {import("./run.js").Asked} Asked */

/**
 * What a draft was asked for survives a reload in the tab's history entry: ids of spans and no word of the report.
 */
export const askedBefore = {
  /** @returns {Asked|null} */
  get: () => history.state?.asked ?? null,
  /** @param {Asked|null} asked */
  set: (asked) => history.replaceState({ ...history.state, asked }, ""),
};

/**
 * @param {{report: ReturnType<typeof import("../report/editor.js").createReportEditor>, indication: HTMLInputElement, desk: any, notices: () => any, run: ReturnType<typeof import("./run.js").createRun>,
 *   tell: (text: string, failed: boolean) => void, fail: (error: any) => void, again: (asked: Asked|null) => void}} page
 */
export function createSaving({ report, indication, desk, notices, run, tell, fail, again }) {
  const autosave = createAutosave({
    now: () => ({ spans: report.wire(), indication: indication.value }),
    send: desk.saveReport,
    tell,
    onOther: askWhich,
  });
  desk.onRenewed(autosave.forgotten);
  desk.onHeld(autosave.compare);
  desk.onLeaving(autosave.takeUnsent);

  /** Another tab has written the report: nothing is saved from here until the radiologist has chosen. */
  function askWhich() {
    notices().show("other", {
      kind: "warning",
      text: "Another tab changed this report. Changes in this tab are no longer saved.",
      answers: [
        { name: "Show the other version", onclick: () => choose(true) },
        { name: "Keep this version", onclick: () => choose(false) },
      ],
    });
  }
  /** @param {boolean} other whether the other is taken */
  async function choose(other) {
    try {
      const held = await desk.report();
      if (other) {
        run.abandon();
        // One step, so that Undo brings back what was here.
        report.abandonRun();
        report.replaceReport(held.spans, "template");
        indication.value = held.indication;
      } else run.stop();
      autosave.after(held.version);
      autosave.changed();
    } catch (error) {
      fail(error);
      askWhich();
    }
  }

  /** @param {string} text @param {Asked|null} asked */
  function offerAgain(text, asked) {
    notices().show("again", {
      text,
      kind: "warning",
      answers: [
        { name: "Draft again", onclick: () => again(asked) },
        { name: "Dismiss", onclick: () => askedBefore.set(null) },
      ],
    });
  }

  /** A run that lost its page ends at its next frame, which may be after the page is back. */
  function tellCutOff({ cut_off: cutOff, drafting }, tries = CUT_OFF_TRIES) {
    if (run.isUnderWay) return;
    if (cutOff) {
      const asked = askedBefore.get();
      if (asked?.only) {
        // Its spans stay apart from their neighbours until it is asked for again.
        report.startRun(asked.only);
        report.abandonRun(true);
      }
      offerAgain("The connection was lost during the draft. The report is unchanged.", asked);
    } else if (drafting && tries)
      setTimeout(() => {
        desk.report().then(
          (held) => tellCutOff(held, tries - 1),
          () => {}, // out of reach: said elsewhere, and the draft can be asked for as ever
        );
      }, CUT_OFF_MS);
  }

  return {
    ...autosave,
    offerAgain,
    /** The report as it was before the page was loaded again. */
    resume(held) {
      // Who typed before it came back chooses, and until then nothing is saved over it.
      if (!report.isEmpty() || indication.value) autosave.compare(held);
      else {
        autosave.after(held.version);
        report.replaceReport(held.spans);
        indication.value = held.indication;
        autosave.isSaved();
      }
      tellCutOff(held);
    },
  };
}
