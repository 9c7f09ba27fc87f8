// A windowed sinc, tabulated: what both processors resample with. Delay: TAPS / 2 samples of the source.

export const TAPS = 16;
const PHASES = 256;

// cutoff: as a share of the source's own Nyquist frequency (1, or less where the target's is lower).
export function sincTable(cutoff) {
  const table = new Float32Array((PHASES + 1) * TAPS);
  for (let phase = 0; phase <= PHASES; phase++) {
    let sum = 0;
    for (let k = 0; k < TAPS; k++) {
      const t = k - TAPS / 2 + 1 - phase / PHASES;
      const x = Math.PI * t * cutoff;
      const window = 0.5 + 0.5 * Math.cos((Math.PI * t) / (TAPS / 2));
      const value = (Math.abs(x) < 1e-9 ? 1 : Math.sin(x) / x) * Math.max(0, window);
      table[phase * TAPS + k] = value;
      sum += value;
    }
    for (let k = 0; k < TAPS; k++) table[phase * TAPS + k] /= sum;
  }
  return table;
}

// The value of `ring` (length a power of two) at the fractional absolute position `at`.
export function interpolate(ring, mask, at, table) {
  const base = Math.floor(at);
  const row = Math.round((at - base) * PHASES) * TAPS;
  let value = 0;
  for (let k = 0; k < TAPS; k++) value += ring[(base - TAPS / 2 + 1 + k) & mask] * table[row + k];
  return value;
}
