// The report leaves the page: to the clipboard or as a file, made here, so that a server out of reach keeps nobody from it.

import { el } from "../dom.js";
import { asText } from "../report/text.js";
import { printedKey } from "./keys.js";

/** What is still to be done, for whoever takes the report away. @param {{gaps: number, unreviewed: number}} counts */
export function reminder({ gaps, unreviewed }) {
  const parts = [];
  if (gaps) parts.push(`${gaps} ${gaps === 1 ? "gap" : "gaps"} left`);
  if (unreviewed) parts.push("unreviewed AI draft");
  return parts.length ? ` (${parts.join(", ")})` : "";
}

/** @param {{root: HTMLElement, report: ReturnType<typeof import("../report/editor.js").createReportEditor>, say: (text: string) => void, fail: (text: string) => void}} page */
export function createExport({ root, report, say, fail }) {
  /** For browsers and frames that keep pages from the clipboard. @param {string} text */
  function copyByHand(text) {
    const area = el("textarea", { class: "visually-hidden", "aria-hidden": "true" });
    area.value = text;
    root.append(area);
    const focus = document.activeElement;
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (focus instanceof HTMLElement) focus.focus();
    return done;
  }
  return {
    async copy() {
      if (report.isEmpty()) return say("The report is empty.");
      const text = asText(report.wire());
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        if (!copyByHand(text))
          return fail(`The browser does not allow copying. Select the text and press ${printedKey("Mod-c")}.`);
      }
      say(`Copied${reminder(report.counts())}`);
    },
    download() {
      if (report.isEmpty()) return say("The report is empty.");
      const blob = new Blob([asText(report.wire())], { type: "text/plain;charset=utf-8" });
      const link = el("a", { href: URL.createObjectURL(blob), download: "report.txt" });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
      say(`Downloaded${reminder(report.counts())}`);
    },
  };
}
