// What is wanted in a gap, typed in one line over the report: Enter says it, Escape leaves everything as it was.

import { el } from "../dom.js";
import { MOST_HINT_CHARACTERS } from "./spans.js";

/** @param {{text: string, heeded: boolean, ontake: (text: string) => void, onclose: () => void}} options */
export function createHint({ text, heeded, ontake, onclose }) {
  const input = el("input", {
    type: "text",
    class: "menu-filter",
    "aria-label": "Hint for the gap",
    placeholder: "size of effusion?",
    maxlength: String(MOST_HINT_CHARACTERS),
    autocomplete: "off",
    spellcheck: "false",
    writingsuggestions: "false",
  });
  input.value = text;
  const node = el(
    "div",
    { class: "menu", role: "dialog", "aria-label": "Hint" },
    el("div", { class: "menu-head" }, heeded
        ? "What this gap is about. The hint is sent to the model and is not part of the report."
        : "A note to yourself: this model was not trained with hints, so it is not sent."),
    input,
    el("div", { class: "menu-message" }, "Enter to use, Esc to cancel; empty removes the hint"),
  );
  let open = true;
  function close() {
    if (!open) return;
    open = false;
    document.removeEventListener("pointerdown", outside, true);
    node.remove();
    onclose();
  }
  const outside = (event) => {
    if (!node.contains(event.target)) close();
  };
  node.addEventListener("keydown", (event) => {
    // The Enter that ends an input method's word is not meant for the hint.
    if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    const take = event.key === "Enter";
    close();
    if (take) ontake(input.value);
  });
  document.addEventListener("pointerdown", outside, true);
  return {
    node,
    close,
    focus() {
      input.focus();
      input.select();
    },
  };
}
