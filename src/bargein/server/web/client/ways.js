// By which way a call goes: a WebSocket, or WebRTC where the network loses packets, or as is wished. What a page has learnt of the
// two stands for its session.

import { WebSocketConnection } from "./connection.js";
import { NoWay, WebRTCConnection, able } from "./webrtc/connection.js";

const KEPT = "bargein-transport"; // in sessionStorage: "lossy" or "blocked"
const SHOWN_MS = 1000;
const WAYS = ["websocket", "webrtc"];

let learnt = null;

// A page in a sandbox may keep nothing.
const kept = {
  read: () => {
    try {
      return sessionStorage.getItem(KEPT);
    } catch {
      return null;
    }
  },
  write: (what) => {
    try {
      sessionStorage.setItem(KEPT, what);
    } catch {}
  },
};

export class Ways {
  // server; wish: websocket, webrtc or auto; direct(): the sound goes straight to the model; spoken(): the track that the server is to hear;
  // tell({ name, rtt, jitter, loss, note }): of the way, each second; assets: a folder that has the worker.
  constructor({ server, wish, direct, spoken, tell, assets }) {
    Object.assign(this, { server, direct, spoken, tell, assets });
    this.wish = WAYS.includes(wish) ? wish : "auto";
    learnt ??= this.wish === "auto" ? kept.read() : ""; // who wishes WebRTC tries anew with each page
  }

  get next() {
    if (this.wish === "websocket" || this.refused || this.direct() || !able() || learnt === "blocked") return "websocket";
    return this.wish === "webrtc" || learnt === "lossy" ? "webrtc" : "websocket";
  }

  learn(what) {
    learnt = what;
    kept.write(what);
  }

  // A connection that is not open yet. given: as for a Connection.
  dial(given) {
    // Another server's address takes no offer of this page's: only its WebSocket does.
    if (this.next === "websocket" || /^https?:/.test(given.at ?? "")) return this.use(new WebSocketConnection({ ...given, server: this.server }));
    const { server, assets } = this;
    const connection = new WebRTCConnection({ ...given, server, assets, track: this.spoken(), servers: () => this.iceServers() });
    connection.ready.catch((error) => {
      if (!(error instanceof NoWay)) return;
      this.refused = true; // the rest of this call goes by WebSocket
      if (error.lasting) this.learn("blocked");
    });
    return this.use(connection);
  }

  // An open connection. make(): one of `dial`.
  async open(make) {
    const connection = make();
    const error = await connection.ready.then(() => null, (failed) => failed);
    if (!error) return connection;
    if (!(error instanceof NoWay)) throw error;
    return this.open(make);
  }

  use(connection) {
    connection.closed.then(() => clearInterval(shown));
    const shown = setInterval(() => this.look(connection), SHOWN_MS);
    connection.ready.then(() => this.look(connection), () => clearInterval(shown));
    return connection;
  }

  async look(connection) {
    if (!connection.opened) return;
    const { rtt, jitter, loss } = await connection.quality();
    if (this.wish === "auto" && connection.name === "websocket" && !learnt && connection.pings.lossy) this.learn("lossy");
    const note = connection.name !== "websocket" ? null : learnt === "blocked" || (learnt === "lossy" && able()) ? learnt : null;
    this.tell({ name: connection.name, rtt, jitter: jitter ?? null, loss: loss ?? null, note });
  }

  // STUN and TURN of the server's settings, whose passwords are short-lived. A server that says nothing of them needs none.
  async iceServers() {
    const { ice_servers: servers } = await this.server.ask("webrtc/config").catch(() => ({}));
    return servers ?? [];
  }
}
