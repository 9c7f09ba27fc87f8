// What was said, as it was heard. Each word is a place in the call: a click, or Enter, plays from there.

import { beyond, clock, make, plain, reveal, SlicedList, span } from "./text.js";

const NAMES = { greeting: "greeting", say: "agent", reply: "agent", reprompt: "reprompt", filler: "filler" };

function rowsOf(story) {
  const rows = [];
  for (const turn of story.turns) rows.push({ at: turn.from_ms, kind: "by-user", turn, words: turn.words });
  for (const reply of story.replies) {
    if (reply.started_ms !== null || reply.unheard) rows.push({ at: reply.started_ms ?? reply.asked_ms, kind: "by-agent", reply, words: reply.words });
  }
  for (const said of story.backchannels) if (said.text) rows.push({ at: said.from_ms, kind: "backchannel", text: `${said.text} (${said.why})` });
  for (const tool of story.tools) rows.push({ at: tool.began_ms ?? tool.ended_ms ?? 0, kind: "tool", tool });
  for (const fault of story.faults) rows.push({ at: fault.at_ms, kind: "fault", text: `${fault.code}: ${fault.why}${fault.until_ms !== null && fault.until_ms > fault.at_ms ? ` (over after ${span(fault.until_ms - fault.at_ms)})` : ""}` });
  for (const event of story.events) rows.push({ at: event.at_ms, kind: "event", text: event.text });
  return rows.sort((a, b) => a.at - b.at);
}

export class Transcript {
  // play(ms): the reader chose a word
  constructor(list, story, play, signal) {
    Object.assign(this, { list, play });
    this.rows = rowsOf(story);
    this.places = []; // every word: its time, its row, its place in the row
    this.rows.forEach((row, at) => row.words?.forEach((word, place) => this.places.push({ at: word.start_ms, end: word.end_ms, row: at, place, heard: word.heard })));
    this.places.sort((a, b) => a.at - b.at);
    this.current = null;
    this.stop = null; // the word that Tab reaches
    this.slices = new SlicedList(list, (row, at) => this.row(row, at));
    this.slices.show(this.rows);
    const first = list.querySelector(".w");
    if (first) this.reach(first);
    list.addEventListener("click", (e) => this.chosen(e.target.closest("[data-ms]")), { signal });
    list.addEventListener("keydown", (e) => this.key(e), { signal });
  }

  row(row, at) {
    const time = make("button", { type: "button", className: "at", dataset: { ms: row.at }, aria: { "aria-label": `Play from ${clock(row.at)}` } }, clock(row.at));
    const { turn, reply, tool } = row;
    const name = turn ? "caller" : reply ? (NAMES[reply.kind] ?? "agent") : row.kind;
    const body = make("div", {});
    if (turn || reply) body.append(...this.said(row));
    else if (tool) body.append(...toolLines(tool));
    else body.append(make("p", {}, row.text));
    return make("li", { className: row.kind, dataset: { row: at } }, time, make("span", { className: "who-says" }, name), body);
  }

  said(row) {
    const { turn, reply, words } = row;
    const p = make("p", { dir: "auto" });
    let unheard = null;
    words.forEach((word, place) => {
      const one = make("span", { className: "w", tabIndex: -1, dataset: { ms: word.start_ms, place }, role: "button" }, word.text);
      if (word.heard) p.append(one);
      else (unheard ??= p.appendChild(make("del", { title: "not heard" }))).append(one);
    });
    if (!words.length) {
      const text = turn ? (turn.typed || turn.keys ? turn.text || turn.keys : (turn.text ?? "(speech, words unknown)")) : reply.text || (reply.ended === null ? "(its words are told when it is over)" : "");
      if (text) p.append(text);
      if (reply?.unheard) p.append(make("del", { className: "never", title: "not heard" }, ` ${reply.unheard}`));
    }
    return [p, ...asides(turn, reply)];
  }

  chosen(place) {
    if (!place) return;
    if (place.classList.contains("w")) this.reach(place);
    this.play(Number(place.dataset.ms));
  }

  reach(word) {
    if (this.stop) this.stop.tabIndex = -1;
    this.stop = word;
    word.tabIndex = 0;
  }

  key(e) {
    const word = e.target.closest(".w");
    if (!word || e.altKey || e.ctrlKey || e.metaKey) return;
    if (e.key === "Enter" || e.key === " ") this.chosen(word);
    else {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
      const rows = { ArrowDown: 1, ArrowUp: -1 }[e.key];
      if (!by && !rows) return;
      const next = by ? this.beside(word, by) : this.wordIn(Number(word.closest("li").dataset.row) + rows, rows, 0);
      if (!next) return;
      this.reach(next);
      next.focus();
    }
    e.preventDefault();
    e.stopPropagation();
  }

  beside(word, by) {
    const li = word.closest("li");
    const words = [...li.querySelectorAll(".w")];
    return words[words.indexOf(word) + by] ?? this.wordIn(Number(li.dataset.row) + by, by, by > 0 ? 0 : -1);
  }

  wordIn(row, by, place) {
    for (; row >= 0 && row < this.rows.length; row += by) {
      const words = this.slices.row(row).querySelectorAll(".w");
      if (words.length) return [...words].at(place);
    }
    return null;
  }

  // Marks the word that sounds at a moment.
  mark(ms, { follow }) {
    const at = beyond(this.places, ms, (one) => one.at) - 1;
    const found = this.places[at];
    const sounds = found && found.heard && ms < found.end + 400 ? found : null;
    if (sounds === this.current) return;
    this.current = sounds;
    this.shown?.classList.remove("now");
    this.shown = null;
    if (!sounds) return;
    const row = this.slices.row(sounds.row);
    this.shown = row.querySelectorAll(".w")[sounds.place];
    this.shown?.classList.add("now");
    if (follow) reveal(this.list, row);
  }

  // Shows the row at a moment, where no word sounds.
  revealAt(ms) {
    const at = Math.max(0, beyond(this.rows, ms, (row) => row.at) - 1);
    if (this.rows.length) reveal(this.list, this.slices.row(at));
  }
}

function toolLines(tool) {
  const took = tool.began_ms !== null && tool.ended_ms !== null ? ` in ${span(tool.ended_ms - tool.began_ms)}` : "";
  const end = tool.result === null ? "no result" : `${tool.error ? "failed" : "gave"} ${tool.result}`;
  return [make("p", {}, `${tool.tool}(${tool.arguments ?? ""}) ${end}${took}`)];
}

function asides(turn, reply) {
  const lines = make("ul", { className: "aside" });
  const line = (kind, name, text) => lines.append(make("li", { className: kind }, make("b", {}, name), ` ${text}`));
  if (turn?.over) line("over", "over", `the agent's “… ${turn.over.text}”`);
  if (turn?.keys) line("keys", "keys", turn.keys);
  if (turn?.closed) line("closed", "no answer", turn.closed);
  if (turn?.stt_ms) line("stt", "words", `${span(turn.stt_ms)} after the turn${turn.stt ? `, by ${turn.stt}` : ""}`);
  for (const hold of reply?.holds ?? []) {
    const verdict = { resume: "resumed", cut: "cut", ended: "ended" }[hold.verdict];
    line(hold.verdict, `held ${span(hold.until_ms - hold.at_ms)}, ${verdict}`, `at ${clock(hold.at_ms)} by ${plain(hold.source)} (${hold.why}); ${hold.verdict_why}`);
  }
  if (reply && ["cut", "failed", "discarded"].includes(reply.ended) && !(reply.ended === "cut" && reply.holds.at(-1)?.verdict === "cut")) line(reply.ended === "cut" ? "cut" : "failed", reply.ended, reply.ended_why);
  if (reply && reply.response_ms !== null) line("latency", "answered", `${span(reply.response_ms)} after the caller's last sound`);
  return lines.children.length ? [lines] : [];
}
