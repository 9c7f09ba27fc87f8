// A call by WebRTC with our own server: the same messages as over a WebSocket on a data channel, the microphone as a track, and
// the agent's packets through a worker to the same loudspeaker. See docs/webrtc_page.md.

import { Connection } from "../connection.js";
import { CallError } from "../errors.js";
import { workerAt } from "../folders.js";
import { moduleAt } from "../modules.js";
import { PROTOCOL } from "../protocol.js";

const GATHER_MS = 500; // candidates that come later are not waited for
const AGAIN_MS = 1000; // for a path that is gone: a device that changes its network finds another by a new offer
const PING_MS = 500;
const LITTLE_MS = 8; // of jitter: the lead takes it
const MOST_MS = 60; // that a reply begins later for the jitter's sake
const LEAST = 50; // packets that a share is told of
const LOST = { code: 1006, reason: "" };

const PASSING = [401, 403, 429, 503]; // of an offer: the same call would get it by any way, or another moment would not

// Why a call by WebRTC does not come about here, although the server answers: a WebSocket may do. lasting: the next call would
// fare no better.
export class NoWay extends CallError {
  constructor(message, advice, { lasting, ...more }) {
    super(message, advice, more);
    this.lasting = lasting;
  }
}

// Whether this browser can.
export const able = () => ["RTCPeerConnection", "RTCRtpScriptTransform", "AudioDecoder"].every((name) => name in window);

export class WebRTCConnection extends Connection {
  static openMs = 4000; // from the answer to a path, and from there to an open data channel
  static silentMs = 4000; // nothing came, pongs and audio included: the connection is lost
  name = "webrtc";

  // track: what the server hears; servers(): of ICE; onSignal(m): a packet says what the message "hold" or "resume" does.
  constructor({ server, token, at = null, track, servers, assets, onSignal, ...on }) {
    super(on, PING_MS);
    this.server = server;
    this.onSignal = onSignal;
    this.counts = { came: 0, lost: 0, late: 0, twice: 0, reordered: 0 }; // of the agent's packets
    this.found = false; // a network path
    this.was = { came: 0, lost: 0 };
    this.worker = workerAt(moduleAt("webrtc/worker", assets));
    this.worker.onmessage = ({ data: m }) => this.fromWorker(m);
    this.worker.onerror = () => this.fail(new NoWay("The page's decoder does not start.", "Reload the page.", { lasting: true }));
    this.ready = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    this.ready.catch(() => {}); // told to whom it concerns
    this.begin(token, server.place.of(at), track, servers).catch((error) => this.fail(error));
  }

  async begin(token, place, track, servers) {
    const iceServers = await servers();
    if (this.dead) return;
    this.peer = new RTCPeerConnection({ iceServers });
    this.peer.oniceconnectionstatechange = () => {
      const { iceConnectionState: state } = this.peer;
      this.found ||= state === "connected";
      if (state === "connected" && !this.opened) this.wait("The server opens no data channel.");
      else if (state === "disconnected" && this.opened) this.wait("The network path is gone.", AGAIN_MS);
      else if (this.opened) clearTimeout(this.late);
    };
    this.peer.onconnectionstatechange = () => this.peer.connectionState === "failed" && this.broke("No network path leads to the server.");
    const { sender, receiver } = this.peer.addTransceiver(track, { direction: "sendrecv" });
    this.sender = sender;
    // Before the offer: later the browser lets no packet through. No element plays the track, and no jitter buffer runs for it.
    receiver.transform = new RTCRtpScriptTransform(this.worker);
    this.channel = this.peer.createDataChannel(PROTOCOL);
    this.channel.onmessage = ({ data }) => typeof data === "string" && this.take(data);
    this.channel.onopen = () => this.begun();
    this.channel.onclose = () => this.broke("The server closed the data channel.", true);
    await this.peer.setLocalDescription();
    await this.gathered();
    const { sdp, resource } = await this.server.offerCall(this.peer.localDescription.sdp, place, token).catch((error) => {
      const { message, advice, status, code } = error;
      throw status ? new NoWay(message, advice, { status, code, lasting: !PASSING.includes(status) }) : error;
    });
    this.resource = resource;
    if (this.dead) return this.forget();
    this.wait("No network path leads to the server in time.");
    await this.peer.setRemoteDescription({ type: "answer", sdp });
  }

  wait(why, ms = WebRTCConnection.openMs) {
    clearTimeout(this.late);
    this.late = setTimeout(() => this.broke(why), ms);
  }

  gathered() {
    if (this.peer.iceGatheringState === "complete") return null;
    return new Promise((resolve) => {
      this.peer.onicegatheringstatechange = () => this.peer.iceGatheringState === "complete" && resolve();
      setTimeout(resolve, GATHER_MS);
    });
  }

  begun() {
    clearTimeout(this.late);
    this.opened = true;
    this.pings.heard();
    this.pings.watch(WebRTCConnection.silentMs, () => this.broke("The server is silent."));
    addEventListener("pagehide", (this.leaving = () => this.goodbye()));
    this.resolve();
  }

  fromWorker(m) {
    if (m.type === "audio") this.frameCame(m);
    else if (m.type === "hold" || m.type === "resume") this.onSignal({ type: m.type, reply_id: m.reply });
    else if (m.type === "counts") this.counts = m;
  }

  frameCame(frame) {
    this.pings.heard(); // a pong may be waiting behind a message that was lost
    this.onFrame(frame);
  }

  // What the loudspeaker says of itself: packets are waited for until it needs them.
  playing({ reply, played }) {
    this.worker.postMessage({ type: "playing", reply, played });
  }

  // Of a reply that is over.
  cut(reply) {
    this.worker.postMessage({ type: "cut", reply });
  }

  // Another microphone: what the server hears from now on. spoken(): its track.
  hear(spoken) {
    this.sender?.replaceTrack(spoken()).catch(() => {});
  }

  // jitter: of the network, as the browser measures it; loss: of the agent's packets since the last look, beyond repair.
  async quality() {
    const stats = this.dead ? [] : [...(await this.peer.getStats()).values()];
    const inbound = stats.find((one) => one.type === "inbound-rtp");
    const jitter = (inbound?.jitter ?? 0) * 1000; // RFC 3550's: the mean of differences
    this.worker.postMessage({ type: "look", spread: jitter > LITTLE_MS ? Math.min(MOST_MS, 3 * jitter) : 0 });
    const { came, lost } = this.counts;
    const passed = came + lost - this.was.came - this.was.lost;
    if (passed >= LEAST) {
      this.loss = (lost - this.was.lost) / passed;
      this.was = { came, lost };
    }
    return { rtt: this.pings.rtt, jitter: inbound && jitter, loss: this.loss };
  }

  get open() {
    return this.channel?.readyState === "open" && !this.dead;
  }

  put(text) {
    this.channel.send(text);
  }

  // The track carries what the microphone hears.
  microphone() {}

  // What was heard before the connection is not sent: the track begins now.
  backlog() {}

  // lasting: by default, if no network path was found.
  broke(why, lasting = !this.found) {
    if (this.dead) return;
    if (this.opened) this.finish(LOST);
    else this.fail(new NoWay(why, "Call by WebSocket.", { lasting }));
  }

  fail(error) {
    this.reject(error);
    this.finish(LOST);
  }

  // code: 1000 is a goodbye.
  end(code) {
    if (code === 1000 && this.opened) this.forget();
    this.finish({ code, reason: "" });
  }

  finish(how) {
    if (this.dead) return;
    this.dead = true;
    if (!this.opened) this.forget();
    clearTimeout(this.late);
    removeEventListener("pagehide", this.leaving);
    // Given up by its caller, although the server had answered.
    const late = this.resource && how.code !== 1000;
    this.reject(late ? new NoWay("The connection took too long.", "", { lasting: !this.found }) : new CallError("The connection is closed.", "", { code: "closed" }));
    this.peer?.close();
    this.worker.terminate();
    this.ended(how);
  }

  // The page goes away: the server need not wait for it.
  goodbye() {
    this.send("hangup");
    this.forget();
  }

  forget() {
    if (this.resource) fetch(this.resource, { method: "DELETE", keepalive: true }).catch(() => {});
  }
}
