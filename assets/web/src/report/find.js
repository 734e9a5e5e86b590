// Find and replace. Locked text is found, counted and shown, and never replaced.

import { button, el } from "../dom.js";
import { placesOf } from "./places.js";

/** @param {{report: ReturnType<typeof import("./editor.js").createReportEditor>}} options */
export function createFind({ report }) {
  const { view } = report;
  const field = (label, placeholder) =>
    el("input", { type: "text", "aria-label": label, placeholder, autocomplete: "off", spellcheck: "false" });
  const wanted = field("Find", "Find");
  const instead = field("Replace with", "Replace with");
  const count = el("span", { class: "find-count", role: "status" });
  const small = (name, onclick) => button({ name, class: "small", onclick });
  const bar = el(
    "div",
    { class: "find-bar", role: "search", "aria-label": "Find and replace", hidden: true },
    wanted,
    small("Next", () => step(1)),
    instead,
    small("Replace", () => replace()),
    small("All", () => replaceAll()),
    count,
    button({ name: "Close find", icon: "close", iconOnly: true, class: "quiet", onclick: () => close() }),
  );
  bar.querySelector('[aria-label="All"]').setAttribute("aria-label", "Replace all");

  const found = () => placesOf(view.state.doc.toString(), wanted.value);
  const isFree = ({ from, to }) => !report.isLockedAt(from, to);
  function tell(done = "") {
    report.lookFor(wanted.value);
    const all = found();
    const locked = all.filter((place) => !isFree(place)).length;
    const parts = [done, wanted.value ? `${all.length} found` : "", locked ? `${locked} in locked text, not replaced` : ""];
    count.textContent = parts.filter(Boolean).join(" · ");
  }
  function step(way) {
    const all = found();
    if (!all.length) return tell();
    const { from, to } = view.state.selection.main;
    const next =
      way > 0
        ? (all.find((place) => place.from >= to && (place.from > from || place.to > to)) ?? all[0])
        : (all.findLast((place) => place.to <= from) ?? all[all.length - 1]);
    view.dispatch({ selection: { anchor: next.from, head: next.to }, scrollIntoView: true });
    tell();
  }
  function put(places) {
    // As if typed: what stands there afterwards is the radiologist's own.
    const changes = places.map((place) => ({ ...place, insert: instead.value }));
    view.dispatch({ changes, userEvent: "input.replace" });
    report.seal();
  }
  function replace() {
    const { from, to } = view.state.selection.main;
    const here = found().find((place) => place.from === from && place.to === to);
    if (here && isFree(here)) put([here]);
    step(1);
  }
  function replaceAll() {
    const places = found().filter(isFree);
    if (places.length) put(places);
    tell(`${places.length} replaced`);
  }
  function open() {
    const { from, to } = view.state.selection.main;
    const selected = view.state.sliceDoc(from, to);
    if (selected && !selected.includes("\n") && selected.length < 80) wanted.value = selected;
    bar.hidden = false;
    wanted.focus();
    wanted.select();
    tell();
    return true;
  }
  function close() {
    bar.hidden = true;
    report.lookFor("");
    view.focus();
  }
  wanted.addEventListener("input", () => tell());
  bar.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && event.target === wanted) step(event.shiftKey ? -1 : 1);
    else if (event.key === "Enter" && event.target === instead) replace();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return {
    bar,
    open,
    close,
    /** What was looked for was of a report that is gone. */
    forget() {
      bar.hidden = true;
      wanted.value = instead.value = count.textContent = "";
      report.lookFor("");
    },
  };
}
