// The foot of the page: what the marks mean, how far a draft is, what is saved, and the notice that is always there.

import { el } from "../dom.js";
import { CERTAINTY_LEVELS } from "../report/decorations.js";
import { NOTICE } from "../report/text.js";

/** A run may end before its last step, when nothing changes any more. @param {{step: number, steps: number, seconds: number}} frame */
export function timeLeft({ step, steps, seconds }) {
  const left = (seconds / step) * (steps - step);
  return seconds > 0.5 && left >= 1 ? ` · up to ${Math.ceil(left)} s left` : "";
}

/** @param {number} place in the line of drafts, from 1 */
export const waitingText = (place) => (place > 1 ? `Waiting, ${place - 1} ahead of you` : "Waiting, you are next");

/** How far a draft is. @param {{step: number, steps: number, seconds: number, place?: number}} frame */
export const stepText = (frame) =>
  frame.place
    ? waitingText(frame.place)
    : `Step ${frame.step} of ${frame.steps} · ${frame.seconds.toFixed(1)} s${timeLeft(frame)}`;

/** @param {{certaintyButton: HTMLElement, changesButton: HTMLElement}} buttons */
export function createStatus({ certaintyButton, changesButton }) {
  const bead = (name, text, title) =>
    el("span", { class: "legend-item", title }, el("span", { class: `swatch ${name}`, "aria-hidden": "true" }, "abc"), text);
  const legend = el(
    "div",
    { class: "legend" },
    bead("locked", "Locked", "Neither drafts nor typing change it"),
    bead("open", "Open", "The model may rewrite it"),
    bead("unreviewed", "AI draft, unreviewed", "Text by the model, not reviewed: read it, then lock or edit it"),
  );
  const scale = el(
    "div",
    { class: "legend scale" },
    el("span", {}, "Uncertain"),
    el(
      "span",
      { class: "shades", "aria-hidden": "true" },
      ...Array.from({ length: CERTAINTY_LEVELS }, (_, i) => el("span", { class: `certainty-${i} accepted` })),
    ),
    el("span", {}, "certain"),
    el(
      "span",
      { class: "legend-item" },
      el("span", { class: "swatch unaccepted", "aria-hidden": "true" }, "abc"),
      "still changing",
    ),
  );
  const live = el("div", { class: "live", role: "status", "aria-live": "polite" });
  const stepLine = el("div", { class: "step-line" });
  const progressBar = el("div", { class: "progress-bar" });
  const progress = el(
    "div",
    { class: "progress", role: "progressbar", "aria-label": "Draft", "aria-valuemin": "0", "aria-valuemax": "100" },
    progressBar,
  );
  const saved = el("div", { class: "saved" });
  const modelName = el("div", { class: "model-name" });
  const node = el(
    "div",
    { class: "status" },
    progress,
    el("div", { class: "status-row" }, legend, stepLine, live),
    el("div", { class: "status-row" }, certaintyButton, scale, changesButton),
    el("div", { class: "status-row fine" }, el("strong", {}, NOTICE), modelName, saved),
  );
  /** @param {number} part 0 to 1 */
  function setProgress(part) {
    progressBar.style.transform = `scaleX(${part})`;
    progress.setAttribute("aria-valuenow", String(Math.round(part * 100)));
  }
  return {
    node,
    /** @param {string} text @param {string} [title] */
    say(text, title = text) {
      live.textContent = text;
      live.title = title;
    },
    /** @param {string} text @param {boolean} [failed] */
    saved(text, failed = false) {
      saved.textContent = saved.title = text;
      saved.classList.toggle("failed", failed);
    },
    /** @param {string} name */
    model(name) {
      modelName.textContent = name;
      modelName.title = `Model: ${name}`;
    },
    begin() {
      progress.classList.add("waiting");
      setProgress(0);
      stepLine.textContent = "Preparing…";
    },
    /** @param {number} seconds */
    waiting(seconds) {
      stepLine.textContent = `Waiting for the model · ${Math.round(seconds)} s`;
    },
    /** @param {{step: number, steps: number, seconds: number, place?: number}} frame `place`: of a draft that waits */
    frame(frame) {
      const { step, steps, place } = frame;
      progress.classList.toggle("waiting", !!place);
      setProgress(steps ? Math.min(1, step / steps) : 0);
      stepLine.textContent = stepText(frame);
    },
    end() {
      progress.classList.remove("waiting");
      setProgress(0);
      stepLine.textContent = "";
    },
  };
}
