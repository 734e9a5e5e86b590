// The time line: the frames of the last run, to go through, to keep and to go on from. They live on the server; the page
// holds those of one run, in memory.

import { button, el } from "../dom.js";

/** @typedef {{step: number, steps: number, seconds: number, spans: Record<string, [string, number, number][]>}} Frame */

/**
 * @param {{onShow: (frame: Frame) => void, onKeep: (frame: Frame) => void, onLeave: () => void,
 *   onContinue: (run: string, frame: Frame) => void}} events
 */
export function createTimeline({ onShow, onKeep, onLeave, onContinue }) {
  /** @type {{run: string, frames: Frame[]}|null} */
  let tape = null;
  let scrubbing = false;
  const slider = el("input", {
    type: "range",
    min: "0",
    max: "0",
    value: "0",
    step: "1",
    "aria-label": "Frames of the last run",
    disabled: true,
    oninput: () => show(),
  });
  const place = el("span", { class: "timeline-place" }, "No draft yet");
  const small = (name, title, onclick) => button({ name, title, class: "small", onclick });
  const goOn = small("Redraft from this step", "Continue denoising from this frame with a new seed", () =>
    onContinue(tape.run, frame()),
  );
  const keep = small("Use this version", "Use this frame's text (Undo reverts it)", () => {
    scrubbing = false;
    onKeep(frame());
    refresh();
  });
  const node = el(
    "div",
    { class: "timeline", role: "group", "aria-label": "Time line of the last run" },
    slider,
    place,
    goOn,
    keep,
  );
  const frame = () => tape.frames[Number(slider.value)];

  function show() {
    scrubbing = true;
    onShow(frame());
    refresh();
  }
  function refresh() {
    const shown = tape?.frames.length ? frame() : null;
    slider.disabled = !shown;
    for (const each of [goOn, keep]) each.disabled = !scrubbing;
    place.textContent = shown ? `${shown.step} / ${tape.frames.at(-1).step} steps` : "No draft yet";
    slider.setAttribute("aria-valuetext", place.textContent);
    node.classList.toggle("scrubbing", scrubbing);
  }
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !scrubbing) return;
    event.preventDefault();
    event.stopPropagation();
    leave();
    onLeave();
  });
  function leave() {
    if (!scrubbing) return;
    scrubbing = false;
    slider.value = slider.max;
    refresh();
  }
  refresh();
  return {
    node,
    /** @param {{run: string, frames: Frame[]}|null} last */
    load(last) {
      tape = last?.frames.length ? last : null;
      scrubbing = false;
      slider.max = String(Math.max(0, (last?.frames.length ?? 0) - 1));
      slider.value = slider.max;
      refresh();
    },
    /** Goes along with a run under way. @param {number} step @param {number} steps */
    follow(step, steps) {
      tape = null;
      scrubbing = false;
      refresh();
      slider.max = String(steps);
      slider.value = String(step);
      place.textContent = `${step} / ${steps} steps`;
    },
    leave,
    focus: () => slider.focus(),
    get isScrubbing() {
      return scrubbing;
    },
  };
}
