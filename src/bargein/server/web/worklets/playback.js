// The agent's loudspeaker. Pauses in place, goes on from the same sample, or empties, each within one render quantum.
//
// Every sample is consumed exactly once. A pause fades over the quantum that it comes in, a resume over its first:
// those samples sound softer, but they are neither lost nor repeated, and they count as played.

import { AGENT_RATE, Recorder, peak, rms, shared } from "./shared.js";
import { TAPS, interpolate, sincTable } from "./sinc.js";

const RING = 1 << 18; // 10.9 s at 24 kHz
const REPORT_S = 0.1;
const METER_S = 0.02;
const LEVEL_HOLD_S = 0.3;

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    this.step = AGENT_RATE / sampleRate;
    this.table = sincTable(Math.min(1, 1 / this.step) * 0.96);
    this.ring = new Float32Array(RING);
    this.waiting = []; // audio of the next reply, while this one still plays
    this.cutBelow = 0; // replies up to this one were cut: whatever of them still comes is dropped
    this.recorder = new Recorder();
    this.nextReport = this.nextMeter = 0;
    this.levels = [];
    this.meterSum = 0;
    this.meterCount = 0;
    this.gain = 0;
    this.begin(0);
    this.interruptible = new Map();
    this.port.onmessage = (e) => this.take(e.data);
  }

  begin(reply) {
    this.reply = reply;
    this.written = 0; // samples that have come
    this.at = 0; // read position, in samples of the reply
    this.ended = false; // the last sample has come
    this.ring.fill(0);
    shared.paused = false;
    shared.wantPause = null;
    this.gain = 1; // a reply's own beginning is not faded
  }

  get consumed() {
    return Math.min(this.written, Math.floor(this.at));
  }

  take(m) {
    if (m.type === "audio") this.audio(m);
    else if (m.type === "hold") this.pause(m.reply, "hold");
    else if (m.type === "resume") this.resume(m.reply);
    else if (m.type === "cut") this.cut(m.reply);
    else if (m.type === "reply") this.interruptible.set(m.reply, m.interruptible);
    else if (m.type === "localHold") shared.localHold = m.on;
    else if (m.type === "record") shared.recording = m.on;
    else if (m.type === "dump") {
      const { frames, peaks, events } = this.recorder;
      this.port.postMessage({ type: "dump", frames, peaks, events, sampleRate });
    }
  }

  audio(m) {
    if (m.reply <= this.cutBelow) return; // late audio of a reply that was cut
    if (m.reply < this.reply) return;
    if (m.reply > this.reply) {
      if (this.busy) {
        this.waiting.push(m);
        return;
      }
      this.begin(m.reply);
    }
    const pcm = new Int16Array(m.pcm);
    if (m.sample > this.written) this.written = m.sample; // a hole in the wire is silence, not a shift
    if (this.written + pcm.length - this.at > RING - 2 * TAPS) {
      this.port.postMessage({ type: "overflow", reply: m.reply });
      return;
    }
    for (let i = 0; i < pcm.length; i++) this.ring[(m.sample + i) & (RING - 1)] = pcm[i] / 32768;
    this.written = Math.max(this.written, m.sample + pcm.length);
    // Behind the newest sample the ring holds silence, so that interpolation never reads an older lap.
    for (let i = 0; i < TAPS; i++) this.ring[(this.written + i) & (RING - 1)] = 0;
    if (m.last) this.ended = true;
  }

  get busy() {
    return this.reply > 0 && !(this.ended && this.at >= this.written) && this.written > 0;
  }

  pause(reply, kind) {
    if (reply !== this.reply || shared.paused) {
      if (reply === this.reply) this.tell("held");
      return;
    }
    shared.paused = true;
    this.mark(kind);
    this.tellHeld = true; // told when the quantum that fades has been rendered
  }

  resume(reply) {
    if (reply !== this.reply || !shared.paused) return;
    shared.paused = false;
    this.mark("resume");
  }

  cut(reply) {
    this.cutBelow = Math.max(this.cutBelow, reply);
    this.waiting = this.waiting.filter((m) => m.reply > this.cutBelow);
    if (reply >= this.reply) {
      this.mark("flush");
      const played = reply === this.reply ? this.consumed : 0;
      // What was handed down already cannot be recalled: it has been consumed, so it counts as heard.
      this.port.postMessage({ type: "flushed", reply, played, frame: currentFrame });
      if (reply === this.reply) this.begin(0);
      this.gain = 0;
    }
    this.next();
  }

  next() {
    if (this.waiting.length && !this.busy) {
      const line = this.waiting;
      this.waiting = [];
      line.forEach((m) => this.audio(m));
    }
  }

  tell(type) {
    this.port.postMessage({ type, reply: this.reply, played: this.consumed, playing: shared.playing, frame: currentFrame });
  }

  mark(kind, facts) {
    if (shared.recording) this.recorder.event(currentFrame, kind, { reply: this.reply, played: this.consumed, ...facts });
  }

  process(_, outputs) {
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
    const sounding = this.reply > 0 && !shared.paused;
    const target = sounding ? 1 : 0;
    const slope = (target - this.gain) / out.length;
    let moved = false;
    if (this.reply > 0 && (sounding || this.gain > 0)) {
      for (let i = 0; i < out.length; i++) {
        if (this.at >= this.written) break; // an underrun waits for the sample, it does not skip it
        this.gain += slope;
        out[i] = interpolate(this.ring, RING - 1, this.at, this.table) * this.gain;
        this.at += this.step;
        moved = true;
      }
    }
    this.gain = target;
    for (let c = 1; c < outputs[0].length; c++) outputs[0][c].set(out);
    shared.playing = moved || (shared.paused && this.busy);
    if (this.tellHeld) {
      this.tellHeld = false;
      this.tell("held");
    }
    this.meter(out);
    if (shared.recording) this.recorder.block(currentFrame, peak(out));
    if (this.reply > 0 && this.ended && this.at >= this.written && !shared.paused) {
      this.tell("finished");
      this.mark("finished");
      const done = this.reply;
      this.begin(0);
      this.cutBelow = Math.max(this.cutBelow, done);
      this.next();
    } else if (this.reply > 0 && currentTime >= this.nextReport && moved) {
      this.nextReport = currentTime + REPORT_S;
      this.tell("played");
    }
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

registerProcessor("bargein-playback", Playback);
