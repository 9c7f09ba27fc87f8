// One call after another, as a value that changes: what the React hook and the element show.

import { BargeinCall } from "./call.js";

const MOST = 500; // entries of a transcript
const NONE = { state: "off", callId: null, agent: null, muted: false, typed: false, recorded: false, transcript: [], obstacle: null, error: null, ended: null };

export class CallStore {
  // options: of a BargeinCall, or a function that gives them when a call starts. each(call): a call was made.
  constructor(options, each = () => {}) {
    this.options = options;
    this.each = each;
    this.call = null;
    this.value = NONE;
    this.listeners = new Set();
    this.subscribe = (listener) => {
      this.listeners.add(listener);
      return () => this.listeners.delete(listener);
    };
    this.snapshot = () => this.value; // another object after each change
  }

  // A new call, where none runs. Never rejects: errors are in the value. Resolves to whether it has begun.
  async start() {
    if (this.running) return this.call.start().catch(() => false);
    const options = typeof this.options === "function" ? this.options() : this.options;
    const call = (this.call = new BargeinCall(options));
    this.change({ ...NONE, muted: this.value.muted });
    call.mute(this.value.muted);
    this.listen(call);
    this.each(call);
    return call.start().catch(() => false);
  }

  get running() {
    return this.call !== null && !this.call.over;
  }

  async stop() {
    if (this.running) await this.call.stop();
  }

  interrupt() {
    if (this.running) this.call.interrupt();
  }

  // Without a call it starts one.
  say(text) {
    if (!this.running) this.start();
    this.call.say(text);
  }

  mute(on = true) {
    if (this.running) this.call.mute(on);
    else this.change({ muted: on });
  }

  consent(on = true) {
    if (this.running) this.call.consent(on);
  }

  listen(call) {
    const mine = (type, act) => call.on(type, (detail) => this.call === call && act(detail));
    const obstacles = new Map();
    mine("state", ({ state }) => this.change({ state }));
    mine("welcome", (m) => this.change({ callId: m.call_id, agent: m.agent }));
    mine("muted", ({ on }) => this.change({ muted: on }));
    mine("recording", ({ on }) => this.change({ recorded: on }));
    mine("typed", ({ on }) => this.change({ typed: on }));
    mine("error", (error) => this.change({ error }));
    mine("ended", (ended) => this.change({ ended }));
    mine("heard", ({ reply, ...said }) => this.entry(`agent-${reply}`, { role: "agent", ...said }));
    mine("transcript", ({ role, turn, text, final }) => {
      if (role === "agent") return;
      const id = role === "user" ? `user-${turn}` : `backchannel-${this.value.transcript.length}`;
      this.entry(id, { role, text: text ?? "", unheard: "", final: final ?? true });
    });
    mine("obstacle", ({ kind, line, only }) => {
      if (!line && only && obstacles.get(kind) !== only) return;
      if (line) obstacles.set(kind, line);
      else obstacles.delete(kind);
      this.change({ obstacle: obstacles.get("sound") ?? obstacles.get("microphone") ?? null });
    });
  }

  entry(id, said) {
    const old = this.value.transcript;
    const at = old.findIndex((one) => one.id === id);
    const made = { id, ...said };
    this.change({ transcript: at < 0 ? [...old, made].slice(-MOST) : old.with(at, made) });
  }

  change(facts) {
    this.value = { ...this.value, ...facts };
    this.listeners.forEach((listener) => listener());
  }
}
