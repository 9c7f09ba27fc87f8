// The list of calls: those that run now, asked for every two seconds; and those that are kept, fifty a page.

import { lasted, who } from "../fleet/calls.js";
import { Rows, make, put } from "../fleet/rows.js";
import { ask, callPath, token } from "../fleet/server.js";

const EVERY_MS = 2000;
const KEPT_EVERY = 5; // looks at what runs, to one at what is kept
const TYPED_MS = 200; // from the last key to the question
const PAGE = 50;
const $ = (id) => document.getElementById(id);
const FIELDS = ["search", "agent", "door", "day", "ended"];
const CHECKS = ["cuts", "faults"];

let page = 0;
let asked = 0; // questions so far: a late answer to an older one is not shown

const link = (id) => make("a", { href: callPath(id), className: "link" }, id);
const row = (cells) => (id) => make("tr", {}, make("th", { scope: "row" }, link(id)), ...Array.from({ length: cells }, () => make("td")));

const live = new Rows($("live"), {
  make: row(5),
  fill: (tr, call) => {
    const [, state, time, agent, node, from] = tr.children;
    put(state, call.state ?? "");
    put(time, lasted(call.lasted_ms ?? 0));
    put(agent, call.agent ?? "");
    put(node, call.node ?? "");
    put(from, who(call));
  },
});

const kept = new Rows($("kept"), {
  make: row(7),
  fill: (tr, call) => {
    const [, began, time, agent, door, turns, ended, from] = tr.children;
    put(began, call.started_s ? new Date(call.started_s * 1000).toLocaleString() : "not known");
    put(time, lasted(call.lasted_ms));
    put(agent, call.agent);
    put(door, call.door);
    put(turns, `${call.turns}, ${call.cuts}${call.faults ? `; ${call.faults} faults` : ""}`);
    put(ended, `${call.ended_why ?? "not known"}${call.whole ? "" : " (record not whole)"}`);
    put(from, `${call.caller || "page"}${call.recorded ? " ♪" : ""}`);
    from.className = ended.className = "who-called";
  },
});

function options(select, names) {
  const known = [...select.options].slice(1).map((option) => option.value);
  if (known.join("\n") === names.join("\n")) return;
  const chosen = select.value;
  select.replaceChildren(select.options[0], ...names.map((name) => new Option(name)));
  select.value = names.includes(chosen) ? chosen : "";
}

async function lookKept() {
  const query = new URLSearchParams({ page });
  for (const id of FIELDS) if ($(id).value) query.set(id, $(id).value);
  for (const id of CHECKS) if ($(id).checked) query.set(id, "true");
  const mine = ++asked;
  const list = await ask("GET", `records?${query}`);
  if (mine !== asked) return;
  kept.show(list.calls.map((call) => ({ ...call, id: call.call })));
  options($("agent"), list.agents);
  options($("door"), list.doors);
  const pages = Math.max(1, Math.ceil(list.found / PAGE));
  const unread = list.unread ? ` ${list.unread} more are being read.` : "";
  put($("found"), list.kept ? `${list.found} ${list.found === 1 ? "call" : "calls"}; page ${page + 1} of ${pages}.${unread}` : "This server keeps no records: start it with --record.");
  $("newer").disabled = page === 0;
  $("older").disabled = page + 1 >= pages;
  if (page >= pages) go(pages - 1);
}

async function lookLive() {
  const { calls, unknown = "" } = await ask("GET", "calls");
  live.show(calls);
  $("no-live").hidden = calls.length > 0;
  $("unknown").hidden = !unknown;
  put($("unknown"), unknown && `Not known now: ${unknown}`);
  put($("summary"), `${calls.length} ${calls.length === 1 ? "call runs" : "calls run"} now`);
}

let timer = null;
let looks = 0;

async function look({ all = false } = {}) {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    await Promise.all([lookLive(), ...(all || looks++ % KEPT_EVERY === 0 ? [lookKept()] : [])]);
    locked(false);
    $("errors").replaceChildren();
  } catch (error) {
    if (error.status === 401) return locked(true);
    wrong(error);
  }
  clearTimeout(timer);
  timer = setTimeout(look, EVERY_MS);
}

function wrong({ message, advice = "" }) {
  $("errors").replaceChildren(make("p", {}, make("b", {}, message), ` ${advice}`));
}

function locked(is) {
  if (is && token.get()) wrong({ message: "That token was not accepted." });
  if (is) token.forget();
  $("sign-in").hidden = !is;
  for (const id of ["live-section", "kept-section"]) $(id).hidden = is;
  $("leave").hidden = is || !token.get();
  if (!is) return;
  put($("summary"), "Locked");
  $("token").focus();
}

function go(to) {
  page = Math.max(0, to);
  look({ all: true });
}

let typed = null;
$("filters").oninput = () => {
  clearTimeout(typed);
  typed = setTimeout(() => go(0), TYPED_MS);
};
$("filters").onsubmit = (e) => {
  e.preventDefault();
  go(0);
};
$("newer").onclick = () => go(page - 1);
$("older").onclick = () => go(page + 1);
$("sign-in").onsubmit = (e) => {
  e.preventDefault();
  token.set($("token").value);
  $("token").value = "";
  looks = 0;
  look();
};
$("leave").onclick = () => {
  token.forget();
  location.reload();
};
document.addEventListener("visibilitychange", () => look());
look();
