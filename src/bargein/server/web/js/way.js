// Which way a call goes, and what is known of its network, in words.

const NAMES = { websocket: "WebSocket", webrtc: "WebRTC" };
const NOTES = {
  blocked: "WebRTC did not connect: the call goes by WebSocket",
  lossy: "the network loses packets: the next connection goes by WebRTC",
};

export function wayText({ name, rtt, jitter, loss, note }) {
  const facts = [
    rtt === null ? null : `round trip ${Math.round(rtt)} ms`,
    jitter === null ? null : `jitter ${Math.round(jitter)} ms`,
    loss === null ? null : `loss ${(loss * 100).toFixed(1)} %`,
    NOTES[note],
  ];
  return [NAMES[name], ...facts.filter(Boolean)].join(", ");
}
