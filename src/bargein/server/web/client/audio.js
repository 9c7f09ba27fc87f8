// A call's microphone and loudspeaker: one AudioContext at the device's own rate, two worklets in it.

import { Awake } from "./awake.js";
import { CallError } from "./errors.js";
import { UNFIT } from "./fitness.js";
import { Microphone } from "./microphone.js";
import { moduleAt } from "./modules.js";

const LOAD_MS = 10000; // for a worklet

export class Sound {
  // on: { broken(): the browser has ended the sound for good, capture(message), playback(message), track(spoken): another one is heard now, obstacle(kind, line, only), typed(on) }
  // assets: a folder that has the worklets, if another one than this module's own.
  constructor(on, assets) {
    this.on = on;
    this.assets = assets;
    this.quiet = false; // the microphone is muted here
    this.context = null;
    this.microphone = null;
    this.source = null;
  }

  // The context alone, at once: a browser starts it where a click or a key has just come, and a token may take longer.
  prepare() {
    try {
      this.context = new AudioContext({ latencyHint: "interactive" });
    } catch {
      throw new CallError("The browser gives this page no sound.", "Close other pages that play sound, then call again.", { code: "no_audio" });
    }
    Promise.resolve(this.context.resume()).catch(() => {});
  }

  // direct: the agent's sound comes from the model's own track (`hear`), and what is said here goes there (`spoken`).
  // later: without a microphone now, with a button to have one.
  async open({ microphone, later = false, record, direct }) {
    if (!this.context.audioWorklet) throw new CallError(...UNFIT, { code: "browser_too_old" });
    this.awake = new Awake(this.context, (line) => this.on.obstacle("sound", line));
    const loudspeaker = direct ? "direct" : "playback";
    await this.load("capture");
    await this.load(loudspeaker);
    if (this.closed) return;
    this.playback = new AudioWorkletNode(this.context, `bargein-${loudspeaker}`, { numberOfInputs: direct ? 1 : 0, outputChannelCount: [1] });
    this.capture = new AudioWorkletNode(this.context, "bargein-capture", { numberOfOutputs: 1, outputChannelCount: [1] });
    this.playback.connect(this.context.destination);
    // The capture gives silence; it is connected because a node that leads nowhere may not be run.
    this.capture.connect(this.context.destination);
    this.capture.port.onmessage = (e) => this.on.capture(e.data);
    this.playback.port.onmessage = (e) => {
      this.place = e.data.reply && e.data.type !== "finished" ? e.data : null;
      this.on.playback(e.data);
    };
    // Where the browser stops the sound in the middle of a reply (Safari calls it "interrupted"), the server is told.
    this.context.addEventListener("statechange", () => {
      if (this.context.state === "closed" && !this.closed) this.on.broken();
      const { reply, played } = this.place ?? {};
      if (reply && !["running", "closed"].includes(this.context.state)) this.on.playback({ type: "played", reply, played, playing: false });
    });
    if (record) this.playback.port.postMessage({ type: "record", on: true });
    if (microphone || later) {
      this.microphone = new Microphone({
        stream: (stream) => this.use(stream),
        say: (line, only) => this.on.obstacle("microphone", line, only),
        typed: (on) => this.on.typed(on),
      });
      if (microphone) await this.microphone.open();
      else this.microphone.offer();
    }
    await this.awake.start();
  }

  get stream() {
    return this.microphone?.stream ?? null;
  }

  // What is heard from now on; null: nothing.
  use(stream) {
    this.source?.disconnect();
    this.hush(stream);
    this.source = stream && !this.closed ? this.context.createMediaStreamSource(stream) : null;
    this.source?.connect(this.capture);
    if (!this.closed) this.on.track(() => this.spoken);
  }

  // A track that is muted here gives silence, to the worklet and to WebRTC.
  mute(on) {
    this.quiet = on;
    this.hush(this.stream);
  }

  hush(stream) {
    for (const track of stream?.getAudioTracks() ?? []) track.enabled = !this.quiet;
  }

  async load(worklet) {
    const url = moduleAt(`worklets/${worklet}`, this.assets);
    const late = new Promise((_, reject) => setTimeout(reject, LOAD_MS));
    const loading = this.context.audioWorklet.addModule(url);
    await Promise.race([loading, late]).catch(() => {
      const advice =
        url.protocol === "blob:"
          ? "The page's Content-Security-Policy may forbid it: allow blob: in script-src and worker-src, or give a folder of your own: assets."
          : `Look whether ${url} can be reached, then reload the page.`;
      throw new CallError("The page's sound cannot be loaded.", advice, { code: "no_worklet" });
    });
  }

  get latencySamples() {
    return Math.round((this.context.outputLatency || this.context.baseLatency || 0) * 24000);
  }

  // The track of what is said here. Without a microphone (a dummy call, a typed one) it is what is played into the capture.
  get spoken() {
    if (!this.stream) this.aloud ??= this.context.createMediaStreamDestination();
    return (this.stream ?? this.aloud.stream).getAudioTracks()[0];
  }

  hear(stream) {
    // Chromium feeds a remote track to no context unless some element plays it, too.
    this.pump = new Audio();
    this.pump.muted = true;
    this.pump.srcObject = stream;
    this.pump.play().catch(() => {});
    this.context.createMediaStreamSource(stream).connect(this.playback);
  }

  start() {
    this.capture.port.postMessage({ type: "start" });
  }

  // Plays a caller's line: into the capture in place of a microphone, and aloud.
  async line(buffer) {
    const source = new AudioBufferSourceNode(this.context, { buffer });
    source.connect(this.capture);
    if (this.aloud) source.connect(this.aloud);
    source.connect(this.context.destination);
    source.start();
    await new Promise((resolve) => (source.onended = resolve));
  }

  tell(message, transfer = []) {
    this.playback?.port.postMessage(message, transfer);
  }

  dump() {
    const one = (node) =>
      new Promise((resolve) => {
        const listen = (e) => {
          if (e.data.type !== "dump") return;
          node.port.removeEventListener("message", listen);
          resolve(e.data);
        };
        node.port.addEventListener("message", listen);
        node.port.postMessage({ type: "dump" });
      });
    return Promise.all([one(this.capture), one(this.playback)]).then(([microphone, output]) => ({ microphone, output }));
  }

  // The call is over: nothing is heard any more, and nothing stands in its way.
  silence() {
    this.microphone?.close();
    this.awake?.close();
  }

  async close() {
    this.closed = true;
    this.silence();
    if (this.context && this.context.state !== "closed") await this.context.close();
    if (this.pump) this.pump.srcObject = null;
  }
}
