// What an operator hears of a call: two sides, as they come, a little late so that a slow network makes no holes.

const LEAST_S = 0.25; // that waits before anything sounds
const MOST_S = 2; // that waits at most: beyond, the oldest goes

class Listening extends AudioWorkletProcessor {
  constructor() {
    super();
    this.blocks = []; // pairs of Float32Array, left and right
    this.at = this.waiting = 0;
    this.sounds = false;
    this.port.onmessage = ({ data }) => this.take(data);
  }

  take({ left, right }) {
    this.blocks.push([left, right]);
    this.waiting += left.length;
    while (this.waiting > MOST_S * sampleRate && this.blocks.length > 1) this.next();
  }

  next() {
    this.waiting -= this.blocks.shift()[0].length - this.at;
    this.at = 0;
  }

  process(_, [out]) {
    this.sounds = this.waiting >= (this.sounds ? 1 : LEAST_S * sampleRate);
    for (let done = 0; this.sounds && done < out[0].length && this.blocks.length; ) {
      const [left, right] = this.blocks[0];
      const n = Math.min(out[0].length - done, left.length - this.at);
      out[0].set(left.subarray(this.at, this.at + n), done);
      out[1].set(right.subarray(this.at, this.at + n), done);
      done += n;
      this.at += n;
      this.waiting -= n;
      if (this.at === left.length) {
        this.blocks.shift();
        this.at = 0;
      }
    }
    return true;
  }
}

registerProcessor("listening", Listening);
