// The page's microphone and loudspeaker: one AudioContext at the device's own rate, two worklets in it.

const MIC = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };

export class Sound {
  // on: { capture(message), playback(message) }
  constructor(on) {
    this.on = on;
    this.context = null;
    this.stream = null;
  }

  // direct: the agent's sound comes from the model's own track (`hear`), and what is said here goes there (`spoken`).
  async open({ microphone, record, direct }) {
    this.context = new AudioContext({ latencyHint: "interactive" });
    const loudspeaker = direct ? "direct" : "playback";
    await this.context.audioWorklet.addModule("web/worklets/capture.js");
    await this.context.audioWorklet.addModule(`web/worklets/${loudspeaker}.js`);
    this.playback = new AudioWorkletNode(this.context, `bargein-${loudspeaker}`, { numberOfInputs: direct ? 1 : 0, outputChannelCount: [1] });
    this.capture = new AudioWorkletNode(this.context, "bargein-capture", { numberOfOutputs: 1, outputChannelCount: [1] });
    this.playback.connect(this.context.destination);
    // The capture gives silence; it is connected because a node that leads nowhere may not be run.
    this.capture.connect(this.context.destination);
    this.capture.port.onmessage = (e) => this.on.capture(e.data);
    this.playback.port.onmessage = (e) => this.on.playback(e.data);
    if (record) this.playback.port.postMessage({ type: "record", on: true });
    if (microphone) {
      try {
        this.stream = await navigator.mediaDevices.getUserMedia({ audio: MIC });
      } catch (error) {
        await this.close();
        throw new Error(
          error.name === "NotAllowedError"
            ? "The microphone is not allowed. Allow it in the address bar, or watch a dummy call."
            : "No microphone was found. Plug one in, or watch a dummy call.",
        );
      }
      this.context.createMediaStreamSource(this.stream).connect(this.capture);
    }
    // Without a microphone (a dummy call) the model hears what is played into the capture.
    if (direct && !microphone) this.aloud = this.context.createMediaStreamDestination();
    if (this.context.state !== "running") await this.context.resume();
  }

  get latencySamples() {
    return Math.round((this.context.outputLatency || this.context.baseLatency || 0) * 24000);
  }

  get spoken() {
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

  async close() {
    this.stream?.getTracks().forEach((track) => track.stop());
    if (this.context && this.context.state !== "closed") await this.context.close();
    this.stream = null;
    if (this.pump) this.pump.srcObject = null;
  }
}
