// What the page shows of a call besides its lanes and its transcript.

export const $ = (id) => document.getElementById(id);
export const options = new URLSearchParams(location.search);

const SAY = {
  off: "Press the button, and talk over it.",
  connecting: "Connecting …",
  waiting: "All lines are busy. The page tries again by itself.",
  reconnecting: "The connection is lost. Reconnecting …",
  idle: "Your turn: say something.",
  listening: "Listening to you.",
  thinking: "Thinking.",
  speaking: "Speaking. Talk over it.",
  barge_in: "Silent: was that for me?",
};
const TYPED = { idle: "Your turn: type something.", listening: "Your turn: type something.", speaking: "Speaking. Type over it." };
const PAUSED = "Waiting for the sound: click anywhere.";
const LINE_MS = 9000;

let state = "off";
let over = ""; // why the last call ended
const hindered = { typed: false, paused: false };

// why: of a call that is over.
export function show(now, why = "") {
  state = now;
  over = why;
  document.body.dataset.state = state;
  const label = { off: "Call", connecting: "Wait", reconnecting: "Wait", waiting: "Wait", speaking: "Stop", barge_in: "Stop" };
  $("main-label").textContent = label[state] ?? "Talk";
  const focused = document.activeElement;
  $("hangup").hidden = state === "off";
  $("dummy").hidden = state !== "off";
  if (state === "off") wayIs("");
  // Who goes by keys is left at the button, not at the top of the page.
  if (focused?.hidden) $("main").focus({ preventScroll: true });
  document.querySelectorAll(".states li").forEach((li) => li.classList.toggle("on", li.dataset.is === state));
  tell();
}

// typed: nothing is heard of the person, who types; paused: the browser plays nothing.
export function hinder(what, on) {
  hindered[what] = on;
  tell();
}

function tell() {
  const said = SAY[state] ?? state;
  const text = state === "off" ? over || said : hindered.paused ? PAUSED : hindered.typed ? (TYPED[state] ?? said) : said;
  if ($("status").textContent !== text) $("status").textContent = text;
}

export function halo(level) {
  document.body.style.setProperty("--level", String(Math.min(1, level * 6)));
}

export function caption(text) {
  $("caption").hidden = !text;
  $("caption").textContent = text;
}

// Which way the call goes, and what is known of its network.
export function wayIs(text) {
  $("way").hidden = !text;
  $("way").textContent = text;
}

export function complain(message, advice = "") {
  window.bargein.lastError = { message, advice };
  const p = document.createElement("p");
  const b = document.createElement("b");
  b.textContent = message;
  p.append(b, ` ${advice ?? ""}`);
  $("errors").replaceChildren(p);
  setTimeout(() => p.remove(), LINE_MS);
}

export function agentIs(agent) {
  $("agent-name").textContent = [agent.name, agent.tts && `TTS ${agent.tts}`, agent.stt && `STT ${agent.stt}`].filter(Boolean).join(" · ");
  $("scripted").hidden = !agent.scripted;
  $("simulated").hidden = !agent.simulated;
}
