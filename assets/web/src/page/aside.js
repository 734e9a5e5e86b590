// Asks the model beside a draft: alternatives, words, answers. The report stays as it is, and the desk takes one question
// at a time. Knows nothing of the page.

/** @typedef {{left: boolean, ended: Promise<void>}} Asking `left`: whoever asked does not wait for it any more */

/**
 * @param {{desk: {draft: (request: object) => AsyncIterable<any>, stop: () => Promise<unknown>}, send: () => Promise<object>,
 *   settings: () => object, refuse: () => string|null}} options `refuse`: why nothing may be asked now, or null
 */
export function createAside({ desk, send, settings, refuse }) {
  /** A desk out of reach ends a run that nobody reads by itself. */
  const stop = () => void desk.stop().catch(() => {});
  /** @type {Asking|null} */
  let asking = null;
  return {
    /**
     * @param {object} request @param {(message: any) => void} show called with what is there so far
     * @returns {Promise<any>} the last message
     */
    async ask(request, show) {
      const refusal = refuse();
      if (refusal) throw new Error(refusal);
      let end = () => {};
      /** @type {Asking} */
      const mine = (asking = { left: false, ended: new Promise((resolve) => (end = resolve)) });
      try {
        const sent = await send();
        if (!mine.left)
          for await (const message of desk.draft({ ...sent, ...settings(), ...request })) {
            if (message.kind === "error") throw new Error(message.message);
            if (message.kind !== "frame" && message.kind !== "progress") return message;
            if (!mine.left) show(message);
          }
        throw new Error("The connection was lost. The report is unchanged.");
      } finally {
        if (asking === mine) asking = null;
        end();
      }
    },
    /** Nobody waits for the answer any more. @param {boolean} [stops] whether the desk is told */
    leave(stops = false) {
      if (!asking) return;
      asking.left = true;
      if (stops) stop();
    },
    stop,
    get current() {
      return asking;
    },
  };
}
