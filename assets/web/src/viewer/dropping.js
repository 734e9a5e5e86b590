// Files dropped anywhere on the viewer. Knows nothing of what becomes of them.

/** @param {DragEvent} event */
export const carriesFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

/** @param {{root: HTMLElement, veil: HTMLElement, ondrop: (transfer: DataTransfer, target: EventTarget|null) => void}} options */
export function acceptDrops({ root, veil, ondrop }) {
  let depth = 0;
  root.addEventListener("dragenter", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    depth++;
    veil.hidden = false;
  });
  root.addEventListener("dragover", (event) => {
    if (carriesFile(event)) event.preventDefault();
  });
  root.addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    veil.hidden = depth === 0;
  });
  root.addEventListener("drop", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    event.stopPropagation();
    depth = 0;
    veil.hidden = true;
    ondrop(event.dataTransfer, event.target);
  });
}
