// One WebSocket, one call. Hands out messages and frames; knows nothing of sound or screen.

import { socketAt } from "./base.js";
import { PROTOCOL, agentFrame, microphoneFrame } from "./protocol.js";
import { Refused, unreachable } from "./refusals.js";
import { whyNoCall } from "./server.js";

const MIC_RATE = 16000;
const OPEN_MS = 10000; // for a socket to open

export class Connection {
  // at: of another server than the page's own; why: it is asked why a socket does not open.
  constructor({ token, at = null, why = true, onMessage, onFrame, onClose }) {
    try {
      this.socket = new WebSocket(socketAt("calls/browser", at), token ? [PROTOCOL, `token.${token}`] : [PROTOCOL]);
    } catch {
      throw new Refused("The browser gives this page no connection.", "Allow it WebSockets: an extension, or the site that shows this page, may forbid them.");
    }
    this.socket.binaryType = "arraybuffer";
    this.sequence = 0;
    this.bye = null;
    this.left = false; // it was hung up here
    this.opened = false;
    this.ready = new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        reject(new Refused("The server accepts no call.", "It may hang, or a proxy before it may hold back WebSockets."));
        this.socket.close();
      }, OPEN_MS);
      this.socket.onopen = () => {
        clearTimeout(late);
        this.opened = true;
        resolve();
      };
      this.socket.onerror = () => {
        clearTimeout(late);
        if (!this.opened) why ? whyNoCall(token).then(reject) : reject(unreachable());
      };
    });
    this.socket.onmessage = ({ data }) => {
      if (typeof data === "string") {
        const message = JSON.parse(data);
        if (message.type === "welcome") {
          this.welcomed = true;
          this.takesLoudspeaker = message.loudspeaker === true;
          this.backlogMs = message.limits.backlog_ms ?? 0;
        }
        if (message.type === "bye") this.bye = message.reason;
        onMessage(message);
      } else {
        const frame = agentFrame(data);
        if (frame) onFrame(frame);
      }
    };
    // A socket that never opened is told by `ready`.
    this.socket.onclose = (e) => this.opened && onClose({ bye: this.bye, reason: e.reason, code: e.code, left: this.left });
  }

  // Before the welcome the server takes nothing but a hello.
  send(type, fields = {}) {
    if (type !== "hello" && !this.welcomed) return;
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type, ...fields }));
  }

  // loudspeaker: what it played at these samples, as mu-law; null: it was silent.
  microphone(sample, pcm, loudspeaker = null) {
    if (!this.hears) return;
    this.first ??= sample; // positions count from this connection's welcome
    this.socket.send(microphoneFrame(this.sequence++, sample - this.first, pcm, this.takesLoudspeaker ? loudspeaker : null));
  }

  // Frames that were heard before this connection's welcome, the oldest first.
  backlog(frames) {
    let samples = frames.reduce((sum, { pcm }) => sum + pcm.byteLength / 2, 0);
    while (frames.length && samples > (this.backlogMs * MIC_RATE) / 1000) samples -= frames.shift().pcm.byteLength / 2;
    if (!frames.length) return;
    this.send("backlog", { samples });
    for (const { sample, pcm, loudspeaker } of frames) this.microphone(sample, pcm, loudspeaker);
  }

  // The microphone's frames leave.
  get hears() {
    return this.socket.readyState === WebSocket.OPEN && this.welcomed;
  }

  // Where there is no call yet that could be hung up. Another code than 1000 is no goodbye.
  drop(code = 1000) {
    this.socket.close(code);
  }

  close() {
    this.left = true;
    this.send("hangup");
    setTimeout(() => this.socket.close(1000), 500);
  }
}
