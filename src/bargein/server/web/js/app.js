// The page's wiring: what the connection, the sound and the person say goes to whom it concerns.

import { Backlog } from "./backlog.js";
import { Beginning } from "./beginning.js";
import { DummyCall, handsOf } from "./dummy.js";
import { FaultPanel, FaultyCall } from "./faults.js";
import { controls } from "./controls.js";
import { Decisions } from "./decisions.js";
import { DirectLine } from "./direct.js";
import { ending } from "./endings.js";
import { Lanes } from "./lanes.js";
import { LocalHold } from "./local_hold.js";
import { PROTOCOL } from "./protocol.js";
import { lookAtPlace, obstacle, within } from "./obstacles.js";
import { PolicyPanel } from "./policy.js";
import { $, agentIs, caption, complain, halo, hinder, options, show, wayIs } from "./screen.js";
import { Refused } from "./refusals.js";
import { ask, askCall, tokenIfWanted } from "./server.js";
import { setUp } from "./setup.js";
import { Reconnect } from "./reconnect.js";
import { Reports } from "./reports.js";
import { Sound } from "./audio.js";
import { Transcript } from "./transcript.js";
import { Waits } from "./waits.js";
import { Ways } from "./ways.js";

const WELCOME_MS = 20000; // for the server to begin the call: it may have parts to start
const GONE = "The connection was lost for too long, and with it the call.";
const lanes = new Lanes($("lanes"), $("lane-tip"));
const transcript = new Transcript($("transcript"));
let call = null;

class Call {
  // dummy: true for the dummy call, a list for the faults that it is to meet; choice: the parts that were chosen, null for an
  // agent of the server's; typed: without a microphone; unsaid: what was typed before the call began.
  constructor({ dummy = false, choice = null, typed = false, unsaid = [] }) {
    this.how = { dummy, choice };
    this.state = "connecting";
    this.choice = choice;
    this.typed = typed;
    this.unsaid = unsaid;
    this.decisions = new Decisions(lanes);
    const send = (type, fields) => this.connection?.send(type, fields);
    this.backlog = new Backlog(3000); // ms
    this.told = new Reports({
      send,
      connection: () => this.connection,
      sound: () => this.sound,
      sounding: (reply, ms) => transcript.sounding(reply, ms),
      meter: (level) => lanes.level("agent", level),
      speaking: () => this.state === "speaking",
      held: (m) => this.localHold.begin(m, this.sound.context.sampleRate),
    });
    this.begin = new Beginning({
      greet: (at, follows) => this.greet(at, follows),
      waits: (ms) => {
        this.set("waiting");
        caption(`The next try comes in ${Math.ceil(ms / 1000)} s.`);
      },
      fail: ({ message, advice }) => this.over || this.closed({ problem: { message, advice } }),
    });
    this.messages = []; // all of them, if ?record
    this.events = []; // the model's own, if ?record
    this.waits = new Waits(this);
    this.direct = null;
    const [spoken, say] = [() => this.sound.spoken, (text) => this.over || wayIs(text)];
    this.ways = new Ways({ wish: options.get("transport"), direct: () => this.direct !== null, spoken, say });
    this.ended = null; // how
    this.localHold = new LocalHold({
      send,
      noted: (ms) => this.decisions.hold(ms, "the page's own, before the server answered"),
      resume: (reply) => this.sound.tell({ type: "resume", reply }),
      settled: (type) => this.sound.capture.port.postMessage({ type }),
    });
    this.dummy = null;
    this.abort = new AbortController();
    this.again = new Reconnect({
      connect: async (at) => this.dial(await tokenIfWanted(), { at, why: false }),
      use: (connection) => (this.connection = connection),
      hello: () => this.hello,
      tell: () => {
        this.set("reconnecting");
        this.told.stop();
      },
      gone: () => this.beginAnew(),
      lost: (how) => this.closed(how),
    });
    this.wantDummy = dummy;
    this.sounded = 0; // how often the agent began to speak after thinking
    this.problems = [];
    this.sound = new Sound({
      broken: () => this.over || this.broken(),
      capture: (m) => this.over || this.capture(m),
      playback: (m) => this.over || this.told.take(m),
      track: (spoken) => (this.direct ?? this.connection)?.hear(spoken),
      obstacle: (...line) => this.over || obstacle(...line),
      typed: (on) => this.over || hinder("typed", on),
    });
  }

  async open() {
    transcript.clear();
    lanes.clear();
    $("decisions").replaceChildren();
    show("connecting");
    const unfit = lookAtPlace();
    if (unfit) throw new Refused(unfit.text, unfit.advice);
    this.token = await tokenIfWanted();
    if (this.over) return; // hung up meanwhile
    const direct = !this.choice && $("direct").checked && !$("direct-row").hidden;
    await this.sound.open({ microphone: !this.wantDummy && !this.typed, later: this.typed, record: options.has("record"), direct });
    const claim = direct && !this.over ? await this.openDirect() : null;
    if (this.over) return this.release();
    const who = this.choice ? { choice: this.choice } : { agent: $("agents").value || undefined };
    this.hello = { protocol: PROTOCOL, ...who, ...wanted, ...(claim && { direct: claim.name }) };
    await this.begin.hello(claim?.at ?? null);
    this.sound.tell({ type: "localHold", on: $("local-hold").checked });
  }

  // follows: the server may send it on to another one.
  async greet(at, follows) {
    const token = this.token ?? (await tokenIfWanted());
    this.token = null; // it lives for minutes
    if (this.over) return this.release();
    await this.ways.open(() => (this.connection = this.dial(token, { at })));
    if (this.over) return this.release();
    this.connection.send("hello", { ...this.hello, follows });
    this.late = setTimeout(() => this.fail("The server does not begin the call.", "Call again, or look into its log."), WELCOME_MS);
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
      onMessage: mine((m) => (options.has("record") && this.messages.push(m), this.again.take(m) || this.message(m))),
      onFrame: mine((f) => this.sound.tell({ type: "audio", ...f }, [f.pcm])),
      onSignal: mine((m) => this.message(m)),
      onClose: mine((how) => this.again.broke(how) || this.closed(how)),
    });
    return connection;
  }

  // The sound goes straight to the model and back; the model's events come here, too, for the server that decides who may speak.
  async openDirect() {
    this.direct = new DirectLine({
      ask: (offer) => askCall(offer, $("agents").value),
      onEvent: (e) => options.has("record") && this.events.push(e),
      onSound: (type) => this.sound.tell({ type }),
      onLost: (why) => this.over || complain(why, "Hang up, and call again."),
    });
    const claim = await this.direct.open(this.sound.spoken);
    this.sound.hear(claim.stream);
    return claim;
  }

  // ------------------------------------------------------------------------------------------- from the server

  message(m) {
    switch (m.type) {
      case "welcome":
        this.id = m.call_id;
        clearTimeout(this.late);
        policy.take(m.policy);
        agentIs(m.agent);
        this.again.welcome(m, m.resumed ? undefined : this.begin.at);
        if (m.resumed) {
          this.told.again();
          this.connection.backlog(this.backlog.take());
        } else {
          if (this.begin.tries) caption("");
          this.sound.start();
        }
        this.set("idle");
        this.unsaid.splice(0).forEach((text) => this.connection.send("say", { text }));
        if (this.wantDummy && !m.resumed) this.play().catch((error) => this.over || (complain(error.message), this.hangUp()));
        break;
      case "elsewhere":
        this.refused();
        this.begin.sentTo(m.at);
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
        transcript.words(m);
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
        break;
      case "barge_in":
        this.lastBargeIn = m;
        break;
      case "transcript":
        transcript.transcript(m);
        break;
      case "decision":
        this.decisions.take(m, this.localHold.stands);
        this.waits.check();
        break;
      case "policy":
        policy.take(m.numbers);
        break;
      case "error":
        if (this.id === undefined && this.begin.busy(m)) {
          this.refused();
          break;
        }
        this.problems.push(m);
        complain(m.message, m.advice);
        this.waits.check();
        if (m.fatal || this.id === undefined) this.problem = m; // why it ends, if it ends now
        if (this.id === undefined) this.connection.drop(); // the hello was refused, and we have no other
        break;
    }
  }

  set(state) {
    if (state === "speaking" && this.state === "thinking") this.sounded++;
    this.state = state;
    show(state);
    this.waits.check();
  }

  // -------------------------------------------------------------------------------------------- from the sound

  capture(m) {
    if (m.type !== "audio") return;
    if (this.connection?.hears) this.connection.microphone(m.sample, m.pcm, m.loudspeaker);
    else if (this.again.secret) this.backlog.push(m);
    lanes.level("you", m.level);
    if (this.state === "listening" || this.state === "barge_in") halo(m.level);
  }

  // -------------------------------------------------------------------------------------------- the dummy call

  async play() {
    const hands = handsOf(this);
    const own = { inject: (name) => faults.inject(name), title: (name) => faults.title(name) };
    this.dummy = this.wantDummy === true ? new DummyCall(hands) : new FaultyCall(hands, this.wantDummy, own);
    await this.dummy.run(this.abort.signal);
  }

  // ---------------------------------------------------------------------------------------------------- ending

  hangUp() {
    const tried = this.again.stop();
    if (this.connection?.opened && !tried) this.connection.close();
    else {
      this.connection?.drop();
      this.closed({ left: true });
    }
  }

  // The call ends from here, for a reason that is no wish of the person.
  fail(message, advice) {
    this.problem = { message, advice };
    this.connection?.drop();
  }

  // The browser has ended the sound for good: the server need not wait for this page.
  broken() {
    this.again.stop();
    this.connection?.close();
    this.problem = { message: "The browser has ended the sound of this page.", advice: "Call again, or reload the page." };
    this.closed({});
  }

  get reports() {
    return this.told.list;
  }

  say(text) {
    if (this.id === undefined || this.again.attempt) this.unsaid.push(text);
    else this.connection.send("say", { text });
  }

  // The microphone is released, and the model has no listener.
  async release() {
    this.direct?.close();
    await this.sound.close();
  }

  // The server has this call no more: another one like it begins.
  async beginAnew() {
    const typed = this.typed && !this.sound.stream; // unless a microphone came to it
    await this.closed({ code: 1006 });
    await start({ ...this.how, typed, unsaid: this.unsaid });
    if (call) complain(GONE, "This is a new one.");
  }

  get over() {
    return this.ended !== null;
  }

  async closed(how) {
    if (this.over) return;
    this.sound.silence(); // takes what stands in this call's way off the page; from then on this call says nothing there
    this.begin.stop();
    if (this.state === "waiting") caption("");
    this.ended = ending({ ...how, problem: how.left ? null : (how.problem ?? this.problem) });
    clearTimeout(this.late);
    this.abort.abort();
    this.direct?.close();
    this.localHold.agree();
    if (call === this) {
      window.bargein.last = this;
      call = null;
      show("off", this.ended.text);
      if (this.ended.fault) complain(this.ended.text, this.ended.advice);
    }
    this.waits.check();
    if (!options.has("record")) await this.sound.close();
  }
}

// ------------------------------------------------------------------------------------------------------ the screen

const wanted = {};
const policy = new PolicyPanel({
  presets: $("presets"),
  sliders: $("sliders"),
  change: (change) => {
    if (change.policy) {
      wanted.policy = change.policy;
      delete wanted.settings;
    }
    if (change.settings) wanted.settings = { ...wanted.settings, ...change.settings };
    call?.connection?.send("settings", change);
  },
});

async function start(how = {}) {
  if (call) return;
  caption("");
  const mine = (call = new Call(how));
  try {
    await mine.open();
  } catch (error) {
    await mine.release().catch(() => {}); // what failed to open may fail to close
    if (call !== mine) return; // it was hung up, and said so
    call = null;
    const { message, advice } = error instanceof Refused ? error : new Refused("The call could not begin.", `Reload the page. (${error?.message ?? error})`);
    show("off", message);
    complain(message, advice);
  }
}

controls({ call: () => call, start });
within($("obstacles"));

window.bargein = {
  lastError: null,
  get state() {
    return call?.state ?? "off";
  },
  get call() {
    return call ?? window.bargein.last;
  },
  last: null, // the call before, when there is none
  transcript: () => transcript.facts(),
  start,
};

const faults = new FaultPanel({ section: $("faults"), ask, watch: () => start({ dummy: faults.faults.map((fault) => fault.name) }) });

if (options.has("direct")) $("direct").checked = true;
if (options.get("localhold") === "0") $("local-hold").checked = false;
show("off");
lookAtPlace();
await setUp({ policy, faults, start, chosen: () => Object.keys(wanted).length > 0 });
const wish = options.get("dummy") ?? "";
if (wish.startsWith("faults")) {
  const named = wish.split(":")[1]?.split(",");
  start({ dummy: named ?? faults.faults.map((fault) => fault.name) });
} else if (options.has("dummy")) start({ dummy: true });
