// Text that is being typed becomes sealed, and with it the keyboard's no more. Knows nothing of the page.

import { tidy } from "./spans.js";
import { dispatchOwn, reportOf } from "./state.js";

/** @param {import("./state.js").Target} target */
export function seal(target) {
  const report = reportOf(target.state);
  if (report.typing) dispatchOwn(target, {}, tidy({ ...report, typing: null }));
}
