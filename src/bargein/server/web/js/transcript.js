// The conversation as it stands: words light up as they sound, and words that were never heard are struck out.

export class Transcript {
  constructor(list) {
    this.list = list;
    this.replies = new Map(); // reply -> { li, text, spans: [{ el, start, end, begin }], done }
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
      reply = { li: this.add("agent"), text: "", spans: [], done: false };
      this.replies.set(id, reply);
    }
    return reply;
  }

  words({ reply_id, text, words }) {
    const reply = this.reply(reply_id);
    if (reply.done) return;
    reply.text += text;
    const known = new Map(reply.spans.map((s) => [s.begin, s]));
    for (const [start, end, begin, stop] of words) {
      const span = known.get(begin) ?? this.span(reply, begin, stop);
      span.start = start;
      span.end = end;
    }
    // Words without times yet are shown, too.
    const last = reply.spans.length ? reply.spans[reply.spans.length - 1].stop : 0;
    for (const match of reply.text.slice(last).matchAll(/\S+/g)) this.span(reply, last + match.index, last + match.index + match[0].length);
    this.follow();
  }

  span(reply, begin, stop) {
    const el = document.createElement("span");
    el.className = "w";
    el.textContent = reply.text.slice(begin, stop);
    reply.li.append(el, " ");
    const span = { el, begin, stop, start: Infinity, end: Infinity };
    reply.spans.push(span);
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
        small.textContent = `said over “… ${over.split(" ").slice(-6).join(" ")}”`;
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
      for (const word of words.split(/\s+/).filter(Boolean)) {
        const el = document.createElement("span");
        el.className = `w ${kind}`;
        el.textContent = word;
        reply.li.append(el, " ");
      }
    };
    put(text, "heard");
    put(unheard, "never");
  }

  facts() {
    return [...this.list.children].map((li) => ({
      role: li.className,
      heard: [...li.querySelectorAll(".heard")].map((e) => e.textContent).join(" "),
      never: [...li.querySelectorAll(".never")].map((e) => e.textContent).join(" "),
      text: li.textContent,
    }));
  }
}
