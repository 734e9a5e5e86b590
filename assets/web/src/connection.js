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

/** The notice: there while the server is out of reach, and gone by itself. */
export function watchConnection(desk, notices) {
  desk.connection.onChange((lost) => {
    if (lost) {
      notices.drop("back");
      notices.show("lost", {
        kind: "lost",
        text: "No connection to the server. Your text is safe in this page and will be saved when the connection is back. Trying again…",
      });
    } else {
      notices.drop("lost");
      notices.show("back", { text: "The connection is back.", seconds: BACK_SECONDS });
    }
  });
}
