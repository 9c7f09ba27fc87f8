"""The agents that a server offers: a file's, a vendor's recipe, the best parts there are, or the guide."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bargein.agent import REPROMPTS, Agent, Greeting, Message, Voicemail
from bargein.errors import Unavailable, UsageError, VendorLost
from bargein.floor import Policy
from bargein.server.agent_file import is_agent_file, load_agent
from bargein.server.builder import AgentBuilder, Missing, build, completed, enter
from bargein.server.registry import CASCADE, GUIDE, SCRIPTED, RegisteredPart, Registry, installed_vendors
from bargein.server.settings import Settings
from bargein.server.texts import CASCADE_GREETING, CASCADE_INSTRUCTIONS
from bargein.server.toml_config import AgentChoice, PartChoice, load_tools, read_toml
from bargein.vendors.common.environment import Environment
from bargein.vendors.common.vendor import AgentRecipe, Kind

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Catalogue:
    """What a server offers. It changes only under `bargein dev`."""

    agents: Mapping[str, Agent]
    """By name, the default first."""
    missing: tuple[Missing, ...] = ()
    builder: AgentBuilder | None = None
    """Makes what a page chooses. None: nothing can be chosen."""
    simulator_url: str | None = None
    """Where the vendors' simulators are. None: the vendors are real."""
    mistake: str = ""
    """Why the newest state of the agent's file could not be loaded: these agents are of the one before. "": it was."""
    former: frozenset[str] = frozenset()
    """Names of agents that are gone. A page that was opened before then asks for them, and gets the default."""

    def become(self, newer: Catalogue) -> None:
        """Offer what another catalogue offers, from now on."""
        self.former = (self.former | self.agents.keys()) - newer.agents.keys()
        self.agents, self.missing, self.builder = newer.agents, newer.missing, newer.builder
        self.simulator_url, self.mistake = newer.simulator_url, newer.mistake

    @property
    def default(self) -> Agent:
        return next(iter(self.agents.values()))

    def get(self, name: str | None) -> Agent:
        """None: the default. Raises UsageError for a name that is not there."""
        if name is None or name in self.former:
            return self.default
        if name not in self.agents:
            known = ", ".join(self.agents)
            raise UsageError(f"There is no agent {name[:80]!r}", advice=f"Choose one of {known}")
        return self.agents[name]


@asynccontextmanager
async def open_agents(
    settings: Settings, environment: Environment | None = None, *, registry: Registry | None = None
) -> AsyncIterator[Catalogue]:
    """The agents, their parts started. They end with the block.

    environment: None is the process's. registry: None is what is installed. Raises UsageError for an agent that cannot
    be found or loaded, Unavailable when a part that the agent needs cannot be had.
    """
    environment = Environment.of_process() if environment is None else environment
    if registry is None:
        registry = await asyncio.to_thread(installed_vendors)  # a stranger's vendor may import for seconds
    simulator_url = None
    async with AsyncExitStack() as stack:
        if settings.simulate:
            simulators = await stack.enter_async_context(_simulated(environment, registry))
            environment, simulator_url = simulators.environment, simulators.url
        builder = AgentBuilder(environment, registry=registry)
        stack.push_async_callback(builder.aclose)
        missing = [Missing(problem.vendor, problem.why, problem.advice) for problem in registry.problems]
        agents = await _agents(settings.agent, stack, builder, missing)
        yield Catalogue({agent.name: agent for agent in agents}, tuple(missing), builder, simulator_url)


async def _agents(wanted: str, stack: AsyncExitStack, builder: AgentBuilder, missing: list[Missing]) -> list[Agent]:
    """The agents, the wanted one first."""
    if wanted.endswith(".toml"):
        return [await _from_toml(stack, wanted, builder, missing)]
    if is_agent_file(wanted):
        with builder.environment.in_process():  # the file's parts look for their keys and addresses there
            agent = load_agent(wanted)
        for part in agent.parts:
            await enter(stack, part)
        return [await completed(agent, builder, stack, missing)]
    if wanted in (GUIDE, SCRIPTED):
        agents = await _guide(stack, builder, missing)
        return agents if wanted == GUIDE else [replace(agents[-1], name=SCRIPTED), *agents[:-1]]
    if wanted == CASCADE:
        agent = await stack.enter_async_context(build(AgentChoice(), builder, missing=missing))
    elif recipes := builder.registry.recipes(wanted):
        recipe = _configured(wanted, recipes, builder)
        choice = _choice(recipe, builder)
        agent = await stack.enter_async_context(build(choice, builder, missing=missing))
        agent = replace(agent, description=recipe.description or agent.description)
    else:
        known = ", ".join([GUIDE, SCRIPTED, CASCADE, *builder.registry.agent_names])
        advice = f"Choose one of {known}, or give FILE.py:NAME or FILE.toml"
        raise UsageError(f"There is no agent {wanted[:80]!r}", advice=advice)
    return [replace(agent, name=wanted)]


def _configured(agent: str, recipes: list[AgentRecipe], builder: AgentBuilder) -> AgentRecipe:
    """The first recipe whose parts are configured. Raises Unavailable when there is none, UsageError for a recipe that
    names a part that is not there."""
    needs: dict[str, None] = {}
    for recipe in recipes:
        parts = [builder.registry.find(kind, name) for kind, name in recipe.parts.items()]
        lacking = [part for part in parts if not part.configured(builder.environment)]
        if not lacking or len(recipes) == 1:
            return recipe  # a single recipe: the part itself says best what it lacks
        needs |= dict.fromkeys(variable for part in lacking if (variable := part.needs()))
    *others, last = needs
    names = f"{', '.join(others)} or {last}" if others else last
    raise Unavailable(f"Agent {agent!r} is not configured", advice=f"Set {names}, or try it with --simulate")


def _choice(recipe: AgentRecipe, builder: AgentBuilder) -> AgentChoice:
    chosen: dict[Kind, str] = dict(recipe.parts)
    for kind, name in recipe.where_set.items():
        if builder.registry.find(kind, name).configured(builder.environment):
            chosen[kind] = name
    parts = {kind: PartChoice(name=name) for kind, name in chosen.items()}
    texts = {"instructions": recipe.instructions, "greeting": recipe.greeting}
    return AgentChoice.model_validate({**parts, **texts})


async def _from_toml(stack: AsyncExitStack, file: str, builder: AgentBuilder, missing: list[Missing]) -> Agent:
    wish = read_toml(file)
    try:
        policy = Policy.named(wish.preset or "balanced").with_(wish.policy)
        tools = load_tools(wish.tools, Path(file).parent)
        made = await stack.enter_async_context(build(wish, builder, missing=missing))
    except (UsageError, Unavailable) as error:
        raise type(error)(f"{file}: {error.message}", advice=error.advice) from error
    return replace(
        made,
        name=wish.name or made.name,
        description=wish.description or made.description,
        greeting=replace(made.opening, protected=wish.protected),
        policy=policy,
        spoken_form=wish.spoken_form,
        hide_thoughts=wish.hide_thoughts,
        reprompts=dict(REPROMPTS) | {str(case): said for case, said in wish.reprompts.items()},
        tools=tools,
        fillers=wish.fillers,
        voicemail=_voicemail(wish.voicemail),
        background=wish.background,
        background_db=wish.background_db,
        max_prompt_tokens=wish.max_prompt_tokens,
    )


def _voicemail(text: str | None) -> Voicemail | None:
    if text is None or text == "hang_up":
        return "hang_up" if text else None
    return Message(text)


async def _guide(stack: AsyncExitStack, builder: AgentBuilder, missing: list[Missing]) -> list[Agent]:
    """The scripted companion, with the parts of this machine; and, where the user has an LLM, the same with that."""
    tts = await _local("tts", stack, builder, missing)
    if tts is None:
        raise Unavailable(f"No voice: {missing[-1].why}", advice=missing[-1].advice)
    part = next((part for part in builder.registry.of_kind("llm") if part.part.scripted), None)
    if part is None:
        raise Unavailable("There is no scripted companion", advice="Choose another agent")
    scripted = Agent(
        name=GUIDE,
        llm=await builder.make(part, {}, stack),  # type: ignore[arg-type]  # Agent looks at it
        tts=tts,
        stt=await _local("stt", stack, builder, missing),
        description="A small scripted companion: no language model",
        scripted=True,
        instructions=part.part.instructions or CASCADE_INSTRUCTIONS,
        greeting=Greeting(part.part.greeting or CASCADE_GREETING),
    )
    llm = await _own_llm(stack, builder, missing)
    if llm is None:
        return [scripted]
    named = replace(scripted, llm=llm, scripted=False, description=f"The guide, with {llm.name} as its language model")
    return [named, replace(scripted, name=SCRIPTED)]


async def _local(kind: Kind, stack: AsyncExitStack, builder: AgentBuilder, missing: list[Missing]) -> Any:
    """The part of this machine that stands in elsewhere. None: there is none."""
    parts = [part for part in builder.registry.of_kind(kind) if part.part.fallback]
    return await _first_of(parts, stack, builder, missing)


async def _own_llm(stack: AsyncExitStack, builder: AgentBuilder, missing: list[Missing]) -> Any:
    """An LLM on a machine of the user's own. None: there is none."""
    parts = [part for part in builder.registry.of_kind("llm") if part.part.own_server]
    return await _first_of(parts, stack, builder, missing)


async def _first_of(
    parts: list[RegisteredPart], stack: AsyncExitStack, builder: AgentBuilder, missing: list[Missing]
) -> Any:
    failures: list[Missing] = []
    for part in parts:
        try:
            return await builder.make(part, {}, stack)
        except (Unavailable, VendorLost) as error:
            log.info("No %s: %s", part.title, error)
            failures.append(Missing(part.kind, error.message, error.advice))
    missing += failures
    return None


def _simulated(environment: Environment, registry: Registry) -> Any:
    """An async context with `url`, and an environment whose vendors are our simulators."""
    return importlib.import_module("bargein.server.simulated").simulated(environment, registry.vendors)
