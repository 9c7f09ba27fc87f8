// What the loudspeaker says of itself, for the page and the server: how far each reply has sounded.

const AGENT_RATE = 24000;
const MOST = 2000; // that are kept for tests and benchmarks

export class Reports {
  // send(type, fields); connection(); sound(); sounding(reply, ms); meter(level); held(message): the page holds by itself; overflow(): more
  // came than a loudspeaker keeps
  constructor(on) {
    Object.assign(this, on);
    this.list = [];
    this.final = null; // the newest reply of which no more will sound: where it ended
  }

  take(m) {
    const late = this.sound().latencySamples;
    switch (m.type) {
      case "meter":
        this.connection()?.playing(m);
        this.meter(m.level);
        if (m.reply) this.sounding(m.reply, (Math.max(0, m.played - late) * 1000) / AGENT_RATE);
        break;
      case "played":
        this.tell("played", m.reply, Math.max(0, m.played - late), { playing: m.playing });
        break;
      case "held":
      case "flushed":
        if (m.type === "flushed") this.connection()?.cut(m.reply);
        // All that was consumed will have left the loudspeaker by the time anybody reads this.
        this.tell(m.type, m.reply, m.played);
        break;
      case "finished":
        setTimeout(() => this.tell("finished", m.reply, m.played), (late * 1000) / AGENT_RATE);
        break;
      case "localHold":
        this.held(m);
        break;
      case "overflow":
        this.overflow();
        break;
    }
  }

  tell(type, reply_id, played, more = {}) {
    this.list.push({ type, reply_id, played });
    if (this.list.length > MOST) this.list.shift();
    if (type === "flushed" || type === "finished") this.final = { reply_id, played };
    this.send(type, { reply_id, played, ...more });
  }

  // The connection is lost, and another one is sought: what has not sounded never will, so the end is exact.
  stop() {
    const { reply } = this.sound().place ?? {};
    if (reply) this.sound().tell({ type: "cut", reply });
  }

  // To the server that the page has come back to: it may know less of the newest reply.
  again() {
    if (this.final) this.send("flushed", this.final);
  }
}
