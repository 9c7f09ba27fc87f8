// <bargein-call url="https://voice.example.com" agent="guide">: a call in any page, without a line of script.

import { CallStore, keys } from "./index.js";
import { LABELS, STYLE } from "./element_looks.js";

const EVENTS = ["state", "welcome", "heard", "transcript", "interrupted", "error", "ended", "muted", "recording"];
const OPTIONS = ["url", "agent", "token", "transport", "policy", "language", "assets"];
const HTML = `
<div part="call" class="call">
  <div part="buttons" class="buttons">
    <button part="button" id="main" type="button"></button>
    <button part="button interrupt" id="interrupt" type="button" hidden></button>
    <button part="button mute" id="mute" type="button" hidden></button>
  </div>
  <p part="status" id="status" role="status"></p>
  <p part="recorded" id="recorded" role="status" hidden><span id="told"></span> <button part="button unrecord" id="unrecord" type="button"></button></p>
  <p part="error" id="error" role="alert" hidden></p>
  <div part="transcript" id="transcript" role="log" tabindex="0" hidden><ol id="lines"></ol></div>
</div>`;

// A server that renders a page imports this file, too, and has no elements.
const Base = globalThis.HTMLElement ?? class {};

let sheet = null; // a page's Content-Security-Policy may forbid styles in the text

export class BargeinCallElement extends Base {
  static observedAttributes = ["labels"];

  labels = LABELS;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.innerHTML = HTML;
    if (!sheet) (sheet = new CSSStyleSheet()).replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    this.parts = Object.fromEntries([...root.querySelectorAll("[id]")].map((element) => [element.id, element]));
    this.lines = new Map(); // entry of the transcript -> its line
    this.store = new CallStore(() => this.options, (call) => this.pass(call));
    this.parts.main.onclick = () => (this.store.running ? this.store.stop() : this.store.start());
    this.parts.interrupt.onclick = () => this.store.interrupt();
    this.parts.unrecord.onclick = () => this.store.consent(false);
    this.parts.mute.onclick = () => this.store.mute(!this.store.value.muted);
  }

  connectedCallback() {
    this.offs = [
      this.store.subscribe(() => this.draw()),
      keys(this, { interrupt: () => this.store.interrupt(), hangUp: () => this.store.stop() }),
    ];
    this.draw();
  }

  // A call ends with its element.
  disconnectedCallback() {
    this.offs.splice(0).forEach((off) => off());
    this.store.stop();
  }

  attributeChangedCallback(_, __, text) {
    try {
      this.labels = { ...LABELS, ...JSON.parse(text ?? "{}") };
    } catch {
      this.labels = LABELS;
    }
    if (this.offs) this.draw();
  }

  get options() {
    return { ...Object.fromEntries(OPTIONS.flatMap((name) => (this.hasAttribute(name) ? [[name, this.getAttribute(name)]] : []))), ...this.more };
  }

  // More options of a BargeinCall than attributes can tell, such as a function for the token.
  set options(more) {
    this.more = more;
  }

  get call() {
    return this.store.call;
  }

  get state() {
    return this.store.value.state;
  }

  start() {
    return this.store.start();
  }

  stop() {
    return this.store.stop();
  }

  interrupt() {
    this.store.interrupt();
  }

  say(text) {
    this.store.say(text);
  }

  mute(on = true) {
    this.store.mute(on);
  }

  // The call's events leave the element as bargein-state, bargein-heard and so on.
  pass(call) {
    this.lines.clear();
    this.parts.lines.replaceChildren();
    for (const type of EVENTS) {
      call.on(type, (detail) => this.dispatchEvent(new CustomEvent(`bargein-${type}`, { detail, bubbles: true, composed: true })));
    }
  }

  draw() {
    const { state, muted, recorded, obstacle, error, ended, transcript } = this.store.value;
    const { main, interrupt, mute, told, unrecord, status, error: alert, transcript: list } = this.parts;
    const { labels } = this;
    const on = state !== "off";
    const focused = this.shadowRoot.activeElement;
    if (this.getAttribute("state") !== state) this.setAttribute("state", state);
    put(main, on ? labels.stop : labels.start);
    put(interrupt, labels.interrupt);
    put(mute, muted ? labels.unmute : labels.mute);
    interrupt.hidden = state !== "speaking" && state !== "barge_in";
    mute.hidden = !on;
    this.parts.recorded.hidden = !on || !recorded;
    put(told, this.parts.recorded.hidden ? "" : labels.recorded);
    put(unrecord, labels.unrecord);
    if (focused?.hidden) main.focus({ preventScroll: true });
    // What has a code may have a label of the page's own, in its language.
    const words = ({ code, text, message, advice }) => labels[code] ?? `${text ?? message} ${advice ?? ""}`.trim();
    const said = ended && !ended.fault ? (labels[ended.code] ?? ended.text) : labels[state];
    put(status, on && obstacle ? words(obstacle) : said);
    const wrong = ended?.fault ? ended : error && on && !error.code.startsWith("microphone_") ? error : null;
    put(alert, wrong ? words(wrong) : "");
    alert.hidden = !wrong;
    list.setAttribute("aria-label", labels.transcript);
    list.hidden = !transcript.length || this.hasAttribute("no-transcript");
    if (!list.hidden) transcript.forEach((entry) => this.line(entry));
  }

  // An entry's line, made anew only where the entry is another one.
  line(entry) {
    const known = this.lines.get(entry.id);
    if (known?.entry === entry) return;
    const li = known?.li ?? this.parts.lines.appendChild(document.createElement("li"));
    this.lines.set(entry.id, { li, entry });
    li.className = entry.role;
    li.setAttribute("part", `entry ${entry.role}`);
    li.replaceChildren(entry.text || (entry.role === "agent" ? "" : this.labels.unknown));
    if (entry.unheard) {
      const never = Object.assign(document.createElement("s"), { textContent: ` ${entry.unheard}` });
      never.setAttribute("part", "unheard");
      li.append(never);
    }
    this.parts.transcript.scrollTop = this.parts.transcript.scrollHeight;
  }
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

if (globalThis.customElements && !customElements.get("bargein-call")) customElements.define("bargein-call", BargeinCallElement);
