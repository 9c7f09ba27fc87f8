// The operator's page: asks any node for all nodes and calls, and shows what cannot be known.

import { CallPanel } from "./call.js";
import { CallTable } from "./calls.js";
import { NodeTable } from "./nodes.js";
import { make, put } from "./rows.js";
import { ask, token } from "./server.js";

const EVERY_MS = 2000; // between an answer and the next question
const LINE_MS = 9000;
const $ = (id) => document.getElementById(id);

function told({ message, advice = "" }) {
  const p = make("p", {}, make("b", {}, message), ` ${advice}`);
  $("errors").replaceChildren(p);
  setTimeout(() => p.remove(), LINE_MS);
}

// Resolves to the value of the answer that was chosen, or null.
function confirm(title, text, answers) {
  put($("ask-title"), title);
  put($("ask-text"), text);
  const button = ([value, label]) => make("button", { value, className: "quiet strong" }, label);
  $("ask-answers").replaceChildren(make("button", { value: "", className: "quiet", autofocus: true }, "Cancel"), ...answers.map(button));
  $("ask").returnValue = "";
  $("ask").showModal();
  return new Promise((resolve) => ($("ask").onclose = () => resolve($("ask").returnValue || null)));
}

const nodes = new NodeTable($("nodes"), {
  drain: async (node) => {
    const text = "It takes no new call. The calls that it has may end by themselves, or move to other nodes now.";
    const answers = [["end", "Let calls end"], ["move", "Move calls now"]];
    const answer = await confirm(`Drain ${node}?`, text, answers);
    if (answer) await act(() => ask("POST", "drain", { node, move: answer === "move" }));
  },
  undrain: async (node) => {
    const answer = await confirm(`Let ${node} take calls again?`, "New calls are placed there.", [["yes", "Take calls"]]);
    if (answer) await act(() => ask("DELETE", `drain?${new URLSearchParams({ node })}`));
  },
});
const parts = {
  section: $("call"), title: $("call-title"), facts: $("call-facts"), events: $("events"), interrupt: $("interrupt"), listen: $("listen"), levels: $("levels"), userLevel: $("user-level"), agentLevel: $("agent-level"),
  hangUp: $("hang-up"), say: $("say"), sayText: $("say-text"), transfer: $("transfer"), transferTo: $("transfer-to"),
};
const panel = new CallPanel(parts, { ask, confirm, told });
const fields = { body: $("calls"), search: $("search"), node: $("by-node"), state: $("by-state"), none: $("no-calls") };
const calls = new CallTable(fields, (id) => {
  calls.current = id;
  calls.draw();
  panel.open(calls.find(id)).catch(told);
});
$("close-call").onclick = () => {
  calls.current = null;
  calls.draw();
  panel.close();
};
$("filters").onsubmit = (e) => e.preventDefault();

async function act(request) {
  await request().then(look, told);
}

// One look at all of it. What one question does not answer does not hide the other's answer.
async function look() {
  const [there, listed] = await Promise.allSettled([ask("GET", "nodes"), ask("GET", "calls")]);
  const failed = [there, listed].filter((each) => each.status === "rejected").map((each) => each.reason);
  const asked = failed.some((error) => error.status === 401);
  const wasAsked = !$("sign-in").hidden;
  $("sign-in").hidden = !asked;
  for (const section of [$("nodes-section"), $("calls-section")]) section.hidden = asked;
  $("leave").hidden = asked || !token.get();
  if (asked) {
    put($("summary"), "Locked");
    if (token.get()) told({ message: "That token was not accepted." });
    token.forget();
    panel.close();
    if (!wasAsked) $("token").focus();
    $("unknown").hidden = true;
    return false;
  }
  const known = there.status === "fulfilled" ? there.value : null;
  if (known) nodes.show(known.nodes, known.here);
  if (listed.status === "fulfilled") {
    const { calls: live, finished } = listed.value;
    const ids = new Set([...live, ...finished].map((call) => call.node).filter(Boolean));
    calls.show(live, finished, [...new Set([...(known?.nodes ?? []).map((node) => node.id), ...ids])].sort());
    panel.update(calls.find(panel.id));
    put($("summary"), `${known ? `${known.nodes.length} ${known.nodes.length === 1 ? "node" : "nodes"}, ` : ""}${live.length} ${live.length === 1 ? "call" : "calls"}`);
  } else put($("summary"), "Not known now");
  const unknown = [...failed.map((error) => `${error.message} ${error.advice}`), ...(listed.value?.unknown ? [`Not known now: ${listed.value.unknown}`] : [])];
  $("unknown").hidden = unknown.length === 0;
  put($("unknown"), [...new Set(unknown)].join(" "));
  return true;
}

let timer = null;
let asking = null;

// A tab that is not seen asks nothing.
async function again() {
  clearTimeout(timer);
  if (document.hidden) return;
  const goOn = await (asking ??= look().finally(() => (asking = null)));
  clearTimeout(timer);
  if (goOn) timer = setTimeout(again, EVERY_MS);
}

document.addEventListener("visibilitychange", again);
$("sign-in").onsubmit = (e) => {
  e.preventDefault();
  token.set($("token").value.trim());
  $("token").value = "";
  again();
};
$("leave").onclick = () => {
  token.forget();
  again();
};
again();
