"""What the tests of all streaming transcribers do: speak to a line, and look at what it heard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Protocol

import numpy as np

from bargein.audio.pcm import Samples
from bargein.protocols import STTConnection, STTEvent, TurnUpdate
from tests.sounds import labels, load

RATE = 16_000


class Line(Protocol):
    over: asyncio.Event


def spoken(*names: str, pause_ms: float = 1_200) -> Samples:
    """The sounds one after the other, with quiet before, between and behind."""
    quiet = np.zeros(int(pause_ms * RATE / 1000), np.int16)
    parts = [quiet]
    for name in names:
        parts += [load(f"{name}.wav").samples, quiet]
    return np.concatenate(parts)


async def hear(
    line: STTConnection, sound: Samples, *, kind: str = "ended", text: str = "", turns: int = 1
) -> list[STTEvent]:
    """Feed all of it at once; what is heard until so many of that kind came, with that text if one is given."""
    for at in range(0, len(sound), 320):
        line.push_audio(sound[at : at + 320])
    heard: list[STTEvent] = []
    async with asyncio.timeout(20), aclosing(line.events()) as listening:  # type: ignore[type-var]  # it has aclose
        async for item in listening:
            heard.append(item)
            turns -= isinstance(item, TurnUpdate) and item.kind == kind and text in ("", item.text)
            if not turns:
                break
    return heard


async def hear_twice(
    line: STTConnection, idle: Callable[[], Awaitable[object]], first: str, second: str, *, kind: str = "ended"
) -> list[STTEvent]:
    """Two sentences, told with these words in items of that kind; between them no sound, as long as `idle` takes."""
    heard: list[STTEvent] = []
    told = {first: asyncio.Event(), second: asyncio.Event()}

    async def listen() -> None:
        async for item in line.events():
            heard.append(item)
            if isinstance(item, TurnUpdate) and item.kind == kind and item.text in told:
                told[item.text].set()

    listening = asyncio.create_task(listen())
    async with asyncio.timeout(20):
        line.push_audio(spoken("interruption-1"))
        await told[first].wait()
        await idle()
        line.push_audio(spoken("interruption-2"))
        await told[second].wait()
    listening.cancel()
    await asyncio.wait([listening])
    return heard


def end_of_first(lines: Sequence[Line]) -> Callable[[], Awaitable[object]]:
    """For `idle`: until the simulator's first line is over."""

    async def over() -> None:
        await lines[0].over.wait()

    return over


def turns_of(heard: Sequence[STTEvent], kind: str) -> list[tuple[int, str]]:
    return [(h.turn, h.text) for h in heard if isinstance(h, TurnUpdate) and h.kind == kind]


def last_words(heard: Sequence[STTEvent]) -> dict[int, str]:
    """The words of each turn, as they were believed at the end."""
    return dict(turns_of(heard, "words"))


def losses(heard: Sequence[STTEvent]) -> list[str]:
    return [type(h).__name__ for h in heard if not isinstance(h, TurnUpdate)]


def assert_one_turn(heard: Sequence[STTEvent], text: str) -> None:
    """It ended with this text, on the clock of the sound of spoken("interruption-1")."""
    ended = heard[-1]
    assert isinstance(ended, TurnUpdate)
    assert (ended.kind, ended.text) == ("ended", text)
    (label,) = [label for label in labels("interruption") if label.file == "interruption-1.wav"]
    # 1,200 ms of quiet, then the sound.
    assert 1_200 < ended.from_ms < 1_200 + label.onset_ms + 200
    assert 1_200 + label.end_ms < ended.until_ms < 1_200 + label.end_ms + 1_000


def assert_two_turns(heard: Sequence[STTEvent], first: str, second: str) -> None:
    """Each began once, with its first word, and ended with all of them."""
    assert turns_of(heard, "started") == [(0, first.split()[0]), (1, second.split()[0])]
    assert turns_of(heard, "ended") == [(0, first), (1, second)]


def assert_taken_back(heard: Sequence[STTEvent], guess: str, whole: str) -> None:
    """The end was guessed, and the speaker went on."""
    kinds = [
        (h.kind, h.text) for h in heard if isinstance(h, TurnUpdate) and h.kind in ("eager_end", "resumed", "ended")
    ]
    assert kinds[0] == ("eager_end", guess)
    assert kinds[1][0] == "resumed"
    assert kinds[-1] == ("ended", whole)
