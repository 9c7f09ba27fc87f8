// An Opus packet of the agent's with its place in the reply: see docs/protocol.md. The 16 bytes of the binary frame's header
// lie in the padding of a packet of code 3 (RFC 6716, 3.2.5), which every decoder skips; the u16 that is reserved there is
// the number of samples.

const HEADER = 16;
const AGENT = 2; // kind of frame
const LAST = 1; // flags
const HELD = 2; // the reply is held: no audio is in this packet
const VBR = 0x80;
const PADDED = 0x40;
const COUNT = 0x3f;

// data: ArrayBuffer of one packet. null: no header of ours is in it.
export function unpack(data) {
  const bytes = new Uint8Array(data);
  if (bytes.length < 3 + HEADER || (bytes[0] & 3) !== 3) return null;
  const count = bytes[1];
  if ((count & COUNT) !== 1 || count & VBR || !(count & PADDED) || bytes[2] !== HEADER) return null;
  const end = bytes.length - HEADER;
  const view = new DataView(data, end);
  if (view.getUint8(0) !== AGENT) return null;
  // The same frame as a packet of code 0: no decoder needs to know of the padding.
  const opus = bytes.slice(2, end);
  opus[0] = bytes[0] & ~3;
  return {
    last: (view.getUint8(1) & LAST) > 0,
    held: (view.getUint8(1) & HELD) > 0,
    samples: view.getUint16(2, true),
    reply: view.getUint32(4, true),
    sequence: view.getUint32(8, true),
    sample: view.getUint32(12, true),
    opus,
  };
}
