"""Connecting again: the delays, and what the call is told of a break. Time moves only where a test moves it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing

import pytest

from bargein.clock import ManualClock
from bargein.errors import VendorLost, VendorRefused
from bargein.protocols import STTEvent, STTLost, STTRestored, TurnUpdate
from bargein.vendors.common.reconnect import Backoff, Reconnect

WORDS = TurnUpdate("words", 0, "hello", 0, 100)
BROKE = VendorLost("broke off", advice="Again")
LOST, RESTORED = STTLost("Acme broke off", "Look at Acme"), STTRestored()
Step = STTEvent | Exception | float | None


class Scene:
    """A vendor whose connections go by a script: an event, None (accepted), seconds that pass, or an error."""

    def __init__(self, *connections: Sequence[Step], backoff: Backoff | None = None, chance: float = 0.0) -> None:
        self.clock = ManualClock()
        self.delays: list[float] = []
        self.breaks = 0
        self.closed = 0
        self._script: Iterator[Sequence[Step]] = iter(connections)
        self.reconnect = Reconnect(
            self._connect,
            vendor="Acme",
            advice="Look at Acme",
            backoff=backoff or Backoff(first_s=1, most_s=5),
            on_break=self._broke,
            clock=self.clock,
            sleep=self._sleep,
            chance=lambda: chance,
        )

    async def _connect(self) -> AsyncGenerator[STTEvent | None, None]:
        try:
            for step in next(self._script, ()):
                match step:
                    case float():
                        self.clock.advance(step * 1000)
                    case Exception():
                        raise step
                    case _:
                        yield step
            await asyncio.sleep(0)  # a connection that ends waited for something
        finally:
            self.closed += 1

    async def _sleep(self, seconds: float) -> None:
        self.delays.append(seconds)
        self.clock.advance(seconds * 1000)

    def _broke(self) -> None:
        self.breaks += 1

    async def events(self, count: int) -> list[STTEvent]:
        """The first so many."""
        events: list[STTEvent] = []
        async with aclosing(self.reconnect.events()) as stream:
            async for event in stream:
                events.append(event)
                if len(events) == count:
                    break
        return events


async def test_a_loss_is_told_once_and_its_end_once() -> None:
    scene = Scene([WORDS, BROKE], [BROKE], [BROKE], [WORDS, WORDS])
    assert await scene.events(5) == [WORDS, LOST, RESTORED, WORDS, WORDS]
    assert scene.breaks == 3
    assert scene.closed == 4


async def test_a_session_that_is_accepted_ends_the_loss_before_any_word() -> None:
    scene = Scene([BROKE], [None, BROKE], [WORDS])
    assert await scene.events(4) == [LOST, RESTORED, LOST, RESTORED]


async def test_delays_double_up_to_the_bound() -> None:
    scene = Scene(*[[BROKE]] * 5, [WORDS])
    await scene.events(2)
    assert scene.delays == [1, 2, 4, 5, 5]


async def test_an_event_begins_the_delays_anew() -> None:
    scene = Scene([BROKE], [BROKE], [WORDS, BROKE], [BROKE], [WORDS])
    await scene.events(5)
    assert scene.delays == [1, 2, 1, 2]


@pytest.mark.parametrize(("lasted_s", "delays"), [(5.0, [1, 2, 4]), (5.1, [1, 1, 2])])
async def test_only_a_session_that_lasts_begins_them_anew_without_an_event(
    lasted_s: float, delays: list[float]
) -> None:
    scene = Scene([BROKE], [None, lasted_s, BROKE], [BROKE], [WORDS])
    await scene.events(5)
    assert scene.delays == delays


async def test_chance_shortens_a_delay_by_its_share() -> None:
    scene = Scene([BROKE], [BROKE], [WORDS], backoff=Backoff(first_s=1, most_s=5, jitter=0.5), chance=0.5)
    await scene.events(2)
    assert scene.delays == [0.75, 1.5]


async def test_a_connection_that_was_closed_for_want_of_audio_is_no_loss() -> None:
    scene = Scene([WORDS], [WORDS])
    assert await scene.events(2) == [WORDS, WORDS]
    assert scene.delays == []
    assert scene.breaks == 0


@pytest.mark.parametrize("error", [VendorRefused("No", advice="Check the key"), RuntimeError("ours")])
async def test_what_another_attempt_would_not_help_ends_the_stream(error: Exception) -> None:
    scene = Scene([error])
    with pytest.raises(type(error)):
        await scene.events(1)
    assert scene.delays == []


async def test_closing_the_events_closes_the_connection() -> None:
    scene = Scene([WORDS, WORDS])
    await scene.events(1)
    assert scene.closed == 1


@pytest.mark.parametrize("share", [lambda b: b.delay_s(1, 1.0), lambda b: b.delay_s(10_000, 1.0)])
def test_every_delay_is_longer_than_nothing(share: Callable[[Backoff], float]) -> None:
    assert share(Backoff()) > 0
