// The dummy call: a scripted caller, heard aloud, that coughs, hums, laughs and interrupts, so that all verdicts can be watched.

import { server } from "./here.js";
import { caption } from "./screen.js";

const SCRIPT = [
  { say: "story", caption: "The caller asks for a story, over the greeting.", after: 2500, expect: "cut" },
  { say: "cough", caption: "A cough. The agent may pause, and must go on.", after: 3500, expect: "resume" },
  { say: "mmhmm", caption: "“Mm-hmm”: listening, not interrupting. It must go on.", after: 3000, expect: "resume" },
  { say: "laugh", caption: "A laugh. It sounds like speech, and holds no words: it must go on.", after: 2500, expect: "resume" },
  { say: "stop", caption: "“Wait, stop!” It must be silent before the word is over, and stay so.", after: 3000, expect: "cut" },
  { say: "where", caption: "“Where did you stop?” It knows the very word.", after: 1500, expect: "answer" },
];

export class DummyCall {
  // call: { sound, when(test), lastVerdict(), caption(text), hangUp() }
  constructor(call) {
    this.call = call;
    this.progress = { step: -1, results: [], done: false };
  }

  async load() {
    const names = SCRIPT.map((s) => s.say);
    this.lines = Object.fromEntries(
      await Promise.all(
        names.map(async (name) => {
          const data = await (await server.request(`web/caller/${name}.wav`)).arrayBuffer();
          return [name, await this.call.sound.context.decodeAudioData(data)];
        }),
      ),
    );
  }

  async run(signal) {
    await this.load();
    const wait = (ms) => new Promise((r) => setTimeout(r, ms));
    for (const [i, step] of SCRIPT.entries()) {
      this.progress.step = i;
      await this.call.when((s) => s.state === "speaking" || (step.expect === "answer" && s.state === "idle"), 15000);
      await wait(step.after);
      if (signal.aborted) return;
      const before = this.call.verdicts().length;
      this.call.caption(step.caption);
      await this.call.sound.line(this.lines[step.say]);
      await this.call.when(() => this.call.verdicts().length > before, step.expect === "answer" ? 5000 : 2500);
      if (signal.aborted) return;
      const verdict = this.call.verdicts()[before];
      this.progress.results.push({ say: step.say, expect: step.expect, verdict: verdict?.kind ?? "none", why: verdict?.why ?? "" });
      this.call.caption(`${step.caption} → ${verdict ? verdict.text : "it did not even pause."}`);
    }
    await this.call.when((s) => s.state === "speaking", 8000);
    await this.call.when((s) => s.state === "idle", 20000);
    this.progress.done = true;
    this.call.caption("That was all of it. Now call, and try it yourself.");
    this.call.hangUp();
  }
}

// What a dummy caller may do with a call.
export const handsOf = (call) => ({
  sound: call.sound,
  when: (test, ms) => call.waits.until(test, ms),
  verdicts: () => call.decisions.verdicts,
  caption: (text) => call.over || caption(text),
  hangUp: () => call.stop(),
  sounded: () => call.sounded,
  problems: () => call.problems,
});
