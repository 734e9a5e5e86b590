// The tools over a study, made from the registered commands.

import { el } from "../dom.js";

/**
 * @param {ReturnType<typeof import("../page/commands.js").createCommands>} commands
 * @param {{preset: (n: number) => void}} events a window was chosen by its number
 */
export function createToolbar(commands, { preset }) {
  const presets = el("select", { class: "presets", "aria-label": "Window", title: "Window (keys 1 to 5)" });
  presets.addEventListener("change", () => preset(Number(presets.value)));
  const tool = (command, name, icon, title) => commands.button(command, { name, icon, iconOnly: true, title });
  const buttons = {
    invert: tool("invert", "Invert", "invert", "Invert gray (I)"),
    fit: tool("fit", "Fit", "fit", "Fit to the pane (F)"),
    actual: tool("actualSize", "Actual size", "actual", "Actual size: one image pixel per screen pixel (A)"),
    lens: tool("magnify", "Magnifier", "lens", "Magnifier under the pointer (Z)"),
    flipAcross: tool("flipAcross", "Flip left and right", "flip-across", "Flip left and right (H)"),
    flipDown: tool("flipDown", "Flip top and bottom", "flip-down", "Flip top and bottom (V)"),
    left: tool("turnLeft", "Rotate left", "turn-left", "Rotate left (L)"),
    right: tool("turnRight", "Rotate right", "turn-right", "Rotate right (R)"),
    length: tool("length", "Measure length", "length", "Measure a length (M): drag; Delete removes it"),
    angle: tool("angle", "Measure angle", "angle", "Measure an angle (N): drag the first side, click for the second"),
    looked: tool(
      "looked",
      "Where the model looked",
      "looked",
      "Where the model looked for the text at the caret (W): not validated, not an explanation",
    ),
    written: tool("written", "Overlay", "text", "Text on the image (T)"),
    reset: commands.button("reset", {
      name: "Reset",
      icon: "reset",
      iconOnly: true,
      title: "Reset window, zoom, position and turns (Space, or double click)",
      onclick: () => commands.run("resetNow"),
    }),
  };
  const group = (...names) => el("div", { class: "tool-group" }, ...names.map((name) => buttons[name]));
  const node = el(
    "div",
    { class: "tools", role: "toolbar", "aria-label": "Viewer tools", hidden: true },
    el("div", { class: "tool-group" }, presets, buttons.invert),
    group("fit", "actual", "lens"),
    group("flipAcross", "flipDown", "left", "right"),
    group("length", "angle"),
    group("looked", "written", "reset"),
  );
  return {
    node,
    /** @param {{windows: {center: number, width: number, name?: string}[], windowNow: {center: number, width: number}}} state */
    showWindows({ windows, windowNow }) {
      const names = windows.map(({ name }, i) => `${i + 1}  ${name}`);
      if (presets.dataset.names !== names.join("\n")) {
        presets.dataset.names = names.join("\n");
        presets.replaceChildren(
          ...names.map((name, i) => el("option", { value: String(i) }, name)),
          el("option", { value: "-1", hidden: true }, "Custom"),
        );
      }
      const at = windows.findIndex(({ center, width }) => center === windowNow.center && width === windowNow.width);
      presets.value = String(at);
      presets.disabled = windows.length < 2;
    },
    /** @param {Partial<Record<keyof typeof buttons, boolean>>} on */
    press(on) {
      for (const [name, pressed] of Object.entries(on)) buttons[name].setAttribute("aria-pressed", String(pressed));
    },
  };
}
