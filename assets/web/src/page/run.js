// The draft under way: asks the desk for it, shows its frames in the report, and sees it to an end, whatever happens to the
// connection, the server or the page. Knows nothing of how the report keeps its text, nor of the page's buttons.

const STOP_PATIENCE_MS = 5000;
export const CUT_OFF = "The draft was interrupted. The report is unchanged.";

/** What a draft was asked for, so that it can be asked for again: spans by id, or null for all that is open, and the frame
 * that it goes on from. @typedef {{only: string[]|null, start: {run: string, step: number}|null}} Asked */
/** @typedef {{asked: Asked, sent: boolean, shown: boolean, started: number, stopping: boolean}} Run */
/** @typedef {{kind: 'frame', step: number, steps: number, seconds: number, place?: number, spans: Record<string, any>}
 *   | {kind: 'draft', step?: number, steps: number, seconds: number, seed: number, stopped: boolean, texts: Record<string, string>}
 *   | {kind: 'error', message: string}} Message */

/**
 * @param {{
 *   report: {startRun: (scope: any) => string[], showFrame: (spans: any) => void, finishRun: (texts: Record<string, string>) => void,
 *     abandonRun: (keepApart?: boolean) => void, lastFrame: () => Record<string, string>, isComposing: () => boolean},
 *   desk: {draft: (request: object) => AsyncIterable<Message>, stop: () => Promise<unknown>},
 *   send: () => Promise<object>, settings: () => {seed: number, steps: number|null},
 *   events: {begin: (asked: Asked) => void, frame: (message: any) => void, end: (run: Run, text: string, outcome: any) => void,
 *     fail: (error: Error, asked: Asked|null) => void},
 *   patience?: number}} options
 *   `send`: the report to the desk, and what it was sent as; `fail`: with what was asked where the draft was cut off
 */
export function createRun({ report, desk, send, settings, events, patience = STOP_PATIENCE_MS }) {
  /** @type {Run|null} */
  let run = null;
  /** Messages that wait until an input method has finished. @type {{of: Run, message: Message}[]} */
  let waiting = [];
  /** @type {(() => void)[]} */
  const onEnd = [];

  /**
   * @param {{scope?: 'all'|'section'|'span', again?: Asked, start?: Asked["start"], seed?: number|null}} [wanted]
   * @returns {Promise<boolean>} whether there was anything to draft; it resolves at the end
   */
  async function begin({ scope = "all", again, start = null, seed = null } = {}) {
    const from = again?.start ?? start;
    // A frame of the time line shows its run in the report already.
    const only = from && !again ? Object.keys(report.lastFrame()) : report.startRun(again?.only ?? scope);
    if (!only.length) return false;
    const isAll = again ? !again.only : scope === "all" && !from;
    /** @type {Asked} */
    const asked = { only: isAll ? null : only, start: from };
    /** @type {Run} */
    const mine = (run = { asked, sent: false, shown: false, started: performance.now(), stopping: false });
    events.begin(asked);
    try {
      const sent = await send();
      if (run !== mine) return true;
      mine.sent = true;
      const request = { kind: "draft", ...sent, ...settings(), only: from ? null : asked.only, start: from };
      if (seed !== null) request.seed = seed;
      for await (const message of desk.draft(request)) {
        receive(mine, message);
        // Leaving the stream tells the desk that nobody listens.
        if (run !== mine) return true;
      }
      const endIsHeld = waiting.some(({ of, message }) => of === mine && message.kind !== "frame");
      if (run === mine && !endIsHeld) throw new Error(CUT_OFF);
    } catch (error) {
      if (run !== mine) return true;
      // No Stop: it would keep a frame on the desk that is not kept here. A run that has lost its reader ends by itself.
      const cutOff = mine.sent && (error.status === 0 || error.message === CUT_OFF);
      report.abandonRun(cutOff);
      end("");
      events.fail(error, cutOff ? asked : null);
    }
    return true;
  }

  /** @param {Run} of the run that the message belongs to @param {Message} message */
  function receive(of, message) {
    if (run !== of) return;
    if (report.isComposing()) {
      if (waiting.at(-1)?.message.kind === "frame") waiting.pop();
      waiting.push({ of, message });
      return;
    }
    if (message.kind === "frame") {
      // Stop was pressed before the desk had begun, and found nothing to stop. Out of reach, `endHere` is under way.
      if (of.stopping && !of.shown) desk.stop().catch(() => {});
      of.shown = true;
      events.frame(message);
      report.showFrame(message.spans);
    } else if (message.kind === "draft") {
      report.finishRun(message.texts);
      const how = `${message.steps} steps · ${message.seconds.toFixed(1)} s`;
      end(message.stopped ? `Stopped · ${how}` : `Draft ready · ${how}`, message);
    } else {
      report.abandonRun();
      end("");
      events.fail(new Error(message.message), null);
    }
  }

  function end(text, outcome = null) {
    const ended = run;
    run = null;
    waiting = [];
    events.end(ended, text, outcome);
    for (const tell of onEnd.splice(0)) tell();
  }

  /** Ends the run here, without the desk: with what is on screen, or as it was before. @param {Run} mine */
  function endHere(mine) {
    if (run !== mine) return;
    const shown = report.lastFrame();
    if (Object.keys(shown).length) report.finishRun(shown);
    else report.abandonRun();
    end("Stopped");
  }

  return {
    begin,
    /** Keeps what the next frame shows; what the page has where the desk is out of reach or slow. */
    stop() {
      if (!run || run.stopping) return;
      const mine = run;
      mine.stopping = true;
      if (!mine.sent) {
        endHere(mine);
        return;
      }
      setTimeout(() => endHere(mine), patience);
      desk.stop().catch(() => endHere(mine));
    },
    /** Ends the run as if it had not been, at once. */
    abandon() {
      if (!run) return;
      // A desk out of reach ends a run that nobody reads by itself.
      if (run.sent) desk.stop().catch(() => {});
      report.abandonRun();
      end("");
    },
    /** An input method has finished: shows what has waited for it. */
    resume() {
      const late = waiting;
      waiting = [];
      for (const { of, message } of late) receive(of, message);
    },
    /** Resolves once no run is under way. @returns {Promise<void>} */
    ended: () => (run ? new Promise((resolve) => onEnd.push(resolve)) : Promise.resolve()),
    get isUnderWay() {
      return run !== null;
    },
  };
}
