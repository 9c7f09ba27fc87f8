// From the decoder's 48 kHz to the protocol's 24 kHz: a windowed sinc, which keeps its state from frame to frame.

const TAPS = 15; // on each side of the middle
const EDGE = 0.94; // of the lower Nyquist frequency

const filter = new Float32Array(2 * TAPS + 1);
for (let i = -TAPS; i <= TAPS; i++) {
  const x = (Math.PI * i * EDGE) / 2;
  filter[i + TAPS] = (i ? Math.sin(x) / x : 1) * (0.5 + 0.5 * Math.cos((Math.PI * i) / (TAPS + 1)));
}
const sum = filter.reduce((a, b) => a + b, 0);
filter.forEach((value, i) => (filter[i] = value / sum));

export class Half {
  constructor() {
    this.before = new Float32Array(2 * TAPS);
  }

  // n samples in, n / 2 out, late by TAPS samples of 48 kHz (0.3 ms), which no position needs to know of.
  take(samples) {
    const line = new Float32Array(this.before.length + samples.length);
    line.set(this.before);
    line.set(samples, this.before.length);
    this.before = line.slice(line.length - 2 * TAPS);
    const out = new Float32Array(samples.length / 2);
    for (let i = 0; i < out.length; i++) {
      let value = 0;
      for (let k = 0; k < filter.length; k++) value += filter[k] * line[2 * i + k];
      out[i] = value;
    }
    return out;
  }
}
