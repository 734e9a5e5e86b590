// The page: fills the two panes of the document that the server sends.

import { mountEditor } from "./page/editor.js";
import { mountViewer } from "./viewer/viewer.js";

mountViewer({ element: document.querySelector(".viewer-root") });
mountEditor({ element: document.querySelector(".editor-root") });
