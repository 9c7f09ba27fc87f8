// Buttons, keys and the typed line.

import { keys } from "../client/index.js";
import { $ } from "./screen.js";

// call(): the one that runs, or null. start(how): a new one.
export function controls({ call, start }) {
  $("main").onclick = () => {
    if (!call()) start();
    else call().interrupt();
  };
  $("dummy").onclick = () => start({ dummy: true });
  $("hangup").onclick = () => call()?.stop();
  $("local-hold").onchange = () => call()?.holdHere($("local-hold").checked);
  $("typed").onsubmit = (e) => {
    e.preventDefault();
    const text = $("text").value.trim();
    if (!text) return;
    $("text").value = "";
    // Without a call it begins one that needs no microphone.
    if (call()) call().say(text);
    else start({ typed: true, unsaid: [text] });
  };
  keys(window, { interrupt: () => $("main").click(), hangUp: () => call()?.stop() });
}
