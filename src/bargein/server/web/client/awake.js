// Keeps an AudioContext running. A browser may refuse to start it before a click, and may stop it in a call (another
// app's sound, a locked screen, a device that goes away): that is said, and the next click or key goes on.

const START_MS = 1500; // for a context to run, after it was asked to
const GESTURES = ["pointerdown", "keydown"];
const CLICK = { text: "The browser has stopped the sound.", advice: "Click anywhere, or press a key, and it goes on." };
const STUCK = { text: "The browser does not start the sound.", advice: "Look whether a loudspeaker is there, click again, or reload the page." };

export class Awake {
  // say(line or null): what stands in the way.
  constructor(context, say) {
    this.context = context;
    this.say = say;
    this.over = false;
    this.waiting = []; // those who wait for it to run
    this.gesture = () => this.ask(STUCK);
    this.changed = () => this.look();
    context.addEventListener("statechange", this.changed);
  }

  get running() {
    return this.context.state === "running";
  }

  // Resolves when it runs, which may take a click, or when it is over.
  async start() {
    const ready = new Promise((resolve) => this.waiting.push(resolve));
    this.ask(CLICK);
    return ready;
  }

  // Asks once, and says so when nothing came of it: a promise of `resume` may never settle.
  ask(line) {
    if (this.over) return;
    if (!this.running) Promise.resolve(this.context.resume()).catch(() => {});
    clearTimeout(this.late);
    this.late = setTimeout(() => this.running || this.block(line), START_MS);
    this.look();
  }

  look() {
    if (this.over || this.context.state === "closed") return;
    if (!this.running) {
      if (this.ran) this.block(CLICK);
      return;
    }
    this.ran = true;
    this.block(null);
    this.waiting.splice(0).forEach((resolve) => resolve());
  }

  block(line) {
    if (this.over) return;
    for (const kind of GESTURES) {
      if (line) addEventListener(kind, this.gesture, true);
      else removeEventListener(kind, this.gesture, true);
    }
    this.say(line);
  }

  close() {
    this.block(null);
    this.over = true;
    clearTimeout(this.late);
    this.context.removeEventListener("statechange", this.changed);
    this.waiting.splice(0).forEach((resolve) => resolve());
  }
}
