// A call's page as the server gives it: the record is asked for with the owner's token.

import { address, ask, callPath, fetched, token } from "../fleet/server.js";
import { bytesOf } from "./bytes.js";
import { CallPage, say } from "./page.js";

const EVERY_MS = 4000; // a call that goes on is looked at again
const SUFFIX = { messages: "json" };
const $ = (id) => document.getElementById(id);
const call = decodeURIComponent(new URL(location.href).pathname.split("/").at(-1));
const wrong = ({ message, advice = "" }) => say(message, advice);

async function story() {
  try {
    return await ask("GET", callPath(call, "story"));
  } catch (error) {
    if (error.status !== 401) throw error;
    if (token.get()) say("That token was not accepted.");
    token.forget();
    $("sign-in").hidden = false;
    $("summary").textContent = "Locked";
    $("token").focus();
    return null;
  }
}

async function open() {
  const told = await story();
  $("sign-in").hidden = told !== null;
  $("leave").hidden = told === null || !token.get();
  if (told === null) return;
  $("errors").replaceChildren();
  const page = new CallPage(told, globalThis.bargeinCall ?? null);
  globalThis.bargeinCall = page;
  $("keep").hidden = false;
  $("delete").disabled = told.live;
  if (told.recording) await hear(page);
  if (told.live) setTimeout(() => again(page), EVERY_MS);
}

async function hear(page) {
  const waves = ask("GET", callPath(call, "peaks")).then(({ per_s, lanes }) => lanes.length && page.waves({ per_s, data: lanes.map(bytesOf) }));
  // Each look at the story gives the browser the right to ask for the sound, for a while.
  let first = true;
  await page.sound(async () => {
    if (!first) await story();
    first = false;
    return String(address(callPath(call, "audio")));
  });
  await waves.catch(wrong);
}

// "confirm_ms=500" -> ["confirm_ms", 500]
function number(text) {
  const [name, value = ""] = text.split("=");
  try {
    return [name, JSON.parse(value)];
  } catch {
    return [name, value];
  }
}

// The newest of a call that goes on; a reader who listens or steps is left in peace.
async function again(page) {
  const later = () => setTimeout(() => again(page), EVERY_MS);
  if (document.hidden || page.player.playing || page.player.ms > 0) return later();
  await open().catch((error) => {
    wrong(error);
    later();
  });
}

$("keep").onsubmit = async (e) => {
  e.preventDefault();
  const format = $("format").value;
  const file = await fetched(callPath(call, `export?as=${format}`)).catch(wrong);
  if (!file) return;
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: `${call}.${SUFFIX[format] ?? format}` });
  link.click();
  URL.revokeObjectURL(link.href);
};
$("delete").onclick = async () => {
  if (!confirm(`All that is kept of ${call} goes: its journal, its sound, its place in the list.`)) return;
  await ask("DELETE", callPath(call)).then(() => location.assign(address("calls")), wrong);
};

$("sign-in").onsubmit = (e) => {
  e.preventDefault();
  token.set($("token").value);
  $("token").value = "";
  open().catch(wrong);
};
$("leave").onclick = () => {
  token.forget();
  location.reload();
};
$("what-if").onsubmit = async (e) => {
  e.preventDefault();
  const page = globalThis.bargeinCall;
  const settings = Object.fromEntries($("numbers").value.split(/[\s,]+/).filter(Boolean).map(number));
  const policy = $("preset").value || null;
  if (!policy && !Object.keys(settings).length) return page.compare(null);
  await ask("POST", callPath(call, "replay"), { policy, settings }).then((replay) => page.compare(replay), wrong);
};
open().catch((error) => {
  $("summary").textContent = "Not known";
  wrong(error);
});
