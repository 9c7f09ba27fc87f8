// How a call goes: it begins, hears its server and its sound, and ends. call.js has what those who make one may do with it.

import { Backlog } from "./backlog.js";
import { Beginning } from "./beginning.js";
import { DirectLine } from "./direct.js";
import { ending } from "./endings.js";
import { CallError } from "./errors.js";
import { unfit } from "./fitness.js";
import { Heard } from "./heard.js";
import { LocalHold } from "./local_hold.js";
import { PROTOCOL } from "./protocol.js";
import { Reconnect } from "./reconnect.js";
import { Reports } from "./reports.js";
import { Server } from "./server.js";
import { Sound } from "./audio.js";
import { Ways } from "./ways.js";

const WELCOME_MS = 20000; // for the server to begin the call: it may have parts to start
const BACKLOG_MS = 3000;

export class Calling extends EventTarget {
  state = "off";
  id = undefined; // of the call, from the welcome on
  agent = null; // what the welcome says of it
  ended = null; // { code, text, advice, fault }, once it is over
  recorded = false; // the server records the call's sound
  direct = null;
  connection = null;

  // url, token: of the server (or server: a Server). agent, policy, settings, language, choice: as in a hello. transport: auto, websocket or
  // webrtc. microphone: true, false, or "later" (there is a way to have one). direct: the sound goes straight to a realtime model. localHold:
  // this page may fall silent before the server has answered. assets: a folder that has the worklets. record: the sound is kept for tests.
  // consent: the person agrees to the server's recording (true), or refuses it (false).
  constructor(options = {}) {
    super();
    this.options = { microphone: true, localHold: true, ...options };
    this.wishes = Object.fromEntries(["policy", "settings", "language"].flatMap((name) => (options[name] ? [[name, options[name]]] : [])));
    this.unsaid = []; // what was typed before the call began
    this.unset = []; // settings between the hello and the welcome
    this.begun = new Promise((resolve, reject) => (this.answered = { resolve, reject }));
    this.begun.catch(() => {}); // told by events, too
    this.released = new Promise((resolve) => (this.free = resolve)); // the microphone and the sound
    this.heard = new Heard((detail) => this.tell("heard", detail));
    this.backlog = new Backlog(BACKLOG_MS);
    const send = (type, fields) => this.connection?.send(type, fields);
    this.sound = new Sound(
      {
        broken: () => this.over || this.broken(),
        capture: (m) => this.over || this.capture(m),
        playback: (m) => this.over || this.told.take(m),
        track: (spoken) => (this.direct ?? this.connection)?.hear(spoken),
        obstacle: (kind, line, only) => this.over || this.hinder(kind, line, only),
        typed: (on) => this.over || this.tell("typed", { on }),
      },
      options.assets,
    );
    this.localHold = new LocalHold({
      send,
      noted: (ms) => this.tell("local_hold", { ms }),
      resume: (reply) => this.sound.tell({ type: "resume", reply }),
      settled: (type) => this.sound.capture.port.postMessage({ type }),
    });
    this.told = new Reports({
      send,
      connection: () => this.connection,
      sound: () => this.sound,
      sounding: (reply, ms) => {
        this.heard.sounding(reply, ms);
        this.tell("sounding", { reply, ms });
      },
      meter: (level) => this.tell("level", { side: "agent", level }),
      held: (m) => this.localHold.begin(m, this.sound.context.sampleRate),
      overflow: () => this.wrong(new CallError("The server sends faster than it may.", "Reload the page.", { code: "overflow" })),
    });
    this.beginning = new Beginning({
      greet: (at, follows) => this.greet(at, follows),
      waits: (ms) => {
        this.set("waiting");
        this.tell("waiting", { ms });
      },
      fail: (problem) => this.over || this.finish({ problem }),
    });
    this.again = new Reconnect({
      connect: async (at) => this.dial(await this.server.tokenIfWanted(), { at, why: false }),
      use: (connection) => (this.connection = connection),
      hello: () => this.hello,
      tell: () => {
        this.set("reconnecting");
        this.told.stop();
      },
      gone: () => this.finish({ gone: true }),
      lost: (how) => this.finish(how),
    });
  }

  get over() {
    return this.ended !== null;
  }

  get agreed() {
    const { consent } = this.options;
    return typeof consent === "boolean" ? { record: consent } : {};
  }

  // -------------------------------------------------------------------------------------------------- beginning

  async open() {
    this.set("connecting");
    const lack = unfit();
    if (lack) throw new CallError(lack.text, lack.advice, { code: lack.code });
    const { url, token, server, agent, choice, microphone, record } = this.options;
    this.server = server ?? new Server({ url, token });
    this.ways = new Ways({
      server: this.server,
      wish: this.options.transport,
      assets: this.options.assets,
      direct: () => this.direct !== null,
      spoken: () => this.sound.spoken,
      tell: (way) => this.over || this.tell("way", way),
    });
    this.sound.prepare();
    this.token = await this.server.tokenIfWanted();
    if (this.over) return this.release(); // hung up meanwhile
    const { direct } = this.options;
    await this.sound.open({ microphone: microphone === true, later: microphone === "later", record, direct });
    const claim = direct && !this.over ? await this.openDirect() : null;
    if (this.over) return this.release();
    const who = choice ? { choice } : { agent };
    this.hello = { protocol: PROTOCOL, ...who, ...this.wishes, ...this.agreed, ...(claim && { direct: claim.name }) };
    await this.beginning.hello(claim?.at ?? null);
    this.sound.tell({ type: "localHold", on: this.options.localHold });
  }

  // follows: the server may send it on to another one.
  async greet(at, follows) {
    const token = this.token ?? (await this.server.tokenIfWanted());
    this.token = null; // it lives for minutes
    if (this.over) return this.release();
    await this.ways.open(() => (this.connection = this.dial(token, { at })));
    if (this.over) return this.release();
    this.connection.send("hello", { ...this.hello, follows });
    const late = new CallError("The server does not begin the call.", "Call again, or look into its log.", { code: "no_welcome" });
    this.late = setTimeout(() => this.fail(late), WELCOME_MS);
  }

  // The server closes the connection, and the page opens another.
  refused() {
    clearTimeout(this.late);
    this.connection = null;
  }

  // A connection may end long after another has taken its place, and after the call: then it has no more to say.
  dial(token, how) {
    const mine = (act) => (given) => this.connection === connection && !this.over && act(given);
    const connection = this.ways.dial({
      ...how, token,
      onMessage: mine((m) => (this.tell("message", m), this.again.take(m) || this.message(m))),
      onFrame: mine((f) => this.sound.tell({ type: "audio", ...f }, [f.pcm])),
      onSignal: mine((m) => this.message(m)),
      onClose: mine((how) => this.again.broke(how) || this.finish(how)),
    });
    return connection;
  }

  // The sound goes straight to the model and back; the model's events come here, too, for the server that decides who may speak.
  async openDirect() {
    this.direct = new DirectLine({
      ask: (offer) => this.server.askCall(offer, this.options.agent),
      onEvent: (e) => this.tell("model", e),
      onSound: (type) => this.sound.tell({ type }),
      onLost: (why) => this.over || this.wrong(new CallError(why, "Hang up, and call again.", { code: "model_unreachable" })),
    });
    const claim = await this.direct.open(this.sound.spoken);
    this.sound.hear(claim.stream);
    return claim;
  }

  // ------------------------------------------------------------------------------------------- from the server

  message(m) {
    switch (m.type) {
      case "welcome":
        this.welcome(m);
        break;
      case "elsewhere":
        this.refused();
        this.beginning.sentTo(m.at);
        break;
      case "moved":
        this.again.moved(m);
        break;
      case "state":
        this.set(m.state);
        break;
      case "reply":
        this.sound.tell({ type: "reply", reply: m.reply_id, interruptible: m.interruptible });
        if (this.direct) this.sound.tell({ type: "expect", reply: m.reply_id });
        break;
      case "words":
        this.heard.words(m);
        break;
      case "hold":
        this.localHold.agree();
        this.sound.tell({ type: "hold", reply: m.reply_id });
        break;
      case "resume":
        this.localHold.settle("refuted");
        this.sound.tell({ type: "resume", reply: m.reply_id });
        break;
      case "audio_interrupted":
        this.localHold.settle("confirmed");
        this.sound.tell({ type: "cut", reply: m.reply_id });
        this.direct?.cut();
        this.tell("interrupted", { reply: m.reply_id, text: m.heard_text, ms: m.heard_ms });
        break;
      case "recording":
        this.recorded = m.on;
        break;
      case "transcript":
        if (m.role === "agent") this.heard.transcript(m);
        break;
      case "error":
        this.refusal(m);
        return;
    }
    if (["words", "transcript", "decision", "policy", "recording"].includes(m.type)) this.tell(m.type, m);
  }

  welcome(m) {
    this.id = m.call_id;
    this.agent = m.agent;
    clearTimeout(this.late);
    this.again.welcome(m, m.resumed ? undefined : this.beginning.at);
    if (m.resumed) {
      this.told.again();
      this.connection.backlog(this.backlog.take());
    } else this.sound.start();
    this.tell("welcome", m);
    this.set("idle");
    this.unset.splice(0).forEach((change) => this.connection.send("settings", change));
    this.unsaid.splice(0).forEach((text) => this.connection.send("say", { text }));
    this.answered.resolve(true);
  }

  refusal(m) {
    const early = this.id === undefined; // the hello was refused
    if (early && this.beginning.busy(m)) return this.refused();
    const error = new CallError(m.message, m.advice, { code: m.code, fatal: m.fatal || early, source: "server" });
    if (error.fatal) this.problem = error; // why it ends, if it ends now
    this.wrong(error);
    if (early) this.connection?.drop(); // we have no other
  }

  set(state) {
    if (state === this.state) return;
    this.state = state;
    this.tell("state", { state });
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  wrong(error) {
    this.newest = error;
    this.tell("error", error);
  }

  // -------------------------------------------------------------------------------------------- from the sound

  capture(m) {
    if (m.type !== "audio") return;
    if (this.connection?.hears) this.connection.microphone(m.sample, m.pcm, m.loudspeaker);
    else if (this.again.secret) this.backlog.push(m);
    this.tell("level", { side: "you", level: m.level });
  }

  // line: what stands in the call's way, with its remedy, or null. only: no line but this one is taken away.
  hinder(kind, line, only) {
    this.tell("obstacle", { kind, line, only });
    if (line?.code) this.wrong(new CallError(line.text, line.advice, { code: line.code }));
  }

  // ---------------------------------------------------------------------------------------------------- ending

  // The call ends from here, for a reason that is no wish of the person.
  fail(problem) {
    this.problem = problem;
    this.connection?.drop();
  }

  // The call did not come about.
  async failed(error) {
    await this.release().catch(() => {}); // what failed to open may fail to close
    const known = error instanceof CallError;
    this.finish({ problem: known ? error : new CallError("The call could not begin.", `Reload the page. (${error?.message ?? error})`) });
  }

  // The browser has ended the sound for good: the server need not wait for this page.
  broken() {
    this.again.stop();
    this.connection?.close();
    this.problem = new CallError("The browser has ended the sound of this page.", "Call again, or reload the page.", { code: "no_audio" });
    this.finish({});
  }

  // The microphone is released, and the model has no listener.
  async release() {
    this.direct?.close();
    await this.sound.close();
  }

  async finish(how) {
    if (this.over) return;
    this.sound.silence(); // takes what stands in this call's way away; from then on this call says nothing of it
    this.beginning.stop();
    const problem = how.left ? null : (how.problem ?? this.problem);
    this.ended = ending({ ...how, problem });
    clearTimeout(this.late);
    this.direct?.close();
    this.localHold.agree();
    const { code, text, advice, fault } = this.ended;
    const error = fault ? (problem ?? new CallError(text, advice, { code })) : null;
    if (error && this.newest !== error) this.wrong(Object.assign(error, { fatal: true }));
    this.set("off");
    this.tell("ended", this.ended);
    if (error) this.answered.reject(error);
    else this.answered.resolve(false);
    if (!this.options.record) await this.sound.close().catch(() => {});
    this.free();
  }
}
