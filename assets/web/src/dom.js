// Building the page: text goes in as text, never as markup.

/**
 * @param {string} tag @param {Record<string, any>} [attributes] `class`, `on...` handlers and plain attributes
 * @param {...(Node|string|null|undefined|false)} children
 * @returns {any}
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else node.setAttribute(name, String(value));
  }
  for (const child of children) if (child !== null && child !== undefined && child !== false) node.append(child);
  return node;
}

const PATHS = {
  open: ["M2 12.5V4a1 1 0 0 1 1-1h3l1.5 1.7H12a1 1 0 0 1 1 1v1", "M2 12.5l1.7-5a1 1 0 0 1 .9-.7h9.1l-1.9 5.7z"],
  draft: ["M4.5 3v10l8-5z"],
  stop: ["M4.5 4.5h7v7h-7z"],
  lock: ["M4 7.2h8v6H4z", "M5.6 7V5a2.4 2.4 0 0 1 4.8 0v2"],
  unlock: ["M4 7.2h8v6H4z", "M5.6 7V5a2.4 2.4 0 0 1 4.6-.9"],
  gap: ["M5 3.5H3v9h2", "M11 3.5h2v9h-2", "M6.4 8h3.2"],
  undo: ["M5.5 3 2.8 5.7l2.7 2.7", "M3 5.7h6a3.6 3.6 0 0 1 0 7.2H6"],
  redo: ["M10.5 3l2.7 2.7-2.7 2.7", "M13 5.7H7a3.6 3.6 0 0 0 0 7.2h3"],
  folder: ["M2 12.5V4a1 1 0 0 1 1-1h3l1.5 1.7H13a1 1 0 0 1 1 1v6.8z", "M8 7.2v3.4", "M6.3 8.9h3.4"],
  actual: ["M4.2 5 5.4 4v8", "M10.4 5 11.6 4v8", "M8.2 6.4v.3", "M8.2 9.6v.3"],
  lens: ["M7 2.8a4.2 4.2 0 1 0 0 8.4 4.2 4.2 0 1 0 0-8.4", "M10.2 10.2 13.4 13.4", "M7 5.3v3.4", "M5.3 7h3.4"],
  "flip-across": ["M8 2.2v11.6", "M6 4.5 2.3 11.5H6z", "M10 4.5l3.7 7H10z"],
  "flip-down": ["M2.2 8h11.6", "M4.5 6 11.5 2.3V6z", "M4.5 10l7 3.7V10z"],
  "turn-left": ["M7.2 7.4h6.3v6.3H7.2z", "M10.4 3H6.6a3.2 3.2 0 0 0-3.2 3.2v3.2", "M1.4 7.5 3.4 9.5l2-2"],
  "turn-right": ["M2.5 7.4h6.3v6.3H2.5z", "M5.6 3h3.8a3.2 3.2 0 0 1 3.2 3.2v3.2", "M14.6 7.5l-2 2-2-2"],
  length: ["M3 13 13 3", "M1.8 10.6 5.4 14.2", "M10.6 1.8 14.2 5.4"],
  angle: ["M3 3v10h10", "M3 7.6A5.4 5.4 0 0 1 8.4 13"],
  text: ["M3 4.4V3h10v1.4", "M8 3v10", "M6.2 13h3.6"],
  looked: ["M1.6 8C3.2 5.2 5.4 3.8 8 3.8s4.8 1.4 6.4 4.2c-1.6 2.8-3.8 4.2-6.4 4.2S3.2 10.8 1.6 8z", "M8 6a2 2 0 1 0 0 4 2 2 0 1 0 0-4"],
  prior: ["M2 3.5h5.4v9H2z", "M8.6 3.5H14v9H8.6z"],
  play: ["M4.5 3v10l8-5z"],
  pause: ["M4.5 3.5h2.4v9H4.5z", "M9.1 3.5h2.4v9H9.1z"],
  copy: ["M5.5 5.5h7.5v7.5H5.5z", "M3 10.5V3h7.5"],
  download: ["M8 2.5v7", "M5 7l3 3 3-3", "M3 13h10"],
  settings: [
    "M2.5 5h6",
    "M11.5 5h2",
    "M8.5 5a1.5 1.5 0 1 0 3 0 1.5 1.5 0 1 0-3 0",
    "M2.5 11h2",
    "M7.5 11h6",
    "M4.5 11a1.5 1.5 0 1 0 3 0 1.5 1.5 0 1 0-3 0",
  ],
  invert: ["M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 1 0 0-11", "M8 2.5v11a5.5 5.5 0 0 0 0-11z"],
  fit: ["M3 6V3h3", "M10 3h3v3", "M13 10v3h-3", "M6 13H3v-3"],
  reset: ["M3.2 6.2A5.2 5.2 0 1 1 2.8 9", "M3 2.8v3.5h3.5"],
  examples: ["M2.5 3h5v4.5h-5z", "M8.5 3h5v4.5h-5z", "M2.5 8.5h5V13h-5z", "M8.5 8.5h5V13h-5z"],
  more: ["M3 8h.01", "M8 8h.01", "M13 8h.01"],
  accept: ["M3 8.5l3.2 3.2L13 4.8"],
  template: ["M3.5 2.5h9v11h-9z", "M5.5 5.5h5", "M5.5 8h5", "M5.5 10.5h3"],
  question: ["M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 1 0 0-11", "M6.3 6.4a1.8 1.8 0 1 1 2.4 1.7c-.5.2-.7.5-.7 1.1", "M8 11v.1"],
  changes: ["M5.5 3v6", "M2.5 6h6", "M8 12.5h5.5"],
  find: ["M7 3a4 4 0 1 0 0 8 4 4 0 1 0 0-8", "M10 10l3.2 3.2"],
  certainty: ["M2.5 12.5v-2", "M6.2 12.5v-4.5", "M9.8 12.5v-7", "M13.5 12.5v-9.5"],
  close: ["M4 4l8 8", "M12 4l-8 8"],
  theme: ["M13 9.6A5.6 5.6 0 1 1 6.4 3a4.6 4.6 0 0 0 6.6 6.6z"],
  keys: ["M2 4.2h12v7.6H2z", "M4.3 6.7h.4", "M7 6.7h.4", "M9.7 6.7h.4", "M5 9.4h6"],
  watch: ["M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 1 0 0-11", "M6.8 5.8v4.4L10.4 8z"],
  warn: ["M8 2.6 14 13H2z", "M8 6.5v3", "M8 11.2v.3"],
};
const FILLED = new Set(["draft", "stop", "play", "pause"]);

/** @param {keyof typeof PATHS} name */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  for (const [key, value] of Object.entries({
    viewBox: "0 0 16 16",
    width: "16",
    height: "16",
    "aria-hidden": "true",
    class: `icon icon-${name}`,
  }))
    svg.setAttribute(key, value);
  PATHS[name].forEach((d, i) => {
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", d);
    path.setAttribute("fill", FILLED.has(name) || (name === "invert" && i) ? "currentColor" : "none");
    path.setAttribute("stroke", "currentColor");
    svg.append(path);
  });
  return svg;
}

/**
 * @param {{name: string, icon?: keyof typeof PATHS, title?: string, iconOnly?: boolean, class?: string, onclick: (event: MouseEvent) => void}} options
 * @returns {HTMLButtonElement}
 */
export function button({ name, icon: shape, title, iconOnly, class: extra, onclick }) {
  const node = el("button", {
    type: "button",
    class: `button ${iconOnly ? "icon-only" : ""} ${extra ?? ""}`,
    "aria-label": name,
    title: title ?? name,
    onclick,
  });
  if (shape) node.append(icon(shape));
  if (!iconOnly) node.append(el("span", { class: "button-name" }, name));
  return node;
}

/** A question inside the page; resolves with the chosen answer, or null. @returns {Promise<string|null>} */
export function ask(parent, question, explanation, answers) {
  return new Promise((resolve) => {
    const id = `question-${Math.random().toString(36).slice(2)}`;
    const dialog = el("dialog", { class: "question", "aria-labelledby": id });
    dialog.append(
      el("h2", { id }, question),
      el("p", {}, explanation),
      el(
        "div",
        { class: "answers" },
        ...answers.map(({ value, name, primary }) =>
          el(
            "button",
            {
              type: "button",
              class: `button ${primary ? "primary" : ""}`,
              onclick: () => dialog.close(value),
              autofocus: primary,
            },
            name,
          ),
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue || null);
    });
    parent.append(dialog);
    dialog.showModal();
  });
}
