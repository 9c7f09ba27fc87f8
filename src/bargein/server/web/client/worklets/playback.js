// The loudspeaker of a call whose sound comes through our server. Every sample is consumed exactly once.

import { Loudspeaker } from "./loudspeaker.js";
import { AGENT_RATE } from "./shared.js";
import { TAPS, interpolate, sincTable } from "./sinc.js";

const RING = 1 << 18; // 10.9 s at 24 kHz

class Playback extends Loudspeaker {
  constructor() {
    super();
    this.step = AGENT_RATE / sampleRate;
    this.table = sincTable(Math.min(1, 1 / this.step) * 0.96);
    this.ring = new Float32Array(RING);
    this.waiting = []; // audio of the next reply, while this one still plays
    this.begin(0);
  }

  begin(reply) {
    this.written = 0; // samples that have come
    this.at = 0; // read position, in samples of the reply
    this.ended = false; // the last sample has come
    this.ring.fill(0);
    this.rest(reply);
  }

  get consumed() {
    return Math.min(this.written, Math.floor(this.at));
  }

  get busy() {
    return this.reply > 0 && !(this.ended && this.at >= this.written) && this.written > 0;
  }

  get over() {
    return this.ended && this.at >= this.written;
  }

  other(m) {
    if (m.type === "audio") this.audio(m);
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

  after() {
    this.waiting = this.waiting.filter((m) => m.reply > this.cutBelow);
    if (this.waiting.length && !this.busy) {
      const line = this.waiting;
      this.waiting = [];
      line.forEach((m) => this.audio(m));
    }
  }

  finished(reply) {
    this.cutBelow = Math.max(this.cutBelow, reply);
    this.after();
  }

  fill(out, slope) {
    let moved = false;
    for (let i = 0; i < out.length; i++) {
      if (this.at >= this.written) break; // an underrun waits for the sample, it does not skip it
      this.gain += slope;
      out[i] = interpolate(this.ring, RING - 1, this.at, this.table) * this.gain;
      this.at += this.step;
      moved = true;
    }
    return moved;
  }
}

registerProcessor("bargein-playback", Playback);
