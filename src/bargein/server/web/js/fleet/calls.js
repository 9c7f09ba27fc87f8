// The table of the calls of all nodes, searched and filtered.

import { Rows, make, put } from "./rows.js";

const MOST = 500; // rows that are shown; a search finds the others

export function lasted(ms) {
  const s = Math.floor(ms / 1000);
  const two = (n) => String(n).padStart(2, "0");
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

export const who = ({ facts = {} }) => [facts.from, facts.to].filter(Boolean).join(" → ") || "page";

export class CallTable {
  // open(id): the operator chose a call
  constructor({ body, search, node, state, none }, open) {
    Object.assign(this, { search, node, state, none });
    this.calls = [];
    this.current = null;
    for (const field of [search, node, state]) field.oninput = () => this.draw();
    this.rows = new Rows(body, {
      make: (id) => {
        const button = make("button", { type: "button", className: "link", onclick: () => open(id) });
        const cells = ["td", "td", "td", "td", "td"].map((name) => make(name));
        cells.at(-1).className = "who-called";
        return make("tr", {}, make("th", { scope: "row" }, button), ...cells);
      },
      fill: (tr, call) => this.fill(tr, call),
    });
  }

  show(calls, finished, nodes) {
    this.calls = [...calls, ...finished];
    const known = [...this.node.options].slice(1).map((option) => option.value);
    if (known.join() !== nodes.join()) {
      const chosen = this.node.value;
      this.node.replaceChildren(this.node.options[0], ...nodes.map((id) => new Option(id)));
      this.node.value = nodes.includes(chosen) ? chosen : "";
    }
    this.draw();
  }

  find(id) {
    return this.calls.find((call) => call.id === id);
  }

  draw() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (call) => {
      const text = [call.id, call.agent, call.node, ...Object.values(call.facts ?? {})].join(" ").toLowerCase();
      const state = call.over ? "over" : call.state;
      return words.every((word) => text.includes(word)) && (!this.node.value || call.node === this.node.value) && (!this.state.value || state === this.state.value);
    };
    const found = this.calls.filter(fits);
    this.rows.show(found.slice(0, MOST));
    const more = found.length - MOST;
    this.none.hidden = found.length > 0 && more <= 0;
    put(this.none, more > 0 ? `${more} more: search for them.` : this.calls.length ? "No call fits." : "There are no calls.");
  }

  fill(tr, call) {
    const [name, state, time, agent, node, from] = tr.children;
    put(name.firstChild, call.id);
    put(state, call.over ? `over: ${call.over}` : call.state);
    state.className = call.over ? "state-over" : "";
    put(time, lasted(call.lasted_ms));
    put(agent, call.agent);
    put(node, call.node ?? "");
    put(from, who(call));
    tr.setAttribute("aria-current", String(call.id === this.current));
  }
}
