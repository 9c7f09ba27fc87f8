// G.711 mu-law: one byte for a sample. What the loudspeaker plays goes to the server in it, to tell its echo from the user.

const BIAS = 0x84;
const MOST = 32635;

export function mulaw(value) {
  let sample = Math.max(-MOST, Math.min(MOST, Math.round(value * 32767)));
  const sign = sample < 0 ? 0x80 : 0;
  sample = Math.abs(sample) + BIAS;
  const exponent = 24 - Math.clz32(sample); // of the highest bit, from 7 on
  return ~(sign | (exponent << 4) | ((sample >> (exponent + 3)) & 0x0f)) & 0xff;
}
