// A call whose connection broke: the page takes it up again by itself, for as long as the server keeps it.

const FIRST_MS = 250; // before the second try; each later one waits twice as long
const MOST_MS = 2000;
const ANSWER_MS = 5000; // a try that takes longer is given up
const GIVEN_UP = 4000; // its close code: no goodbye, so the server keeps the call for the next try
const MAY_RETURN = [1001, 1005, 1006, 1011]; // other codes are the server's own end of a call

const pause = (ms, signal) =>
  new Promise((resolve) => {
    const done = () => (clearTimeout(timer), removeEventListener("online", done), resolve());
    const timer = setTimeout(done, ms);
    addEventListener("online", done); // a device that is back in its network waits no longer
    signal.addEventListener("abort", done);
  });

export class Reconnect {
  // connect(): a new connection; use(connection): it is open, and is the call's from now on; tell(): the page tries;
  // gone(): the server has the call no more; lost(how): no try came through, and how the connection had ended.
  constructor({ connect, use, tell, gone, lost }) {
    Object.assign(this, { connect, use, tell, gone, lost });
    this.secret = null;
    this.attempt = null;
    this.answerMs = ANSWER_MS;
  }

  // What `welcome` said of it. The connection that brought it stays: no try is aborted.
  welcome({ call_id, resume, keep_ms }) {
    Object.assign(this, { callId: call_id, secret: resume ?? null, keepMs: keep_ms ?? 0 });
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

  async run(signal) {
    const until = performance.now() + this.keepMs;
    for (let wait = 0; ; wait = Math.min(MOST_MS, wait ? wait * 2 : FIRST_MS)) {
      await pause(wait, signal);
      if (signal.aborted) return;
      if (performance.now() > until) break;
      const answer = await this.once(signal);
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

  // One try: "back", "gone", or "lost". Its connection is dropped, unless the call is back on it.
  async once(signal) {
    const trial = new AbortController();
    const end = () => trial.abort();
    const late = setTimeout(end, this.answerMs);
    signal.addEventListener("abort", end);
    const given = new Promise((resolve) => trial.signal.addEventListener("abort", () => resolve("lost")));
    const drop = (connection) => connection.drop(signal.aborted ? undefined : GIVEN_UP);
    const answer = await Promise.race([this.ask(trial.signal, drop).catch(() => "lost"), given]);
    clearTimeout(late);
    if (answer !== "back") end();
    return answer;
  }

  async ask(signal, drop) {
    const connection = await this.connect();
    signal.addEventListener("abort", () => drop(connection));
    if (signal.aborted) drop(connection);
    await connection.ready;
    if (signal.aborted) return "lost";
    this.use(connection);
    return await new Promise((resolve) => {
      this.answer = resolve;
      connection.socket.addEventListener("close", () => resolve("lost"));
      connection.send("hello", { protocol: "bargein.v1", resume: { call_id: this.callId, secret: this.secret } });
    });
  }

  // A message of the server, while the page tries. Returns whether it was meant for here.
  take(m) {
    if (!this.attempt || !this.answer) return false;
    if (m.type === "error" && ["call_gone", "bad_message"].includes(m.code)) this.answer("gone");
    else if (m.type === "error") this.answer("lost");
    else if (m.type === "welcome") this.answer("back");
    return m.type === "error";
  }

  // No more tries: the page has hung up, or gives up. Returns whether it tried.
  stop() {
    const { attempt } = this;
    attempt?.abort();
    this.attempt = this.answer = null;
    return Boolean(attempt);
  }
}
