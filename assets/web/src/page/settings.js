// The settings of drafts: steps, seed and spelling. Knows nothing of the report.

import { el } from "../dom.js";

export const MAX_SEED = 2 ** 31 - 1;
const MAX_STEPS = 512;

/** A whole number of at least `least` from what was typed, at most `most`; null where there is none. @param {string} typed @param {number} least @param {number} most */
export function wholeNumber(typed, least, most) {
  const value = Number.parseInt(typed, 10);
  return Number.isInteger(value) && value >= least ? Math.min(value, most) : null;
}

/** @param {{opener: HTMLElement, checkSpelling: (on: boolean) => void}} options `opener`: the button that shows them */
export function createSettings({ opener, checkSpelling }) {
  const number = (id, placeholder, least, most) =>
    el("input", { type: "number", min: String(least), max: String(most), step: "1", inputmode: "numeric", placeholder, id });
  const steps = number("workstation-steps", "model's own", 1, MAX_STEPS);
  const seed = number("workstation-seed", "random", 0, MAX_SEED);
  let last = null;
  const lastText = el("span", {}, "No draft yet.");
  const useLast = el(
    "button",
    {
      type: "button",
      class: "button small",
      hidden: true,
      onclick: () => {
        seed.value = String(last);
        seed.focus();
      },
    },
    "Use this seed",
  );
  const spelling = el("input", {
    type: "checkbox",
    id: "workstation-spelling",
    onchange: () => checkSpelling(spelling.checked),
  });
  const node = el(
    "div",
    { class: "popover settings", role: "dialog", "aria-label": "Settings", hidden: true },
    el("label", { for: "workstation-steps" }, "Maximum steps"),
    steps,
    el("label", { for: "workstation-seed" }, "Seed"),
    seed,
    el("div", { class: "last-seed" }, lastText, useLast),
    el(
      "label",
      { class: "check", for: "workstation-spelling", title: "Some browsers send the text to their vendor" },
      spelling,
      "Spell checking by the browser. Some browsers send the text to their vendor.",
    ),
  );
  const show = (on) => {
    node.hidden = !on;
    opener.setAttribute("aria-expanded", String(on));
  };
  opener.setAttribute("aria-expanded", "false");
  const close = (back = false) => {
    if (node.hidden) return;
    show(false);
    if (back) opener.focus();
  };
  document.addEventListener("pointerdown", ({ target }) => {
    if (target instanceof Node && !node.contains(target) && !opener.contains(target)) close();
  });
  return {
    node,
    get isOpen() {
      return !node.hidden;
    },
    toggle() {
      show(node.hidden);
      if (!node.hidden) steps.focus();
    },
    /** @param {boolean} [back] whether the focus goes back to the button */
    close,
    /** What the next draft is asked for with. */
    wanted: () => ({
      seed: wholeNumber(seed.value, 0, MAX_SEED) ?? Math.floor(Math.random() * MAX_SEED),
      steps: wholeNumber(steps.value, 1, MAX_STEPS),
    }),
    /** @param {unknown} value the seed of the last draft */
    rememberSeed(value) {
      if (!Number.isInteger(value)) return;
      last = value;
      lastText.textContent = `Last: ${value}`;
      useLast.hidden = false;
    },
  };
}
