// What is heard in place of lost packets: the last frame mirrored and faded, then silence. What follows a silence fades in.

const FADE = 480; // samples: 20 ms
const RISE = 72; // 3 ms

export class Conceal {
  constructor() {
    this.last = new Float32Array(FADE);
    this.gone = 0; // samples of its mirror that were heard
  }

  heard(pcm) {
    if (this.gone) {
      // From what was given in place of the lost ones, in a short cross-fade.
      const tail = this.mirror(Math.min(RISE, pcm.length));
      for (let i = 0; i < tail.length; i++) pcm[i] = (pcm[i] * (i + 1)) / tail.length + tail[i] * (1 - (i + 1) / tail.length);
    }
    this.gone = 0;
    this.last = pcm.length ? pcm.slice(-FADE) : this.last;
    return pcm;
  }

  lost(samples) {
    return this.mirror(samples);
  }

  mirror(samples) {
    const out = new Float32Array(samples);
    const { length } = this.last;
    for (let i = 0; i < samples && this.gone + i < length; i++) {
      out[i] = this.last[length - 1 - this.gone - i] * (1 - (this.gone + i) / length);
    }
    this.gone += samples;
    return out;
  }
}
