// What stands in the way of a call: each with its remedy, as long as it lasts, and a button where the page can help.

import { unfit } from "../client/index.js";
import { hinder } from "./screen.js";

const order = ["secure", "sound", "microphone"]; // the worst first
const lines = new Map();
let box = null;

// line: { text, advice, action, act }, or null: it is gone. only: no line but this one is taken away.
export function obstacle(kind, line, only) {
  if (!line && only && lines.get(kind) !== only) return;
  if (line) lines.set(kind, line);
  else lines.delete(kind);
  draw();
}

export function within(element) {
  box = element;
}

function draw() {
  const shown = order.map((kind) => lines.get(kind)).filter(Boolean);
  hinder("paused", lines.has("sound"));
  box.replaceChildren(
    ...shown.map(({ text, advice, action, act }) => {
      const p = document.createElement("p");
      const b = document.createElement("b");
      b.textContent = text;
      p.append(b, ` ${advice ?? ""} `);
      if (action) {
        const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: action, onclick: act });
        p.append(button);
      }
      return p;
    }),
  );
}

// What keeps this page from having sound at all, if anything does.
export function lookAtPlace() {
  const line = unfit();
  if (line) obstacle("secure", line);
}
