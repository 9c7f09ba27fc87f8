// Makes dist/ of the client's sources, which the server's own page runs as they are: `node build.mjs`. One file for each
// import: the client, the React hook, the element; and beside them the worklets and the worker, for pages that forbid blob:.

import { copyFile, mkdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const SOURCES = join(HERE, "../../src/bargein/server/web/client");
const DIST = process.argv[2] ?? join(HERE, "dist");
const BESIDE = ["worklets/capture", "worklets/playback", "worklets/direct", "webrtc/worker"];
const common = { bundle: true, minify: true, format: "esm", target: "es2022", charset: "utf8", legalComments: "none", logLevel: "warning" };

await rm(DIST, { recursive: true, force: true });
await mkdir(DIST, { recursive: true });

const texts = {};
for (const name of BESIDE) {
  const outfile = join(DIST, `${name}.js`);
  await build({ ...common, entryPoints: [join(SOURCES, `${name}.js`)], outfile });
  texts[name] = await readFile(outfile, "utf8");
}

const embedded = {
  name: "embedded",
  setup({ onLoad, onResolve }) {
    onLoad({ filter: /[\\/]client[\\/]modules\.js$/ }, async () => ({ contents: await readFile(join(HERE, "embedded.js"), "utf8"), resolveDir: SOURCES }));
    onResolve({ filter: /^bargein:texts$/ }, () => ({ path: "texts", namespace: "bargein" }));
    onLoad({ filter: /.*/, namespace: "bargein" }, () => ({ contents: JSON.stringify(texts), loader: "json" }));
  },
};
await build({ ...common, entryPoints: [join(SOURCES, "index.js")], outfile: join(DIST, "index.js"), plugins: [embedded] });
// The client is one module, also where hook and element are used beside it.
for (const name of ["react", "element"]) {
  await build({ ...common, entryPoints: [join(SOURCES, `${name}.js`)], outfile: join(DIST, `${name}.js`), external: ["./index.js", "react"] });
}
await copyFile(join(HERE, "../../LICENSE"), join(HERE, "LICENSE"));
