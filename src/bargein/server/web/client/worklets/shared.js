// One AudioContext has one AudioWorkletGlobalScope, so both processors see this very object: the microphone's level
// watch can pause the playback in the same render quantum, with no message in between.

export const shared = (globalThis.bargeinShared ??= {
  playing: false, // a reply sounds
  interruptible: false,
  paused: false,
  localHold: true, // the user's setting
  wantPause: null, // set by capture: { frame, level }
  outLevel: 0, // recent loudness of what we play, held for 300 ms: the loudspeaker and the room answer late
  recording: false,
  out: new Float32Array(1 << 14), // what the loudspeaker played, by the context's frames: a ring
});
export const OUT = shared.out.length - 1;

export const AGENT_RATE = 24000;
export const MIC_RATE = 16000;

export function rms(block) {
  let sum = 0;
  for (let i = 0; i < block.length; i++) sum += block[i] * block[i];
  return Math.sqrt(sum / block.length);
}

export function peak(block) {
  let most = 0;
  for (let i = 0; i < block.length; i++) most = Math.max(most, Math.abs(block[i]));
  return most;
}

// Blocks' peaks on the context's own clock, for tests and benchmarks: [frame, peak] in two columns.
export class Recorder {
  constructor() {
    this.frames = [];
    this.peaks = [];
    this.events = [];
  }
  block(frame, value) {
    if (this.frames.length < 200000) {
      this.frames.push(frame);
      this.peaks.push(value);
    }
  }
  event(frame, kind, facts) {
    this.events.push({ frame, kind, ...facts });
  }
}
