// Keeps the report on the desk: each sending carries the number of its version, and the desk refuses one that would
// overwrite what another tab has written. Knows nothing of spans.

const SAVE_MS = 400;
const RETRY_MS = 3000;
/** What the desk answers to what it has understood and does not take: another's newer version, too much, no report. */
const REFUSED = [409, 413, 422];

/**
 * @param {{now: () => {spans: any[], indication: string}, send: (report: any) => Promise<any>,
 *   tell: (text: string, failed: boolean) => void, onOther: () => void}} options
 *   `onOther`: another tab has written a newer version
 */
export function createAutosave({ now, send, tell, onOther }) {
  // By this name the desk knows which of two tabs has written a version.
  const writer = Array.from(crypto.getRandomValues(new Uint32Array(3)), (word) => word.toString(36)).join("");
  let version = 0,
    timer = 0,
    saving = null,
    savedText = "",
    failed = false,
    paused = false,
    holds = 0, // what keeps the report from being sent for now
    waits = false, // whether something was to be sent meanwhile
    released = Promise.resolve(),
    release = () => {},
    written = 0; // the last version that this page itself has written

  const isAsSaved = () => JSON.stringify(now()) === savedText;
  /** "Saved" is said only while the desk has what is on screen; that a sending failed is said until it has. */
  function tellState() {
    if (!saving && isAsSaved()) {
      clearTimeout(timer);
      timer = 0;
      failed = false;
      tell("Saved", false);
    } else if (!failed) tell("Saving…", false);
  }
  function changed() {
    if (paused || timer) return;
    timer = setTimeout(save, SAVE_MS);
    tellState();
  }
  async function save() {
    timer = 0;
    if (paused) return;
    if (holds) {
      waits = true;
      return;
    }
    if (saving) {
      changed();
      return;
    }
    if (isAsSaved()) return tellState();
    try {
      await put();
    } catch (error) {
      // What the server refuses as it stands is sent again once it has changed.
      if (!REFUSED.includes(error.status)) timer ||= setTimeout(save, RETRY_MS);
    }
  }
  /** Another has written a newer version: nothing is sent until the page has chosen. */
  function overtaken() {
    paused = failed = true;
    tell("Not saved: another tab has a newer version", true);
    onOther();
  }
  /** Sends the report as it is now. @returns {Promise<{version: number, writer: string, spans: any[], indication: string}>} */
  async function put() {
    while (saving || holds) await (saving ? saving.catch(() => {}) : released);
    const body = now(),
      text = JSON.stringify(body),
      sent = { version: version + 1, writer, ...body };
    saving = send(sent);
    try {
      await saving;
      saving = null;
      version = written = sent.version;
      savedText = text;
      failed = false;
      tellState();
      // What was taken back while it was on its way is on the desk now, and nothing else would send what is on screen.
      if (!isAsSaved()) changed();
      return sent;
    } catch (error) {
      saving = null;
      failed = true;
      // Without its answer nobody knows whether the desk has this text or the one before.
      if (!REFUSED.includes(error.status)) savedText = "";
      if (error.status === 409) overtaken();
      else tell(`Not saved: ${error.status === 0 ? "no connection" : error.message}`, true);
      throw error;
    }
  }
  return {
    changed,
    put,
    /** The version, of this page's own writing, that the desk has of the report as it is now; sent where it has none. */
    async current() {
      while (saving) await saving.catch(() => {});
      if (paused) throw new Error("Another tab changed this report. First choose which version to keep.");
      if (written !== version || !written || !isAsSaved()) await put();
      return { version, writer };
    },
    /**
     * Nothing is sent until this is called: while a study is being opened nobody knows which one the desk would take the
     * report for. Resolves once what was on its way has arrived. @returns {Promise<() => void>}
     */
    async hold() {
      if (!holds++) released = new Promise((resolve) => (release = resolve));
      while (saving) await saving.catch(() => {});
      let done = false;
      return () => {
        if (done) return;
        done = true;
        if (--holds) return;
        release();
        if (!waits) return;
        waits = false;
        changed();
      };
    },
    writer,
    /** The desk has a report with this number: what is written next comes after it. */
    after(number) {
      version = number;
      written = 0;
      paused = false;
    },
    /** What is on screen stands on the desk already. */
    isSaved() {
      savedText = JSON.stringify(now());
      tellState();
    },
    /** Takes what waits to be sent, or for its answer, for a page that is being left; null where nothing does. */
    takeUnsent() {
      if (paused || !(saving || timer || waits)) return null;
      // Behind what is on its way, which may still arrive.
      version += saving ? 2 : 1;
      return { version, writer, ...now() };
    },
    /** The desk has forgotten what it was sent. */
    forgotten() {
      savedText = "";
      paused = false;
      changed();
    },
    /** @param {{version: number, writer: string}} held what the desk has */
    compare(held) {
      if (paused || saving || held.writer === writer || held.version <= version) return;
      overtaken();
    },
  };
}
