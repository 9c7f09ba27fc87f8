"""Tries one part alone, and measures how long it took: for the page's test buttons and for `bargein doctor`.

Every trial ends: a part has 8 s to answer, and 5 s more to close. A part's own errors are passed on only as our typed
errors, without a key.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from bargein import protocols as c
from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from bargein.clock import Clock
from bargein.errors import BargeinError, Unavailable, UsageError, VendorLost, VendorRefused
from bargein.server.builder import CLOSE_S, AgentBuilder
from bargein.server.registry import RegisteredPart
from bargein.vendors.common.vendor import Kind

log = logging.getLogger(__name__)

TRY_S = 8.0
AT_ONCE = 2
SENTENCE = "Hello, can you hear me?"
RATE = 16_000
PIECE_MS = 80
QUIET_MS = 6_000  # after the sentence, in which a turn is to end


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """A trial's times. Both include the time to connect."""

    first_ms: float
    """To a TTS's first audio, an LLM's first text, an STT's first words. For a streaming STT from the beginning of the
    sentence."""
    ms: float
    """To the end of the answer. For a streaming STT from the end of the sentence."""
    text: str = ""
    """The words that were read or written."""


class ProbeTimeout(BargeinError):
    """The part was given up: it accepted, and did not answer."""


def code_of(error: BargeinError) -> str:
    """Stable, machine-readable."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return "failed"


_CODES: tuple[tuple[type[BargeinError], str], ...] = (
    (ProbeTimeout, "late"),
    (UsageError, "bad_request"),
    (Unavailable, "unavailable"),
    (VendorRefused, "vendor_refused"),
    (VendorLost, "vendor_lost"),
)


async def try_part(
    builder: AgentBuilder,
    clock: Clock,
    kind: Kind,
    name: str,
    options: Mapping[str, object],
    *,
    language: str = "en",
    within_s: float = TRY_S,
) -> ProbeResult:
    """Raises UsageError (unknown part or option), Unavailable (key, package), VendorRefused, VendorLost or
    ProbeTimeout."""
    part = builder.registry.find(kind, name)
    trial = _trial(builder, clock, part, options, language)
    task = asyncio.create_task(trial, name=f"try {part.name}")
    builder.keep(task)
    try:
        await asyncio.wait({task}, timeout=within_s)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CLOSE_S)  # the builder ends a trial that does not end
    if not task.done() or task.cancelled():
        advice = "Try again, or look at the vendor's status page"
        raise ProbeTimeout(f"{part.title} did not answer within {within_s:g} s", advice=advice)
    return task.result()


async def _trial(
    builder: AgentBuilder, clock: Clock, part: RegisteredPart, options: Mapping[str, object], language: str
) -> ProbeResult:
    try:
        async with AsyncExitStack() as stack:
            sentence = await _sentence(builder) if part.kind == "stt" else None
            made: Any = await builder.make(part, options, stack, language=language)
            if sentence is not None:
                return await (_listen if part.part.streams else _read)(made, sentence, clock)
            if part.kind == "realtime":
                return await _converse(made, clock, language)
            return await (_speak(made, clock) if part.kind == "tts" else _answer(made, clock, language))
    except BargeinError:
        raise
    except Exception as error:
        # Of no use to the person who asks, and it may quote a key: only its kind is noted.
        log.warning("%s failed with %s", part.title, type(error).__name__)
        advice = "Try again; if it stays so, that is a fault of ours: tell us"
        raise VendorLost(f"{part.title} failed with {type(error).__name__}", advice=advice) from None


async def _speak(tts: c.TTS, clock: Clock) -> ProbeResult:
    began = clock.now_ms()
    first = None
    async with _closing(tts.speak(_piece("Hello."))) as chunks:
        async for chunk in chunks:
            if first is None and len(chunk.pcm.samples):
                first = clock.now_ms() - began
    if first is None:
        raise VendorLost(f"{tts.name} said nothing", advice="Choose another voice, or try again")
    return ProbeResult(first, clock.now_ms() - began)


async def _converse(model: c.RealtimeModel, clock: Clock, language: str) -> ProbeResult:
    """A session with it, in which it says a word."""
    connection = model.open(c.SessionConfig("Be brief.", language, rate=RATE), tuple)
    began = clock.now_ms()
    first = None
    text = ""

    async def listen() -> None:
        async with _closing(connection.events()) as events:
            async for event in events:
                if isinstance(event, c.STTLost):
                    raise VendorLost(event.why, advice=event.advice)

    async def say() -> None:
        nonlocal first, text
        async with _closing(connection.say("Hello.").audio()) as pieces:
            async for piece in pieces:
                if isinstance(piece, c.SpeechChunk):
                    text += piece.text
                    if first is None and len(piece.pcm):
                        first = clock.now_ms() - began

    listening, saying = asyncio.create_task(listen(), name="listen"), asyncio.create_task(say(), name="say")
    try:
        await asyncio.wait((listening, saying), return_when=asyncio.FIRST_COMPLETED)
        if listening.done():
            listening.result()
        await saying
    finally:
        for task in (listening, saying):
            task.cancel()
        await asyncio.gather(listening, saying, return_exceptions=True)
    if first is None:
        raise VendorLost(f"{model.name} said nothing", advice="Choose another voice, or try again")
    return ProbeResult(first, clock.now_ms() - began, text[:500])


async def _answer(model: c.LLM, clock: Clock, language: str) -> ProbeResult:
    began = clock.now_ms()
    first = None
    text = ""
    prompt = c.Prompt("Answer in one short sentence.", (c.UserSaid(1, "Say hello."),), language)
    async with _closing(model.reply(prompt)) as pieces:
        async for piece in pieces:
            if isinstance(piece, c.TextDelta) and piece.text:
                first = clock.now_ms() - began if first is None else first
                text += piece.text
    if first is None:
        raise VendorLost(f"{model.name} wrote nothing", advice="Choose another model, or try again")
    return ProbeResult(first, clock.now_ms() - began, text[:500])


async def _read(stt: c.BatchSTT, sentence: Pcm, clock: Clock) -> ProbeResult:
    began = clock.now_ms()
    transcript = await stt.read(resample(sentence, stt.rate), deadline_ms=TRY_S * 1000)
    ms = clock.now_ms() - began
    if not transcript.text:
        raise VendorLost(f"{stt.name} read no words", advice="Choose another model or language")
    return ProbeResult(ms, ms, transcript.text[:500])


async def _listen(stt: c.StreamingSTT, sentence: Pcm, clock: Clock) -> ProbeResult:
    """The sentence at the speed of speech, as vendors expect it, and then silence, until the STT ends the turn, or, if
    it ends no turns, has listened past the last word."""
    connection = stt.open(RATE)
    began = clock.now_ms()
    first = None
    feeding = asyncio.create_task(_feed(connection, sentence), name="feed")
    try:
        async with _closing(connection.events()) as events:
            async for event in events:
                if isinstance(event, c.STTLost):
                    raise VendorLost(event.why, advice=event.advice)
                if not isinstance(event, c.TurnUpdate) or not event.text:
                    continue
                now = clock.now_ms() - began
                first = now if first is None else first
                if event.kind == "ended" or (not stt.turns and event.until_ms >= sentence.ms):
                    return ProbeResult(first, max(0.0, now - sentence.ms), event.text[:500])
    finally:
        feeding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await feeding
    raise VendorLost(f"{stt.name} recognized no words", advice="Choose another model or language")


async def _feed(connection: c.STTConnection, sentence: Pcm) -> None:
    piece = RATE * PIECE_MS // 1000
    silence = np.zeros(RATE * QUIET_MS // 1000, np.int16)
    audio = np.concatenate([sentence.samples, silence])
    for at in range(0, len(audio), piece):
        connection.push_audio(audio[at : at + piece])
        await asyncio.sleep(PIECE_MS / 1000)


async def _sentence(builder: AgentBuilder) -> Pcm:
    """Our sentence, said by this machine's TTS. Raises Unavailable where there is none."""
    part = builder.registry.fallback("tts", "en")
    if part is None:
        advice = " or ".join(p.how_to_install for p in builder.registry.of_kind("tts") if p.part.fallback)
        raise Unavailable("No TTS on this machine can say the sentence", advice=advice or "Install a local TTS")
    async with AsyncExitStack() as stack:
        tts = cast("c.TTS", await builder.make(part, {}, stack))
        async with _closing(tts.speak(_piece(SENTENCE))) as chunks:
            audio = [chunk.pcm.samples async for chunk in chunks]
        return resample(Pcm(np.concatenate(audio), tts.rate), RATE)


async def _piece(text: str) -> AsyncIterator[str]:
    yield text


@contextlib.asynccontextmanager
async def _closing(items: AsyncIterator[Any]) -> AsyncIterator[AsyncIterator[Any]]:
    """aclosing, also for iterators that cannot be closed."""
    try:
        yield items
    finally:
        close: Callable[[], Awaitable[None]] | None = getattr(items, "aclose", None)
        if close is not None:
            await close()
