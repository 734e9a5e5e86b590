// Whether the server is in reach, told from the requests themselves. Knows nothing of what they carry.

const TRY_MS = 2000;
const BACK_SECONDS = 4;

/** Tells of a change only, and asks on by itself while the server is out of reach. */
export function createConnection() {
  let isLost = false;
  let probe = null;
  let timer = 0;
  const tells = new Set();
  const change = (lost) => {
    if (lost === isLost) return;
    isLost = lost;
    for (const tell of tells) tell(lost);
    clearTimeout(timer);
    if (lost) timer = setTimeout(again, TRY_MS);
  };
  async function again() {
    try {
      await probe?.();
    } catch {
      /* whoever asked has told already */
    }
    if (isLost) timer = setTimeout(again, TRY_MS);
  }
  return {
    /** @param {(lost: boolean) => void} tell */
    onChange: (tell) => tells.add(tell),
    /** @param {() => Promise<any>} ask a small request */
    probeWith: (ask) => {
      probe = ask;
    },
    reached: () => change(false),
    missed: () => change(true),
    isLost: () => isLost,
  };
}

const SAFE = "Your text is safe in this tab and will be saved after reconnecting. Reconnecting…";

/** @param {string} what has happened, in a sentence; in place of what the notice has said before */
export const sayLost = (notices, what) => notices.show("lost", { kind: "lost", text: `${what} ${SAFE}` });

/** The notice: there while the server is out of reach, and gone by itself. */
export function watchConnection(desk, notices) {
  desk.connection.onChange((lost) => {
    if (lost) {
      notices.drop("back");
      sayLost(notices, "No connection to the server.");
    } else {
      notices.drop("lost");
      notices.show("back", { text: "Connected again.", seconds: BACK_SECONDS });
    }
  });
}
