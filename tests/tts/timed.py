"""What holds for every voice that gives times, whoever the vendor is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence

from bargein.audio.words import WordClock
from bargein.contracts import Spoken, Voice
from bargein.simulators.voices import Spoke

TEXT = (
    "Well, I'd say it costs $5.50, or 21 euros; that is cheap! The ferry (a small, old one) leaves at 9:30. "
    "Shall I go on? There is more to tell about the harbour and its gulls, if you like."
)


async def pieces(*parts: str) -> AsyncIterator[str]:
    for part in parts:
        yield part
        await asyncio.sleep(0)


async def spoken(voice: Voice, *parts: str) -> list[Spoken]:
    async with asyncio.timeout(20):
        return [stretch async for stretch in voice.speak(pieces(*parts))]


def clock_of(stretches: Sequence[Spoken]) -> WordClock:
    clock = WordClock()
    for stretch in stretches:
        clock.add(stretch)
    clock.finish()
    return clock


def check_exact(text: str, stretches: Sequence[Spoken], spoke: Spoke, cuts: int = 100) -> None:
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
