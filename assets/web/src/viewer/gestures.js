// Hands on a pane: one button windows or measures, another moves, the wheel zooms or goes through images, two fingers do
// both. Knows nothing of how the picture is drawn.

/** @typedef {import("./geometry.js").Point} Point */

/** A drag of this many CSS pixels is the whole width of the file's own window. */
const WINDOW_DRAG = 400;
/** What one turn of the wheel adds up to before the next image comes. */
const WHEEL_STEP = 50;
const LINE_PIXELS = 33;

/** The window after a drag. @param {{center: number, width: number}} start @param {number} own the file's own width @param {number} dx @param {number} dy */
export function draggedWindow(start, own, dx, dy) {
  const pace = Math.max(own, 32) / WINDOW_DRAG;
  const round = (value) => (pace < 0.25 ? Math.round(value * 10) / 10 : Math.round(value));
  return { center: round(start.center + dy * pace), width: round(start.width + dx * pace) };
}

/**
 * @param {{element: HTMLElement, canvas: HTMLCanvasElement, scene: ReturnType<typeof import("./scene.js").createScene>,
 *   measuring: ReturnType<typeof import("./measuring.js").createMeasuring>, tools: import("./pane.js").Tools,
 *   moves: () => boolean, step: (by: number) => void, touched: () => void, pointed: (at: Point|null) => void}} pane
 *   `moves`: whether a drag moves the picture, as while Space is held; `pointed`: where the hand is, null where it has left
 */
export function attachGestures({ element, canvas, scene, measuring, tools, moves, step, touched, pointed }) {
  /** @type {{pinch?: {far: number, x: number, y: number}, measuring?: boolean, panning?: boolean, at?: Point, start?: {center: number, width: number}, id?: number}|null} */
  let drag = null;
  /** Fingers on the picture. @type {Map<number, Point>} */
  const fingers = new Map();
  let wheelSum = 0;

  const where = ({ clientX, clientY }) => {
    const box = element.getBoundingClientRect();
    return { x: clientX - box.left, y: clientY - box.top };
  };
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return { far: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  };
  function endDrag() {
    drag = null;
    canvas.classList.remove("panning");
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (!scene.study) return;
    canvas.focus({ preventScroll: true });
    touched();
    canvas.setPointerCapture(event.pointerId);
    event.preventDefault();
    const at = where(event);
    if (event.pointerType === "touch") {
      fingers.set(event.pointerId, at);
      if (fingers.size === 2) {
        measuring.cancel();
        drag = { pinch: spread() };
        return;
      }
    }
    const panning = event.button === 1 || event.button === 2 || moves();
    if (!panning && measuring.grasp(at)) {
      drag = { measuring: true, id: event.pointerId };
      return;
    }
    drag = { panning, at, start: { ...scene.windowNow }, id: event.pointerId };
    canvas.classList.toggle("panning", panning);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!scene.study) return;
    const at = where(event);
    if (fingers.has(event.pointerId)) fingers.set(event.pointerId, at);
    if (drag?.pinch && fingers.size === 2) {
      const now = spread(),
        before = drag.pinch;
      drag.pinch = now;
      scene.pan(now.x - before.x, now.y - before.y);
      if (before.far > 0) scene.zoomAt(now.far / before.far, now.x, now.y);
    } else if (measuring.isHeld && (measuring.isPlacing || drag?.measuring)) measuring.drawOut(at);
    else if (drag?.at && drag.id === event.pointerId) {
      const dx = at.x - drag.at.x,
        dy = at.y - drag.at.y;
      if (drag.panning) {
        scene.pan(dx, dy);
        drag.at = at;
      } else {
        const { center, width } = draggedWindow(drag.start, scene.windows[0]?.width ?? 256, dx, dy);
        scene.setWindow(center, width, true);
      }
    } else canvas.classList.toggle("over", !!measuring.under(at));
    pointed(at);
  });
  canvas.addEventListener("pointerup", (event) => {
    fingers.delete(event.pointerId);
    if (drag?.measuring && measuring.isHeld) measuring.letGo();
    endDrag();
  });
  canvas.addEventListener("pointercancel", (event) => {
    fingers.delete(event.pointerId);
    if (drag?.measuring) measuring.cancel();
    endDrag();
  });
  canvas.addEventListener("pointerleave", () => pointed(null));
  canvas.addEventListener("dblclick", () => {
    if (tools.mode === "window") scene.reset();
  });
  canvas.addEventListener("auxclick", (event) => event.preventDefault());
  element.addEventListener("contextmenu", (event) => {
    if (scene.study) event.preventDefault();
  });
  element.addEventListener(
    "wheel",
    (event) => {
      if (!scene.study) return;
      event.preventDefault();
      touched();
      const delta = (event.deltaY || event.deltaX) * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PIXELS : 1);
      // A stack scrolls, as on every workstation; Shift or Ctrl swaps to zoom.
      if (scene.several && !event.ctrlKey && !event.shiftKey) {
        wheelSum += delta;
        const steps = Math.trunc(wheelSum / WHEEL_STEP);
        wheelSum -= steps * WHEEL_STEP;
        if (steps) step(steps);
        return;
      }
      const { x, y } = where(event);
      scene.zoomAt(Math.exp(-Math.max(-200, Math.min(200, delta)) * 0.0022), x, y);
    },
    { passive: false },
  );
  return { forget: endDrag };
}
