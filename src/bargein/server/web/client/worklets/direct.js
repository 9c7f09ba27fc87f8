// The loudspeaker of a call whose sound comes from the model itself, as a WebRTC track: a stream that cannot be stopped at
// its source, only here. So it is kept: while it is held, what comes in waits, and after a resume it is heard from the
// sample where it stopped, later by as much as the hold lasted. After a cut it is dropped.
//
// Where a reply begins and ends in the stream, the data channel tells (`started`, `stopped`), but not to the sample: it
// begins with the first sound after that, or just before it, and has ended when it has been silent for a while.

import { Loudspeaker } from "./loudspeaker.js";
import { AGENT_RATE } from "./shared.js";

const RING = 1 << 22; // 87 s at 48 kHz: a long reply, and a hold in it
const AUDIBLE = 1e-3; // a codec's silence is softer
const BACK_S = 0.15; // so much sooner than its `started` a reply's sound may have come
const TAIL_S = 0.3; // the receiver's own buffer still holds so much when `stopped` comes

class Direct extends Loudspeaker {
  constructor() {
    super();
    this.ring = new Float32Array(RING);
    this.written = 0; // samples that have come, ever
    this.lastLoud = 0;
    this.cutAt = 0; // what came before this belongs to a reply that is over
    this.expected = 0; // the reply that our server announced, and whose sound has not begun
    this.open = false; // the model sends sound
    this.was = this.played = 0; // of the reply, before the stretch that sounds: there may be a pause for a tool in between
    this.begin(0);
  }

  begin(reply) {
    this.from = this.at = this.written;
    this.stopped = null;
    if (!reply) this.cutAt = this.written;
    this.rest(reply);
  }

  get consumed() {
    return Math.round(((this.played + this.at - this.from) * AGENT_RATE) / sampleRate);
  }

  get busy() {
    return this.reply > 0 && !this.over;
  }

  get over() {
    const silent = this.stopped !== null && this.written - Math.max(this.lastLoud, this.stopped) > TAIL_S * sampleRate;
    return silent && this.at >= this.lastLoud;
  }

  other(m) {
    if (m.type === "expect") {
      this.expected = m.reply;
      this.played = 0;
    } else if (m.type === "started") {
      this.open = true;
      this.stopped = null;
      this.openedAt = Math.max(this.cutAt, this.written - BACK_S * sampleRate);
    } else if (m.type === "stopped") {
      this.open = false;
      if (this.reply) this.stopped = this.written;
    }
  }

  cut(reply) {
    super.cut(reply);
    this.cutAt = this.written;
    this.open = false; // until the next response is announced: what still comes is the old one's
    this.played = 0;
  }

  after() {}

  // A reply may go on after a tool: the same one is expected again.
  finished(reply) {
    this.expected = reply;
    this.played = this.was;
  }

  listen(inputs) {
    const block = inputs[0]?.[0];
    const size = block ? block.length : 128;
    for (let i = 0; i < size; i++) {
      const value = block ? block[i] : 0;
      this.ring[(this.written + i) & (RING - 1)] = value;
      if (Math.abs(value) > AUDIBLE) this.lastLoud = this.written + i + 1;
    }
    this.written += size;
    if (!this.reply && this.open && this.expected > this.cutBelow && this.lastLoud > this.openedAt) this.start();
    if (this.written - this.at > RING - 256) this.at = this.written; // held for longer than anybody would
  }

  start() {
    let at = Math.max(this.openedAt, this.cutAt, this.written - RING + 256);
    while (at < this.written && Math.abs(this.ring[at & (RING - 1)]) <= AUDIBLE) at++;
    const played = this.played;
    this.begin(this.expected);
    this.from = this.at = at;
    this.played = played;
  }

  fill(out, slope) {
    for (let i = 0; i < out.length; i++) {
      this.gain += slope;
      out[i] = this.at < this.written ? this.ring[this.at & (RING - 1)] * this.gain : 0;
      if (this.at < this.written) this.at++;
    }
    this.was = this.played + this.at - this.from;
    return true;
  }
}

registerProcessor("bargein-direct", Direct);
