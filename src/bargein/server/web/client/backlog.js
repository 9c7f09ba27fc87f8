// What the microphone heard while there was no connection, the newest of it: the server gets it first when the page is
// back, at its true time.

const RATE = 16000;

export class Backlog {
  constructor(mostMs) {
    this.most = (mostMs * RATE) / 1000;
    this.take();
  }

  push(frame) {
    this.frames.push(frame);
    this.samples += frame.pcm.byteLength / 2;
    while (this.samples > this.most) this.samples -= this.frames.shift().pcm.byteLength / 2;
  }

  // All of it, which is then no more kept.
  take() {
    const taken = this.frames;
    this.frames = [];
    this.samples = 0;
    return taken;
  }
}
