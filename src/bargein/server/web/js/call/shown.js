// A call's page as `bargein show` writes it: all of it is in the file, but perhaps the sound beside it.

import { bytesOf } from "./bytes.js";
import { CallPage } from "./page.js";

const given = (id) => JSON.parse(document.getElementById(id)?.textContent || "null");

function open() {
  const page = new CallPage(given("story"));
  globalThis.bargeinCall = page;
  const [peaks, replay, sound] = [given("peaks"), given("replay"), given("sound")];
  if (peaks) page.waves({ per_s: peaks.per_s, data: peaks.lanes.map(bytesOf) });
  if (sound) {
    const address = sound.flac ? URL.createObjectURL(new Blob([bytesOf(sound.flac)], { type: "audio/flac" })) : sound.path;
    page.sound(() => address);
  }
  document.getElementById("what-if").hidden = true;
  if (replay) page.compare(replay);
}

open();
