// The conversation as it stands: words light up as they sound, and words that were never heard are struck out.

import { lastUnits, spans } from "./units.js";

export class Transcript {
  constructor(list) {
    this.list = list;
    this.replies = new Map(); // reply -> { li, chars, spans: [{ el, gap, start, end, begin, stop }], done }
    this.clear();
  }

  clear() {
    this.replies.clear();
    this.turns = new Map();
    this.list.replaceChildren();
    this.empty = this.add("empty");
    this.empty.textContent = "What you and the agent say appears here. Words you never heard are struck out.";
  }

  add(kind) {
    this.empty?.remove();
    this.empty = null;
    const li = document.createElement("li");
    li.className = kind;
    this.list.append(li);
    this.follow();
    return li;
  }

  follow() {
    this.list.scrollTop = this.list.scrollHeight;
  }

  reply(id) {
    let reply = this.replies.get(id);
    if (!reply) {
      reply = { li: this.add("agent"), chars: [], spans: [], done: false };
      this.replies.set(id, reply);
    }
    return reply;
  }

  words({ reply_id, text, words }) {
    const reply = this.reply(reply_id);
    if (reply.done) return;
    for (const char of text) reply.chars.push(char); // by code points
    for (const [start, end, begin, stop] of words) this.timed(reply, start, end, begin, stop);
    // Words without times yet are shown, too.
    const last = reply.spans.at(-1)?.stop ?? 0;
    for (const [begin, stop] of spans(reply.chars.slice(last).join(""))) this.span(reply, last + begin, last + stop);
    this.follow();
  }

  timed(reply, start, end, begin, stop) {
    let span = reply.spans.find((s) => s.begin === begin && s.stop === stop);
    if (!span) {
      // Other words than were shown without times.
      const stale = reply.spans.filter((s) => s.start === Infinity && s.begin < stop && s.stop > begin);
      for (const old of stale) {
        old.gap.remove();
        old.el.remove();
      }
      reply.spans = reply.spans.filter((s) => !stale.includes(s));
      span = this.span(reply, begin, stop);
    }
    span.start = start;
    span.end = end;
  }

  span(reply, begin, stop) {
    const el = document.createElement("span");
    el.className = "w";
    el.textContent = reply.chars.slice(begin, stop).join("");
    const place = reply.spans.findIndex((s) => s.begin >= stop);
    const at = place < 0 ? reply.spans.length : place;
    const before = at ? reply.spans[at - 1].stop : 0;
    const gap = document.createTextNode(reply.chars.slice(before, begin).join(""));
    reply.li.insertBefore(el, place < 0 ? null : reply.spans[place].gap);
    reply.li.insertBefore(gap, el);
    const span = { el, gap, begin, stop, start: Infinity, end: Infinity };
    reply.spans.splice(at, 0, span);
    return span;
  }

  // ms of the reply's audio have sounded.
  sounding(id, ms) {
    const reply = this.replies.get(id);
    if (!reply || reply.done) return;
    for (const span of reply.spans) {
      span.el.classList.toggle("heard", span.end <= ms);
      span.el.classList.toggle("now", span.start <= ms && ms < span.end);
    }
  }

  transcript({ role, turn, reply_id, text, unheard, over }) {
    if (role === "agent") {
      this.heard(reply_id, text, unheard ?? "");
    } else {
      const li = role === "user" ? this.turns.get(turn) ?? this.add("user") : this.add("backchannel");
      if (role === "user") this.turns.set(turn, li);
      li.textContent = text ?? "(speech, words unknown)";
      if (over) {
        const small = document.createElement("small");
        small.textContent = `said over “… ${lastUnits(over, 6)}”`;
        li.append(small);
      }
    }
    this.follow();
  }

  // The record's last word on a reply: so much of it was heard, and the rest never.
  heard(id, text, unheard) {
    const reply = this.reply(id);
    reply.done = true;
    reply.li.replaceChildren();
    const put = (words, kind) => {
      const chars = Array.from(words);
      let last = 0;
      for (const [begin, stop] of spans(words)) {
        const el = document.createElement("span");
        el.className = `w ${kind}`;
        el.textContent = chars.slice(begin, stop).join("");
        reply.li.append(chars.slice(last, begin).join(""), el);
        last = stop;
      }
      reply.li.append(chars.slice(last).join(""), between);
    };
    // The record has the two parts without the spaces between them.
    const written = text && unheard ? reply.chars.join("") : "";
    const between = text && unheard && written.includes(text + unheard) ? "" : " ";
    put(text, "heard");
    put(unheard, "never");
  }

  facts() {
    return [...this.list.children].map((li) => ({
      role: li.className,
      heard: wordsOf(li, "heard"),
      never: wordsOf(li, "never"),
      text: li.textContent,
    }));
  }
}

// The words of a kind, as they are written.
function wordsOf(li, kind) {
  let said = "";
  let gap = "";
  for (const node of li.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) gap += node.textContent;
    else if (node.classList.contains(kind)) {
      said += (said ? gap.replace(/\s+/g, " ") : "") + node.textContent;
      gap = "";
    }
  }
  return said;
}
