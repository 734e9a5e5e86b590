// The guided example: twenty seconds and two drafts on a committed study. A finding is locked, a real draft writes the rest
// around it, a sentence of the model is locked too, and another real draft follows. Whatever the visitor does ends it at
// once. Knows the panes by what they offer in `shared`.

import { desk, shared } from "./desk.js";
import { button, el } from "../dom.js";
import { newId } from "../report/spans.js";

const EXAMPLE = "effusion";
/**
 * What is locked before anything is drafted. The study is labelled with an effusion, whatever a model sees by itself; it
 * stands first and names a size, for then what is written after it agrees with it.
 */
const FINDING = "Small right pleural effusion.";
/** Of its two drafts: what they write with these was read, and agrees with what is locked on the machines it was seen on. */
const SEEDS = [2, 3];
/** Of the captions together, to read them; the two drafts take what they take. */
const SECONDS = 20;
/** A page on which nobody has done anything for so long has a visitor who does not know it. */
const IDLE_MS = 9_000;
const ADDRESS_OFF = "off";

const wait = (seconds, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("", "AbortError"));
    });
  });

/** The finding stands there as a template's words, for the visitor has not written it. */
const report = () => [
  { id: newId(), text: `FINDINGS:\n${FINDING} `, state: "locked", author: "template" },
  { id: newId(), text: "", state: "open", author: "model" },
  { id: newId(), text: "\n\nIMPRESSION:\n", state: "locked", author: "template" },
  { id: newId(), text: "", state: "open", author: "model" },
];

/**
 * The sentence of the drafted impression that says again what is locked; null where none does, as a model may be wrong.
 * @param {string} text of the report
 */
export function sentenceThatFollows(text) {
  const impression = text.split("\nIMPRESSION:\n")[1] ?? "";
  const sentences = impression.match(/[^.\n]+\./g)?.map((one) => one.trim()) ?? [];
  const differs = /\b(no|not|without|absen|resol|negative|moderate|large|massive)/i;
  const follows = (one) => /\beffusion/i.test(one) && /\b(right|bilateral)/i.test(one) && !differs.test(one);
  return sentences.find(follows) ?? null;
}

/** @param {HTMLElement} root the editor's pane */
export function mountGuide(root) {
  /** @type {AbortController|null} */
  let running = null;
  let card = null;
  let pointed = null;

  const point = (node) => {
    pointed?.classList.remove("guided");
    pointed = node ?? null;
    pointed?.classList.add("guided");
  };
  const named = (name) => document.querySelector(`.workstation button[aria-label="${name}"]`);

  /** The card at the foot of the report, where it hides neither the study nor what the marks mean. @param {{name: string, onclick: () => void}[]} answers */
  function show(text, foot, answers, part = null) {
    if (!card) {
      card = {
        caption: el("p", { class: "caption", role: "status" }),
        foot: el("div", { class: "guide-foot" }),
        bar: el("div", {}),
      };
      card.node = el(
        "div",
        { class: "guide workstation-guide", role: "region", "aria-label": "Guided example" },
        card.caption,
        el("div", { class: "guide-time", "aria-hidden": "true" }, card.bar),
        card.foot,
      );
      root.querySelector(".foot").append(card.node);
    }
    card.caption.textContent = text;
    card.foot.replaceChildren(el("span", {}, foot), ...answers.map(button));
    card.bar.parentElement.hidden = part === null;
    if (part !== null) card.bar.style.transform = `scaleX(${part})`;
  }
  function close() {
    card?.node.remove();
    card = null;
    point(null);
  }

  function mayStart() {
    return !running && !shared.editor?.hasText() && !shared.editor?.isRunning() && !document.querySelector("dialog[open]");
  }

  /** @param {{mayReplace?: boolean}} [visitor] whether the study on screen may make room */
  async function start({ mayReplace = false } = {}) {
    if (!mayStart()) {
      if (!running)
        shared.notices.show("guide", {
          text: "The example needs an empty report. Yours was not changed.",
          seconds: 5,
        });
      return;
    }
    disarm();
    if (shared.viewer.hasStudy() && !mayReplace) {
      shared.notices.show("guide", {
        text: "The example replaces the study on screen with its own.",
        answers: [
          { name: "Watch it", onclick: () => start({ mayReplace: true }) },
          { name: "Keep my study", onclick: () => {} },
        ],
      });
      return;
    }
    const mine = (running = new AbortController());
    const { signal } = mine;
    const foot = "Any key stops it",
      answers = [{ name: "Stop the example", onclick: () => stop() }];
    let read = 0;
    const caption = async (text, seconds) => {
      read += seconds;
      show(text, foot, answers, Math.min(1, read / SECONDS));
      await wait(seconds, signal);
    };
    const drafted = async (seed) => {
      point(null);
      await Promise.race([shared.editor.draft({ seed }), wait(60, signal)]);
      if (signal.aborted) throw new DOMException("", "AbortError");
      while (shared.editor.isRunning()) await wait(0.1, signal);
    };
    listen(true);
    try {
      const opening = "A chest radiograph opens beside an empty report.";
      show(opening, foot, answers, 0.05);
      if (!(await Promise.race([shared.viewer.openExample(EXAMPLE), wait(20, signal)])))
        throw new Error("The example study could not be opened.");
      await caption(opening, 1.5);
      shared.editor.put(report());
      await caption(`“${FINDING}” is locked: no draft changes it. The two gaps are open: the model writes there.`, 4.5);
      point(named("Draft"));
      await caption("Draft: the model reads the image and the locked text, and fills both gaps at once.", 3);
      await drafted(SEEDS[0]);
      const sentence = sentenceThatFollows(shared.editor.text());
      await caption(
        sentence
          ? "The impression follows the locked text. Text by the model is dotted until a person has reviewed it."
          : "The gaps are filled and the locked text is unchanged. Text by the model is dotted until a person has reviewed it.",
        3.5,
      );
      if (sentence) {
        point(named("Lock"));
        shared.editor.lockText(sentence);
        await caption(`Lock: now “${sentence}” stays as it is, too.`, 2.5);
      }
      point(named("Draft"));
      await caption("Draft again: the model rewrites all open text around the locked text.", 2);
      await drafted(SEEDS[1]);
      await caption("Not a letter of the locked text has changed. The default model is small and often wrong: read what it writes.", 3);
      finish(mine, "Now you: type, lock, unlock, and press Draft. This report is only an example.");
    } catch (error) {
      if (signal.aborted) return;
      finish(mine, `The example ended: ${error.message}`);
    }
  }

  function finish(mine, text) {
    if (running !== mine) return;
    running = null;
    listen(false);
    point(null);
    show(text, "", [
      {
        name: "Start with an empty report",
        onclick: () => {
          close();
          shared.editor.clear();
        },
      },
      { name: "Continue with this report", onclick: close },
    ]);
  }
  function stop() {
    const mine = running;
    if (!mine) return;
    mine.abort();
    shared.editor.stop();
    finish(mine, "The example has stopped. Its report stays here for you to try.");
  }

  // ---- any key, and any touch but of the card itself

  const onKey = (event) => {
    if (["Shift", "Control", "Alt", "Meta"].includes(event.key)) return;
    // This key means 'stop' and nothing else: it must neither type nor press a button.
    event.preventDefault();
    event.stopImmediatePropagation();
    stop();
  };
  const onPointer = (event) => {
    if (event.target instanceof Node && card?.node.contains(event.target)) return;
    stop();
  };
  function listen(on) {
    const change = on ? "addEventListener" : "removeEventListener";
    window[change]("keydown", onKey, true);
    window[change]("pointerdown", onPointer, true);
    window[change]("wheel", onPointer, { capture: true, passive: true });
  }

  // ---- by itself, for a visitor who does nothing: without storage nobody can know who comes for the first time, but
  // who knows the workstation opens a study, and who reloads has a session to come back to.

  const HANDS = ["keydown", "pointerdown", "wheel", "dragenter"];
  let idle = 0;
  function disarm() {
    clearTimeout(idle);
    for (const name of HANDS) removeEventListener(name, disarm, true);
  }
  desk.session().then(({ resumed, gone }) => {
    if (resumed || gone || new URLSearchParams(location.search).get("guide") === ADDRESS_OFF) return;
    for (const name of HANDS) addEventListener(name, disarm, { capture: true, passive: true });
    const arm = () => {
      idle = setTimeout(() => {
        if (document.hidden) arm();
        else if (mayStart() && !shared.viewer?.hasStudy()) start();
        else disarm();
      }, IDLE_MS);
    };
    arm();
  }, () => {});

  return { start, stop };
}
