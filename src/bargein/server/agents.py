"""The agents that this machine has: what is installed and reachable decides, and what is missing is said.

Wiring parts together is the server's business (and the user's, in a FILE.py): here, and nowhere else, are adapters
chosen by name.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from bargein.call.agent import Agent, Greeting
from bargein.contracts import ChatModel
from bargein.errors import BargeinError, Misuse, Unavailable, VendorLost
from bargein.llm.guide import Guide
from bargein.llm.guide_words import GREETING, INSTRUCTIONS
from bargein.llm.openai_chat import OpenAIChat, find_local
from bargein.server.settings import Settings
from bargein.stt.moonshine import MoonshineReader
from bargein.tts.espeak import EspeakVoice

log = logging.getLogger(__name__)

Part = TypeVar("Part")
GUIDE, SCRIPTED = "guide", "guide-scripted"
FILE_MODULE = "bargein_agent_file"


@dataclass(frozen=True, slots=True)
class Missing:
    """A part that this machine does not have. advice: what brings it."""

    part: str
    why: str
    advice: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """agents: by name, the default first."""

    agents: Mapping[str, Agent]
    missing: tuple[Missing, ...] = ()

    @property
    def default(self) -> Agent:
        return next(iter(self.agents.values()))

    def get(self, name: str | None) -> Agent:
        """None: the default. Raises Misuse for a name that is not there."""
        if name is None:
            return self.default
        if name not in self.agents:
            known = ", ".join(self.agents)
            raise Misuse(f"There is no agent {name[:80]!r}", advice=f"Choose one of {known}")
        return self.agents[name]


@asynccontextmanager
async def open_agents(settings: Settings) -> AsyncIterator[Catalogue]:
    """The agents, their parts started; they end with the block.

    Raises Misuse for an agent that cannot be found or loaded, Unavailable when there is no voice at all.
    """
    async with AsyncExitStack() as stack:
        if ":" in settings.agent or settings.agent.endswith(".py"):
            agent = load_agent(settings.agent)
            for part in (agent.mind, agent.voice, agent.reader):
                await _enter(stack, part)
            yield Catalogue({agent.name: agent})
            return
        catalogue = await _embedded(stack, settings)
        chosen = catalogue.get(settings.agent)
        yield replace(catalogue, agents={chosen.name: chosen} | dict(catalogue.agents))


def load_agent(where: str) -> Agent:
    """The Agent called NAME in FILE.py. where: "FILE.py:NAME". Raises Misuse, saying what is wrong with it."""
    file, _, name = where.rpartition(":")
    if not file or not name.isidentifier():
        raise Misuse(f"{where!r} names no agent in a file", advice="Write it as FILE.py:NAME")
    path = Path(file).resolve()
    spec = importlib.util.spec_from_file_location(FILE_MODULE, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise Misuse(f"There is no Python file {file}", advice="Write the agent as FILE.py:NAME")
    module = importlib.util.module_from_spec(spec)
    sys.modules[FILE_MODULE] = module  # dataclasses in it look themselves up there
    try:
        spec.loader.exec_module(module)
    except BargeinError:
        raise
    except Exception as error:
        raise Misuse(
            f"{file} failed with {type(error).__name__}: {error}", advice="Run it by itself to see why"
        ) from error
    agent = getattr(module, name, None)
    if not isinstance(agent, Agent):
        found = "nothing" if agent is None else f"a {type(agent).__name__}"
        raise Misuse(f"{file} has {found} called {name}", advice=f"Let it say {name} = Agent(...)")
    return agent


async def _embedded(stack: AsyncExitStack, settings: Settings) -> Catalogue:
    """The guide, with the best parts there are."""
    missing: list[Missing] = []
    voice = await _try(stack, "voice", EspeakVoice, missing)
    if voice is None:
        raise Unavailable(f"No voice: {missing[0].why}", advice=missing[0].advice)
    reader = await _try(stack, "ears", MoonshineReader, missing)
    scripted = Agent(
        name=GUIDE,
        mind=Guide(),
        voice=voice,
        reader=reader,
        description="A small scripted companion: no language model",
        llm=False,
        instructions=INSTRUCTIONS,
        greeting=Greeting(GREETING),
    )
    chat = await _find_chat(settings, missing)
    if chat is None:
        return Catalogue({GUIDE: scripted}, tuple(missing))
    await _enter(stack, chat)
    clever = replace(scripted, mind=chat, llm=True, description=f"The guide, with {chat.name} as its mind")
    return Catalogue({GUIDE: clever, SCRIPTED: replace(scripted, name=SCRIPTED)}, tuple(missing))


async def _find_chat(settings: Settings, missing: list[Missing]) -> ChatModel | None:
    url, key, model = settings.openai_base_url, settings.openai_api_key, settings.openai_model
    try:
        if model and (url or key):
            return OpenAIChat(model, base_url=url, api_key=key)
        if (found := await find_local(url, api_key=key)) is not None:
            return OpenAIChat(found.model, base_url=found.base_url, api_key=key if url else None)
    except Unavailable as error:
        missing.append(Missing("language model", error.message, error.advice))
        return None
    why = f"{url} did not answer" if url else "neither OPENAI_BASE_URL nor a local Ollama is there"
    missing.append(Missing("language model", why, "Set OPENAI_BASE_URL, OPENAI_API_KEY and OPENAI_MODEL"))
    return None


async def _try(stack: AsyncExitStack, part: str, make: Callable[[], Part], missing: list[Missing]) -> Part | None:
    try:
        made = make()
        await _enter(stack, made)
    except (Unavailable, VendorLost) as error:
        log.info("No %s: %s", part, error)
        missing.append(Missing(part, error.message, error.advice))
        return None
    return made


async def _enter(stack: AsyncExitStack, part: object) -> None:
    """Start a part that can be started, and see to its end, if it has one."""
    close: Callable[[], Awaitable[None]] | None = getattr(part, "aclose", None)
    if close is not None:
        stack.push_async_callback(close)
    start: Callable[[], Awaitable[None]] | None = getattr(part, "start", None)
    if start is not None:
        await start()
