// The agent's packets as they come: out of order, twice, late or never. They leave in order. A packet that is missing is
// waited for until the loudspeaker is about to need it, and is then given up: what lies between its neighbours is lost.

const SAMPLES = 24; // a millisecond
const MARGIN_MS = 15; // for the decoder and the way to the loudspeaker
const FIRST_MS = 60; // for the first packet of a reply: no loudspeaker is in need of it
const MOST_MS = 500; // for any packet: a reply that is held has no need, either
const MOST = 200; // packets that wait: 4 s

export class Order {
  // give(packet); lose({ reply, sample, samples, last }): in order, with the packets; wake(ms): call `due` then; now(): ms.
  constructor({ give, lose, wake, now }) {
    Object.assign(this, { give, lose, wake, now });
    this.counts = { came: 0, lost: 0, late: 0, twice: 0, reordered: 0 };
    this.reply = 0; // the one that leaves
    this.replies = new Map(); // those after it, of which packets have come
    this.place = null;
    this.gone = new Set(); // packets that were given up, the newest of them
    this.spread = 0; // ms: packets come earlier or later by so much, so the first of a reply waits as long for those behind it
    this.begin(0);
  }

  begin(reply) {
    this.reply = reply;
    this.waiting = this.replies.get(reply) ?? new Map(); // by sequence
    this.replies.delete(reply);
    this.sequence = this.sample = 0; // of the next packet
    this.ended = false;
    this.missing = null; // since when the next packet is missed
    this.began = null; // when its first packet was there
  }

  // Where the loudspeaker is.
  playing({ reply, played }) {
    this.place = { reply, played, at: this.now() };
    this.due();
  }

  take(packet) {
    const { reply, sequence } = packet;
    const old = reply < this.reply || (reply === this.reply && (sequence < this.sequence || this.ended));
    const line = reply === this.reply ? this.waiting : (this.replies.get(reply) ?? new Map());
    if (!old && !line.has(sequence)) {
      if (this.size >= MOST) return; // no loudspeaker takes them
      this.counts.came++;
      if (reply > this.reply) this.replies.set(reply, line);
      line.set(sequence, packet);
      if (sequence < Math.max(...line.keys())) this.counts.reordered++;
    } else if (this.gone.delete(`${reply} ${sequence}`)) this.counts.late++;
    else this.counts.twice++;
    this.due();
  }

  get size() {
    return [...this.replies.values(), this.waiting].reduce((sum, line) => sum + line.size, 0);
  }

  // All that can leave now leaves.
  due() {
    for (;;) {
      const next = this.waiting.get(this.sequence);
      if (next && !this.ended) {
        const wait = this.sequence ? 0 : (this.began ??= this.now()) + this.spread - this.now();
        if (wait > 0) return this.wake(wait);
        this.leave(next);
      } else if (this.ended || this.reply === 0) {
        if (!this.replies.size) return;
        this.begin(Math.min(...this.replies.keys()));
      } else if (!this.waiting.size && !this.replies.size) return;
      else {
        this.missing ??= this.now();
        const wait = this.patience();
        if (wait > 0) return this.wake(wait);
        this.giveUp();
      }
    }
  }

  leave(packet) {
    this.waiting.delete(packet.sequence);
    const samples = packet.sample - this.sample;
    // Positions that no packet brought, although none is missing: the server left them out.
    if (samples > 0) this.lose({ reply: this.reply, sample: this.sample, samples, last: false });
    this.sequence = packet.sequence + 1;
    this.sample = packet.sample + packet.samples;
    this.ended = packet.last;
    this.missing = null;
    this.give(packet);
  }

  // How long the next packet may still take, in ms.
  patience() {
    const passed = this.now() - this.missing;
    if (this.place?.reply !== this.reply) return (this.sequence ? MOST_MS : FIRST_MS) - passed;
    const { played, at } = this.place;
    return Math.min(MOST_MS - passed, at + (this.sample - played) / SAMPLES - MARGIN_MS - this.now());
  }

  // The packets between here and the next one that came are lost. Where none came, the reply ends here.
  giveUp() {
    const to = this.waiting.size ? Math.min(...this.waiting.keys()) : null;
    const next = to === null ? null : this.waiting.get(to);
    const samples = next ? next.sample - this.sample : 0;
    for (let n = this.sequence; n < (to ?? this.sequence + 1); n++) this.remember(`${this.reply} ${n}`);
    this.counts.lost += next ? to - this.sequence : 1;
    this.missing = null;
    this.lose({ reply: this.reply, sample: this.sample, samples, last: !next });
    if (next) {
      this.sequence = to;
      this.sample = next.sample;
    } else this.ended = true;
  }

  // Of a packet that is given up, in case that it comes.
  remember(name) {
    this.gone.add(name);
    if (this.gone.size > MOST) this.gone.delete(this.gone.values().next().value);
  }

  // No more of this reply, and of none before it, is wanted.
  cut(reply) {
    for (const known of this.replies.keys()) if (known <= reply) this.replies.delete(known);
    if (this.reply <= reply) {
      this.begin(reply);
      this.ended = true;
      this.due();
    }
  }
}
