// One WebSocket, one call. Hands out messages and frames; knows nothing of sound or screen.

import { PROTOCOL, agentFrame, microphoneFrame } from "./protocol.js";

export class Connection {
  constructor({ token, onMessage, onFrame, onClose }) {
    const url = new URL("calls/browser", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(url, token ? [PROTOCOL, `token.${token}`] : [PROTOCOL]);
    this.socket.binaryType = "arraybuffer";
    this.sequence = 0;
    this.bye = null;
    this.ready = new Promise((resolve, reject) => {
      this.socket.onopen = resolve;
      this.socket.onerror = () => reject(new Error("The server does not answer."));
    });
    this.socket.onmessage = ({ data }) => {
      if (typeof data === "string") {
        const message = JSON.parse(data);
        if (message.type === "bye") this.bye = message.reason;
        onMessage(message);
      } else {
        const frame = agentFrame(data);
        if (frame) onFrame(frame);
      }
    };
    this.socket.onclose = (e) => onClose(this.bye ?? e.reason ?? "", e.code);
  }

  send(type, fields = {}) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type, ...fields }));
  }

  microphone(sample, pcm) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(microphoneFrame(this.sequence++, sample, pcm));
  }

  // Where there is no call yet that could be hung up.
  drop() {
    this.socket.close(1000);
  }

  close() {
    this.send("hangup");
    setTimeout(() => this.socket.close(1000), 500);
  }
}

// A page token, where the server wants one.
export async function pageToken() {
  let owner = sessionStorage.getItem("bargein-token");
  if (!owner) {
    owner = prompt("This server asks for its token (BARGEIN_TOKEN):") ?? "";
    sessionStorage.setItem("bargein-token", owner);
  }
  const answer = await fetch("token", { method: "POST", headers: { Authorization: `Bearer ${owner}` } });
  if (!answer.ok) {
    sessionStorage.removeItem("bargein-token");
    throw new Error("That token was not accepted. Try again with the server's BARGEIN_TOKEN.");
  }
  return (await answer.json()).token;
}
