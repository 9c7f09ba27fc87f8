// A hold that the page began by itself: it stands until the server agrees with it, refutes it, or does not answer.

const REFUSED_MS = 600; // a hold that the server does not answer in this time ends

export class LocalHold {
  // resume(reply): playback goes on; settled(how): "confirmed" or "refuted".
  constructor({ resume, settled }) {
    Object.assign(this, { resume, settled });
    this.stands = false;
  }

  begin(reply) {
    this.stands = true;
    this.timer = setTimeout(() => {
      this.resume(reply);
      this.settle("refuted");
    }, REFUSED_MS);
  }

  // The server holds, too: its verdict follows.
  agree() {
    clearTimeout(this.timer);
  }

  settle(how) {
    clearTimeout(this.timer);
    if (this.stands) this.settled(how);
    this.stands = false;
  }
}
