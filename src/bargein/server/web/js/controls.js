// Buttons, keys and the typed line. Space interrupts, Esc hangs up, wherever the focus is and needs neither itself.

import { $ } from "./screen.js";

// call(): the one that runs, or null. start(how): a new one.
export function controls({ call, start }) {
  $("main").onclick = () => {
    if (!call()) start();
    else call().connection?.send("interrupt"); // on a free floor too: the loudspeaker may hold what the server believes over
  };
  $("dummy").onclick = () => start({ dummy: true });
  $("hangup").onclick = () => call()?.hangUp();
  $("local-hold").onchange = () => call()?.sound.tell({ type: "localHold", on: $("local-hold").checked });
  $("typed").onsubmit = (e) => {
    e.preventDefault();
    const text = $("text").value.trim();
    if (!text) return;
    $("text").value = "";
    // Without a call it begins one that needs no microphone.
    if (call()) call().say(text);
    else start({ typed: true, unsaid: [text] });
  };
  addEventListener("keydown", (e) => {
    const { target } = e;
    if (e.code === "Escape") {
      // Where Esc closes a list of the browser's own, or ends the composing of a word, it is not for us.
      if (!e.isComposing && !target.matches?.("select, textarea, input[list]")) call()?.hangUp();
    } else if (e.code === "Space" && !target.matches?.("input, select, button, textarea, summary, a")) {
      e.preventDefault();
      if (!e.repeat) $("main").click();
    }
  });
}
