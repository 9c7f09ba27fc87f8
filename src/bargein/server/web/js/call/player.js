// The position in the call, and the sound at it. Without a recording the position moves by hand alone.

export class Player {
  constructor(lasted) {
    this.lasted = lasted;
    this.ms = 0;
    this.audio = null;
    this.watchers = [];
    this.asked = 0; // sources in a row that failed
    this.frame = this.frame.bind(this);
  }

  // source(): the address of the sound, asked for again when it has expired
  async sound(source) {
    this.source = source;
    this.audio = new Audio();
    this.audio.preload = "metadata";
    this.audio.onplay = () => requestAnimationFrame(this.frame);
    for (const name of ["onpause", "onended"]) this.audio[name] = () => this.tell();
    this.audio.oncanplay = () => (this.asked = 0);
    this.audio.onerror = () => this.failed();
    this.audio.src = await source();
  }

  async failed() {
    if (this.asked++ > 0) return this.onfault?.(this.audio.error?.message || "The sound cannot be played");
    const playing = !this.audio.paused;
    this.audio.src = await this.source();
    this.audio.currentTime = this.ms / 1000;
    if (playing) this.play();
  }

  get playing() {
    return this.audio !== null && !this.audio.paused && !this.audio.ended;
  }

  seek(ms) {
    this.ms = Math.max(0, Math.min(ms, this.lasted));
    if (this.audio) this.audio.currentTime = this.ms / 1000;
    this.tell();
  }

  // Resolves when it sounds, or cannot.
  async play() {
    if (!this.audio) return;
    await this.audio.play().catch((error) => error.name !== "AbortError" && this.onfault?.(error.message));
  }

  from(ms) {
    this.seek(ms);
    return this.play();
  }

  toggle() {
    if (this.playing) this.audio.pause();
    else this.play();
  }

  frame() {
    if (!this.audio.seeking) this.ms = this.audio.currentTime * 1000;
    this.tell();
    if (this.playing) requestAnimationFrame(this.frame);
  }

  tell() {
    for (const watch of this.watchers) watch(this.ms, this.playing);
  }
}
