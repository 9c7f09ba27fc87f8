// A call whose connection broke, or that moves to another server: the page takes it up again by itself, for as long as a
// server keeps it, or can restore it.

const FIRST_MS = 250; // before the second try; each later one waits twice as long
const MOST_MS = 2000;
const ANSWER_MS = 5000; // a try that takes longer is given up
const HOPS = 3; // a try is sent on to another server so often at most
const GIVEN_UP = 4000; // its close code: no goodbye, so the server keeps the call for the next try
const MOVED = 4003;
const MAY_RETURN = [1001, 1005, 1006, 1011, MOVED]; // other codes are the server's own end of a call

const pause = (ms, signal) =>
  new Promise((resolve) => {
    const done = () => (clearTimeout(timer), removeEventListener("online", done), resolve());
    const timer = setTimeout(done, ms);
    addEventListener("online", done); // a device that is back in its network waits no longer
    signal.addEventListener("abort", done);
  });

export class Reconnect {
  // connect(at): a new connection to that server, null: to any; use(connection): it is open, and is the call's from now on;
  // hello: what the call was begun with; tell(): the page tries; gone(): the servers have the call no more; lost(how): no try
  // came through, and how the connection had ended.
  constructor({ connect, use, hello, tell, gone, lost }) {
    Object.assign(this, { connect, use, hello, tell, gone, lost });
    this.secret = null;
    this.attempt = null;
    this.at = null; // the server that has the call, if it is not just any
    this.asked = null;
    this.answerMs = ANSWER_MS;
  }

  // What `welcome` said of it. The connection that brought it stays: no try is aborted. from: where the hello was said.
  welcome({ call_id, resume, keep_ms, restores_ms, at }, from = this.asked) {
    const keepMs = resume ? Math.max(keep_ms ?? 0, restores_ms ?? 0) : 0;
    Object.assign(this, { callId: call_id, secret: resume ?? null, keepMs, at: at ?? from });
    this.attempt = this.answer = null;
  }

  // The connection has ended. Returns whether the page tries to come back.
  broke(how) {
    if (this.attempt) return true; // one of the tries
    if (!this.secret || how.left || how.bye || !MAY_RETURN.includes(how.code)) return false;
    this.attempt = new AbortController();
    this.how = how.code === 1005 ? { ...how, code: 1006 } : how; // a close without a code is no goodbye
    this.tell();
    this.run(this.attempt.signal);
    return true;
  }

  // The call leaves its server, which says where to.
  moved({ at }) {
    this.at = at;
    this.broke({ code: MOVED });
  }

  async run(signal) {
    const until = performance.now() + this.keepMs;
    // A path leads on from a server that is gone, by the balancer; an address of the server's own does not.
    let home = !this.at || this.at.startsWith("/") || this.how.code === MOVED;
    for (let wait = 0; ; wait = Math.min(MOST_MS, wait ? wait * 2 : FIRST_MS)) {
      await pause(wait, signal);
      if (signal.aborted) return;
      if (performance.now() > until) break;
      const answer = await this.follow(home ? this.at : null, signal);
      home = !home;
      if (signal.aborted || answer === "back") return;
      if (answer === "gone") {
        this.stop();
        this.gone();
        return;
      }
    }
    this.stop();
    this.lost(this.how);
  }

  // One try, and on to where it is sent.
  async follow(at, signal) {
    for (let hops = 0; ; hops++) {
      this.asked = at;
      const answer = await this.once(at, signal);
      if (typeof answer === "string") return answer;
      if (hops === HOPS) return "lost";
      at = answer.at;
    }
  }

  // One hello: "back", "gone", "lost", or { at }: it belongs there. Its connection is dropped, unless the call is back on it.
  async once(at, signal) {
    const trial = new AbortController();
    const end = () => trial.abort();
    const late = setTimeout(end, this.answerMs);
    signal.addEventListener("abort", end);
    const given = new Promise((resolve) => trial.signal.addEventListener("abort", () => resolve("lost")));
    const drop = (connection) => connection.drop(signal.aborted ? undefined : GIVEN_UP);
    const answer = await Promise.race([this.ask(at, trial.signal, drop).catch(() => "lost"), given]);
    clearTimeout(late);
    if (answer !== "back") end();
    return answer;
  }

  async ask(at, signal, drop) {
    const connection = await this.connect(at);
    signal.addEventListener("abort", () => drop(connection));
    if (signal.aborted) drop(connection);
    await connection.ready;
    if (signal.aborted) return "lost";
    this.use(connection);
    return await new Promise((resolve) => {
      this.answer = resolve;
      connection.closed.then(() => resolve("lost"));
      const resume = { call_id: this.callId, secret: this.secret };
      connection.send("hello", { ...this.hello(), resume, follows: true });
    });
  }

  // A message of the server, while the page tries. Returns whether it was meant for here.
  take(m) {
    if (!this.attempt || !this.answer) return false;
    if (m.type === "elsewhere") this.answer({ at: m.at });
    else if (m.type === "error" && ["call_gone", "bad_message"].includes(m.code)) this.answer("gone");
    else if (m.type === "error") this.answer("lost");
    else if (m.type === "welcome") this.answer("back");
    return m.type === "error" || m.type === "elsewhere";
  }

  // No more tries: the page has hung up, or gives up. Returns whether it tried.
  stop() {
    const { attempt } = this;
    attempt?.abort();
    this.attempt = this.answer = null;
    return Boolean(attempt);
  }
}
