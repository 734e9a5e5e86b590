import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["dist/", "node_modules/"] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2024, sourceType: "module" },
    rules: {
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": ["error", { destructuring: "all" }],
      "no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_", caughtErrors: "all" }],
      "no-shadow-restricted-names": "error",
      "no-implicit-globals": "error",
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "Text goes in as text: use textContent or el()." },
        { property: "outerHTML", message: "Text goes in as text: use textContent or el()." },
        { object: "localStorage", property: "setItem", message: "Nothing is kept in the browser's storage." },
        { object: "sessionStorage", property: "setItem", message: "Nothing is kept in the browser's storage." },
      ],
      "no-eval": "error",
      "no-implied-eval": "error",
    },
  },
  { files: ["src/**"], languageOptions: { globals: globals.browser } },
  { files: ["test/**", "*.mjs", "*.js"], languageOptions: { globals: { ...globals.node, ...globals.browser } } },
  {
    // What a room must not know of.
    files: ["src/report/**"],
    rules: {
      "no-restricted-imports": ["error", { patterns: ["**/page/*", "**/viewer/*"] }],
    },
  },
];
