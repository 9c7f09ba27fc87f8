// The list of the floor's decisions, newest first.

import { $ } from "./screen.js";

const MOST = 200;

export function list(m) {
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
