// What the server offers, asked when the page loads: its agents and their policies, its parts, its faults.

import { Chooser } from "./chooser.js";
import { $, agentIs, complain } from "./screen.js";

// policy, faults: the panels. ask(path, body): of the server. start(how): a call. chosen(): whether the person has moved the policy.
export async function setUp({ policy, faults, ask, start, chosen }) {
  const served = await ask("agents").catch((error) => complain(error.message, error.advice));
  if (!served) return;
  await policy.open(ask).catch((error) => complain(error.message, error.advice));
  if (served.mistake) complain(served.mistake, "The agent as it was before answers until it is mended.");
  for (const agent of served.agents) $("agents").append(new Option(agent.name, agent.name));
  $("agents").hidden = served.agents.length < 2;
  const describe = () => {
    const agent = served.agents.find((a) => a.name === $("agents").value) ?? served.agents[0];
    agentIs({ ...agent, tts: agent.tts === agent.llm ? "" : agent.tts, simulated: served.simulated });
    $("direct-row").hidden = !agent.direct;
    if (!chosen()) policy.take(agent.policy);
  };
  $("agents").onchange = describe;
  if (served.agents.length) describe();
  const chooser = new Chooser({
    section: $("choose"),
    ask,
    start: () => start({ choice: chooser.choice }),
    preset: (name) => policy.choose(name),
  });
  await chooser.open().catch(() => {}); // a server that offers no choice: the section stays hidden
  await faults.open().catch(() => {}); // the same
}
