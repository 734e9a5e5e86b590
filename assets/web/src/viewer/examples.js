// The example studies: thumbnails on the empty stage, and a strip of them over a study.

import { el } from "../dom.js";

/** @typedef {import("../page/desk.js").Example} Example */

/**
 * @param {{opener: HTMLElement, thumbnail: (name: string) => string, onchoose: (example: Example, asPrior: boolean) => void}} options
 *   `opener`: the button that shows the strip; `thumbnail`: where a picture of an example is
 */
export function createExamples({ opener, thumbnail, onchoose }) {
  let forPrior = false; // what they are offered for
  const strip = el("div", { class: "strip", hidden: true, role: "group", "aria-label": "Example studies" });
  const thumbs = el("div", { class: "thumbs" });
  /** @param {Example} example */
  const thumb = (example) =>
    el(
      "button",
      {
        type: "button",
        class: "thumb",
        title: example.description || example.title,
        "aria-label": example.title,
        onclick: () => onchoose(example, forPrior),
      },
      el("img", { src: thumbnail(example.name), alt: "", loading: "lazy", draggable: "false" }),
      el("span", {}, example.title),
    );
  function toggle() {
    strip.hidden = !strip.hidden;
    opener.setAttribute("aria-expanded", String(!strip.hidden));
    if (strip.hidden) forPrior = false;
    else strip.querySelector("button")?.focus();
  }
  return {
    strip,
    thumbs,
    toggle,
    offerForPrior() {
      forPrior = true;
      toggle();
    },
    hide() {
      if (!strip.hidden) toggle();
    },
    get isShown() {
      return !strip.hidden;
    },
    get count() {
      return strip.childElementCount;
    },
    /** @param {readonly Example[]} examples */
    fill(examples) {
      thumbs.replaceChildren(...examples.map(thumb));
      strip.replaceChildren(...examples.map(thumb));
    },
  };
}
