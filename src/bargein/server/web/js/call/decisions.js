// Every decision of the floor with its reason; and beside each, what another policy would have decided.

import { beyond, clock, make, plain, reveal, SlicedList, span } from "./text.js";

// What the other policy does, beside what was done.
function beside({ at_ms: at, replayed_ms: other }) {
  if (other === null) return "not decided";
  return other === at ? "the same" : `${span(Math.abs(other - at))} ${other > at ? "later" : "earlier"}`;
}

export class Decisions {
  // chosen(decision): the reader stepped to it. parts: list, minor (a checkbox), section, differences.
  constructor(parts, story, chosen, signal) {
    Object.assign(this, { parts, chosen });
    this.recorded = story.decisions.map((one) => ({ ...one, recorded: true, replayed_ms: one.at_ms, differs: false }));
    this.all = this.recorded;
    this.compared = false;
    this.current = -1;
    this.slices = new SlicedList(parts.list, (one, at) => this.row(one, at), 120);
    parts.minor.onchange = () => this.draw();
    const step = (e) => e.target.closest("li") && this.step(Number(e.target.closest("li").dataset.at));
    parts.list.addEventListener("click", step, { signal });
    parts.list.addEventListener("keydown", (e) => this.key(e), { signal });
    this.draw();
  }

  key(e) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (!by) return;
    e.preventDefault();
    this.step(this.current + by);
  }

  // replay: what another policy decides. null: no other policy.
  compare(replay) {
    this.compared = replay !== null;
    this.all = replay === null ? this.recorded : replay.decisions.map((one) => ({ ...one, differs: !one.recorded || one.replayed_ms !== one.at_ms }));
    this.parts.section.classList.toggle("compared", this.compared);
    if (this.compared) this.parts.heads.removeAttribute("hidden");
    this.draw();
  }

  draw() {
    this.shown = this.all.filter((one) => one.major || one.differs || this.parts.minor.checked);
    this.current = -1;
    this.slices.show(this.shown);
  }

  row(one, at) {
    const name = make("b", {}, plain(one.kind));
    const [mine, other] = this.compared ? [one.recorded ? name : "", one.recorded ? beside(one) : name] : [name, ""];
    const which = one.reply !== null && one.reply !== undefined ? ` (reply ${one.reply})` : "";
    return make(
      "li",
      { className: `${one.kind}${one.differs ? " differs" : ""}`, dataset: { at } },
      make("time", {}, clock(one.at_ms)),
      make("span", {}, mine),
      make("span", { className: "other" }, other),
      make("span", {}, `${one.why}${which}`),
    );
  }

  // The next decision after a moment, or the one before it.
  from(ms, by) {
    const at = this.current >= 0 ? this.current + by : beyond(this.shown, ms, (one) => one.at_ms) + (by < 0 ? -1 : 0);
    this.step(at);
  }

  step(at) {
    if (at < 0 || at >= this.shown.length) return;
    this.mark(at);
    reveal(this.parts.list, this.slices.row(at));
    this.chosen(this.shown[at], at, this.shown.length);
  }

  mark(at) {
    if (this.current >= 0) this.slices.row(this.current)?.removeAttribute("aria-current");
    this.current = at;
    this.slices.row(at)?.setAttribute("aria-current", "true");
  }

  // The reader has gone elsewhere: the next step begins from there.
  left() {
    if (this.current >= 0) this.slices.row(this.current)?.removeAttribute("aria-current");
    this.current = -1;
  }
}
