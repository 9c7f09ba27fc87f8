// An operator listens to a call: the user in the left ear, the agent in the right one, as the caller hears it.

import { audio } from "./server.js";

const HEAD = 8; // bytes: the block's first sample

export class Listening {
  // stopped(error): it ended by itself; error: null at the call's end. level(user, agent): the newest block's peaks.
  constructor({ stopped, level }) {
    Object.assign(this, { stopped, level });
    this.turn = 0; // a start that is too late is known by it
  }

  get on() {
    return Boolean(this.socket);
  }

  // Throws a CallError, or what the browser throws when it has no loudspeaker.
  async start(id) {
    this.stop();
    const { turn } = this;
    const socket = await audio(id);
    if (turn !== this.turn) return socket.close();
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    let rate = 0;
    let wait = Promise.resolve(); // blocks keep their order while the context is made
    socket.onmessage = ({ data }) => {
      wait = wait.then(async () => {
        if (this.socket !== socket) return;
        if (typeof data === "string") {
          ({ rate } = JSON.parse(data));
          await this.open(rate);
        } else if (rate) this.play(data);
      }).catch((error) => this.socket === socket && this.end(error));
    };
    socket.onclose = ({ code }) => this.socket === socket && this.end(code === 1000 ? null : new Error("Listening broke off."));
  }

  async open(rate) {
    const context = new AudioContext({ sampleRate: rate });
    this.context = context;
    await context.audioWorklet.addModule(new URL("./listening_worklet.js", import.meta.url));
    if (this.context !== context) return;
    this.node = new AudioWorkletNode(context, "listening", { numberOfInputs: 0, outputChannelCount: [2] });
    this.node.connect(context.destination);
    await context.resume();
  }

  play(data) {
    const pcm = new Int16Array(data, HEAD);
    const sides = [0, 1].map((side) => Float32Array.from({ length: pcm.length / 2 }, (_, i) => pcm[2 * i + side] / 32768));
    this.level(...sides.map((samples) => samples.reduce((most, one) => Math.max(most, Math.abs(one)), 0)));
    const [left, right] = sides;
    this.node?.port.postMessage({ left, right }, [left.buffer, right.buffer]);
  }

  end(error) {
    this.stop();
    this.stopped(error);
  }

  stop() {
    this.turn++;
    this.socket?.close();
    this.context?.close();
    this.socket = this.context = this.node = null;
  }
}
