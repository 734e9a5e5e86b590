// The browser's side of the desk session: one tab, one token, every request to the server.
// Knows nothing of the page. Nothing is kept in the browser's storage. The token stands in the state of the tab's history
// entry: a reload finds its session by it, and a closed tab takes it along. No word of a report or study stands there.
//
// Drafts run through Gradio's queue, by a client of our own. Gradio's (`@gradio/client` 2.7) gives every run of a page the
// same stream, takes no further event once that has broken, and keeps the queue's signs of life to itself, so that nobody
// can tell a run that waits from a connection that is dead. Here each run has its own stream and is given up when the
// queue is silent for too long.

import { createConnection } from "./connection.js";
import { createLooking } from "./looked.js";

/** @typedef {{name: string, title: string, description: string}} Example */
/** @typedef {{center: number, width: number, name: string}} Window */
/** @typedef {{width: number, height: number, channels: 1|3, bits: 8|16, slope: number, intercept: number,
 *   windows: Window[], inverted: boolean, spacing: [number, number]|null, spacing_at: string, aspect: number,
 *   orientation: [string, string]|null, label: string}} Picture */
/** @typedef {{facts: Record<string, string|number|null>, pictures: Picture[], note: string}} Study */
/** @typedef {{token: string, model: string, heeds_hints: boolean, version: string, limits: {upload_bytes: number, report_characters: number, silence_seconds: number}, examples: Example[], resumed?: Resumed, gone?: boolean}} Session */
/** What the desk has kept of a page that was left. @typedef {{spans: any[], indication: string, version: number, writer: string,
 *   study: Study|null, prior: Study|null, drafting: boolean, cut_off: boolean}} Resumed */

export class DeskError extends Error {
  /** @param {string} message one sentence for the radiologist @param {number} status 0 where the server was not reached */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const NO_CONNECTION = "No connection to the server.";
const BROKEN_OFF = "The connection was lost. The report is unchanged.";
const ALIVE_MS = 30_000;
const HOST_MS = 2_000;
const HERE_MS = 2_000;
/** What a page that is left may still send is 64 KB with all headers (Fetch, 4.8). */
const MOST_LEFT_BYTES = 60_000;

const address = (path) => new URL(path, document.baseURI).href;

/** @type {Promise<Session>|null} */
let opening = null;
let token = null;
/** The request that opened the study on screen, to open it again where the session had run out. */
let lastStudy = null;
let opened = 0;
const renewed = new Set();
const studyLost = new Set();
const heldTells = new Set();
const connection = createConnection();

async function send(path, options) {
  try {
    const response = await fetch(address(path), { cache: "no-store", credentials: "same-origin", ...options });
    connection.reached();
    return response;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    connection.missed();
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

/** Opens a session, with the study that is on screen: no request goes out in a session that does not have it. */
async function open() {
  const former = opened ? null : history.state?.desk;
  const response = await send("desk/sessions", former ? as(former, { method: "POST" }) : { method: "POST" });
  if (!response.ok) throw await failure(response);
  const session = await response.json();
  // A study that was opened before a reload came from a file that the page no longer has.
  if (session.resumed?.study) lastStudy = { path: "desk/study", options: { method: "POST" } };
  else if (lastStudy && !(await reopens(lastStudy, session.token))) {
    lastStudy = null;
    for (const tell of studyLost) tell();
  }
  token = session.token;
  session.gone = !!former && !session.resumed;
  history.replaceState({ ...history.state, desk: token }, "");
  if (opened++) for (const tell of renewed) tell();
  return session;
}

async function reopens({ path, options }, token) {
  try {
    return (await send(path, as(token, options))).ok;
  } catch {
    return false;
  }
}

/** @returns {Promise<Session>} */
export function session() {
  opening ??= open().catch((error) => {
    opening = null;
    throw error;
  });
  return opening;
}

const as = (token, options) => ({ ...options, headers: { ...options.headers, "X-Desk": token } });

async function call(path, options, again = false) {
  await session();
  const used = token;
  const response = await send(path, as(used, options));
  if (response.status === 404 && !again) {
    // The server has forgotten the session; whoever finds out first has it opened anew.
    if (token === used) opening = token = null;
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

/**
 * One run through Gradio's queue: join it, then read what the run sends.
 * @param {object} message @returns {AsyncGenerator<any>} the server's messages; ends without a last one where the run was cut off
 */
async function* draft(message) {
  const { limits } = await session();
  const hash = Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join("");
  const endpoint = Number(document.getElementById("workstation").dataset.endpoint);
  const join = json("POST", {
    data: [JSON.stringify({ ...message, token })],
    fn_index: endpoint,
    session_hash: hash,
  });
  const joined = await send("gradio_api/queue/join", {
    ...join,
    headers: { ...(await hostHeaders()), ...join.headers },
  });
  if (!joined.ok) throw await failure(joined);
  const stream = await send(`gradio_api/queue/data?session_hash=${hash}`, {});
  if (!stream.ok) throw await failure(stream);
  for await (const line of lines(stream, limits.silence_seconds)) {
    if (!line.startsWith("data: ")) continue;
    const { msg, output } = JSON.parse(line.slice("data: ".length));
    if (msg === "process_generating" && output?.data) {
      const [value] = output.data;
      // Gradio sends the first value whole, later ones as what changed: here always all of it, or nothing.
      if (Array.isArray(value) && !value.length) continue;
      yield JSON.parse(typeof value === "string" ? value : value[0][2]);
    } else if (["process_completed", "close_stream", "unexpected_error"].includes(msg)) return;
  }
}

/** The page around this one on a Space, or null. */
const around =
  globalThis.location?.hostname.endsWith(".hf.space") && window.parent !== window ? "https://huggingface.co" : null;
let lendsHeaders = false;
if (around) {
  addEventListener("message", ({ data, origin }) => {
    if (origin === around && data === "supports-zerogpu-headers") lendsHeaders = true;
  });
  window.parent.postMessage("supports-zerogpu-headers", around);
}

/**
 * On a Space with ZeroGPU the page that frames this one lends headers that name the visitor (`x-ip-token`), by which
 * the run gets its share of a GPU. Gradio's client asks for them before it joins the queue; here the same is asked.
 * @returns {Promise<Record<string, string>>}
 */
function hostHeaders() {
  if (!lendsHeaders) return Promise.resolve({});
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    const done = (headers) => {
      port1.close();
      resolve(headers ?? {});
    };
    port1.onmessage = ({ data }) => done(data);
    // Without an answer the run goes as any stranger's, later but not never.
    setTimeout(done, HOST_MS);
    window.parent.postMessage("zerogpu-headers", around, [port2]);
  });
}

/** @param {Response} response @param {number} patience seconds of silence after which it counts as broken */
async function* lines(response, patience) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await unlessSilent(reader.read(), patience).catch(() => {
        connection.missed();
        throw new DeskError(BROKEN_OFF, 0);
      });
      if (done) return;
      const whole = (rest + value).split("\n");
      rest = whole.pop();
      yield* whole;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

const unlessSilent = (reading, seconds) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("silent")), seconds * 1000);
    reading.then(resolve, reject).finally(() => clearTimeout(timer));
  });

async function refuseTooLarge(file) {
  const { limits } = await session();
  if (limits?.upload_bytes && file.size > limits.upload_bytes) {
    throw new DeskError(`This is larger than ${Math.floor(limits.upload_bytes / 2 ** 20)} MB.`, 413);
  }
}

const isLonger = (text, most) => text.length > most && [...text].length > most;

/** Asks whether the session lives; tells what the desk holds, which another tab may have written. */
async function alive() {
  if (!token) return;
  const held = await (await call("desk/alive", { method: "POST" })).json();
  for (const tell of heldTells) tell(held);
}

/** @type {() => object|null} */
let takeUnsent = () => null;

export const desk = {
  session,
  connection,
  /** @param {(held: {version: number, writer: string}) => void} tell called with what the desk holds, now and then */
  onHeld: (tell) => heldTells.add(tell),
  /** @param {() => object|null} give what of the report waits to be sent when the page is left */
  onLeaving(give) {
    takeUnsent = give;
  },
  /** What the desk holds now. @returns {Promise<Resumed>} */
  report: async () => (await call("desk/report", {})).json(),
  /** @param {() => void} tell called after a lost session was opened anew */
  onRenewed: (tell) => renewed.add(tell),
  /** @param {() => void} tell called where the server has lost the study on screen and cannot open it again */
  onStudyLost: (tell) => studyLost.add(tell),
  /** @param {Blob} file */
  async openFile(file) {
    await refuseTooLarge(file);
    // Without the file's name, which may be the patient's.
    return openStudy("desk/study", { method: "POST", body: file });
  },
  /** Opens an earlier study beside the one on screen. @param {Blob} file */
  async openPrior(file) {
    await refuseTooLarge(file);
    return /** @type {Study} */ (await (await call("desk/prior", { method: "POST", body: file })).json());
  },
  /** @param {string} name @returns {Promise<Study>} */
  openPriorExample: async (name) => (await call("desk/prior/example", json("POST", { name }))).json(),
  closePrior: () => call("desk/prior", { method: "DELETE" }),
  /** @param {number} index */
  priorPicture: async (index) => (await call(`desk/prior/pictures/${index}`, {})).arrayBuffer(),
  /** @param {string} name */
  openExample: (name) => openStudy("desk/study/example", json("POST", { name })),
  thumbnail: (name) => address(`desk/examples/${encodeURIComponent(name)}.jpg`),
  /** @param {number} index @param {AbortSignal} [signal] */
  picture: async (index, signal) => (await call(`desk/pictures/${index}`, { signal })).arrayBuffer(),
  async saveReport(report) {
    const { limits } = await session();
    if (isLonger(report.spans.map(({ text }) => text).join(""), limits.report_characters)) {
      const most = limits.report_characters.toLocaleString("en");
      throw new DeskError(`The report has more than ${most} characters.`, 413);
    }
    return (await call("desk/report", json("PUT", report))).json();
  },
  draft,
  /** The last run's frames. */
  frames: async () => (await call("desk/frames", {})).json(),
  /** Where the model looked for a part of a span. @returns {Promise<import("./looked.js").Looked>} */
  looked: async (request) => (await call("desk/looked", json("POST", request))).json(),
  templates: async () => (await (await call("desk/templates", {})).json()).templates,
  stop: () => call("desk/stop", { method: "POST" }),
};

/** What the two components offer each other. */
export const shared = {
  /** @type {{hasText: () => boolean, isRunning: () => boolean, clear: () => void, stop: () => void,
   *   draft: (wanted?: {seed?: number}) => Promise<void>, put: (spans: any[]) => void, text: () => string,
   *   lockText: (passage: string) => void,
   *   beginOpening: () => Promise<(outcome: "opened"|"replaced"|"cleared"|"failed") => void>}|null} */ editor: null,
  /** @type {{openFile: (file: File) => void, openDropped: (transfer: DataTransfer) => void,
   *   openExample: (name: string) => Promise<boolean>, hasStudy: () => boolean, isUnseen: () => boolean, showUnseen: () => Promise<void>}|null} */ viewer: null,
  /** @type {{show: (name: string, notice: any) => void, drop: (name: string) => void}|null} */ notices: null,
  /** @type {{start: () => void}|null} */ guide: null,
  looking: createLooking({ ask: (request) => desk.looked(request) }),
};

/** Holds a connection for as long as the page is there: the server sees by its end that the page is gone. */
async function stay() {
  for (;;) {
    try {
      const reader = (await call("desk/here", {})).body.getReader();
      while (!(await reader.read()).done);
    } catch {
      /* the requests that matter tell when the server is out of reach */
    }
    await new Promise((resolve) => setTimeout(resolve, HERE_MS));
  }
}

let watching = false;
export function watchPage() {
  if (watching) return;
  watching = true;
  const ask = () => alive().catch(() => {});
  stay();
  connection.probeWith(() => (token ? alive() : send("desk/alive", { method: "POST" })));
  setInterval(ask, ALIVE_MS);
  addEventListener("online", ask);
  addEventListener("offline", connection.missed);
  document.addEventListener("visibilitychange", () => document.hidden || ask());
  addEventListener("pagehide", () => {
    if (!token) return;
    // Not the end: a reload comes back for its report. The desk forgets it a minute later.
    const report = takeUnsent();
    let message = { method: "POST" };
    if (report && new Blob([JSON.stringify(report)]).size <= MOST_LEFT_BYTES) message = json("POST", report);
    fetch(address("desk/leave"), as(token, { ...message, keepalive: true })).catch(() => {});
  });
}
