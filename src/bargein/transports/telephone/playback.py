"""What a telephone network has played of our replies, and the commands that hold, resume and cut them.

Two kinds of network: one that can only be cleared, after which the marks tell the position (`ClearingPlayback`), and
one that pauses in place and tells the length of its queue (pausing.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bargein.protocols import AudioOut
from bargein.transports.telephone.dialect import (
    ClearDone,
    MarkBack,
    QueueDrained,
    QueueFlow,
    QueueStatus,
    TelephoneDialect,
)
from bargein.transports.telephone.marks import Marks, PlayoutReport

PlaybackEvent = MarkBack | ClearDone | QueueStatus | QueueDrained | QueueFlow


@dataclass(frozen=True, slots=True)
class Told:
    """What follows from an order or an event: messages to the network, in order, and a report to the call."""

    messages: tuple[bytes, ...] = ()
    report: PlayoutReport | None = None


NOTHING = Told()


class TelephonePlayback(Protocol):
    """One stream's. Every time is in ms of one clock."""

    pauses: bool
    """The network pauses in place."""

    @property
    def full(self) -> bool:
        """The network takes no audio now."""
        ...

    @property
    def rtt_ms(self) -> float | None:
        """The time from the latest order to its acknowledgement."""
        ...

    def begin(self) -> tuple[bytes, ...]:
        """The stream has started. Returns the messages that follow."""
        ...

    def before(self) -> tuple[bytes, ...]:
        """Messages that must leave before a frame does."""
        ...

    def sent(self, now_ms: float, frame: AudioOut) -> tuple[bytes, ...]:
        """A frame has left. Returns the messages that follow it."""
        ...

    def hold(self, now_ms: float, reply: int) -> Told: ...

    def resume(self) -> tuple[bytes, ...]: ...

    def cut(self, now_ms: float, reply: int) -> Told: ...

    def handle(self, now_ms: float, event: PlaybackEvent) -> Told:
        """Raises ProtocolError for a mark that was never sent."""
        ...


class ClearingPlayback:
    """A TelephonePlayback by shape, of a network that plays at once and can only be cleared."""

    pauses = False
    full = False

    def __init__(self, dialect: TelephoneDialect) -> None:
        self._dialect = dialect
        self._marks = Marks(dialect.rate, returning=dialect.returning)

    @property
    def rtt_ms(self) -> float | None:
        return self._marks.rtt_ms

    def begin(self) -> tuple[bytes, ...]:
        return ()

    def before(self) -> tuple[bytes, ...]:
        return ()

    def sent(self, now_ms: float, frame: AudioOut) -> tuple[bytes, ...]:
        mark = self._marks.sent(now_ms, frame)
        return () if mark is None else (self._dialect.mark(mark),)

    def hold(self, now_ms: float, reply: int) -> Told:
        return self._clear(now_ms, reply, cut=False)

    def cut(self, now_ms: float, reply: int) -> Told:
        return self._clear(now_ms, reply, cut=True)

    def resume(self) -> tuple[bytes, ...]:
        """The call sends the rest again by itself."""
        return ()

    def _clear(self, now_ms: float, reply: int, *, cut: bool) -> Told:
        mark, known = self._marks.clear(now_ms, reply, cut=cut)
        if mark is None:
            return Told(report=known)
        after = () if self._dialect.acknowledges else (self._dialect.mark(mark),)
        return Told((self._dialect.clear(), *after), known)

    def handle(self, now_ms: float, event: PlaybackEvent) -> Told:
        match event:
            case MarkBack(name):
                return Told(report=self._marks.back(now_ms, name))
            case ClearDone():
                return Told(report=self._marks.cleared(now_ms))
            case _:
                return NOTHING
