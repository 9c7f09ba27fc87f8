"""The agents that this machine has: what is installed and reachable decides, and what is missing is said.

Wiring parts together is the server's business (and the user's, in a FILE.py): here, and nowhere else, are adapters
chosen by name.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bargein.agent import REPROMPTS, Agent, Greeting
from bargein.errors import BargeinError, Unavailable, UsageError, VendorLost
from bargein.floor import Policy
from bargein.protocols import LLM
from bargein.server.registry import Kind, Part, find, of_kind
from bargein.server.settings import Settings
from bargein.server.toml_config import AgentChoice, PartChoice, load_tools, read_toml
from bargein.vendors.local import espeak, moonshine
from bargein.vendors.openai.chat import OLLAMA_URL, OpenAIChat, find_local
from bargein.vendors.scripted.guide import Guide
from bargein.vendors.scripted.guide_words import GREETING, INSTRUCTIONS

log = logging.getLogger(__name__)

GUIDE, SCRIPTED, CASCADE, CHOSEN = "guide", "guide-scripted", "cascade", "chosen"
REALTIME = "openai-realtime"
VOXTRAL = "voxtral"
FILE_MODULE = "bargein_agent_file"
CLOSE_S = 5  # a part that takes longer to close is left to itself

CASCADE_GREETING = (
    "Hello, and welcome. I hear you, I think, and I speak, each with a part of its own, and you can interrupt me "
    "whenever you like: I fall silent at once, and I remember which of my words you have heard. "
    "So, what would you like to talk about?"
)
VOXTRAL_GREETING = (
    "Hello, and welcome. I am Voxtral: I hear your voice itself, I write what I think, and a voice speaks it, piece by "
    "piece, through a queue. Speak, and both my queues are empty before you have said a word. "
    "So, what would you like to talk about?"
)
REALTIME_GREETING = (
    "Hello, and welcome. I am a speech model: I hear your voice itself, and I speak with my own. You can interrupt me "
    "whenever you like. I fall silent at once, a cough costs nothing, and I remember which of my words you have heard. "
    "So, what would you like to talk about?"
)
REALTIME_INSTRUCTIONS = (
    "You speak with somebody on a live voice call. Answer in one to three short spoken sentences. When you did not "
    "understand, ask."
)
CASCADE_INSTRUCTIONS = (
    "You speak with somebody on a live voice call. Answer in one to three short spoken sentences, without lists, "
    "markup or emoji; write numbers as they are said. When you were interrupted, only the words that were heard count "
    "as said. When you did not understand, ask."
)


@dataclass(frozen=True, slots=True)
class Missing:
    """A part that this machine does not have. advice: what brings it."""

    part: str
    why: str
    advice: str


class AgentBuilder:
    """Makes parts by name. The two processes that speak and read on this machine are its own, and all calls share
    them; whatever else it makes belongs to the stack that it was made for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.trials: set[asyncio.Task[Any]] = set()  # of parts, under way
        self._espeak = espeak.worker()
        self._moonshine = moonshine.MoonshineSTT()

    def keep(self, trial: asyncio.Task[Any]) -> None:
        """Own a task that tries a part; what of it is still there when all ends is cancelled then."""
        self.trials.add(trial)
        trial.add_done_callback(self._tried)

    async def aclose(self) -> None:
        for trial in self.trials:
            trial.cancel()
        if self.trials:
            await asyncio.wait(self.trials, timeout=CLOSE_S)
        await self._moonshine.aclose()
        await self._espeak.aclose()

    async def make(
        self, part: Part, options: Mapping[str, object], stack: AsyncExitStack, *, language: str = "en"
    ) -> object:
        """The part, started; it ends with the stack. Raises Misuse for options or a language that it does not have,
        Unavailable for what is missing (a key, a package), VendorLost when it does not start."""
        chosen: dict[str, Any] = part.read(options)
        if not part.speaks(language):
            known = ", ".join(part.languages)
            raise UsageError(f"{part.title} does not know the language {language[:40]!r}", advice=f"It knows {known}")
        part.demand(self.settings)
        if any(option.name == "language" for option in part.options):
            chosen = self._language(part, language) | chosen
        made = await self._made(part, chosen)
        await _enter(stack, made, close=made is not self._moonshine)
        return made

    def fallback_stt(self, language: str) -> moonshine.MoonshineSTT | None:
        """Who reads while a streaming transcriber is away; it starts when it is needed first."""
        part = find("stt", "moonshine")
        return self._moonshine if part.installed and part.speaks(language) else None

    def fallback_tts(self, language: str) -> espeak.EspeakTTS | None:
        """Who says that the vendor's voice is lost."""
        part = find("tts", "espeak")
        chosen: dict[str, Any] = {**self._language(part, language)}
        return espeak.EspeakTTS(self._espeak, **chosen) if part.installed else None

    async def best(
        self, kind: Kind, stack: AsyncExitStack, missing: list[Missing], *, language: str = "en"
    ) -> tuple[Part, object] | None:
        """The best there is, of those whose keys are set. missing: gets what stood above it, and why."""
        for part in of_kind(kind):
            if part.rank is None or not part.speaks(language):
                continue
            try:
                made = await self.make(part, {}, stack, language=language)
            except (Unavailable, VendorLost) as error:
                if part.key_set(self.settings):
                    missing.append(Missing(part.title, error.message, error.advice))
                continue
            if part.local:
                missing.append(Missing(kind, f"{part.title}, stands in: no key of a vendor is set", _advice(kind)))
            return part, made
        missing.append(Missing(kind, "no key of a vendor is set, and nothing on this machine will do", _advice(kind)))
        return None

    def _tried(self, trial: asyncio.Task[Any]) -> None:
        self.trials.discard(trial)
        if not trial.cancelled():
            trial.exception()  # taken: whoever asked may have given it up

    async def _made(self, part: Part, chosen: dict[str, Any]) -> object:
        match part.name:
            case "espeak":
                return espeak.EspeakTTS(self._espeak, **chosen)
            case "moonshine":
                return self._moonshine
            case "voxtral-vllm":
                return (await part.load())(base_url=self._placed(part), **chosen)
            case "voxtral-local":
                return (await part.load())(chosen.pop("model", None) or self._placed(part), **chosen)
            case "openai-compatible":
                return await self._compatible(chosen.get("model"))
            case "ollama":
                url = self.settings.ollama_url or OLLAMA_URL
                model = chosen.get("model")
                if model is None and (served := await find_local(url)) is not None:
                    model = served.model
                if model is None:
                    advice = "Start Ollama with a model, or set BARGEIN_OLLAMA_URL"
                    raise Unavailable("Ollama does not answer, or has no model", advice=advice)
                return OpenAIChat(model, base_url=url)
            case _:
                make = await part.load()
                return make(**part.access(self.settings), **chosen)

    def _placed(self, part: Part) -> str:
        place = part.placed(self.settings)
        if place is None:
            raise Unavailable(f"{part.title}: nothing says where", advice=f"Set {part.place_variable}")
        return place

    async def _compatible(self, model: str | None) -> OpenAIChat:
        url, key = self.settings.openai_base_url, self.settings.openai_api_key
        if url is None:
            advice = "Set OPENAI_BASE_URL, and OPENAI_API_KEY and OPENAI_MODEL if it wants them"
            raise Unavailable("No OpenAI-compatible server is named", advice=advice)
        model = model or self.settings.openai_model
        if model is None and (served := await find_local(url, api_key=key)) is not None:
            model = served.model
        if model is None:
            raise Unavailable(f"{url} did not answer", advice="Start it, or name its model with OPENAI_MODEL")
        return OpenAIChat(model, base_url=url, api_key=key)

    @staticmethod
    def _language(part: Part, language: str) -> dict[str, str]:
        """As the part wants to be told: vendors know the languages, espeak their regions, too."""
        primary = language.partition("-")[0].lower()
        match part.name:
            case "espeak":
                return {} if language == "en" else {"language": language.lower()}
            case "deepgram-flux" if primary != "en":
                return {"language": primary, "model": "flux-general-multi"}
            case _:
                return {"language": primary}


@asynccontextmanager
async def build(
    choice: AgentChoice, workshop: AgentBuilder, *, missing: list[Missing] | None = None
) -> AsyncIterator[Agent]:
    """The agent that was chosen, its parts started; they end with the block.

    Raises Misuse for what cannot be chosen, Unavailable when a part that was named, a model or a voice cannot be had
    (its advice names the variable), VendorLost when one does not start. missing: gets what stood above the best.
    """
    lacking: list[Missing] = missing if missing is not None else []
    async with AsyncExitStack() as stack:
        if choice.realtime is not None:
            yield await _realtime(choice, choice.realtime, workshop, stack)
            return
        chosen: dict[Kind, tuple[Part, Any] | None] = {}
        for kind, wish in _wishes(choice):
            if wish is None:
                chosen[kind] = await workshop.best(kind, stack, lacking, language=choice.language)
            else:
                part = find(kind, wish.name)
                chosen[kind] = part, await workshop.make(part, wish.options, stack, language=choice.language)
        ears, mind, voice = chosen["stt"], chosen["llm"], chosen["tts"]
        if mind is None:
            raise Unavailable("There is no language model", advice=_advice("llm"))
        if voice is None:
            raise Unavailable("There is no voice", advice=_advice("tts"))
        scripted = mind[0].name == GUIDE
        instructions = INSTRUCTIONS if scripted else CASCADE_INSTRUCTIONS
        greeting = GREETING if scripted else CASCADE_GREETING
        parts = [part.title for part, _ in (p for p in chosen.values() if p is not None)]
        yield Agent(
            name=CHOSEN,
            llm=mind[1],
            tts=voice[1],
            fallback_tts=None if voice[0].local else workshop.fallback_tts(choice.language),
            stt=ears[1] if ears is not None else None,
            fallback_stt=workshop.fallback_stt(choice.language) if ears is not None and ears[0].streams else None,
            description=", ".join(parts),
            scripted=scripted,
            instructions=instructions if choice.instructions is None else choice.instructions,
            greeting=Greeting(greeting if choice.greeting is None else choice.greeting),
            language=choice.language,
            policy=Policy.named(choice.preset or "balanced"),
        )


async def _realtime(choice: AgentChoice, wish: PartChoice, workshop: AgentBuilder, stack: AsyncExitStack) -> Agent:
    """An agent whose speech model hears, thinks and speaks. What it says in a call is read beside it where this
    machine can, because its own words come only when a turn is over."""
    if any(part is not None for part in (choice.stt, choice.llm, choice.tts)):
        advice = "Choose realtime alone, or stt, llm and tts"
        raise UsageError("A speech model leaves no room for other parts", advice=advice)
    part = find("realtime", wish.name)
    model: Any = await workshop.make(part, wish.options, stack, language=choice.language)
    reader = workshop.fallback_stt(choice.language)
    if reader is not None:
        await reader.start()  # now, and not when somebody has interrupted already
    return Agent(
        name=CHOSEN,
        realtime=model,
        fallback_tts=workshop.fallback_tts(choice.language),
        fallback_stt=reader,
        description=part.title,
        instructions=REALTIME_INSTRUCTIONS if choice.instructions is None else choice.instructions,
        greeting=Greeting(REALTIME_GREETING if choice.greeting is None else choice.greeting),
        language=choice.language,
        policy=Policy.named(choice.preset or "balanced"),
    )


def _wishes(choice: AgentChoice) -> tuple[tuple[Kind, PartChoice | None], ...]:
    return ("stt", choice.stt), ("llm", choice.llm), ("tts", choice.tts)


def _advice(kind: Kind) -> str:
    variables = dict.fromkeys(part.vendor.variables[0] for part in of_kind(kind) if part.vendor is not None)
    local = {"llm": "OPENAI_BASE_URL, start Ollama,", "tts": "install bargein[espeak],"}.get(kind, "")
    return f"Set {', '.join(variables)}, {local} or try it with --simulate"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """agents: by name, the default first. workshop: makes what a page chooses; None: nothing can be chosen."""

    agents: Mapping[str, Agent]
    missing: tuple[Missing, ...] = ()
    workshop: AgentBuilder | None = None

    @property
    def default(self) -> Agent:
        return next(iter(self.agents.values()))

    def get(self, name: str | None) -> Agent:
        """None: the default. Raises Misuse for a name that is not there."""
        if name is None:
            return self.default
        if name not in self.agents:
            known = ", ".join(self.agents)
            raise UsageError(f"There is no agent {name[:80]!r}", advice=f"Choose one of {known}")
        return self.agents[name]


@asynccontextmanager
async def open_agents(settings: Settings) -> AsyncIterator[Catalogue]:
    """The agents, their parts started; they end with the block.

    Raises Misuse for an agent that cannot be found or loaded, Unavailable when there is no voice at all.
    """
    async with AsyncExitStack() as stack:
        if settings.simulate:
            settings = await stack.enter_async_context(_simulated(settings))
        workshop = AgentBuilder(settings)
        stack.push_async_callback(workshop.aclose)
        missing: list[Missing] = []
        if settings.agent.endswith(".toml"):
            agents = [await _from_toml(stack, settings.agent, workshop, missing)]
        elif ":" in settings.agent or settings.agent.endswith(".py"):
            agent = load_agent(settings.agent)
            for part in agent.parts:
                await _enter(stack, part)
            agents = [agent]
        elif settings.agent == CASCADE:
            cascade = await stack.enter_async_context(build(AgentChoice(), workshop, missing=missing))
            agents = [replace(cascade, name=CASCADE)]
        elif settings.agent == VOXTRAL:
            choice = _voxtral(settings)
            agents = [replace(await stack.enter_async_context(build(choice, workshop, missing=missing)), name=VOXTRAL)]
        elif settings.agent == REALTIME:
            choice = AgentChoice(realtime=PartChoice(name=REALTIME))
            agents = [replace(await stack.enter_async_context(build(choice, workshop)), name=REALTIME)]
        else:
            agents = await _embedded(stack, workshop, missing)
        found = Catalogue({agent.name: agent for agent in agents}, tuple(missing), workshop)
        if not settings.agent.endswith(".toml") and ":" not in settings.agent:
            chosen = found.get(settings.agent)
            found = replace(found, agents={chosen.name: chosen} | dict(found.agents))
        yield found


def _voxtral(settings: Settings) -> AgentChoice:
    """Mistral's own parts with its key; else a vLLM server's, or weights on this machine, with the best voice there is.
    Raises Unavailable when there is none of them."""
    greeting = VOXTRAL_GREETING
    if settings.mistral_api_key is not None:
        ears, mind, voice = PartChoice(name="voxtral-realtime"), PartChoice(name="voxtral"), PartChoice(name="mistral")
        return AgentChoice(stt=ears, llm=mind, tts=voice, greeting=greeting)
    if settings.vllm_url is not None:
        vllm = PartChoice(name="voxtral-vllm")
        return AgentChoice(stt=vllm if settings.vllm_realtime_url else None, llm=vllm, greeting=greeting)
    if settings.voxtral_model is not None:
        return AgentChoice(llm=PartChoice(name="voxtral-local"), greeting=greeting)
    advice = "Set MISTRAL_API_KEY, BARGEIN_VLLM_URL or BARGEIN_VOXTRAL_MODEL, or try it with --simulate"
    raise Unavailable("There is no Voxtral", advice=advice)


def _simulated(settings: Settings) -> Any:
    """An async context with settings whose vendors are our simulators. They are loaded only for this."""
    try:
        return importlib.import_module("bargein.server.simulated").simulated(settings)
    except ImportError as error:
        raise Unavailable(
            f"The simulators cannot be loaded: {error.name} is missing", advice="Install the extra: bargein[cascade]"
        ) from error


async def _from_toml(stack: AsyncExitStack, file: str, workshop: AgentBuilder, missing: list[Missing]) -> Agent:
    wish = read_toml(file)
    policy = Policy.named(wish.preset or "balanced").with_(wish.policy)
    tools = load_tools(wish.tools, Path(file).parent)
    made = await stack.enter_async_context(build(wish, workshop, missing=missing))
    return replace(
        made,
        name=wish.name or made.name,
        description=wish.description or made.description,
        greeting=replace(made.opening, protected=wish.protected),
        policy=policy,
        reprompts=dict(REPROMPTS) | {str(case): said for case, said in wish.reprompts.items()},
        tools=tools,
    )


def load_agent(where: str) -> Agent:
    """The Agent called NAME in FILE.py. where: "FILE.py:NAME". Raises Misuse, saying what is wrong with it."""
    file, _, name = where.rpartition(":")
    if not file or not name.isidentifier():
        raise UsageError(f"{where!r} names no agent in a file", advice="Write it as FILE.py:NAME")
    path = Path(file).resolve()
    spec = importlib.util.spec_from_file_location(FILE_MODULE, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise UsageError(f"There is no Python file {file}", advice="Write the agent as FILE.py:NAME")
    module = importlib.util.module_from_spec(spec)
    sys.modules[FILE_MODULE] = module  # dataclasses in it look themselves up there
    try:
        spec.loader.exec_module(module)
    except BargeinError:
        raise
    except Exception as error:
        raise UsageError(
            f"{file} failed with {type(error).__name__}: {error}", advice="Run it by itself to see why"
        ) from error
    agent = getattr(module, name, None)
    if not isinstance(agent, Agent):
        found = "nothing" if agent is None else f"a {type(agent).__name__}"
        raise UsageError(f"{file} has {found} called {name}", advice=f"Let it say {name} = Agent(...)")
    return agent


async def _embedded(stack: AsyncExitStack, workshop: AgentBuilder, missing: list[Missing]) -> list[Agent]:
    """The guide, with the best parts that are on this machine."""
    voice = await _local(stack, workshop, "tts", "espeak", missing)
    if voice is None:
        raise Unavailable(f"No voice: {missing[0].why}", advice=missing[0].advice)
    scripted = Agent(
        name=GUIDE,
        llm=Guide(),
        tts=voice,
        stt=await _local(stack, workshop, "stt", "moonshine", missing),
        description="A small scripted companion: no language model",
        scripted=True,
        instructions=INSTRUCTIONS,
        greeting=Greeting(GREETING),
    )
    chat = await _find_chat(workshop.settings, missing)
    if chat is None:
        return [scripted]
    await _enter(stack, chat)
    clever = replace(scripted, llm=chat, scripted=False, description=f"The guide, with {chat.name} as its mind")
    return [clever, replace(scripted, name=SCRIPTED)]


async def _local(stack: AsyncExitStack, workshop: AgentBuilder, kind: Kind, name: str, missing: list[Missing]) -> Any:
    """A part of this machine, or None."""
    part = find(kind, name)
    try:
        return await workshop.make(part, {}, stack)
    except (Unavailable, VendorLost) as error:
        log.info("No %s: %s", name, error)
        missing.append(Missing(kind, error.message, error.advice))
        return None


async def _find_chat(settings: Settings, missing: list[Missing]) -> LLM | None:
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


async def _enter(stack: AsyncExitStack, part: object, *, close: bool = True) -> None:
    """Start a part that can be started, and see to its end, if it has one."""
    end: Callable[[], Awaitable[None]] | None = getattr(part, "aclose", None)
    if close and end is not None:
        stack.push_async_callback(_close, type(part).__name__, end)
    start: Callable[[], Awaitable[None]] | None = getattr(part, "start", None)
    if start is not None:
        await start()


async def _close(name: str, end: Callable[[], Awaitable[None]]) -> None:
    """Within a bound: a vendor that does not let go may not hold up the call that is over."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await end()
    except TimeoutError:
        log.warning("%s did not close within %d s", name, CLOSE_S)
