// Bundles src/ into dist/, which is committed and served as it is.
import { build } from "esbuild";

const { metafile } = await build({
  entryPoints: { workstation: "src/workstation.js" },
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "iife",
  target: ["chrome100", "firefox102", "safari15.4"],
  legalComments: "eof",
  charset: "utf8",
  metafile: true,
});
await build({
  entryPoints: { workstation: "src/styles.css" },
  outdir: "dist",
  bundle: true,
  minify: true,
  target: ["chrome100", "firefox102", "safari15.4"],
  legalComments: "inline",
});

// The packages' licences, for they stand in the bundle.
const { existsSync, readFileSync, readdirSync, writeFileSync } = await import("node:fs");
const packages = new Set(
  Object.keys(metafile.outputs["dist/workstation.js"].inputs).flatMap(
    (path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? [],
  ),
);
const texts = [...packages].sort().map((name) => {
  const folder = `node_modules/${name}`;
  const { version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
  return `${name} ${version} (${license})\n\n${file && existsSync(`${folder}/${file}`) ? readFileSync(`${folder}/${file}`, "utf8").trim() : ""}\n`;
});
writeFileSync("dist/THIRD_PARTY_LICENSES.txt", texts.join("\n----\n\n"));
