"""What every part of one call shares: its time, its record, its client, its floor and an owner for its tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from bargein.call.input.digits import DigitEntry
from bargein.floor import Event
from bargein.notices import Decision, Notice
from bargein.protocols import CallTrace, Journal, Meter

Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]


def _nothing(*_: object) -> None:
    """What is told to a call that is over."""


def _not_recorded(_: bool) -> str:
    """For a call without a recording."""
    return "This call is not recorded."


async def _kept_nowhere() -> bool:
    """For a call that is remembered by its own process alone."""
    return True


@dataclass(slots=True)
class CallContext:
    """Given by a call to each of its parts. Nothing here waits."""

    call_id: str
    now_ms: Callable[[], float]
    """Milliseconds since the call began."""
    journal: Journal
    """The call's record."""
    meter: Meter
    """Where the process's measurements go."""
    notify: Callable[[Notice], None]
    """Tells the client, and every watcher of the call."""
    feed: Callable[[Event], None]
    """Hands an event to the floor, after all events that were fed before."""
    spawn: Spawn
    """Makes a named task that is cancelled when the call ends."""
    spawn_commit: Spawn
    """Makes a named task that the end of the call waits for."""
    kick: Callable[[], None]
    """Sends the audio that is due now, before the next tick."""
    trace: CallTrace | None = None
    """The call's trace. None: calls are not traced."""
    digits: DigitEntry = field(default_factory=DigitEntry)
    """The caller's keys."""
    consent: Callable[[bool], str] = _not_recorded
    """The caller agrees to a recording of the call's audio, or refuses it. Returns what the model is told."""
    durable: Callable[[], Awaitable[bool]] = _kept_nowhere
    """Waits, within a bound, until other servers can know all that is known of the call now. False: they cannot."""

    def release(self) -> None:
        """The call is over: its parts hold it no longer, so that it can go with its last user."""
        self.notify = self.feed = self.kick = _nothing
        self.durable = _kept_nowhere
        self.consent = _not_recorded

    def decided(self, kind: str, why: str, reply: int | None = None, onset_ms: float | None = None) -> None:
        """Tell the client what the floor has decided, and why."""
        self.notify(Decision(kind, self.now_ms(), why, reply, onset_ms))
