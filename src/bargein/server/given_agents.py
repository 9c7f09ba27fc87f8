"""Agents that a script gives to the server: what can be served, and how their parts start and end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from bargein.agent import Agent
from bargein.errors import UsageError
from bargein.server.builder import AgentBuilder, Missing, completed, enter
from bargein.server.catalogue import Catalogue
from bargein.server.hub import OpenAgents
from bargein.server.registry import installed_vendors
from bargein.server.settings import Settings

MAKE_ONE = "Give an Agent(llm=..., tts=...), or an Agent(realtime=...)"


def opener(given: object, function: str) -> OpenAgents:
    """Opens the agents that were given to `function`: an Agent, or a list of them whose first is the default.

    Raises UsageError for no agent, for something else, and for two agents of one name.
    """
    agents: tuple[object, ...] = tuple(given) if isinstance(given, list | tuple) else (given,)
    checked = [agent for agent in agents if isinstance(agent, Agent)]
    if len(checked) < len(agents):
        wrong = next(type(agent).__name__ for agent in agents if not isinstance(agent, Agent))
        raise UsageError(f"{function}() needs an Agent, and was given a {wrong}", advice=MAKE_ONE)
    if not checked:
        raise UsageError(f"{function}() was given no agent", advice=MAKE_ONE)
    named = {agent.name: agent for agent in checked}
    if len(named) < len(checked):
        names = [agent.name for agent in checked]
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"Two agents are called {twice!r}", advice="Give each a name of its own: Agent(name=...)")

    @asynccontextmanager
    async def opened(settings: Settings) -> AsyncIterator[Catalogue]:
        if settings.simulate:
            raise UsageError(
                f"{function}() cannot simulate the vendors of parts that are made already",
                advice="Run `bargein serve --simulate --agent FILE.py`, or unset BARGEIN_SIMULATE",
            )
        registry = await asyncio.to_thread(installed_vendors)  # a stranger's vendor may import for seconds
        missing: list[Missing] = []
        async with AsyncExitStack() as stack:
            builder = AgentBuilder(registry=registry)
            stack.push_async_callback(builder.aclose)
            for part in {id(part): part for agent in checked for part in agent.parts}.values():
                await enter(stack, part)
            agents = [await completed(agent, builder, stack, missing) for agent in checked]
            yield Catalogue({agent.name: agent for agent in agents}, tuple(dict.fromkeys(missing)))

    return opened
