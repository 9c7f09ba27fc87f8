// What every loudspeaker of the page shares: it pauses in place, goes on from the same sample, or empties, each within
// one render quantum, and tells where it is.
//
// A pause fades over the quantum that it comes in, a resume over its first: those samples sound softer, but they are
// neither lost nor repeated, and they count as played.

import { OUT, Recorder, peak, rms, shared } from "./shared.js";

const REPORT_S = 0.1;
const METER_S = 0.02;
const LEVEL_HOLD_S = 0.3;

// Who inherits it gives: consumed (samples of the reply at 24 kHz), busy (there is more of it), fill(out, slope) (whether
// any sample moved), over (the reply is heard to its end), begin(reply), after() (the reply has ended), other(message).
export class Loudspeaker extends AudioWorkletProcessor {
  constructor() {
    super();
    this.cutBelow = 0; // replies up to this one were cut: whatever of them still comes is dropped
    this.recorder = new Recorder();
    this.nextReport = this.nextMeter = 0;
    this.levels = [];
    this.meterSum = 0;
    this.gain = 0;
    this.early = 0; // a reply that is held, and of which no audio has come yet
    this.interruptible = new Map();
    this.last = { reply: 0, played: 0 }; // the newest reply that is over
    this.drained = false; // `played` has told that all audio which came has sounded
    this.port.onmessage = (e) => this.take(e.data);
  }

  rest(reply) {
    this.reply = reply;
    shared.paused = reply > 0 && reply === this.early;
    if (reply >= this.early) this.early = 0;
    shared.wantPause = null;
    this.gain = shared.paused ? 0 : 1; // a reply's own beginning is not faded
  }

  take(m) {
    if (m.type === "hold") this.pause(m.reply, "hold");
    else if (m.type === "resume") this.resume(m.reply);
    else if (m.type === "cut") this.cut(m.reply);
    else if (m.type === "reply") this.interruptible.set(m.reply, m.interruptible);
    else if (m.type === "localHold") shared.localHold = m.on;
    else if (m.type === "record") shared.recording = m.on;
    else if (m.type === "dump") {
      const { frames, peaks, events } = this.recorder;
      this.port.postMessage({ type: "dump", frames, peaks, events, sampleRate });
    } else this.other(m);
  }

  pause(reply, kind) {
    if (reply > Math.max(this.reply, this.last.reply, this.cutBelow)) {
      this.early = reply; // its hold overtook its audio
      this.port.postMessage({ type: "held", reply, played: 0, playing: false, frame: currentFrame });
      return;
    }
    if (reply !== this.reply || shared.paused) {
      if (reply === this.reply) this.tell("held");
      return;
    }
    shared.paused = true;
    this.mark(kind);
    this.tellHeld = true; // told when the quantum that fades has been rendered
  }

  resume(reply) {
    if (reply === this.early) this.early = 0;
    if (reply !== this.reply || !shared.paused) return;
    shared.paused = false;
    this.mark("resume");
  }

  cut(reply) {
    this.cutBelow = Math.max(this.cutBelow, reply);
    if (reply >= this.reply) {
      this.mark("flush");
      const played = reply === this.reply ? this.consumed : reply === this.last.reply ? this.last.played : 0;
      // What was handed down already cannot be recalled: it has been consumed, so it counts as heard.
      this.port.postMessage({ type: "flushed", reply, played, frame: currentFrame });
      this.last = { reply, played };
      if (reply === this.reply) this.begin(0);
      this.gain = 0;
    }
    this.after();
  }

  tell(type) {
    this.port.postMessage({ type, reply: this.reply, played: this.consumed, playing: shared.playing, frame: currentFrame });
  }

  mark(kind, facts) {
    if (shared.recording) this.recorder.event(currentFrame, kind, { reply: this.reply, played: this.consumed, ...facts });
  }

  process(inputs, outputs) {
    const out = outputs[0][0];
    shared.interruptible = this.interruptible.get(this.reply) ?? false;
    if (shared.wantPause) {
      const want = shared.wantPause;
      shared.wantPause = null;
      if (shared.playing && !shared.paused && this.reply) {
        this.pause(this.reply, "localHold");
        this.port.postMessage({ type: "localHold", reply: this.reply, played: this.consumed, frame: want.frame, level: want.level, now: currentFrame });
      }
    }
    this.listen?.(inputs);
    const sounding = this.reply > 0 && !shared.paused;
    const target = sounding ? 1 : 0;
    const moved = this.reply > 0 && (sounding || this.gain > 0) && this.fill(out, (target - this.gain) / out.length);
    this.gain = target;
    for (let c = 1; c < outputs[0].length; c++) outputs[0][c].set(out);
    shared.playing = moved || (shared.paused && this.busy);
    if (this.tellHeld) {
      this.tellHeld = false;
      this.tell("held");
    }
    for (let i = 0; i < out.length; i++) shared.out[(currentFrame + i) & OUT] = out[i];
    this.meter(out);
    if (shared.recording) this.recorder.block(currentFrame, peak(out));
    if (this.reply > 0 && this.over && !shared.paused) {
      this.tell("finished");
      this.mark("finished");
      const done = this.reply;
      this.last = { reply: done, played: this.consumed };
      this.begin(0);
      this.finished(done);
    } else if (this.reply > 0 && currentTime >= this.nextReport && (moved || (!this.drained && !shared.paused))) {
      this.nextReport = currentTime + REPORT_S;
      this.tell("played");
      this.drained = !moved;
    }
    if (moved) this.drained = false;
    return true;
  }

  meter(out) {
    const level = rms(out);
    this.levels.push({ at: currentTime, level });
    while (this.levels.length && this.levels[0].at < currentTime - LEVEL_HOLD_S) this.levels.shift();
    shared.outLevel = this.levels.reduce((most, l) => Math.max(most, l.level), 0);
    this.meterSum = Math.max(this.meterSum, level);
    if (currentTime >= this.nextMeter) {
      this.port.postMessage({ type: "meter", level: this.meterSum, reply: this.reply, played: this.consumed, frame: currentFrame });
      this.nextMeter = currentTime + METER_S;
      this.meterSum = 0;
    }
  }
}
