// Which words of the agent have left the loudspeaker: the text of each reply, up to the newest word that has sounded to its end.

const MOST = 20; // replies that are kept: those before them are over

export class Heard {
  // tell({ reply, text, unheard, final })
  constructor(tell) {
    this.tell = tell;
    this.replies = new Map(); // reply -> { chars, words: [[end_ms, end]], told }
  }

  reply(id) {
    let reply = this.replies.get(id);
    if (!reply) {
      reply = { chars: [], words: [], told: 0 };
      this.replies.set(id, reply);
      if (this.replies.size > MOST) this.replies.delete(this.replies.keys().next().value);
    }
    return reply;
  }

  // A message of the server: positions count in code points of the reply's whole text.
  words({ reply_id, text, words }) {
    const reply = this.reply(reply_id);
    for (const char of text) reply.chars.push(char);
    for (const [, end, , stop] of words) reply.words.push([end, stop]);
  }

  // ms of the reply's audio have sounded.
  sounding(id, ms) {
    const reply = this.replies.get(id);
    if (!reply || reply.final) return;
    const stop = reply.words.reduce((most, [end, at]) => (end <= ms ? Math.max(most, at) : most), reply.told);
    if (stop === reply.told) return;
    reply.told = stop;
    this.tell({ reply: id, text: reply.chars.slice(0, stop).join(""), unheard: "", final: false });
  }

  // The record's word on a reply: so much of it was heard, and the rest never.
  transcript({ reply_id: id, text, unheard, final }) {
    const reply = this.reply(id);
    reply.final = true;
    reply.chars = reply.words = [];
    this.tell({ reply: id, text: text ?? "", unheard: unheard ?? "", final });
  }
}
