// How a call begins: the page says hello, is sent on to a server with more room, or waits while all lines are busy.

import { CallError } from "./errors.js";

const HOPS = 3; // a hello is sent on so often at most
const TRIES = 6; // for a free line
const AGAIN_MS = 500; // after a server that does not answer
const MOST_MS = 20000; // between two of them

export class Beginning {
  // greet(at, follows): says hello there; waits(ms): all lines are busy, the next try comes then; fail(refused): no call begins
  constructor({ greet, waits, fail }) {
    Object.assign(this, { greet, waits, fail });
    this.hops = 0;
    this.tries = 0;
    this.first = null; // where the first hello was said
    this.at = null; // where the newest hello was said
  }

  // Once at another server, the page takes what that one says: it is not sent on for a little more room.
  async hello(at) {
    this.first ??= { at };
    this.at = at;
    await this.greet(at, this.hops === 0);
  }

  // A server says that the hello belongs elsewhere.
  sentTo(at) {
    if (this.hops++ < HOPS) this.later(0, at);
    else this.fail(new CallError("The servers send this call from one to the other.", "Call again a little later.", { code: "sent_around" }));
  }

  // Returns whether the page waits for a free line.
  busy({ retry_ms: ms }) {
    if (!ms || this.tries >= TRIES) return false;
    const wait = Math.min(MOST_MS, ms * 1.5 ** this.tries++) * (0.75 + Math.random() / 2); // those who wait come one by one
    this.hops = 0;
    this.waits(wait);
    this.later(wait, this.first.at); // a balancer there may know another server
    return true;
  }

  later(ms, at) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = null;
      this.hello(at).catch((error) => this.lost(at, error));
    }, ms);
  }

  // The server that the page was sent to does not answer: the first one may know another by now.
  lost(at, error) {
    if (at === this.first.at || this.tries++ >= TRIES) return this.fail(error);
    this.hops = 0;
    this.later(AGAIN_MS, this.first.at);
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
  }
}
