// Two keys for a call: Space interrupts, Esc hangs up, wherever the focus is and needs neither itself.

// target: an element or window. Returns a function that ends it.
export function keys(target, { interrupt, hangUp }) {
  const pressed = (e) => {
    const at = e.composedPath()[0];
    if (e.code === "Escape") {
      // Where Esc closes a list of the browser's own, or ends the composing of a word, it is not for us.
      if (!e.isComposing && !at.matches?.("select, textarea, input[list]")) hangUp();
    } else if (e.code === "Space" && !at.matches?.("input, select, button, textarea, summary, a, [contenteditable]")) {
      e.preventDefault();
      if (!e.repeat) interrupt();
    }
  };
  target.addEventListener("keydown", pressed);
  return () => target.removeEventListener("keydown", pressed);
}
