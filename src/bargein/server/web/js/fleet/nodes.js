// The table of the nodes, with a button to drain each.

import { Rows, make, put } from "./rows.js";

const HIGH = 0.8; // of a node's capacity

const stateOf = (node) => (node.draining ? "draining" : node.ready ? "ready" : "starting");

export class NodeTable {
  // drain(node), undrain(node): the buttons
  constructor(body, { drain, undrain }) {
    this.nodes = new Map();
    this.rows = new Rows(body, {
      make: (id) => {
        const bar = make("span", { className: "load" }, make("i"));
        bar.setAttribute("aria-hidden", "true");
        const act = make("button", { type: "button", className: "quiet" });
        act.onclick = () => (this.nodes.get(id).draining ? undrain(id) : drain(id));
        const head = make("th", { scope: "row" });
        return make("tr", {}, head, make("td"), make("td", {}, bar, make("span")), make("td"), make("td"), make("td"), make("td", {}, act));
      },
      fill: (tr, node) => this.fill(tr, node),
    });
  }

  // here: the node that answered
  show(nodes, here) {
    this.nodes = new Map(nodes.map((node) => [node.id, node]));
    this.here = here;
    this.rows.show(nodes);
  }

  fill(tr, node) {
    const [name, state, load, calls, late, version, action] = tr.children;
    const { used, late_ms: lateMs } = node.load;
    put(name, node.id === this.here ? `${node.id} (answers here)` : node.id);
    put(state, stateOf(node));
    state.className = `state-${stateOf(node)}`;
    load.firstChild.classList.toggle("high", used >= HIGH);
    load.firstChild.firstChild.style.width = `${Math.min(100, used * 100)}%`;
    put(load.lastChild, `${Math.round(used * 100)}%`);
    put(calls, `${node.load.calls} of ${node.load.most}`);
    put(late, `${Math.round(lateMs)} ms`);
    put(version, node.version);
    put(action.firstChild, node.draining ? "Take calls again" : "Drain");
    action.firstChild.setAttribute("aria-label", node.draining ? `Let ${node.id} take calls again` : `Drain ${node.id}`);
  }
}
