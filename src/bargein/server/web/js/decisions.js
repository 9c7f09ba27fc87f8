// The floor's decisions: a mark between the lanes, a line in the list (newest first), and the numbers of the last hold.

import { $ } from "./screen.js";

const MOST = 200;
const TEXTS = { resume: "it went on", cut: "it was cut", drop: "its answer was dropped", answer: "it answers" };

export class Decisions {
  constructor(lanes) {
    this.lanes = lanes;
    this.holdAt = undefined;
    this.verdicts = []; // { kind, why, text }
  }

  // shown: the hold is marked already, because the page began it.
  take(m, shown) {
    list(m);
    if (m.kind === "hold") {
      this.holdAt = m.at_ms;
      if (!shown) this.hold(m.onset_ms === undefined || m.onset_ms === null ? null : m.at_ms - m.onset_ms, m.why);
      $("n-kind").textContent = $("n-verdict").textContent = "…";
    } else if (["resume", "cut", "drop"].includes(m.kind)) {
      const held = this.holdAt === undefined ? null : Math.round(m.at_ms - this.holdAt);
      this.lanes.mark(m.kind, { label: held === null ? m.kind : `${m.kind} +${held} ms`, text: m.why });
      $("n-verdict").textContent = held === null ? "at once" : `${held} ms`;
      $("n-kind").textContent = m.kind;
      this.holdAt = undefined;
      this.verdict(m.kind, m.why, held);
    } else if (m.kind === "answer") this.verdict("answer", m.why, null);
  }

  // ms: since the sound began.
  hold(ms, why) {
    this.lanes.mark("onset", { agoMs: ms, label: "", text: "where the sound began" });
    this.lanes.mark("hold", { label: `hold ${Math.round(ms)} ms`, text: why });
    $("n-hold").textContent = `${Math.round(ms)} ms`;
  }

  verdict(kind, why, held) {
    this.verdicts.push({ kind, why, text: `${TEXTS[kind]}${held === null ? "" : `, ${held} ms after it fell silent`} (${why}).` });
  }
}

function list(m) {
  const row = document.createElement("li");
  row.className = m.kind;
  const time = document.createElement("time");
  time.textContent = `${(m.at_ms / 1000).toFixed(2)} s`;
  const kind = document.createElement("b");
  kind.textContent = m.kind;
  row.append(time, kind, m.why);
  $("decisions").prepend(row);
  while ($("decisions").children.length > MOST) $("decisions").lastChild.remove();
}
