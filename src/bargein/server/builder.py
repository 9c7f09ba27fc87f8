"""Parts and agents, made of what the registry has and the environment sets up. No vendor is known here by name."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from bargein.agent import Agent, Greeting
from bargein.errors import Unavailable, UsageError, VendorLost
from bargein.floor import Policy
from bargein.protocols import TTS, BatchSTT
from bargein.server.registry import CHOSEN, RegisteredPart, Registry, installed_vendors
from bargein.server.start_steps import steps
from bargein.server.texts import CASCADE_GREETING, CASCADE_INSTRUCTIONS, REALTIME_GREETING, REALTIME_INSTRUCTIONS
from bargein.server.toml_config import AgentChoice, PartChoice
from bargein.vendors.common.environment import Environment
from bargein.vendors.common.vendor import Kind

log = logging.getLogger(__name__)

CLOSE_S = 5  # a part that takes longer to close is left to itself


@dataclass(frozen=True, slots=True)
class Missing:
    """A part that this machine does not have."""

    part: str
    why: str
    advice: str
    """What brings the part."""


class AgentBuilder:
    """Makes parts by name. The worker processes of local parts are the builder's own, and all calls share them. Any
    other part belongs to the stack that it was made for."""

    def __init__(self, environment: Environment | None = None, *, registry: Registry | None = None) -> None:
        """environment: None is the process's. registry: None is what is installed."""
        self.environment = Environment.of_process() if environment is None else environment
        self.registry = installed_vendors() if registry is None else registry
        self.trials: set[asyncio.Task[Any]] = set()
        """Trials of single parts that are under way."""
        self._workers: dict[str, Any] = {}

    def keep(self, trial: asyncio.Task[Any]) -> None:
        """Own a task that tries a part. `aclose` cancels a trial that is still there."""
        self.trials.add(trial)
        trial.add_done_callback(self._tried)

    def hide(self, text: str) -> str:
        """A text without any key."""
        return self.registry.hide(text, self.environment)

    async def aclose(self) -> None:
        """End all trials and all workers."""
        for trial in self.trials:
            trial.cancel()
        if self.trials:
            await asyncio.wait(self.trials, timeout=CLOSE_S)
        for worker in self._workers.values():
            await worker.aclose()

    async def make(
        self, part: RegisteredPart, options: Mapping[str, object], stack: AsyncExitStack, *, language: str = "en"
    ) -> object:
        """The part, started. The part ends with the stack.

        Raises UsageError for options or a language that the part does not have, Unavailable for what is missing (a
        key, a package), VendorLost when the part does not start.
        """
        chosen = part.part.read(options)
        if not part.part.speaks(language):
            known = ", ".join(part.part.languages)
            raise UsageError(f"{part.title} does not know the language {language[:40]!r}", advice=f"It knows {known}")
        part.demand(self.environment)
        made = await self._made(part, chosen, language)
        await enter(stack, made)
        return made

    async def fallback_stt(self, language: str) -> BatchSTT | None:
        """Reads words while a streaming STT is away. Starts when it is needed first."""
        stt: BatchSTT | None = await self._fallback("stt", language)
        return stt

    async def fallback_tts(self, language: str) -> TTS | None:
        """Says that the vendor's TTS is lost."""
        tts: TTS | None = await self._fallback("tts", language)
        return tts

    async def best(
        self, kind: Kind, stack: AsyncExitStack, missing: list[Missing], *, language: str = "en"
    ) -> tuple[RegisteredPart, object] | None:
        """The best part that can be had. missing: gets the parts that were set up and cannot be had, and why."""
        for part in self.registry.of_kind(kind):
            if part.part.rank is None or not part.part.speaks(language):
                continue
            try:
                made = await self.make(part, {}, stack, language=language)
            except (Unavailable, VendorLost) as error:
                if part.wanted(self.environment):
                    missing.append(Missing(part.title, error.message, error.advice))
                continue
            if part.part.local:
                why = f"{part.title}, stands in: no key of a vendor is set"
                missing.append(Missing(kind, why, self.advice(kind)))
            return part, made
        why = "no key of a vendor is set, and nothing on this machine will do"
        missing.append(Missing(kind, why, self.advice(kind)))
        return None

    def none_of(self, kind: Kind, called: str, missing: Sequence[Missing]) -> Unavailable:
        """The error where `best` found none. A part that was set up and cannot be had is named before any other way.

        missing: as `best` filled it.
        """
        titles = {part.title for part in self.registry.of_kind(kind)}
        tried = [each for each in missing if each.part in titles]
        if not tried:
            return Unavailable(f"There is no {called}", advice=self.advice(kind))
        why = "; ".join(f"{each.part}: {each.why}" for each in tried)
        return Unavailable(f"There is no {called}: {why}", advice=f"{tried[0].advice}; or else: {self.advice(kind)}")

    def advice(self, kind: Kind) -> str:
        """How a part of that kind can be had."""
        parts = self.registry.of_kind(kind)
        variables = [v for part in parts if part.part.rank is not None and (v := part.key_variable)]
        variables += [v for part in parts if part.part.own_server and (v := part.needs())]
        local = [part for part in parts if part.part.local and part.part.rank is not None]
        here = [f"install {p.part.requirement}" if p.part.fallback else f"start {p.title.split(',')[0]}" for p in local]
        ways = [f"Set {', '.join(dict.fromkeys(variables))}", *here, "try it with --simulate"]
        return ", or ".join([", ".join(ways[:-1]), ways[-1]])

    async def _fallback(self, kind: Kind, language: str) -> Any:
        part = self.registry.fallback(kind, language)
        return None if part is None else await self._made(part, {}, language)

    async def _made(self, part: RegisteredPart, chosen: Mapping[str, Any], language: str) -> Any:
        factory = await part.load()
        given = part.arguments(chosen, language, self.environment)
        if part.part.worker:
            if part.part.worker not in self._workers:
                make_worker = await part.load_worker()
                self._workers.setdefault(part.part.worker, make_worker())
            given["process"] = self._workers[part.part.worker]
        return factory(**given)

    def _tried(self, trial: asyncio.Task[Any]) -> None:
        self.trials.discard(trial)
        if not trial.cancelled():
            trial.exception()  # taken: the reader of the trial may have given it up


async def completed(agent: Agent, builder: AgentBuilder, stack: AsyncExitStack, missing: list[Missing]) -> Agent:
    """A user's own agent, with the best STT that this machine has where the agent leaves the choice to the server.

    missing: gets what the agent lacks, and how the agent would have it.
    """
    if agent.stt == "auto":
        found = await builder.best("stt", stack, missing, language=agent.language)
        stt: Any = None if found is None else found[1]
        agent = replace(agent, stt=stt)
        if found is not None and found[0].part.streams and agent.fallback_stt is None:
            agent = replace(agent, fallback_stt=await builder.fallback_stt(agent.language))
    if agent.fallback_tts is None and not _is_local(agent.tts, builder):
        part = "model" if agent.realtime is not None else "TTS"
        why = f"while the {part} of {agent.name} is away, callers hear nothing"
        missing.append(Missing("fallback_tts", why, "Give the agent fallback_tts=local.Espeak()"))
    return agent


def _is_local(part: object, builder: AgentBuilder) -> bool:
    """Whether the part runs on this machine, as far as the registry knows its class's module."""
    module = type(part).__module__
    return any(p.part.local and p.part.factory.partition(":")[0] == module for p in builder.registry.parts)


@asynccontextmanager
async def build(
    choice: AgentChoice, builder: AgentBuilder, *, missing: list[Missing] | None = None, companion: bool = False
) -> AsyncIterator[Agent]:
    """The agent that was chosen, its parts started. They end with the block.

    companion: where no LLM is named and none can be had, the scripted companion is the best there is.

    Raises UsageError for what cannot be chosen, Unavailable when a part that was named, an LLM or a TTS cannot be had
    (the advice names the variable), VendorLost when a part does not start. missing: as in AgentBuilder.best.
    """
    lacking: list[Missing] = missing if missing is not None else []
    async with AsyncExitStack() as stack:
        if choice.realtime is not None:
            yield await _realtime(choice, choice.realtime, builder, stack)
            return
        stt = await _part("stt", choice.stt, choice, builder, stack, lacking)
        llm = await _part("llm", choice.llm, choice, builder, stack, lacking)
        tts = await _part("tts", choice.tts, choice, builder, stack, lacking)
        if llm is None and companion:
            llm = await _companion(choice, builder, stack)
        if llm is None:
            raise builder.none_of("llm", "LLM", lacking)
        if tts is None:
            raise builder.none_of("tts", "TTS", lacking)
        streams = stt is not None and stt[0].part.streams
        agent = Agent(
            name=CHOSEN,
            llm=llm[1],
            tts=tts[1],
            fallback_tts=None if tts[0].part.local else await builder.fallback_tts(choice.language),
            stt=stt[1] if stt is not None else None,
            fallback_stt=await builder.fallback_stt(choice.language) if streams else None,
            description=", ".join(chosen[0].title for chosen in (stt, llm, tts) if chosen is not None),
            scripted=llm[0].part.scripted,
            language=choice.language,
        )
        yield _with_texts(agent, choice, llm[0], CASCADE_INSTRUCTIONS, CASCADE_GREETING)


async def _part(
    kind: Kind,
    wish: PartChoice | None,
    choice: AgentChoice,
    builder: AgentBuilder,
    stack: AsyncExitStack,
    missing: list[Missing],
) -> tuple[RegisteredPart, Any] | None:
    if wish is None:
        return await builder.best(kind, stack, missing, language=choice.language)
    part = builder.registry.find(kind, wish.name)
    return part, await builder.make(part, wish.options, stack, language=choice.language)


async def _companion(
    choice: AgentChoice, builder: AgentBuilder, stack: AsyncExitStack
) -> tuple[RegisteredPart, Any] | None:
    """A script in place of an LLM. None: there is none that speaks the language."""
    for part in builder.registry.of_kind("llm"):
        if part.part.scripted and part.part.speaks(choice.language):
            return part, await builder.make(part, {}, stack, language=choice.language)
    return None


async def _realtime(choice: AgentChoice, wish: PartChoice, builder: AgentBuilder, stack: AsyncExitStack) -> Agent:
    """An agent with a realtime model. The fallback STT reads the user's words beside the model where this machine can,
    because the model's own words come only when a turn is over."""
    if any(part is not None for part in (choice.stt, choice.llm, choice.tts)):
        advice = "Choose realtime alone, or stt, llm and tts"
        raise UsageError("A realtime model leaves no room for other parts", advice=advice)
    part = builder.registry.find("realtime", wish.name)
    model: Any = await builder.make(part, wish.options, stack, language=choice.language)
    fallback_stt = await builder.fallback_stt(choice.language)
    if fallback_stt is not None:
        await start(fallback_stt)  # now, and not when the user has interrupted already
    agent = Agent(
        name=CHOSEN,
        realtime=model,
        fallback_tts=await builder.fallback_tts(choice.language),
        fallback_stt=fallback_stt,
        description=part.title,
        language=choice.language,
    )
    return _with_texts(agent, choice, part, REALTIME_INSTRUCTIONS, REALTIME_GREETING)


def _with_texts(agent: Agent, choice: AgentChoice, part: RegisteredPart, instructions: str, greeting: str) -> Agent:
    """The choice's texts go first, then the part's, then these."""
    return replace(
        agent,
        instructions=_first(choice.instructions, part.part.instructions, instructions),
        greeting=Greeting(_first(choice.greeting, part.part.greeting, greeting)),
        policy=Policy.named(choice.preset or "balanced"),
    )


def _first(*texts: str | None) -> str:
    return next(text for text in texts if text is not None)


async def enter(stack: AsyncExitStack, part: object) -> None:
    """Start a part that can be started, and close it with the stack."""
    end: Callable[[], Awaitable[None]] | None = getattr(part, "aclose", None)
    if end is not None:
        stack.push_async_callback(_close, type(part).__name__, end)
    await start(part)


async def start(part: object) -> None:
    """Start a part that can be started."""
    begin: Callable[[], Awaitable[object]] | None = getattr(part, "start", None)
    if begin is not None:
        steps.info("%s", getattr(part, "name", type(part).__name__))
        await begin()


async def _close(name: str, end: Callable[[], Awaitable[None]]) -> None:
    """Within a bound: a vendor that does not let go may not hold up the call that is over."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await end()
    except TimeoutError:
        log.warning("%s did not close within %d s", name, CLOSE_S)
