// One call with a voice agent: what a page, a component or a script makes and listens to. docs/client.md has its events.

import { Calling } from "./calling.js";

export class BargeinCall extends Calling {
  // Hears what happens: listener(detail). Returns a function that ends it.
  on(type, listener) {
    const heard = (e) => listener(e.detail);
    this.addEventListener(type, heard);
    return () => this.removeEventListener(type, heard);
  }

  // Resolves when the call has begun (true), or when it was hung up before (false). Rejects with a CallError.
  start() {
    if (!this.started) {
      this.started = true;
      this.open().catch((error) => this.failed(error));
    }
    return this.begun;
  }

  // Hangs up. Resolves when the microphone is free.
  stop() {
    const tried = this.again.stop();
    if (this.connection?.opened && !tried) this.connection.close();
    else {
      this.connection?.drop();
      this.finish({ left: true });
    }
    return this.released;
  }

  // The agent stops now. On a free floor, too: the loudspeaker may hold what the server believes to be over.
  interrupt() {
    this.connection?.send("interrupt");
  }

  // The person's turn as text. Before the call begins it waits for that.
  say(text) {
    if (this.id === undefined || this.again.attempt) this.unsaid.push(text);
    else this.connection.send("say", { text });
  }

  // policy: a preset's name; settings: single numbers.
  change({ policy, settings }) {
    if (policy) {
      this.wishes.policy = policy;
      delete this.wishes.settings;
    }
    if (settings) this.wishes.settings = { ...this.wishes.settings, ...settings };
    if (this.id !== undefined) this.connection?.send("settings", { policy, settings });
    else if (this.hello) this.unset.push({ policy, settings });
  }

  // The person agrees to a recording of the call, or refuses it.
  consent(on = true) {
    this.options.consent = on;
    if (this.hello) this.hello = { ...this.hello, ...this.agreed };
    this.connection?.send("record", { on });
  }

  get muted() {
    return this.sound.quiet;
  }

  // Nothing of the person is heard, and the call goes on.
  mute(on = true) {
    if (on === this.muted) return;
    this.sound.mute(on);
    this.tell("muted", { on });
  }

  // This page may fall silent by itself, before the server has answered.
  holdHere(on) {
    this.options.localHold = on;
    this.sound.tell({ type: "localHold", on });
  }

  // Of the newest replies: how far they have sounded.
  get reports() {
    return this.told.list;
  }
}
