// Where the vendors are simulated: their faults as buttons, and a dummy call that meets every one of them.

import { server } from "./here.js";

const LINE_MS = 20000; // for an answer, or the reason why there is none
const READY_MS = 20000;

// The section of buttons. ask(path, body): fetches, with the token if there is one; watch(): starts the faulty dummy call.
export class FaultPanel {
  constructor({ section, ask, watch }) {
    this.section = section;
    this.ask = ask;
    this.faults = [];
    this.next = section.querySelector("#fault-next");
    section.querySelector("#watch-faults").onclick = watch;
  }

  // Shows itself where there are faults to be had.
  async open() {
    const { faults } = await this.ask("simulate");
    this.faults = faults;
    const parts = [...new Set(faults.map((fault) => fault.part))];
    this.section.querySelector("#faults-by-part").replaceChildren(...parts.map((part) => this.group(part)));
    this.section.hidden = faults.length === 0;
  }

  group(part) {
    const title = document.createElement("h3");
    title.textContent = part;
    const list = document.createElement("div");
    list.className = "faults";
    for (const fault of this.faults.filter((f) => f.part === part)) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "quiet";
      button.dataset.fault = fault.name;
      button.textContent = fault.title;
      button.onclick = () => this.inject(fault.name);
      list.append(button);
    }
    const group = document.createElement("div");
    group.append(title, list);
    return group;
  }

  async inject(name) {
    try {
      const { injected } = await this.ask("simulate/faults", { name });
      this.next.textContent = `Next: ${injected.toLowerCase()}.`;
      return true;
    } catch (error) {
      this.next.textContent = `${error.message} ${error.advice ?? ""}`;
      return false;
    }
  }

  title(name) {
    return this.faults.find((fault) => fault.name === name)?.title ?? name;
  }
}

export class FaultyCall {
  // call: as for DummyCall, and sounded() and problems(): how often the agent began to sound, what it complained of;
  // names: of the faults, in their order; inject(name), title(name): of the panel.
  constructor(call, names, { inject, title }) {
    this.call = call;
    this.names = names;
    this.inject = inject;
    this.title = title;
    this.progress = { step: -1, results: [], done: false };
  }

  async load() {
    const line = async (name) => {
      const data = await (await server.request(`web/caller/${name}.wav`)).arrayBuffer();
      return this.call.sound.context.decodeAudioData(data);
    };
    [this.story, this.where] = await Promise.all([line("story"), line("where")]);
  }

  async run(signal) {
    await this.load();
    for (const [i, name] of this.names.entries()) {
      this.progress.step = i;
      const title = this.title(name);
      await this.call.when((s) => ["speaking", "idle"].includes(s.state), READY_MS);
      if (signal.aborted) return;
      await this.inject(name);
      this.call.caption(`${title}. The caller asks for a story.`);
      const first = await this.say(this.story);
      if (signal.aborted) return;
      this.call.caption(`${title}. Then the caller asks where it stopped: the call must go on.`);
      await this.call.when((s) => ["speaking", "idle"].includes(s.state), READY_MS);
      const after = await this.say(this.where);
      if (signal.aborted) return;
      this.progress.results.push({ fault: name, expect: "recovered", verdict: first.verdict, why: first.why, after: after.verdict });
    }
    const stuck = this.progress.results.filter((r) => r.verdict === "stuck" || r.after === "stuck");
    this.progress.done = true;
    this.call.caption(
      stuck.length ? `Stuck after: ${stuck.map((r) => this.title(r.fault)).join(", ")}.` : "Every fault was met, and the call went on each time.",
    );
    this.call.hangUp();
  }

  // Says a line; what came of it: the agent sounded again, or the page was told why not, or neither.
  async say(line) {
    const sounded = this.call.sounded();
    const problems = this.call.problems().length;
    await this.call.sound.line(line);
    await this.call.when(() => this.call.sounded() > sounded, LINE_MS);
    const told = this.call.problems().slice(problems);
    const verdict = this.call.sounded() > sounded ? "answered" : told.length ? "told" : "stuck";
    return { verdict, why: told.map((problem) => `${problem.code}: ${problem.message}`).join("; ") };
  }
}
