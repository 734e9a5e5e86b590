// Templates and macros: from a list, by a dot and a code, or the normal report by its key.

import { ask } from "../dom.js";
import { newId } from "../report/spans.js";

/** @typedef {{code: string, title: string, whole: boolean, spans: Omit<import("../report/spans.js").WireSpan, "id">[]}} Template */

/** What a draft begins with where the report is empty. */
export const blank = () => [
  { id: newId(), text: "FINDINGS:\n", state: /** @type {const} */ ("locked"), author: /** @type {const} */ ("template") },
  { id: newId(), text: "", state: /** @type {const} */ ("open"), author: /** @type {const} */ ("model") },
  { id: newId(), text: "\n\nIMPRESSION:\n", state: /** @type {const} */ ("locked"), author: /** @type {const} */ ("template") },
  { id: newId(), text: "", state: /** @type {const} */ ("open"), author: /** @type {const} */ ("model") },
];

/**
 * @param {{root: HTMLElement, report: ReturnType<typeof import("../report/editor.js").createReportEditor>, load: () => Promise<Template[]>, lists: ReturnType<typeof import("./lists.js").createLists>,
 *   hint: (name: any) => void, fail: (error: any) => void, isBusy: () => boolean, leaveTimeline: () => void}} page
 */
export function createTemplates({ root, report, load, lists, hint, fail, isBusy, leaveTimeline }) {
  /** @type {Promise<Template[]>|null} */
  let loading = null;
  const all = () => {
    loading ??= load().catch((error) => {
      loading = null;
      throw error;
    });
    return loading;
  };
  const withIds = ({ spans }) => spans.map((span) => ({ ...span, id: newId() }));

  /** @param {Template} template */
  async function put(template) {
    leaveTimeline();
    if (isBusy()) return hint("busy");
    if (!template.whole) return report.insertSpans(withIds(template), "template");
    if (!report.isEmpty()) {
      const chosen = await ask(root, "Replace the report?", "Undo restores the present text.", [
        { value: "yes", name: "Replace", primary: true },
        { value: "", name: "Keep the report" },
      ]);
      // A draft may have begun, or a study been opened, while the question stood there.
      if (chosen && isBusy()) return hint("busy");
      if (!chosen) return report.view.focus();
    }
    report.replaceReport(withIds(template), "template");
    report.view.focus();
  }

  return {
    async normal() {
      try {
        const normal = (await all()).find(({ code }) => code === "normal");
        if (normal) await put(normal);
      } catch (error) {
        fail(error);
      }
    },
    async list() {
      const list = lists.open({
        label: "Templates and macros",
        filter: "Name or code",
        message: "Loading…",
        onchoose: (template) => put(template),
      });
      try {
        list.show(
          (await all()).map((template) => {
            const text = template.spans.map((span) => span.text || "[gap]").join("");
            return { name: template.title, note: `.${template.code}`, words: text, preview: text, value: template };
          }),
        );
      } catch (error) {
        list.say(error.message);
      }
    },
    /** A dot and a template's code before the caret become the template. @returns {boolean} whether there is one */
    expandCode() {
      const typed = report.codeAtCaret();
      if (!typed) return false;
      all().then((templates) => {
        const template = templates.find(({ code }) => code === typed.code);
        const now = report.codeAtCaret();
        if (!template) return hint("no-code");
        if (now?.from !== typed.from || now.code !== typed.code) return;
        report.view.dispatch({ changes: { from: now.from, to: now.to }, userEvent: "delete" });
        return put(template);
      }).catch(fail);
      return true;
    },
  };
}
