// A call's page: its parts, and one position in the call that all of them follow.

import { Decisions } from "./decisions.js";
import { Lanes } from "./lanes.js";
import { showMeasures, showTables } from "./measures.js";
import { Player } from "./player.js";
import { clock, make, plain, span } from "./text.js";
import { Transcript } from "./transcript.js";

const $ = (id) => document.getElementById(id);

export function say(message, advice = "") {
  $("errors").replaceChildren(make("p", {}, make("b", {}, message), ` ${advice}`));
}

export class CallPage {
  // before: the page of the same call that this one takes the place of; null: there was none
  constructor(story, before = null) {
    before?.end();
    this.story = story;
    this.ended = new AbortController();
    const { signal } = this.ended;
    document.title = `Bargein: ${story.call}`;
    $("title").textContent = story.call;
    $("summary").textContent = summary(story);
    $("missing").replaceChildren(...story.missing.map((text) => make("li", {}, text)));
    $("missing").hidden = story.missing.length === 0;
    $("told").hidden = false;
    this.player = new Player(story.lasted_ms);
    this.player.onfault = (why) => say("The recording cannot be played.", why);
    this.transcript = new Transcript($("said"), story, (ms) => this.play(ms), signal);
    this.lanes = new Lanes({ scroll: $("scroll"), lanes: $("lanes"), canvas: $("canvas") }, story, (ms) => this.go(ms), signal);
    const section = $("verdicts").closest("section");
    const parts = { list: $("verdicts"), minor: $("minor"), heads: $("decision-heads"), section };
    this.decisions = new Decisions(parts, story, (one, at, of) => this.stepped(one, at, of), signal);
    showMeasures($("measures"), story);
    showTables($, story);
    this.player.watchers.push((ms, playing) => this.moved(ms, playing));
    this.controls();
    this.silent();
    this.legend();
    $("parts").hidden = story.parts.length === 0;
    $("parts").replaceChildren("This call changed its server. Its other records: ", ...story.parts.flatMap((name) => [partOf(name), " "]));
    if (before) this.asBefore(before);
  }

  // Nothing of it acts any more.
  end() {
    this.ended.abort();
    this.player.audio?.pause();
    this.place = { px: this.lanes.perS, left: $("scroll").scrollLeft, top: $("said").scrollTop };
  }

  asBefore({ place }) {
    this.lanes.perS = place.px;
    this.lanes.placed();
    $("scroll").scrollLeft = place.left;
    this.transcript.slices.more(Infinity);
    $("said").scrollTop = place.top;
  }

  controls() {
    $("play").onclick = () => this.player.toggle();
    $("before").onclick = () => this.decisions.from(this.player.ms, -1);
    $("next").onclick = () => this.decisions.from(this.player.ms, 1);
    $("in").onclick = () => this.lanes.zoom(1.6);
    $("out").onclick = () => this.lanes.zoom(1 / 1.6);
    $("all").onclick = () => this.lanes.zoom(0);
    $("speed").onchange = () => this.player.audio && (this.player.audio.playbackRate = Number($("speed").value));
    document.onkeydown = (e) => this.key(e);
  }

  key(e) {
    if (e.altKey || e.ctrlKey || e.metaKey || e.target.closest("input, select, textarea")) return;
    const acts = { n: "next", p: "before", "+": "in", "=": "in", "-": "out" };
    if (acts[e.key]) $(acts[e.key]).click();
    else if (e.key === " " && !e.target.closest("button, summary, [role=button]")) this.player.toggle();
    else return;
    e.preventDefault();
  }

  silent() {
    $("play").disabled = true;
    $("play").textContent = "No recording";
    $("speed").disabled = true;
  }

  // source(): the address of the recording
  async sound(source) {
    const { fault, lasted_ms: lasted } = this.story.recording;
    if (fault) say("The recording is not whole.", fault);
    if (!lasted) return;
    $("play").disabled = $("speed").disabled = false;
    $("play").textContent = "Play";
    await this.player.sound(source);
  }

  // peaks: {per_s, data: two lists of 0..255}
  waves(peaks) {
    this.lanes.peaks = peaks;
    this.lanes.later();
  }

  go(ms) {
    this.decisions.left();
    this.player.seek(ms);
    this.transcript.revealAt(this.player.ms);
  }

  play(ms) {
    this.decisions.left();
    return this.player.from(ms);
  }

  moved(ms, playing) {
    $("clock").textContent = clock(ms);
    $("play").textContent = this.player.audio ? (playing ? "Pause" : "Play") : "No recording";
    this.lanes.show(ms);
    this.transcript.mark(ms, { follow: playing });
  }

  stepped(one, at, of) {
    this.player.seek(one.at_ms);
    this.transcript.revealAt(one.at_ms);
    const evidence = one.source ? `, on the evidence of ${plain(one.source)}` : "";
    const onset = one.onset_ms === null || one.onset_ms === undefined ? "" : ` The sound began ${span(Math.max(0, one.at_ms - one.onset_ms))} before.`;
    const other = one.differs ? ` ${told(one)}` : "";
    $("now").replaceChildren(make("b", {}, plain(one.kind)), ` at ${clock(one.at_ms)}${evidence}: ${one.why}.${onset}${other} (${at + 1} of ${of})`);
  }

  // replay: what another policy decides. null: the call's own.
  compare(replay) {
    this.decisions.compare(replay);
    this.lanes.other = replay === null ? [] : replay.decisions.filter((one) => one.replayed_ms !== null && one.major).map((one) => ({ ...one, at_ms: one.replayed_ms, differs: !one.recorded }));
    this.lanes.later();
    const text = replay === null ? "" : `Under ${replay.name}, ${replay.differences} of ${replay.decisions.length} decisions are others, and ${replay.moved} come at another time. After the first of them people would have said other things.`;
    $("differences").textContent = text;
  }

  legend() {
    const one = (colour, text) => {
      const i = make("i");
      i.style.background = `var(${colour})`;
      return make("span", {}, i, text);
    };
    $("legend").replaceChildren(one("--you", "caller; hold, then resumed"), one("--agent", "agent, as heard"), one("--alert", "hold, then cut; a fault"), one("--think", "a tool runs"));
  }
}

// Beside this page on a server; a file has none beside it.
const partOf = (name) => (location.protocol === "file:" ? name : make("a", { href: encodeURIComponent(name) }, name));

function told({ recorded, replayed_ms: replayed }) {
  if (!recorded) return "The other policy alone decides this.";
  return replayed === null ? "The other policy does not decide this." : "The other policy decides this at another time.";
}

function summary(story) {
  const when = story.started_s === null ? "" : new Date(story.started_s * 1000).toLocaleString();
  const end = story.live ? "goes on" : story.ended_why ? `ended: ${story.ended_why}` : "its end is not recorded";
  const who = [story.facts.from, story.facts.to].filter(Boolean).join(" → ");
  return [story.agent, who, when, clock(story.lasted_ms), end].filter(Boolean).join(" · ");
}
