"""What the tests of all voices do: have them speak, cut them, and look at the words that were heard."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, cast

import numpy as np

from bargein.audio.words import WordClock
from bargein.protocols import TTS, SpeechChunk
from bargein_simulators.simulated_tts import Spoke

TEXT = (
    "Well, I'd say it costs $5.50, or 21 euros; that is cheap! The ferry (a small, old one) leaves at 9:30. "
    "Shall I go on? There is more to tell about the harbour and its gulls, if you like."
)


async def pieces(*parts: str) -> AsyncIterator[str]:
    for part in parts:
        yield part
        await asyncio.sleep(0)


async def spoken(voice: TTS, *parts: str) -> list[SpeechChunk]:
    async with asyncio.timeout(20):
        return [stretch async for stretch in voice.speak(pieces(*parts))]


async def cut(voice: TTS) -> None:
    """A reply that is closed after its first sound."""
    async with asyncio.timeout(10), aclosing(cast("Any", voice.speak(pieces(TEXT)))) as sound:
        await anext(sound)


async def first_before_whole(voice: TTS) -> SpeechChunk:
    """The first sound of a text whose second sentence is written only then; all of it is spoken."""
    more = asyncio.Event()

    async def slowly() -> AsyncIterator[str]:
        yield "This is the first sentence. "
        await more.wait()
        yield "And this the second."

    async with asyncio.timeout(10), aclosing(cast("Any", voice.speak(slowly()))) as sound:
        first: SpeechChunk = await anext(sound)
        assert len(first.pcm.samples)
        more.set()
        rest = [stretch async for stretch in sound]
    assert "".join(s.text for s in [first, *rest]) == "This is the first sentence. And this the second."
    return first


def clock_of(stretches: Sequence[SpeechChunk]) -> WordClock:
    clock = WordClock()
    for stretch in stretches:
        clock.add(stretch)
    clock.finish()
    return clock


def check_exact(text: str, stretches: Sequence[SpeechChunk], spoke: Spoke, cuts: int = 100) -> None:
    """At so many random cuts the words heard are those whose end the simulator knows to have sounded."""
    assert "".join(stretch.text for stretch in stretches) == text
    clock = clock_of(stretches)
    rate = stretches[0].pcm.rate
    ms = sum(len(stretch.pcm.samples) for stretch in stretches) * 1000 / rate
    assert ms == spoke.sent_ms
    known = clock.words
    tokens = text.split()
    assert [text[w.begin : w.end] for w in known] == tokens
    assert len(spoke.words) == len(tokens)
    ends = [w.end_ms for w in spoke.words]
    chance = random.Random(7)
    for _ in range(cuts):
        at = chance.uniform(0, ms)
        if any(abs(end - at) <= 2 for end in ends):  # the wire has whole milliseconds
            continue
        heard = clock.heard(at)
        assert len(heard.text.split()) == sum(end <= at for end in ends), at
        assert heard.exact


def check_estimated(stretches: Sequence[SpeechChunk], spokes: Sequence[Spoke]) -> None:
    """At a hundred cuts the words heard are, nearly always, within one of the truth, and are called an estimate."""
    clock = clock_of(stretches)
    ends: list[float] = []
    at_ms = 0.0
    for spoke in spokes:
        ends += [at_ms + w.end_ms for w in spoke.words]
        at_ms += spoke.sent_ms
    off = [
        abs(len(clock.heard(float(cut)).text.split()) - sum(end <= cut for end in ends))
        for cut in np.linspace(0, at_ms, 100)
    ]
    assert not clock.heard(at_ms / 2).exact
    assert max(off) <= 2
    assert sum(o <= 1 for o in off) >= 95
