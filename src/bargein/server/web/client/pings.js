// How long a message takes to the server and back, once a second or more often: what the page shows of its network, and what tells
// that it loses packets. Over TCP a lost packet is a delay, of this message or of those before it.

const KEPT = 20; // pongs
const LATE_MS = 80; // beyond the quickest
const LATE = 4; // of those that are kept

export class Pings {
  constructor({ send, everyMs }) {
    Object.assign(this, { send, everyMs });
    this.sent = new Map();
    this.times = []; // ms, of the newest pongs
    this.n = 0;
    this.newest = performance.now(); // when anything came
  }

  begin() {
    this.end();
    this.timer = setInterval(() => this.ping(), this.everyMs);
  }

  ping() {
    const now = performance.now();
    if (this.silent && now - this.newest > this.silentMs) return this.silent();
    this.sent.set(this.n, document.hidden ? null : now); // a page that is not seen runs late by itself
    this.sent.delete(this.n - KEPT);
    this.send("ping", { n: this.n++ });
  }

  // silent(): nothing came for so long.
  watch(silentMs, silent) {
    Object.assign(this, { silentMs, silent });
  }

  heard() {
    this.newest = performance.now();
  }

  pong(n) {
    const at = this.sent.get(n);
    this.sent.delete(n);
    if (at == null) return;
    this.times.push(performance.now() - at);
    if (this.times.length > KEPT) this.times.shift();
  }

  // ms; null: not known yet.
  get rtt() {
    return this.times.at(-1) ?? null;
  }

  get lossy() {
    const best = Math.min(...this.times);
    return this.times.filter((ms) => ms > best + LATE_MS).length >= LATE;
  }

  end() {
    clearInterval(this.timer);
  }
}
