// Two lanes scrolling in time: you above, the agent below, and every decision between them with its milliseconds.

const SECONDS = 12;
const STEP_MS = 1000;
const KINDS = { onset: "you", hold: "alert", resume: "agent", cut: "alert", drop: "alert" };

export class Lanes {
  constructor(canvas, tip) {
    this.canvas = canvas;
    this.tip = tip;
    this.you = [];
    this.agent = [];
    this.marks = [];
    this.pointer = null;
    canvas.addEventListener("pointermove", (e) => (this.pointer = { x: e.offsetX, y: e.offsetY }));
    canvas.addEventListener("pointerleave", () => (this.pointer = null));
    this.colours = {};
    const pick = () => {
      const style = getComputedStyle(document.documentElement);
      for (const name of ["you", "agent", "alert", "soft", "line", "ink", "bg", "card"]) this.colours[name] = style.getPropertyValue(`--${name}`).trim();
    };
    pick();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", pick);
    // Who wants less motion gets steps instead of a scroll.
    const still = matchMedia("(prefers-reduced-motion: reduce)");
    let drawn = 0;
    const draw = (now) => {
      if (!still.matches || now - drawn > STEP_MS) {
        this.draw();
        drawn = now;
      }
      requestAnimationFrame(draw);
    };
    requestAnimationFrame(draw);
  }

  clear() {
    this.you = [];
    this.agent = [];
    this.marks = [];
  }

  level(lane, level) {
    this[lane].push({ at: performance.now(), level });
    const old = performance.now() - (SECONDS + 1) * 1000;
    while (this[lane].length && this[lane][0].at < old) this[lane].shift();
  }

  // agoMs: how long before now it happened.
  mark(kind, { agoMs = 0, text = "", label = kind } = {}) {
    this.marks.push({ kind, at: performance.now() - agoMs, text, label });
    if (this.marks.length > 200) this.marks.shift();
  }

  draw() {
    const { canvas, colours } = this;
    const ratio = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const g = canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    const now = performance.now();
    const x = (at) => width - 14 - ((now - at) / 1000) * ((width - 14) / SECONDS);
    const top = 46, bottom = height - 6, middle = (top + bottom) / 2;
    const lane = (middle - top) / 2 - 6;
    g.font = "600 12px ui-sans-serif, system-ui, sans-serif";
    g.fillStyle = colours.line;
    g.fillRect(0, middle, width, 1);
    for (let s = 0; s <= SECONDS; s += 2) {
      g.fillStyle = colours.line;
      g.fillRect(x(now - s * 1000), top - 4, 1, bottom - top + 8);
    }
    this.bars(g, this.you, x, (top + middle) / 2, lane, colours.you);
    this.bars(g, this.agent, x, (middle + bottom) / 2 + 2, lane, colours.agent);
    this.spans(g, x, middle, bottom);
    let over = null;
    const rows = [-1e9, -1e9, -1e9]; // where each row of labels is free again
    for (const mark of this.marks) {
      const at = x(mark.at);
      if (at < -80) continue;
      g.strokeStyle = g.fillStyle = colours[KINDS[mark.kind] ?? "soft"];
      g.lineWidth = 2;
      g.setLineDash(mark.kind === "onset" ? [3, 3] : []);
      g.beginPath();
      g.moveTo(at, top - 4);
      g.lineTo(at, bottom);
      g.stroke();
      g.setLineDash([]);
      if (mark.label) {
        const wide = g.measureText(mark.label).width + 10;
        const left = Math.max(2, Math.min(at - 2, width - wide));
        const open = rows.findIndex((free) => left > free);
        const row = open >= 0 ? open : rows.indexOf(Math.min(...rows));
        rows[row] = left + wide;
        g.fillText(mark.label, left, 12 + row * 14);
      }
      if (this.pointer && Math.abs(this.pointer.x - at) < 7 && mark.text) over = mark;
    }
    for (const [name, y] of [["you", top + 12], ["agent", middle + 16]]) {
      g.fillStyle = colours.card;
      g.fillRect(0, y - 12, g.measureText(name).width + 12, 16);
      g.fillStyle = colours.soft;
      g.fillText(name, 6, y);
    }
    this.tip.hidden = !over;
    if (over) this.tip.textContent = `${over.label}: ${over.text}`;
  }

  // What lies between a hold and its end is shaded: the agent is silent there.
  spans(g, x, top, bottom) {
    let held = null;
    g.globalAlpha = 0.13;
    for (const mark of this.marks) {
      if (mark.kind === "hold") held ??= mark.at;
      else if (held !== null && ["resume", "cut", "drop"].includes(mark.kind)) {
        g.fillStyle = this.colours[mark.kind === "resume" ? "agent" : "alert"];
        g.fillRect(x(held), top, x(mark.at) - x(held), bottom - top);
        held = null;
      }
    }
    if (held !== null) {
      g.fillStyle = this.colours.alert;
      g.fillRect(x(held), top, x(performance.now()) - x(held), bottom - top);
    }
    g.globalAlpha = 1;
  }

  bars(g, levels, x, middle, most, colour) {
    g.fillStyle = colour;
    for (const { at, level } of levels) {
      const size = Math.max(1, Math.min(1, Math.max(0, (20 * Math.log10(level + 1e-5) + 56) / 46)) * most);
      g.fillRect(x(at) - 1.4, middle - size, 2.6, size * 2);
    }
  }
}
