// The browser's side of the desk session: one tab, one token, every request to the server.
// Knows nothing of the page. Nothing is kept in the browser's storage: the session ends with the tab.

/** @typedef {{name: string, title: string, description: string}} Example */
/** @typedef {{center: number, width: number, name: string}} Window */
/** @typedef {{width: number, height: number, channels: 1|3, bits: 8|16, slope: number, intercept: number,
 *   windows: Window[], inverted: boolean, spacing: [number, number]|null}} Picture */
/** @typedef {{facts: Record<string, string|number|null>, pictures: Picture[]}} Study */
/** @typedef {{token: string, model: string, version: string, limits: {upload_bytes: number, report_characters: number}, examples: Example[]}} Session */

export class DeskError extends Error {
  /** @param {string} message one sentence for the radiologist @param {number} status 0 where the server was not reached */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const NO_CONNECTION = "No connection to the server.";
const ALIVE_MS = 30_000;

const address = (path) => new URL(path, document.baseURI).href;

/** @type {Promise<Session>|null} */
let opening = null;
let token = null;
/** The request that opened the study on screen, to open it again where the session had run out. */
let lastStudy = null;
const renewed = new Set();

async function send(path, options) {
  try {
    return await fetch(address(path), { cache: "no-store", credentials: "same-origin", ...options });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new DeskError(NO_CONNECTION, 0);
  }
}

async function failure(response) {
  let message = `The server answered ${response.status}.`;
  try {
    const body = await response.json();
    if (typeof body.error === "string") message = body.error;
  } catch {
    /* not JSON: the number has to do */
  }
  return new DeskError(message, response.status);
}

async function open() {
  const response = await send("desk/sessions", { method: "POST" });
  if (!response.ok) throw await failure(response);
  const session = await response.json();
  token = session.token;
  return session;
}

/** @returns {Promise<Session>} */
export function session() {
  opening ??= open().catch((error) => {
    opening = null;
    throw error;
  });
  return opening;
}

/** A session that the server has forgotten is opened anew, with the study that was on screen. */
async function renew(stale) {
  if (token === stale) {
    token = null;
    opening = null;
    await session();
    if (lastStudy) await call(lastStudy.path, lastStudy.options, true);
    for (const tell of renewed) tell();
  } else {
    await session();
  }
}

async function call(path, options, again = false) {
  await session();
  const used = token;
  const response = await send(path, { ...options, headers: { ...options.headers, "X-Desk": used } });
  if (response.status === 404 && !again) {
    await renew(used);
    return call(path, options, true);
  }
  if (!response.ok) throw await failure(response);
  return response;
}

const json = (method, body) => ({
  method,
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

async function openStudy(path, options) {
  const response = await call(path, options);
  lastStudy = { path, options };
  return /** @type {Study} */ (await response.json());
}

export const desk = {
  session,
  token: () => token,
  /** @param {() => void} tell called after a lost session was opened anew */
  onRenewed: (tell) => renewed.add(tell),
  /** @param {File} file */
  async openFile(file) {
    const { limits } = await session();
    if (limits?.upload_bytes && file.size > limits.upload_bytes) {
      throw new DeskError(`This file is larger than ${Math.floor(limits.upload_bytes / 2 ** 20)} MB.`, 413);
    }
    return openStudy("desk/study", {
      method: "POST",
      headers: { "X-File-Name": encodeURIComponent(file.name) },
      body: file,
    });
  },
  /** @param {string} name */
  openExample: (name) => openStudy("desk/study/example", json("POST", { name })),
  thumbnail: (name) => address(`desk/examples/${encodeURIComponent(name)}.jpg`),
  /** @param {number} index @param {AbortSignal} [signal] */
  picture: async (index, signal) => (await call(`desk/pictures/${index}`, { signal })).arrayBuffer(),
  saveReport: async (report) => (await call("desk/report", json("PUT", report))).json(),
  exportText: async (spans) => (await call("desk/export/text", json("POST", { spans }))).json(),
  stop: () => call("desk/stop", { method: "POST" }),
};

/** What the two components offer each other. */
export const shared = {
  /** @type {{hasText: () => boolean, clear: () => void, stop: () => void}|null} */ editor: null,
  /** @type {{openFile: (file: File) => void}|null} */ viewer: null,
};

let watching = false;
export function watchPage() {
  if (watching) return;
  watching = true;
  setInterval(() => {
    if (token) call("desk/alive", { method: "POST" }).catch(() => {});
  }, ALIVE_MS);
  addEventListener("pagehide", () => {
    if (token)
      fetch(address("desk/sessions"), { method: "DELETE", keepalive: true, headers: { "X-Desk": token } }).catch(
        () => {},
      );
  });
}
