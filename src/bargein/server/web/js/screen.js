// What the page shows of a call besides its lanes and its transcript.

export const $ = (id) => document.getElementById(id);
export const options = new URLSearchParams(location.search);

const SAY = {
  off: "Press the button, and talk over it.",
  connecting: "Connecting …",
  idle: "Your turn: say something.",
  listening: "Listening to you.",
  thinking: "Thinking.",
  speaking: "Speaking. Talk over it.",
  barge_in: "Silent: was that for me?",
};

export function show(state) {
  document.body.dataset.state = state;
  $("status").textContent = SAY[state] ?? state;
  $("main-label").textContent = { off: "Call", connecting: "…", speaking: "Stop", barge_in: "Stop" }[state] ?? "Talk";
  $("hangup").hidden = state === "off";
  $("dummy").hidden = state !== "off";
  document.querySelectorAll(".states li").forEach((li) => li.classList.toggle("on", li.dataset.is === state));
}

export function halo(level) {
  document.body.style.setProperty("--level", String(Math.min(1, level * 6)));
}

export function caption(text) {
  $("caption").hidden = !text;
  $("caption").textContent = text;
}

export function complain(message, advice = "") {
  window.bargein.lastError = { message, advice };
  const p = document.createElement("p");
  const b = document.createElement("b");
  b.textContent = message;
  p.append(b, ` ${advice}`);
  $("errors").replaceChildren(p);
  setTimeout(() => p.remove(), 9000);
}

export function agentIs(agent) {
  $("agent-name").textContent = [agent.name, agent.tts && `TTS ${agent.tts}`, agent.stt && `STT ${agent.stt}`].filter(Boolean).join(" · ");
  $("scripted").hidden = !agent.scripted;
}
