// What stands in the way of a call: each with its remedy, as long as it lasts, and a button where the page can help.

import { hinder } from "./screen.js";

export const UNFIT = ["This browser cannot play what the page plays.", "Use a recent Chrome, Edge, Firefox or Safari."];
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

// What keeps this page from having sound at all: browsers give neither microphone nor worklets to plain http from
// elsewhere. null: nothing does.
export function lookAtPlace() {
  if (isSecureContext && window.AudioContext && window.AudioWorkletNode) return null;
  const { hostname, protocol } = location;
  const port = location.port || 80;
  const local = `http://localhost${port === 80 ? "" : `:${port}`}`;
  const line = isSecureContext
    ? { text: UNFIT[0], advice: UNFIT[1] }
    : {
        text: `This page came by plain ${protocol.replace(":", "")} from ${hostname}, and browsers give such pages neither microphone nor sound.`,
        advice: `Open it by https, or on the server's own machine as ${local}. From here a tunnel does: ssh -L ${port}:localhost:${port} ${hostname}, then ${local}.`,
      };
  obstacle("secure", line);
  return line;
}
