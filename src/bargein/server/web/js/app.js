// The page's wiring: what the call, the panels and the person say goes to whom it concerns.

import { PageCall } from "./call.js";
import { controls } from "./controls.js";
import { FaultPanel } from "./faults.js";
import { server } from "./here.js";
import { Lanes } from "./lanes.js";
import { lookAtPlace, within } from "./obstacles.js";
import { PolicyPanel } from "./policy.js";
import { $, caption, complain, options, show } from "./screen.js";
import { setUp } from "./setup.js";
import { Transcript } from "./transcript.js";

const ask = (path, body) => server.ask(path, body);
const wanted = {};
let call = null;

const screen = {
  lanes: new Lanes($("lanes"), $("lane-tip")),
  transcript: new Transcript($("transcript")),
  policy: new PolicyPanel({
    presets: $("presets"),
    sliders: $("sliders"),
    change: (change) => {
      if (change.policy) {
        wanted.policy = change.policy;
        delete wanted.settings;
      }
      if (change.settings) wanted.settings = { ...wanted.settings, ...change.settings };
      call?.change(change);
    },
  }),
  faults: new FaultPanel({ section: $("faults"), ask, watch: () => start({ dummy: allFaults() }) }),
};
const allFaults = () => screen.faults.faults.map((fault) => fault.name);

// unsaid: what was typed before the call began.
async function start({ unsaid = [], ...how } = {}) {
  if (call) return;
  caption("");
  call = new PageCall(how, { screen, wanted, over });
  unsaid.forEach((text) => call.say(text));
  lookAtPlace();
  await call.begin();
}

// A call has ended. The page calls again by itself where the server has that call no more.
async function over(ended) {
  if (call !== ended) return;
  const { code, text, advice, fault } = ended.ended;
  window.bargein.last = ended;
  call = null;
  show("off", text);
  if (code !== "gone") return fault && complain(text, advice);
  const typed = ended.typed && !ended.sound.stream; // unless a microphone came to it
  await ended.released;
  start({ ...ended.how, typed, unsaid: ended.unsaid });
  if (call) complain(text, "This is a new one.");
}

controls({ call: () => call, start });
within($("obstacles"));

window.bargein = {
  lastError: null,
  get state() {
    return call?.state ?? "off";
  },
  get call() {
    return call ?? window.bargein.last;
  },
  last: null, // the call before, when there is none
  transcript: () => screen.transcript.facts(),
  start,
};

if (options.has("direct")) $("direct").checked = true;
if (options.get("localhold") === "0") $("local-hold").checked = false;
show("off");
lookAtPlace();
await setUp({ policy: screen.policy, faults: screen.faults, ask, start, chosen: () => Object.keys(wanted).length > 0 });
const wish = options.get("dummy") ?? "";
if (wish.startsWith("faults")) start({ dummy: wish.split(":")[1]?.split(",") ?? allFaults() });
else if (options.has("dummy")) start({ dummy: true });
