// One call: its live events, and what an operator may do with it. All of a call's text is foreign: it is only ever text.

import { lasted, who } from "./calls.js";
import { Listening } from "./listening.js";
import { make, put } from "./rows.js";
import { callPath, events } from "./server.js";

const MOST = 300; // events that are shown
const ROLES = { AgentSaid: "agent", UserSaid: "user", UserBackchannel: "backchannel" };
const AGAIN_MS = 2000; // before the events are asked for again, when they broke off

// An event as a line: the kind, the text, and what of it was not heard; null: it is not shown.
function line(m) {
  switch (m.type) {
    case "transcript":
      if (m.role === "agent" && !m.final) return null;
      return { kind: m.role, text: m.text ?? "(speech, words unknown)", never: m.unheard };
    case "state":
      return { kind: "state", text: m.state };
    case "decision":
      return { kind: m.kind, text: m.why };
    case "error":
      return { kind: "error", text: `${m.message}. ${m.advice}` };
    case "bye":
      return { kind: "over", text: m.reason };
    case "missed":
      return { kind: "missed", text: `${m.notices} events` };
    default:
      return null;
  }
}

export class CallPanel {
  // parts: the elements by name; ask(method, path, body); confirm(title, text, answers): the answer, or null; told(error)
  constructor(parts, { ask, confirm, told }) {
    Object.assign(this, { parts, ask, confirm, told });
    this.id = null;
    this.opening = 0;
    const mine = (act) => async (e) => {
      e?.preventDefault?.();
      await act().catch(told);
    };
    this.listening = new Listening({
      stopped: (error) => {
        this.listens();
        if (error) told({ message: error.message, advice: error.advice });
      },
      level: (user, agent) => {
        const falls = (meter, level) => (meter.value = Math.max(level, meter.value * 0.8));
        falls(parts.userLevel, user);
        falls(parts.agentLevel, agent);
      },
    });
    parts.listen.onclick = mine(() => this.listen());
    parts.interrupt.onclick = mine(() => this.post("interrupt", {}));
    parts.hangUp.onclick = mine(() => this.hangUp());
    parts.say.onsubmit = mine(() => this.send(parts.sayText, "say", (text) => ({ text })));
    parts.transfer.onsubmit = mine(() => this.send(parts.transferTo, "transfer", (to) => ({ to })));
  }

  // call: as it is listed
  async open(call) {
    this.close();
    this.id = call.id;
    this.known = false; // what was said before
    this.parts.section.hidden = false;
    this.parts.events.replaceChildren();
    put(this.parts.title, `Call ${call.id}`);
    this.update(call);
    this.parts.title.focus();
    if (!call.over) await this.watch(call.id);
    else this.history(await this.ask("GET", callPath(call.id)));
  }

  // The newest that is listed of it. undefined: nothing.
  update(call) {
    if (!call || call.id !== this.id) return;
    const where = call.node ? ` on ${call.node}` : "";
    put(this.parts.facts, `${call.agent}${where}, ${who(call)}, ${lasted(call.lasted_ms)}${call.over ? `, over: ${call.over}` : ""}`);
    this.parts.transfer.hidden = !call.facts?.from && !call.facts?.to;
    for (const part of ["interrupt", "hangUp", "listen"]) this.parts[part].disabled = Boolean(call.over);
    for (const form of ["say", "transfer"]) for (const field of this.parts[form].elements) field.disabled = Boolean(call.over);
  }

  // Begin to listen to the call, or stop.
  async listen() {
    const on = this.listening.on;
    if (on) this.listening.stop();
    this.listens();
    if (on) return;
    await this.listening.start(this.id);
    this.listens();
  }

  listens() {
    const { listen, levels } = this.parts;
    listen.setAttribute("aria-pressed", String(this.listening.on));
    levels.hidden = !this.listening.on;
  }

  async watch(id) {
    const { opening } = this;
    const socket = await events(id);
    if (this.opening !== opening) return socket.close(); // another call is looked at by now, or this one anew
    this.socket = socket;
    socket.onmessage = ({ data }) => this.socket === socket && this.take(JSON.parse(data));
    socket.onclose = ({ code }) => {
      if (this.socket !== socket || code === 1000) return;
      this.show({ kind: "missed", text: "The events broke off. They are asked for again." });
      this.timer = setTimeout(() => this.watch(id).catch(this.told), AGAIN_MS);
    };
  }

  take(m) {
    if (m.type === "call") this.history(m);
    const shown = line(m);
    if (shown) this.show(shown, m.at_ms);
  }

  history({ conversation = [] }) {
    if (this.known) return; // the socket is a second one
    this.known = true;
    for (const { kind, text, unheard, call, result } of conversation) {
      if (kind === "ToolResult") this.show({ kind: "tool", text: `${call?.name ?? ""} ${result ?? ""}` });
      else if (kind in ROLES && (text !== "" || unheard)) this.show({ kind: ROLES[kind], text: text ?? "(speech, words unknown)", never: unheard });
    }
  }

  show({ kind, text, never = "" }, atMs) {
    const { events: list } = this.parts;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    const words = make("span", {}, text);
    if (never) words.append(" ", make("del", { title: "not heard" }, never));
    const time = make("time", {}, atMs === undefined ? "" : `${(atMs / 1000).toFixed(1)} s`);
    list.append(make("li", { className: kind }, time, make("b", {}, kind), words));
    while (list.children.length > MOST) list.firstChild.remove();
    if (atEnd) list.scrollTop = list.scrollHeight;
  }

  async post(what, body) {
    const answer = await this.ask("POST", callPath(this.id, what), body);
    this.show({ kind: "operator", text: what === "interrupt" && !answer.interrupted ? "interrupt: there was nothing to stop" : what });
  }

  async send(field, what, body) {
    const text = field.value.trim();
    if (!text) return;
    await this.post(what, body(text));
    field.value = "";
  }

  async hangUp() {
    const answer = await this.confirm("Hang up?", `The caller of ${this.id} is cut off.`, [["hang-up", "Hang up"]]);
    if (answer) await this.post("hangup", {});
  }

  close() {
    clearTimeout(this.timer);
    this.listening.stop();
    this.listens();
    this.opening++;
    this.id = null;
    this.socket?.close();
    this.socket = null;
    this.parts.section.hidden = true;
  }
}
