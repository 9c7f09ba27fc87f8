// One connection, one call: a WebSocket (here), or WebRTC (webrtc/connection.js). Hands out messages and frames; knows nothing
// of sound or screen.

import { CallError, unreachable } from "./errors.js";
import { Pings } from "./pings.js";
import { PROTOCOL, agentFrame, microphoneFrame } from "./protocol.js";

const MIC_RATE = 16000;
const OPEN_MS = 10000; // for a socket to open
const PING_MS = 1000;

// What both have. Who inherits it gives: name, open (something can be sent), put(text), frame(data), end(code).
export class Connection {
  // onMessage(m), onFrame(f), onClose({ bye, reason, code, left }); ready: it is open; closed: it is no more.
  constructor({ onMessage, onFrame, onClose }, pingMs = PING_MS) {
    Object.assign(this, { onMessage, onFrame, onClose });
    this.pings = new Pings({ send: (type, fields) => this.send(type, fields), everyMs: pingMs });
    this.sequence = 0;
    this.bye = null;
    this.left = false; // it was hung up here
    this.opened = false;
    this.closed = new Promise((resolve) => (this.over = resolve));
  }

  take(text) {
    const message = JSON.parse(text);
    this.pings.heard();
    if (message.type === "pong") return this.pings.pong(message.n);
    if (message.type === "welcome") {
      this.pings.begin();
      this.welcomed = true;
      this.takesLoudspeaker = message.loudspeaker === true;
      this.backlogMs = message.limits.backlog_ms ?? 0;
    }
    if (message.type === "bye") this.bye = message.reason;
    this.onMessage(message);
  }

  // A connection that never opened is told by `ready`.
  ended({ code, reason }) {
    this.pings.end();
    this.over();
    if (this.opened) this.onClose({ bye: this.bye, reason, code, left: this.left });
  }

  // Before the welcome the server takes nothing but a hello.
  send(type, fields = {}) {
    if (type !== "hello" && !this.welcomed) return;
    if (this.open) this.put(JSON.stringify({ type, ...fields }));
  }

  // loudspeaker: what it played at these samples, as mu-law; null: it was silent.
  microphone(sample, pcm, loudspeaker = null) {
    if (!this.hears) return;
    this.first ??= sample; // positions count from this connection's welcome
    this.frame(microphoneFrame(this.sequence++, sample - this.first, pcm, this.takesLoudspeaker ? loudspeaker : null));
  }

  // Frames that were heard before this connection's welcome, the oldest first.
  backlog(frames) {
    let samples = frames.reduce((sum, { pcm }) => sum + pcm.byteLength / 2, 0);
    while (frames.length && samples > (this.backlogMs * MIC_RATE) / 1000) samples -= frames.shift().pcm.byteLength / 2;
    if (!frames.length) return;
    this.send("backlog", { samples });
    for (const { sample, pcm, loudspeaker } of frames) this.microphone(sample, pcm, loudspeaker);
  }

  // What is known of the network. rtt: ms, or null; jitter (ms) and loss (a share) where packets show them.
  async quality() {
    return { rtt: this.pings.rtt };
  }

  // What concerns packets alone: how far a reply has sounded, that it is over, and another microphone's track.
  playing() {}
  cut() {}
  hear() {}

  // What the microphone hears is not to be kept: it leaves.
  get hears() {
    return this.open && this.welcomed;
  }

  // Where there is no call yet that could be hung up. Another code than 1000 is no goodbye.
  drop(code = 1000) {
    this.end(code);
  }

  close() {
    this.left = true;
    this.send("hangup");
    setTimeout(() => this.end(1000), 500);
  }
}

export class WebSocketConnection extends Connection {
  name = "websocket";

  // at: of another server than the page's own; why: it is asked why a socket does not open.
  constructor({ server, token, at = null, why = true, ...on }) {
    super(on);
    try {
      this.socket = new WebSocket(server.place.socketAt("calls/browser", at), token ? [PROTOCOL, `token.${token}`] : [PROTOCOL]);
    } catch {
      throw new CallError("The browser gives this page no connection.", "Allow it WebSockets: an extension, or the site that shows this page, may forbid them.", { code: "no_websocket" });
    }
    this.socket.binaryType = "arraybuffer";
    this.ready = new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        reject(new CallError("The server accepts no call.", "It may hang, or a proxy before it may hold back WebSockets.", { code: "no_websocket" }));
        this.socket.close();
      }, OPEN_MS);
      this.socket.onopen = () => {
        clearTimeout(late);
        this.opened = true;
        resolve();
      };
      this.socket.onerror = () => {
        clearTimeout(late);
        if (!this.opened) why ? server.whyNoCall(token).then(reject) : reject(unreachable());
      };
    });
    this.socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.take(data);
      else {
        const frame = agentFrame(data);
        if (frame) this.onFrame(frame);
      }
    };
    this.socket.onclose = (e) => this.ended(e);
  }

  get open() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  put(text) {
    this.socket.send(text);
  }

  frame(data) {
    this.socket.send(data);
  }

  end(code) {
    this.socket.close(code);
  }
}
