// By which way a call goes: a WebSocket, or WebRTC where the network loses packets, or as `?transport=` wishes. What the page
// has learnt of the two stands for its session.

import { WebSocketConnection } from "./connection.js";
import { ask } from "./server.js";
import { NoWay, WebRTCConnection, able } from "./webrtc/connection.js";

const KEPT = "bargein-transport"; // in sessionStorage: "lossy" or "blocked"
const SHOWN_MS = 1000;
const NAMES = { websocket: "WebSocket", webrtc: "WebRTC" };
const BLOCKED = "WebRTC did not connect: the call goes by WebSocket";

let learnt = null;

// wish: websocket, webrtc or auto. direct(): the sound goes straight to the model. spoken(): the track that the server is to hear. say(text): of the way, for the page.
export class Ways {
  constructor({ wish, direct, spoken, say }) {
    Object.assign(this, { direct, spoken, say });
    this.wish = wish in NAMES ? wish : "auto";
    learnt ??= this.wish === "auto" ? sessionStorage.getItem(KEPT) : ""; // who wishes WebRTC tries anew with each page
  }

  get next() {
    if (this.wish === "websocket" || this.refused || this.direct() || !able() || learnt === "blocked") return "websocket";
    return this.wish === "webrtc" || learnt === "lossy" ? "webrtc" : "websocket";
  }

  learn(what) {
    learnt = what;
    sessionStorage.setItem(KEPT, what);
  }

  // A connection that is not open yet. given: as for a Connection.
  dial(given) {
    // Another server's address takes no offer of this page's: only its WebSocket does.
    if (this.next === "websocket" || /^https?:/.test(given.at ?? "")) return this.use(new WebSocketConnection(given));
    const connection = new WebRTCConnection({ ...given, track: this.spoken(), servers: iceServers });
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
    const facts = [
      rtt === null ? null : `round trip ${Math.round(rtt)} ms`,
      jitter === undefined ? null : `jitter ${Math.round(jitter)} ms`,
      loss === undefined ? null : `loss ${(loss * 100).toFixed(1)} %`,
      connection.name === "websocket" && learnt === "blocked" ? BLOCKED : null,
      connection.name === "websocket" && learnt === "lossy" && able() ? "the network loses packets: the next connection goes by WebRTC" : null,
    ];
    this.say([NAMES[connection.name], ...facts.filter(Boolean)].join(", "));
  }
}

// STUN and TURN of the server's settings, whose passwords are short-lived. A server that says nothing of them needs none.
async function iceServers() {
  const { ice_servers: servers } = await ask("webrtc/config").catch(() => ({}));
  return servers ?? [];
}
