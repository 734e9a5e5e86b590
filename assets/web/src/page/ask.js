// The question box: a short answer about the image, and the way into the report for it.

import { button, el } from "../dom.js";

/**
 * An answer as a sentence of a report. One word alone says nothing there, or worse, denies what stands before it: it takes
 * its question along.
 * @param {string} answer @param {string} question
 */
export function sentence(answer, question) {
  const text = answer.trim().replace(/\s+/g, " ");
  if (!text) return "";
  const said = capital(text) + (/[.!?]$/.test(text) ? "" : ".");
  const asked = question.trim().replace(/\s+/g, " ").replace(/[\s.?!]*$/, "?");
  return text.includes(" ") ? said : `${capital(asked)} ${said}`;
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

const EMPTY = "The model's answer appears here.";
const NOTE = "Written by the model. Research use only.";

/**
 * @param {{answer: (question: string, show: (text: string) => void) => Promise<{text: string, seed: number, stopped: boolean}|null>,
 *   insert: (text: string, state: 'open'|'locked') => boolean, stop: () => void, onclose: () => void}} doing
 */
export function createAsk({ answer, insert, stop, onclose }) {
  let asking = false;
  let said = "",
    asked = "",
    study = 0; // counts studies: an answer about a former one is not shown and cannot be put in
  const question = el("input", {
    type: "text",
    maxlength: "500",
    "aria-label": "Question about the image",
    placeholder: "Is there a pleural effusion?",
    autocomplete: "off",
    spellcheck: "false",
    writingsuggestions: "false",
  });
  const text = el("div", { class: "ask-answer", "aria-live": "polite" }, EMPTY);
  const note = el("div", { class: "ask-note" }, NOTE);
  const askButton = button({ name: "Ask", class: "primary", onclick: () => run() });
  const put = (name, state, title) =>
    button({
      name,
      title,
      class: "small",
      onclick: () => {
        if (said && insert(sentence(said, asked), state)) close();
      },
    });
  const buttons = [
    put("Insert open", "open", "Insert as unreviewed text by the model; a draft may rewrite it"),
    put("Insert locked", "locked", "Insert as reviewed; no draft changes it"),
  ];
  const node = el(
    "div",
    { class: "ask", role: "dialog", "aria-label": "Ask about the image", hidden: true },
    el(
      "div",
      { class: "ask-row" },
      question,
      askButton,
      button({ name: "Close question", icon: "close", iconOnly: true, class: "quiet", onclick: () => close() }),
    ),
    text,
    el("div", { class: "ask-row" }, note, ...buttons),
  );
  const refresh = () => {
    askButton.disabled = asking;
    for (const each of buttons) each.disabled = asking || !said;
  };
  async function run() {
    if (asking || !question.value.trim()) return question.focus();
    const of = study;
    asking = true;
    said = "";
    asked = question.value;
    text.textContent = "…";
    text.classList.add("asking");
    note.textContent = "The model is answering. Esc stops it.";
    refresh();
    try {
      const given = await answer(asked, (shown) => {
        if (of === study) text.textContent = shown || "…";
      });
      if (of !== study) return;
      said = given?.text.trim() ?? "";
      text.textContent = said || "No answer.";
      note.textContent = `AI answer, unreviewed${given ? ` · seed ${given.seed}` : ""}`;
    } catch (error) {
      if (of !== study) return;
      text.textContent = error.message;
      note.textContent = "The report is unchanged.";
    }
    asking = false;
    text.classList.remove("asking");
    refresh();
  }
  function close() {
    if (asking) stop();
    node.hidden = true;
    onclose();
  }
  node.addEventListener("keydown", (event) => {
    if (event.key === "Escape") asking ? stop() : close();
    else if (event.key === "Enter" && event.target === question) run();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  refresh();
  return {
    node,
    /** Question and answer were about a study that is gone. */
    forget() {
      study++;
      asking = false;
      said = asked = question.value = "";
      text.textContent = EMPTY;
      text.classList.remove("asking");
      note.textContent = NOTE;
      node.hidden = true;
      refresh();
    },
    open() {
      node.hidden = false;
      question.focus();
      question.select();
      return true;
    },
  };
}
