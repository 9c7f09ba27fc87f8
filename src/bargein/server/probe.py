"""Tries one part alone, and tells how long it took: for the page's test buttons and for `bargein doctor`.

Whatever a part does, the try ends: it is given 8 s, and its end 5 more. What a part says of itself is passed on only
as our own typed errors, without a key.
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
from bargein.server.registry import VENDORS, Kind, Part, find
from bargein.server.settings import Settings

log = logging.getLogger(__name__)

TRY_S = 8.0
AT_ONCE = 2
SENTENCE = "Hello, can you hear me?"
RATE = 16_000
PIECE_MS = 80
QUIET_MS = 6_000  # after the sentence, in which a turn is to end


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What came of it. first_ms: a voice's first sound, a model's first text, a transcriber's first words (from the
    beginning of the sentence for those that stream); ms: to the end of the answer (of a streaming transcriber: from
    the end of the sentence). Both with the time to connect. text: what was read or written."""

    first_ms: float
    ms: float
    text: str = ""


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
    workshop: AgentBuilder,
    clock: Clock,
    kind: Kind,
    name: str,
    options: Mapping[str, object],
    *,
    language: str = "en",
    within_s: float = TRY_S,
) -> ProbeResult:
    """Raises Misuse (unknown part or option), Unavailable (key, package), VendorRefused, VendorLost or Late."""
    part = find(kind, name)
    trial = _trial(workshop, clock, part, options, language)
    task = asyncio.create_task(trial, name=f"try {part.name}")
    workshop.keep(task)
    try:
        await asyncio.wait({task}, timeout=within_s)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CLOSE_S)  # one that will not end is the workshop's to end
    if not task.done() or task.cancelled():
        advice = "Try again, or look at the vendor's status page"
        raise ProbeTimeout(f"{part.title} did not answer within {within_s:g} s", advice=advice)
    return task.result()


async def _trial(
    workshop: AgentBuilder, clock: Clock, part: Part, options: Mapping[str, object], language: str
) -> ProbeResult:
    try:
        async with AsyncExitStack() as stack:
            sentence = await _sentence(workshop) if part.kind == "stt" else None
            made: Any = await workshop.make(part, options, stack, language=language)
            if sentence is not None:
                return await (_listen if part.streams else _read)(made, sentence, clock)
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


def hide(text: str, settings: Settings) -> str:
    """Text without any key: no error should hold one, and none may."""
    for vendor in VENDORS:
        key = getattr(settings, f"{vendor.name}_api_key")
        if key is not None and (secret := key.get_secret_value()):
            text = text.replace(secret, "(the key)")
    return text


async def _speak(voice: c.TTS, clock: Clock) -> ProbeResult:
    began = clock.now_ms()
    first = None
    async with _closing(voice.speak(_piece("Hello."))) as spoken:
        async for stretch in spoken:
            if first is None and len(stretch.pcm.samples):
                first = clock.now_ms() - began
    if first is None:
        raise VendorLost(f"{voice.name} said nothing", advice="Choose another voice, or try again")
    return ProbeResult(first, clock.now_ms() - began)


async def _converse(model: c.RealtimeModel, clock: Clock, language: str) -> ProbeResult:
    """A session with it, in which it says a word."""
    line = model.open(c.SessionConfig("Be brief.", language, rate=RATE), tuple)
    began = clock.now_ms()
    first = None
    text = ""

    async def listen() -> None:
        async with _closing(line.events()) as heard:
            async for item in heard:
                if isinstance(item, c.STTLost):
                    raise VendorLost(item.why, advice=item.advice)

    async def say() -> None:
        nonlocal first, text
        async with _closing(line.say("Hello.").audio()) as pieces:
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


async def _read(reader: c.BatchSTT, sentence: Pcm, clock: Clock) -> ProbeResult:
    began = clock.now_ms()
    reading = await reader.read(resample(sentence, reader.rate), deadline_ms=TRY_S * 1000)
    ms = clock.now_ms() - began
    if not reading.text:
        raise VendorLost(f"{reader.name} read no words", advice="Choose another model or language")
    return ProbeResult(ms, ms, reading.text[:500])


async def _listen(transcriber: c.StreamingSTT, sentence: Pcm, clock: Clock) -> ProbeResult:
    """At the speed of speech, as vendors expect it; and then quiet, until it says that the turn is over, or, if it
    does not tell that, has listened past the last word."""
    line = transcriber.open(RATE)
    began = clock.now_ms()
    first = None
    feeding = asyncio.create_task(_feed(line, sentence), name="feed")
    try:
        async with _closing(line.events()) as heard:
            async for item in heard:
                if isinstance(item, c.STTLost):
                    raise VendorLost(item.why, advice=item.advice)
                if not isinstance(item, c.TurnUpdate) or not item.text:
                    continue
                now = clock.now_ms() - began
                first = now if first is None else first
                if item.kind == "ended" or (not transcriber.turns and item.until_ms >= sentence.ms):
                    return ProbeResult(first, max(0.0, now - sentence.ms), item.text[:500])
    finally:
        feeding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await feeding
    raise VendorLost(f"{transcriber.name} heard no words", advice="Choose another model or language")


async def _feed(line: c.STTConnection, sentence: Pcm) -> None:
    piece = RATE * PIECE_MS // 1000
    quiet = np.zeros(RATE * QUIET_MS // 1000, np.int16)
    sound = np.concatenate([sentence.samples, quiet])
    for at in range(0, len(sound), piece):
        line.push_audio(sound[at : at + piece])
        await asyncio.sleep(PIECE_MS / 1000)


async def _sentence(workshop: AgentBuilder) -> Pcm:
    """Our sentence, said by espeak. Raises Unavailable where that is not installed."""
    async with AsyncExitStack() as stack:
        voice = cast("c.TTS", await workshop.make(find("tts", "espeak"), {}, stack))
        async with _closing(voice.speak(_piece(SENTENCE))) as spoken:
            sound = [stretch.pcm.samples async for stretch in spoken]
        return resample(Pcm(np.concatenate(sound), voice.rate), RATE)


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
