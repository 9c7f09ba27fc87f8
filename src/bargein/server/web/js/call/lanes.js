// Two lanes, the caller's and the agent's, and the decisions below. Only what is seen is drawn, whatever the call's length.

import { beyond, clock, plain } from "./text.js";

const AXIS = 18;
const MARKS = 26; // the row of decisions
const STRIP = 20; // of words, at the foot of a lane
const MOST_PX_S = 600;
const WORDS_PX_S = 55; // from here on there is room for words
const COLOURS = { bg: "--bg", line: "--line", ink: "--ink", soft: "--soft", you: "--you", agent: "--agent", alert: "--alert", think: "--think" };
const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800];
const MARK = { hold: "you", resume: "agent", cut: "alert", discard_reply: "alert", cut_stalled_reply: "alert", answer: "agent", give_up: "alert" };

export class Lanes {
  // go(ms): the reader chose a moment
  constructor({ scroll, lanes, canvas }, story, go, signal) {
    Object.assign(this, { scroll, lanes, canvas, story, go });
    this.ctx = canvas.getContext("2d");
    this.peaks = null;
    this.other = [];
    this.at = 0;
    this.perS = 0;
    this.replies = story.replies.filter((reply) => reply.started_ms !== null).sort((a, b) => a.started_ms - b.started_ms);
    this.holds = story.replies.flatMap((reply) => reply.holds).sort((a, b) => a.at_ms - b.at_ms);
    this.marks = story.decisions.filter((decision) => decision.major);
    this.sides = [story.turns.flatMap((turn) => turn.words), this.replies.flatMap((reply) => reply.words)];
    for (const words of this.sides) words.sort((a, b) => a.start_ms - b.start_ms);
    const lasted = Math.max(1, Math.round(story.lasted_ms));
    lanes.setAttribute("aria-valuemax", lasted);
    const sizes = new ResizeObserver(() => this.resized());
    sizes.observe(scroll);
    signal.addEventListener("abort", () => sizes.disconnect());
    scroll.addEventListener("scroll", () => this.later(), { passive: true, signal });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour(), { signal });
    lanes.addEventListener("click", (e) => go(this.msAt(e.clientX)), { signal });
    lanes.addEventListener("keydown", (e) => this.key(e), { signal });
    lanes.addEventListener("wheel", (e) => this.wheel(e), { passive: false, signal });
    this.recolour();
    this.resized();
  }

  get leastPxS() {
    return (this.scroll.clientWidth * 1000) / Math.max(1000, this.story.lasted_ms);
  }

  get px() {
    return this.perS || this.leastPxS;
  }

  recolour() {
    const style = getComputedStyle(document.documentElement);
    this.colours = Object.fromEntries(Object.entries(COLOURS).map(([name, key]) => [name, style.getPropertyValue(key).trim()]));
    this.later();
  }

  resized() {
    const [width, height] = [this.scroll.clientWidth, this.lanes.clientHeight];
    const ratio = devicePixelRatio || 1;
    Object.assign(this, { width, height });
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.placed();
  }

  placed() {
    const whole = (this.px * this.story.lasted_ms) / 1000;
    this.lanes.style.width = whole > this.width ? `${Math.ceil(whole)}px` : "100%";
    this.later();
  }

  // by: 0 shows all of the call. middle: the moment that stays where it is.
  zoom(by, middle = this.at) {
    const from = (middle / 1000) * this.px - this.scroll.scrollLeft;
    const stays = from >= 0 && from <= this.width ? from : this.width / 2;
    const px = by ? this.px * by : 0;
    this.perS = px <= this.leastPxS ? 0 : Math.min(px, MOST_PX_S);
    this.placed();
    this.scroll.scrollLeft = (middle / 1000) * this.px - stays;
  }

  wheel(e) {
    if (!e.ctrlKey && !e.metaKey) return;
    e.preventDefault();
    this.zoom(e.deltaY < 0 ? 1.25 : 0.8, this.msAt(e.clientX));
  }

  msAt(clientX) {
    return ((clientX - this.lanes.getBoundingClientRect().left) / this.px) * 1000;
  }

  key(e) {
    const by = { ArrowRight: 1000, ArrowUp: 1000, ArrowLeft: -1000, ArrowDown: -1000, PageUp: 10000, PageDown: -10000 }[e.key];
    const to = e.key === "Home" ? 0 : e.key === "End" ? this.story.lasted_ms : by && this.at + by;
    if (to === undefined || e.altKey || e.ctrlKey || e.metaKey) return;
    e.preventDefault();
    this.go(to);
  }

  show(ms, { follow = true } = {}) {
    this.at = ms;
    this.lanes.setAttribute("aria-valuenow", Math.round(ms));
    this.lanes.setAttribute("aria-valuetext", clock(ms));
    const x = (ms / 1000) * this.px - this.scroll.scrollLeft;
    if (follow && this.perS && (x < 0 || x > this.width * 0.92)) this.scroll.scrollLeft += x - this.width * 0.15;
    this.later();
  }

  later() {
    this.asked ??= requestAnimationFrame(() => {
      this.asked = null;
      this.draw();
    });
  }

  // --------------------------------------------------------------------------------------------------- drawing

  draw() {
    const { ctx, width, height } = this;
    const from = (this.scroll.scrollLeft / this.px) * 1000;
    const until = from + (width / this.px) * 1000;
    const x = (ms) => ((ms - from) / 1000) * this.px;
    const rows = this.other.length ? 2 : 1;
    const lane = (height - AXIS - MARKS * rows) / 2;
    const strip = this.px >= WORDS_PX_S ? STRIP : 0;
    const view = { from, until, x, lane, strip };
    ctx.clearRect(0, 0, width, height);
    this.axis(view);
    this.side(view, AXIS, this.colours.you, 0);
    this.side(view, AXIS + lane, this.colours.agent, 1);
    this.drawTools(view);
    this.drawHolds(view);
    this.drawFaults(view);
    this.drawMarks(view, this.marks, height - MARKS * rows);
    if (rows === 2) this.drawMarks(view, this.other, height - MARKS);
    ctx.fillStyle = this.colours.ink;
    ctx.fillRect(Math.round(x(this.at)) - 1, 0, 2, height);
  }

  axis({ from, until, x }) {
    const { ctx, colours, height } = this;
    const step = (STEPS_S.find((s) => s * this.px >= 78) ?? STEPS_S.at(-1)) * 1000;
    ctx.font = "11px ui-sans-serif, system-ui, sans-serif";
    for (let ms = Math.floor(from / step) * step; ms <= until; ms += step) {
      ctx.fillStyle = colours.line;
      ctx.fillRect(Math.round(x(ms)), 0, 1, height);
      ctx.fillStyle = colours.soft;
      ctx.fillText(clock(ms), x(ms) + 3, 12);
    }
  }

  side(view, top, colour, side) {
    const { ctx, colours } = this;
    const { from, until, x, lane, strip } = view;
    const middle = top + (lane - strip) / 2;
    ctx.fillStyle = colours.line;
    ctx.fillRect(0, top + lane - 1, this.width, 1);
    ctx.fillStyle = colour;
    if (this.peaks) this.wave(view, middle, side);
    else {
      const stretches = side === 0 ? this.story.speech : this.replies.map((reply) => [reply.started_ms, reply.ended_ms ?? this.story.lasted_ms]);
      for (let at = Math.max(0, beyond(stretches, from, (one) => one[0]) - 1); at < stretches.length && stretches[at][0] < until; at++) {
        ctx.fillRect(x(stretches[at][0]), middle - 5, Math.max(1, x(stretches[at][1]) - x(stretches[at][0])), 10);
      }
    }
    ctx.font = "600 11px ui-sans-serif, system-ui, sans-serif";
    const name = side === 0 ? "caller" : "agent, as heard";
    ctx.fillStyle = colours.bg;
    ctx.fillRect(3, top + 2, ctx.measureText(name).width + 6, 13);
    ctx.fillStyle = colour;
    ctx.fillText(name, 6, top + 12);
    if (strip) this.words(view, top + lane - 6, side);
  }

  // A line for each pixel: the loudest peak that falls on it.
  wave({ from, lane, strip }, middle, side) {
    const { data, per_s: perS } = this.peaks;
    const lanePeaks = data[side];
    const [step, first] = [perS / this.px, (from / 1000) * perS];
    for (let px = 0; px < this.width; px++) {
      const begin = Math.floor(first + px * step);
      const end = Math.min(lanePeaks.length, Math.max(begin + 1, Math.floor(first + (px + 1) * step)));
      let most = 0;
      for (let at = begin; at < end; at++) if (lanePeaks[at] > most) most = lanePeaks[at];
      const tall = Math.max(1, (most / 255) * (lane - strip) * 0.9);
      this.ctx.fillRect(px, middle - tall / 2, 1, tall);
    }
  }

  words({ from, until, x }, bottom, side) {
    const { ctx, colours } = this;
    const words = this.sides[side];
    ctx.font = "12px ui-sans-serif, system-ui, sans-serif";
    let free = -Infinity;
    for (let at = Math.max(0, beyond(words, from, (w) => w.start_ms) - 2); at < words.length && words[at].start_ms < until; at++) {
      const word = words[at];
      const left = x(word.start_ms);
      if (left < free) continue;
      const text = word.text.trim();
      ctx.fillStyle = word.heard ? colours.ink : colours.soft;
      ctx.fillText(text, left, bottom);
      const wide = ctx.measureText(text).width;
      if (!word.heard) ctx.fillRect(left, bottom - 4, wide, 1);
      free = left + wide + 4;
    }
  }

  drawHolds({ from, until, x, lane }) {
    const { ctx, colours, holds } = this;
    for (let at = Math.max(0, beyond(holds, from, (hold) => hold.at_ms) - 2); at < holds.length && holds[at].at_ms < until; at++) {
      const hold = holds[at];
      ctx.fillStyle = hold.verdict === "cut" ? colours.alert : colours.you;
      const [left, wide] = [x(hold.at_ms), Math.max(2, x(hold.until_ms) - x(hold.at_ms))];
      ctx.globalAlpha = 0.22;
      ctx.fillRect(left, AXIS + lane, wide, lane);
      ctx.globalAlpha = 1;
      ctx.fillRect(left + wide - 2, AXIS + lane, 2, lane);
    }
  }

  // A tool runs: a bar at the foot of the agent's lane.
  drawTools({ from, until, x, lane }) {
    this.ctx.fillStyle = this.colours.think;
    for (const { began_ms: began, ended_ms: ended } of this.story.tools) {
      if (began === null || began > until || (ended ?? began) < from) continue;
      this.ctx.fillRect(x(began), AXIS + 2 * lane - 4, Math.max(2, x(ended ?? began) - x(began)), 3);
    }
  }

  // A fault: a line through both lanes, and a bar while it lasted.
  drawFaults({ from, until, x, lane }) {
    this.ctx.fillStyle = this.colours.alert;
    for (const { at_ms: at, until_ms: over } of this.story.faults) {
      if (at > until || (over ?? at) < from) continue;
      for (let y = AXIS; y < AXIS + 2 * lane; y += 6) this.ctx.fillRect(x(at), y, 1, 3);
      this.ctx.fillRect(x(at), AXIS - 3, Math.max(3, x(over ?? at) - x(at)), 3);
    }
  }

  drawMarks({ from, until, x }, marks, top) {
    const { ctx, colours } = this;
    ctx.font = "10.5px ui-sans-serif, system-ui, sans-serif";
    let free = -Infinity;
    let last = -Infinity;
    for (let at = Math.max(0, beyond(marks, from, (mark) => mark.at_ms) - 2); at < marks.length && marks[at].at_ms < until; at++) {
      const mark = marks[at];
      const left = Math.round(x(mark.at_ms));
      if (left === last && mark.kind !== "cut") continue;
      last = left;
      ctx.fillStyle = mark.differs ? colours.alert : colours[MARK[mark.kind] ?? "soft"];
      ctx.fillRect(left - 1, top + 2, mark.differs ? 4 : 3, 9);
      if (left < free) continue;
      const text = plain(mark.kind);
      if (this.px > 12) ctx.fillText(text, left + 5, top + 20);
      free = left + ctx.measureText(text).width + 10;
    }
  }
}
