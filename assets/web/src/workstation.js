// What the page's two components call: `Workstation.mountViewer` and `Workstation.mountEditor`.

export { mountViewer } from "./viewer/viewer.js";
export { mountEditor } from "./page/editor.js";
