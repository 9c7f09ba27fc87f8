// Waiting for a call to become so: the dummy callers' clock.

export class Waits {
  constructor(call) {
    this.call = call;
    this.open = [];
  }

  // Resolves when the test holds, or after ms at the latest.
  until(test, ms) {
    return new Promise((resolve) => {
      if (test(this.call)) return resolve(true);
      const wait = { test, resolve: () => resolve(true) };
      this.open.push(wait);
      setTimeout(() => {
        this.open = this.open.filter((w) => w !== wait);
        resolve(false);
      }, ms);
    });
  }

  // The call has changed.
  check() {
    const ready = this.open.filter((w) => w.test(this.call));
    this.open = this.open.filter((w) => !ready.includes(w));
    ready.forEach((w) => w.resolve());
  }
}
