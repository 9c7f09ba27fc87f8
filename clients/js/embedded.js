// Stands in the place of the client's modules.js in the package for npm: worklets and worker are texts of the bundle, and
// come to the browser as Blob URLs.

import { inFolder } from "./folders.js";
import texts from "bargein:texts";

const made = new Map(); // name -> URL

export function moduleAt(name, assets) {
  if (assets) return inFolder(name, assets);
  if (!made.has(name)) made.set(name, new URL(URL.createObjectURL(new Blob([texts[name]], { type: "text/javascript" }))));
  return made.get(name);
}
