// The call in numbers: a line of measures, and tables that are made when they are opened.

import { clock, make, span } from "./text.js";

const sorted = (values) => [...values].sort((a, b) => a - b);

function spread(values) {
  if (!values.length) return "none";
  const list = sorted(values);
  const at = (share) => list[Math.min(list.length - 1, Math.floor(share * list.length))];
  return `${span(at(0.5))}; worst ${span(list.at(-1))}`;
}

export function showMeasures(list, story) {
  const m = story.measures;
  const share = m.words_made ? `${Math.round((100 * m.words_heard) / m.words_made)}% of ${m.words_made} words` : "none";
  const shown = [
    ["Turns, replies", `${m.turns}, ${m.replies}`],
    ["Holds", `${m.holds}: ${m.resumes} resumed`],
    ["Cuts", m.cuts],
    ["Answer, median", spread(m.response_ms)],
    ["Onset to hold, median", spread(m.onset_to_hold_ms)],
    ["Hold, median", spread(m.hold_ms)],
    ["Caller spoke", span(m.user_spoke_ms)],
    ["Agent spoke", span(m.agent_spoke_ms)],
    ["Heard", share],
    ["Tools, faults", `${m.tools}, ${m.faults}`],
  ];
  list.replaceChildren(...shown.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, String(value)))));
}

const took = (from, until) => (from === null || from === undefined || until === null || until === undefined ? "" : span(until - from));

function answers(story) {
  const turns = new Map(story.turns.map((turn) => [turn.turn, turn]));
  const calls = (reply, part) => story.vendor_calls.find((call) => call.reply === reply && call.part === part);
  return story.replies.filter((reply) => reply.turn !== null && reply.started_ms !== null).map((reply) => {
    const turn = turns.get(reply.turn);
    const [llm, tts] = [calls(reply.reply, "llm"), calls(reply.reply, "tts")];
    return [clock(reply.started_ms), reply.reply, took(turn?.until_ms, turn?.decided_ms), turn?.stt_ms ? span(turn.stt_ms) : "", took(llm?.asked_ms, llm?.first_ms), took(tts?.asked_ms, tts?.first_ms), reply.response_ms === null ? "" : span(reply.response_ms)];
  });
}

const TABLES = {
  answers: [["Sounds at", "Reply", "Turn's end seen", "STT", "LLM, first text", "TTS, first audio", "Whole wait"], answers],
  vendors: [["Asked at", "Part", "Name", "Reply", "First", "Whole", "Characters", "Fault"], (story) => story.vendor_calls.map((v) => [clock(v.asked_ms), v.part, v.name, v.reply || "", took(v.asked_ms, v.first_ms), took(v.asked_ms, v.ended_ms), v.chars, v.fault ?? ""])],
  tools: [["Began at", "Tool", "Arguments", "Took", "Result"], (story) => story.tools.map((t) => [t.began_ms === null ? "not" : clock(t.began_ms), t.tool, t.arguments ?? "", took(t.began_ms, t.ended_ms), `${t.error ? "failed: " : ""}${t.result ?? "none"}`])],
  faults: [["At", "Over at", "What", "Why"], (story) => story.faults.map((f) => [clock(f.at_ms), f.until_ms === null ? "not" : clock(f.until_ms), f.code, f.why])],
  facts: [["Name", "Value"], (story) => [...Object.entries(story.facts), ["language", story.language], ...Object.entries(story.policy)].map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)])],
};

// find(id): the <details> of a table
export function showTables(find, story) {
  for (const [id, [heads, rows]] of Object.entries(TABLES)) {
    const details = find(id);
    const fill = () => details.open && details.querySelector("div").replaceChildren(table(heads, rows(story)));
    details.ontoggle = fill;
    fill();
  }
}

function table(heads, rows) {
  if (!rows.length) return make("p", { className: "note" }, "None.");
  const head = make("thead", {}, make("tr", {}, ...heads.map((name) => make("th", { scope: "col" }, name))));
  const cells = (row) => row.map((value) => make("td", {}, String(value)));
  return make("table", {}, head, make("tbody", {}, ...rows.map((row) => make("tr", {}, ...cells(row)))));
}
