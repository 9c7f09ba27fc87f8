// What the packets say beside their audio: the server marks some of them when a reply is held, so that no message of the data
// channel, which may be lost and sent again a second later, is waited for. The newest packet is right.

const HALF = 0x8000;

export class Signals {
  // tell("hold" or "resume", reply)
  constructor(tell) {
    this.tell = tell;
    this.newest = null; // number of the newest packet
    this.held = 0; // the reply that is held, as packets said
  }

  // number: of RTP, 16 bits, which begin again.
  take(number, { reply, held }) {
    if (this.newest !== null && ((number - this.newest) & 0xffff) >= HALF) return; // older
    this.newest = number;
    if (held && this.held !== reply) {
      this.held = reply;
      this.tell("hold", reply);
    } else if (!held && this.held) {
      if (this.held === reply) this.tell("resume", reply);
      this.held = 0;
    }
  }
}
