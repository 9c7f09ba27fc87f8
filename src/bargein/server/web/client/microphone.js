// A call's microphone: opened, refused, lost, muted, changed. Never throws: a call goes on without one, and is typed.

const MIC = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
const TYPE = "Until then, type below: the agent answers, too.";
const ASKED_MS = 1500; // after that the browser is waiting for the person
const TOLD_MS = 10000; // a line that needs nothing from the person
const LOSSES = 3; // in a minute: a device that goes more often is not taken again by itself

// By the name of getUserMedia's error.
const REFUSED = {
  NotAllowedError: ["The microphone is not allowed.", "Allow it in the address bar, and in the system's settings.", "microphone_refused"],
  SecurityError: ["The microphone is not allowed on this page.", "A page inside another page needs allow=\"microphone\".", "microphone_refused"],
  NotFoundError: ["There is no microphone.", "Plug one in: it is taken at once.", "microphone_missing"],
  NotReadableError: ["The microphone is busy or broken.", "Close the program that uses it, then try again.", "microphone_busy"],
  AbortError: ["The microphone did not start.", "Try again, or plug it in anew."],
  OverconstrainedError: ["This microphone cannot do what is asked of it.", "Choose another in the system's settings."],
  InvalidStateError: ["The page is not active.", "Click into it, then try again."],
};
const INSECURE = ["Browsers give a microphone to secure pages only.", "Open this page by https, or as http://localhost.", "insecure"];
const UNKNOWN = ["The microphone cannot be had.", "Try again, or use another browser."];

export class Microphone {
  // stream(stream or null): the one that is heard now; say(line or null): { code, text, advice, action, act }, code: of what makes that nothing is heard; typed(on): nothing is heard.
  constructor({ stream, say, typed }) {
    this.on = { stream, say, typed };
    this.stream = null;
    this.known = new Set();
    this.closed = false;
    this.opening = null;
    this.losses = []; // when, in ms
    this.changed = () => this.devices();
    this.watch = null;
  }

  // true: it is heard. Opened twice at once, it opens once.
  open(deviceId) {
    this.opening ??= this.get(deviceId).finally(() => (this.opening = null));
    return this.opening;
  }

  async get(deviceId) {
    if (!this.watch) {
      this.watch = navigator.mediaDevices;
      this.watch?.addEventListener?.("devicechange", this.changed);
    }
    const asking = setTimeout(() => this.on.say({ text: "The browser asks for the microphone.", advice: "Answer its question, or press Esc." }), ASKED_MS);
    try {
      if (!navigator.mediaDevices?.getUserMedia) return this.lack(isSecureContext ? UNKNOWN : INSECURE);
      const audio = deviceId ? { ...MIC, deviceId: { exact: deviceId } } : MIC;
      const stream = await navigator.mediaDevices.getUserMedia({ audio });
      if (this.closed) {
        stream.getTracks().forEach((track) => track.stop());
        return false;
      }
      if (stream.getAudioTracks()[0]?.readyState !== "live") throw new DOMException("It ended before anybody was heard", "AbortError");
      clearTimeout(asking);
      this.take(stream);
      await this.list();
      return true;
    } catch (error) {
      if (this.stream) this.brief("That microphone cannot be had.", "The other one is still heard.");
      else this.lack(REFUSED[error?.name] ?? UNKNOWN);
      return false;
    } finally {
      clearTimeout(asking);
    }
  }

  take(stream) {
    const old = this.stream;
    this.stream = stream;
    old?.getTracks().forEach((track) => track.stop());
    const [track] = stream.getAudioTracks();
    const mine = (act) => () => this.stream === stream && !this.closed && act();
    track.addEventListener("ended", mine(() => this.lost()));
    track.addEventListener("mute", mine(() => this.muted()));
    track.addEventListener("unmute", mine(() => this.heard()));
    this.on.stream(stream);
    if (track.muted) this.muted();
    else this.heard();
  }

  heard() {
    this.on.typed(false);
    this.on.say(null);
  }

  muted() {
    this.on.typed(true);
    this.on.say({ text: "Your microphone is muted by the system or its own switch.", advice: `Unmute it. ${TYPE}` });
  }

  // Nothing is heard, because the call is typed by choice.
  offer() {
    this.on.typed(true);
    this.on.say({ text: "This call is typed.", action: "Talk, too", act: () => this.open() });
  }

  // Nothing is heard: why, and a button to try again.
  lack([text, advice, code = "microphone_failed"]) {
    if (this.closed) return false;
    this.on.typed(true);
    this.on.say({ code, text, advice: `${advice} ${TYPE}`, action: "Try again", act: () => this.open() });
    return false;
  }

  // The device went away, or its permission: another may be there.
  async lost() {
    const label = this.stream?.getAudioTracks()[0]?.label;
    this.stream = null;
    this.on.stream(null);
    this.lack([`Your microphone is gone${label ? ` (${label})` : ""}.`, "Plug it in again: it is taken at once.", "microphone_lost"]);
    await this.list();
    this.losses = [...this.losses.filter((at) => performance.now() - at < 60000), performance.now()];
    if (this.known.size && this.losses.length <= LOSSES && (await this.open())) this.brief("Your microphone was gone.", `Now ${this.label} is heard.`);
  }

  get label() {
    return this.stream?.getAudioTracks()[0]?.label || "another one";
  }

  // What there is has changed.
  async devices() {
    if (this.closed) return;
    const before = this.known;
    const inputs = await this.list();
    if (this.closed || !inputs) return;
    if (!this.stream) {
      if (inputs.length) await this.open();
      return;
    }
    const own = this.stream.getAudioTracks()[0].getSettings?.().deviceId;
    if ((inputs.length === 0 && before.size) || (own && before.has(own) && !this.known.has(own))) {
      await this.lost(); // some browsers do not end the track
      return;
    }
    const more = inputs.find((input) => !before.has(input.deviceId) && !["default", "communications"].includes(input.deviceId));
    if (!more) return;
    const text = `Another microphone is there${more.label ? `: ${more.label}` : ""}.`;
    this.brief(text, "", { action: "Use it", act: () => this.open(more.deviceId) });
  }

  // The microphones that there are; null: the browser does not tell.
  async list() {
    const all = await navigator.mediaDevices?.enumerateDevices?.().catch(() => null);
    if (!all) return null;
    const inputs = all.filter((device) => device.kind === "audioinput");
    this.known = new Set(inputs.map((input) => input.deviceId));
    return inputs;
  }

  brief(text, advice, more = {}) {
    const line = { text, advice, ...more };
    this.on.say(line);
    setTimeout(() => this.on.say(null, line), TOLD_MS);
  }

  close() {
    this.closed = true;
    this.watch?.removeEventListener?.("devicechange", this.changed);
    this.stream?.getTracks().forEach((track) => track.stop());
    this.on.say(null);
    this.on.typed(false);
  }
}
