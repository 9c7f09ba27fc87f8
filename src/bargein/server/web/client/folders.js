// Modules in a folder of a page's own, and workers of modules that lie at another origin.

import { CallError } from "./errors.js";

export function inFolder(name, assets) {
  try {
    const folder = new URL(assets, document.baseURI);
    if (!folder.pathname.endsWith("/")) folder.pathname += "/";
    return new URL(`${name}.js`, folder);
  } catch {
    throw new CallError(`No folder can be at ${String(assets).slice(0, 200)}`, "Give the folder of the worklets: assets.", { code: "bad_url" });
  }
}

const starters = new Map(); // address of a module -> address of a script that imports it

// Browsers start no worker from another origin, but import a module from there.
export function workerAt(url) {
  if (url.protocol === "blob:" || url.origin === location.origin) return new Worker(url, { type: "module" });
  if (!starters.has(url.href)) {
    const text = new Blob([`import ${JSON.stringify(url.href)};`], { type: "text/javascript" });
    starters.set(url.href, URL.createObjectURL(text));
  }
  return new Worker(starters.get(url.href), { type: "module" });
}
