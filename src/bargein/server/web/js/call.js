// A call of the page: the client's own, and what the screen shows of it.

import { BargeinCall } from "../client/index.js";
import { Decisions } from "./decisions.js";
import { DummyCall, handsOf } from "./dummy.js";
import { FaultyCall } from "./faults.js";
import { server } from "./here.js";
import { obstacle } from "./obstacles.js";
import { $, agentIs, caption, complain, halo, hinder, options, show, wayIs } from "./screen.js";
import { Waits } from "./waits.js";
import { wayText } from "./way.js";

export class PageCall extends BargeinCall {
  // dummy: true for the dummy call, a list for the faults that it is to meet; choice: the parts that were chosen, null for an
  // agent of the server's; typed: without a microphone. screen: { lanes, transcript, policy, faults }; wanted: policy and settings; over(call): it has ended.
  constructor({ dummy = false, choice = null, typed = false }, { screen, wanted, over }) {
    super({
      server,
      choice,
      agent: choice ? undefined : $("agents").value || undefined,
      transport: options.get("transport"),
      microphone: dummy ? false : typed ? "later" : true,
      direct: !choice && $("direct").checked && !$("direct-row").hidden,
      localHold: $("local-hold").checked,
      record: options.has("record"),
      ...wanted,
    });
    this.how = { dummy, choice };
    this.typed = typed;
    this.screen = screen;
    this.onOver = over;
    this.decisions = new Decisions(screen.lanes);
    this.messages = []; // all of them, if ?record
    this.events = []; // the model's own, if ?record
    this.problems = []; // of which the server has told
    this.sounded = 0; // how often the agent began to speak after thinking
    this.waits = new Waits(this);
    this.dummy = null;
    this.abort = new AbortController();
    this.listen();
  }

  listen() {
    const { lanes, transcript, policy } = this.screen;
    let before = this.state;
    const shown = {
      state: ({ state }) => {
        if (state === "speaking" && before === "thinking") this.sounded++;
        if (before === "waiting" && state === "off") caption("");
        before = state;
        if (state !== "off") show(state);
      },
      waiting: ({ ms }) => caption(`The next try comes in ${Math.ceil(ms / 1000)} s.`),
      welcome: (m) => {
        policy.take(m.policy);
        agentIs(m.agent);
        if (!m.resumed && this.beginning.tries) caption("");
      },
      way: (way) => wayIs(wayText(way)),
      words: (m) => transcript.words(m),
      sounding: ({ reply, ms }) => transcript.sounding(reply, ms),
      transcript: (m) => transcript.transcript(m),
      decision: (m) => this.decisions.take(m, this.localHold.stands),
      local_hold: ({ ms }) => this.decisions.hold(ms, "the page's own, before the server answered"),
      policy: (m) => policy.take(m.numbers),
      recording: ({ on }) => ($("recorded").hidden = !on),
      level: ({ side, level }) => {
        lanes.level(side, level);
        const halos = side === "you" ? ["listening", "barge_in"] : ["speaking"];
        if (halos.includes(this.state)) halo(level);
      },
      obstacle: ({ kind, line, only }) => obstacle(kind, line, only),
      typed: ({ on }) => hinder("typed", on),
      error: (error) => this.complain(error),
      message: (m) => options.has("record") && this.messages.push(m),
      model: (e) => options.has("record") && this.events.push(e),
      ended: () => {
        $("recorded").hidden = true;
        this.abort.abort();
        this.onOver(this);
      },
    };
    $("unrecorded").onclick = () => this.consent(false);
    for (const [type, listener] of Object.entries(shown)) this.on(type, listener);
    for (const type of ["state", "decision", "error", "ended"]) this.on(type, () => this.waits.check());
  }

  // What hinders the microphone stands on the page for as long as it lasts; what ends the call is said with its end.
  complain(error) {
    if (error.source === "server") this.problems.push(error);
    if (error.source === "server" || (!error.fatal && !/^(microphone_|insecure)/.test(error.code))) complain(error.message, error.advice);
  }

  // Resolves when it has begun, and the dummy caller, if there is one, speaks.
  async begin() {
    this.screen.transcript.clear();
    this.screen.lanes.clear();
    $("decisions").replaceChildren();
    const began = await this.start().catch(() => false); // said by the call's end
    if (began && this.how.dummy) this.play().catch((error) => this.over || (complain(error.message), this.stop()));
  }

  async play() {
    const hands = handsOf(this);
    const { faults } = this.screen;
    const own = { inject: (name) => faults.inject(name), title: (name) => faults.title(name) };
    this.dummy = this.how.dummy === true ? new DummyCall(hands) : new FaultyCall(hands, this.how.dummy, own);
    await this.dummy.run(this.abort.signal);
  }
}
