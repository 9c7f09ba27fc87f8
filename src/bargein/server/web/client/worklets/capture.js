// The microphone: to 16 kHz frames of 16 ms, and a watch on its level that may pause the playback by itself.
//
// The watch asks for less proof than the server's voice activity detection, and is allowed to be wrong: a hold costs
// nothing, and the server's verdict stands. It hears two blocks of about 5 ms in a row that are clearly louder than
// the room, and louder than what the loudspeaker's own sound has been seen to put into this microphone.

import { mulaw } from "./mulaw.js";
import { MIC_RATE, OUT, Recorder, peak, rms, shared } from "./shared.js";
import { interpolate, sincTable } from "./sinc.js";

const FRAME = 256; // 16 ms: two make just one window of the server's VAD, so no sample waits for a frame to fill
const RING = 1 << 14;
const BEHIND = 128; // frames: the loudspeaker's processor may run after this one, so its newest quantum is the last one
const AUDIBLE = 2e-4; // of the loudspeaker: less is silence, and is not sent
const BLOCK_S = 0.005;
const BLOCKS = 2;
const FLOOR_DB = 12; // above the room
const LEAST = 10 ** (-48 / 20);
const LEARN_S = 0.6; // of playing, before loudness is trusted: the echo is not known before
const ECHO_RISE = 1.01; // per block
const ECHO_FADE = 0.9995; // per block: what was learnt of the echo fades in some seconds

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.step = sampleRate / MIC_RATE;
    this.table = sincTable(Math.min(1, MIC_RATE / sampleRate) * 0.92);
    this.ring = new Float32Array(RING);
    this.played = new Float32Array(RING); // by the loudspeaker, at the same places
    this.loudUntil = 0; // place after its newest audible sample
    this.written = 0;
    this.at = 0;
    this.sample = 0;
    this.frame = new Int16Array(FRAME);
    this.codes = new Uint8Array(FRAME);
    this.filled = 0;
    this.sending = false;
    this.room = 0.002;
    this.echo = 0; // microphone level per playback level
    this.learnt = 0;
    this.margin = 2;
    this.loud = 0;
    this.since = 0;
    this.blockSum = 0;
    this.blockCount = 0;
    this.meterPeak = 0;
    this.recorder = new Recorder();
    this.port.onmessage = (e) => {
      const m = e.data;
      if (m.type === "start") {
        this.sending = true;
        this.sample = this.filled = 0;
        this.at = this.written;
      } else if (m.type === "stop") this.sending = false;
      else if (m.type === "refuted") this.margin = Math.min(16, this.margin * 1.5);
      else if (m.type === "confirmed") this.margin = Math.max(2, this.margin / 1.25);
      else if (m.type === "dump") {
        const { frames, peaks, events } = this.recorder;
        this.port.postMessage({ type: "dump", frames, peaks, events, sampleRate });
      }
    };
  }

  process(inputs) {
    const input = inputs[0];
    const block = input.length ? input[0] : new Float32Array(128);
    if (input.length > 1) {
      for (let i = 0; i < block.length; i++) block[i] = (block[i] + input[1][i]) / 2;
    }
    this.watch(block);
    if (shared.recording) this.recorder.block(currentFrame, peak(block));
    for (let i = 0; i < block.length; i++) {
      const played = shared.out[(currentFrame - BEHIND + i) & OUT];
      this.ring[(this.written + i) & (RING - 1)] = block[i];
      this.played[(this.written + i) & (RING - 1)] = played;
      if (Math.abs(played) > AUDIBLE) this.loudUntil = this.written + i + 1;
    }
    this.written += block.length;
    // Eight samples of the future are needed for the filter, under 0.2 ms.
    while (this.at + 8 < this.written) {
      const value = interpolate(this.ring, RING - 1, this.at, this.table);
      const sounds = this.loudUntil > this.at - 8;
      const played = sounds && this.sending ? interpolate(this.played, RING - 1, this.at, this.table) : 0;
      this.at += this.step;
      if (!this.sending) continue;
      this.sounded ||= sounds;
      this.codes[this.filled] = mulaw(played);
      this.frame[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(value * 32767)));
      if (this.filled === FRAME) this.send();
    }
    return true;
  }

  send() {
    const pcm = this.frame.slice();
    const loudspeaker = this.sounded ? this.codes.slice().buffer : null;
    const message = { type: "audio", sample: this.sample, pcm: pcm.buffer, loudspeaker, level: this.meterPeak, frame: currentFrame };
    this.port.postMessage(message, loudspeaker ? [pcm.buffer, loudspeaker] : [pcm.buffer]);
    this.sounded = false;
    this.sample += FRAME;
    this.filled = 0;
    this.meterPeak = 0;
  }

  watch(block) {
    const level = rms(block);
    this.meterPeak = Math.max(this.meterPeak, level);
    this.blockSum += level * level * block.length;
    this.blockCount += block.length;
    if (this.blockCount < BLOCK_S * sampleRate) return;
    const now = Math.sqrt(this.blockSum / this.blockCount);
    const seconds = this.blockCount / sampleRate;
    this.blockSum = this.blockCount = 0;
    const echo = this.echo * shared.outLevel * this.margin;
    const threshold = Math.max(LEAST, this.room * 10 ** (FLOOR_DB / 20), echo);
    if (now > threshold) {
      if (this.loud === 0) this.since = currentFrame;
      this.loud++;
    } else {
      this.loud = 0;
      this.room = now < this.room ? now * 0.2 + this.room * 0.8 : this.room * 1.002;
      this.room = Math.max(this.room, 1e-4);
    }
    if (shared.playing && !shared.paused) {
      this.learnt += seconds;
      // Only from what was not loud enough to be the user: speech must not teach us that it is echo.
      if (shared.outLevel > 0.01 && (this.learnt < LEARN_S || now <= threshold)) {
        // Later it may only creep up: the soft beginning of a word must not pass for echo and hide the rest of it.
        const most = this.learnt < LEARN_S ? Infinity : this.echo * ECHO_RISE;
        this.echo = Math.max(this.echo * ECHO_FADE, Math.min(most, now / shared.outLevel));
      }
    }
    const armed = shared.localHold && shared.playing && !shared.paused && shared.interruptible && this.learnt > LEARN_S;
    if (armed && this.loud === BLOCKS) {
      shared.wantPause = { frame: this.since, level: now };
      if (shared.recording) this.recorder.event(currentFrame, "onset", { since: this.since, level: now });
    }
  }
}

registerProcessor("bargein-capture", Capture);
