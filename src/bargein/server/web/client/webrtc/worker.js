// The agent's sound over WebRTC, from the packet to the samples: an encoded transform gives the packets as they come from the
// network, before the browser's own jitter buffer, which gets none of them. What leaves here are the same frames as a
// WebSocket brings, in order; the loudspeaker does not know the difference.

import { Conceal } from "./conceal.js";
import { Half } from "./half.js";
import { Order } from "./order.js";
import { unpack } from "./packet.js";
import { Signals } from "./signals.js";

const RATE = 48000; // of Opus

let timer = null;
let decoder = null;
let half = null;
const owed = []; // what was given to the decoder, and what is lost between it, in order
const conceal = new Conceal();
const signals = new Signals((type, reply) => postMessage({ type, reply }));
const now = () => performance.now();

const order = new Order({
  give: (packet) => {
    owed.push(packet);
    if (!packet.samples) return settle();
    opened().decode(new EncodedAudioChunk({ type: "key", timestamp: packet.sequence * 20000, duration: 20000, data: packet.opus }));
  },
  lose: (gap) => {
    owed.push({ ...gap, lost: true });
    settle();
  },
  wake: (ms) => {
    clearTimeout(timer);
    timer = setTimeout(() => order.due(), Math.max(1, ms));
  },
  now,
});

function opened() {
  if (decoder?.state === "configured") return decoder;
  half = new Half();
  decoder = new AudioDecoder({ output: heard, error: failed });
  decoder.configure({ codec: "opus", sampleRate: RATE, numberOfChannels: 1 });
  return decoder;
}

// A packet that no decoder takes is silence; the next one meets a new decoder.
function failed() {
  decoder = null;
  for (const packet of owed) if (!packet.pcm) packet.lost = true;
  settle();
}

function heard(audio) {
  const samples = new Float32Array(audio.numberOfFrames);
  audio.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
  audio.close();
  const packet = owed.find((one) => !one.pcm && !one.lost && one.samples);
  if (packet) packet.pcm = half.take(samples).subarray(0, packet.samples);
  settle();
}

// What is decoded, or lost, at the head of the line leaves.
function settle() {
  while (owed.length && (owed[0].pcm || owed[0].lost || !owed[0].samples)) {
    const { reply, sequence = 0, sample, last, ...one } = owed.shift();
    const pcm = one.pcm ? conceal.heard(one.pcm) : one.lost ? conceal.lost(one.samples) : new Float32Array(0);
    const whole = Int16Array.from(pcm, (value) => Math.max(-32768, Math.min(32767, Math.round(value * 32767))));
    postMessage({ type: "audio", reply, sequence, sample, last, pcm: whole.buffer }, [whole.buffer]);
  }
}

// The page's loudspeaker has its packets from here, and the browser's own gets none.
onrtctransform = async ({ transformer }) => {
  const packets = transformer.readable.getReader();
  for (;;) {
    const { done, value } = await packets.read().catch(() => ({ done: true }));
    if (done) return;
    const packet = unpack(value.data);
    if (!packet) continue;
    signals.take(value.getMetadata().sequenceNumber ?? 0, packet);
    if (!packet.held) order.take(packet);
  }
};

onmessage = ({ data: m }) => {
  if (m.type === "playing") order.playing(m);
  else if (m.type === "cut") order.cut(m.reply);
  else if (m.type === "look") {
    order.spread = m.spread;
    postMessage({ type: "counts", ...order.counts });
  }
};
postMessage({ type: "ready" });
