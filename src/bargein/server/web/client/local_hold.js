// A hold that the page began by itself: it stands until the server agrees with it, refutes it, or does not answer.

const REFUSED_MS = 600; // a hold that the server does not answer in this time ends

export class LocalHold {
  // send(type, fields): to the server; noted(ms): so long after the onset; resume(reply): playback goes
  // on; settled(how): "confirmed" or "refuted".
  constructor({ send, noted, resume, settled }) {
    Object.assign(this, { send, noted, resume, settled });
    this.stands = false;
  }

  // The loudspeaker has paused, at a frame of a context of that rate.
  begin({ reply, played, level, frame, now }, rate) {
    const ms = ((now - frame) / rate) * 1000;
    this.send("local_hold", { reply_id: reply, played, level_db: 20 * Math.log10(level), age_ms: ms });
    this.noted(ms);
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
