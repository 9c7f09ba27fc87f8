// bargein.v1 on the wire: see docs/protocol.md.

export const PROTOCOL = "bargein.v1";
const HEADER = 16;

// loudspeaker: what it played at these samples, one byte of mu-law for each; null: nothing.
export function microphoneFrame(sequence, sample, pcm, loudspeaker = null) {
  const data = new ArrayBuffer(HEADER + pcm.byteLength + (loudspeaker?.byteLength ?? 0));
  const view = new DataView(data);
  view.setUint8(0, loudspeaker ? 3 : 1);
  view.setUint32(8, sequence, true);
  view.setUint32(12, sample, true);
  new Uint8Array(data, HEADER).set(new Uint8Array(pcm));
  if (loudspeaker) new Uint8Array(data, HEADER + pcm.byteLength).set(new Uint8Array(loudspeaker));
  return data;
}

export function agentFrame(data) {
  const view = new DataView(data);
  if (data.byteLength < HEADER || view.getUint8(0) !== 2) return null;
  return {
    last: (view.getUint8(1) & 1) === 1,
    reply: view.getUint32(4, true),
    sequence: view.getUint32(8, true),
    sample: view.getUint32(12, true),
    pcm: data.slice(HEADER),
  };
}
