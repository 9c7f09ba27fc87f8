"""The position in a reply that a telephone's caller has heard, from the marks that come back.

A telephone network plays audio as it comes, and sends a mark back when all audio before the mark was played. The
network cannot pause: a hold is a `clear`, after which the network returns every waiting mark, played or not. So a last
mark (the acknowledgement) follows each clear. A mark that comes back before the acknowledgement is one of two:

- a mark that comes at its time was played: the mark was on its way back when the clear was sent;
- a mark that comes before its time, together with the acknowledgement, was returned by the clear, and was not played.

The network plays at the pace of a clock, so a mark's time is known: the least delay of the latest marks is the delay of
the way (jitter only adds to a delay). The acknowledgement comes back on the same way, so its time gives the position at
which the clear took effect: the network's delay cancels out, and the jitter of one message remains.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from bargein.errors import ProtocolError
from bargein.protocols import AudioOut, Finished, Flushed, Held, Played

EVERY_MS = 100  # of audio between two marks, unless a word ends before
EARLY_MS = 10.0  # a played mark may come this much before its time: the least delay so far is an estimate
APART_MS = 50.0  # a mark that comes this long before the acknowledgement was not returned by the clear
RECENT = 8  # marks whose delays count: an underrun makes older delays wrong
BOUND_MS = 10.0  # a position between two marks is at most this far off: the jitter of a message
MAX_PENDING_MARKS = 1024  # for a network that returns no marks


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark in the reply's audio."""

    name: str
    samples: int
    """The mark's position: the end of the audio before the mark."""
    last: bool
    """The reply has no more audio."""


@dataclass(slots=True)
class _Clearing:
    """A clear without its acknowledgement."""

    sent_ms: float
    cut: bool
    """The reply is cut, not held."""
    returned: list[tuple[float, Mark]]
    """Marks that came back since the clear, with their times."""


PlayoutReport = Played | Held | Flushed | Finished


class Marks:
    """rate: Hz of the wire. returning: a clear returns the waiting marks. Every time is in ms of one clock."""

    def __init__(self, rate: int, *, returning: bool = True) -> None:
        self._rate = rate
        self._returning = returning
        self._every = rate * EVERY_MS // 1000
        self._reply = 0
        self._sent = 0  # position after the newest sample of the reply
        self._marked = 0  # position of the newest mark
        self._generation = 0  # clears so far: a mark's name holds it
        self._from = (0.0, 0)  # when this run of audio began to leave, and at which position
        self._played_to = 0  # the newest position that was surely played
        self._delays: deque[float] = deque(maxlen=RECENT)
        self._pending: deque[Mark] = deque()
        self._doubtful: deque[Mark] = deque()  # from before the clear: played or returned
        self._clearing: _Clearing | None = None
        self._held_at: tuple[int, float] | None = None  # the position at which a clear took effect, and its bound in ms
        self.rtt_ms: float | None = None
        """The time from the latest clear to its acknowledgement."""

    # ------------------------------------------------------------------------------------------------- outgoing

    def sent(self, now_ms: float, frame: AudioOut) -> str | None:
        """A frame leaves. Returns the name of the mark that must follow the frame. None: no mark follows."""
        if frame.reply != self._reply or self._held_at is not None or self._clearing is not None:
            self._begin(now_ms, frame)
        self._sent = frame.first_sample + len(frame.samples)
        if not (frame.last or frame.word_ends or self._sent - self._marked >= self._every):
            return None
        if len(self._pending) >= MAX_PENDING_MARKS:
            self._pending.popleft()
        self._marked = self._sent
        name = f"r{self._reply}:{self._sent}:{self._generation}{':end' if frame.last else ''}"
        self._pending.append(Mark(name, self._sent, frame.last))
        return name

    def clear(self, now_ms: float, reply: int, *, cut: bool) -> tuple[str | None, Flushed | None]:
        """Silence the reply. Returns the name of the mark that must follow a clear (None: no clear is needed), and the
        cut's position if it is known already."""
        if reply != self._reply:
            return None, None  # no frame of the reply has left
        if self._clearing is not None:
            self._clearing.cut = self._clearing.cut or cut
            return None, None
        if self._held_at is not None:
            return None, Flushed(reply, *self._held_at) if cut else None
        self._doubtful, self._pending = self._pending, deque()
        return self._start_clearing(now_ms, cut=cut), None

    def _begin(self, now_ms: float, frame: AudioOut) -> None:
        """A new run of audio: another reply, or the same reply after a hold."""
        if frame.reply != self._reply:
            self._pending.clear()
        self._reply = frame.reply
        self._clearing = self._held_at = None
        self._doubtful.clear()
        self._delays.clear()
        self._from = (now_ms, frame.first_sample)
        self._marked = self._played_to = frame.first_sample

    def _start_clearing(self, now_ms: float, *, cut: bool) -> str:
        self._generation += 1
        self._clearing = _Clearing(now_ms, cut, [])
        return f"c{self._generation}"

    # ------------------------------------------------------------------------------------------------- incoming

    def back(self, now_ms: float, name: str) -> PlayoutReport | None:
        """A mark came back. Raises ProtocolError for a mark that was never sent, or that came back before."""
        if name == f"c{self._generation}":
            return self.cleared(now_ms)
        if (mark := _take(self._pending, name)) is not None:
            return self._played(now_ms, mark)
        if (mark := _take(self._doubtful, name)) is not None:
            if self._clearing is not None:
                self._clearing.returned.append((now_ms, mark))
            return None  # without a clear in progress the position is known already
        if name.startswith(("c", "r")) and _generation(name) < self._generation:
            return None  # of an older reply or clear
        raise ProtocolError(f"Mark {name[:40]!r} is not expected", advice="Return each mark once", code="unknown_mark")

    def cleared(self, now_ms: float) -> Held | Flushed | None:
        """The clear has taken effect: no audio sounds."""
        clearing = self._clearing
        if clearing is None:
            return None
        self._clearing = None
        self.rtt_ms = now_ms - clearing.sent_ms
        least = min(self._delays) if self._delays else self._delay_by_clear()
        left: list[Mark] = list(self._doubtful)
        took_effect = now_ms
        for at, mark in reversed(clearing.returned):
            early_ms = least + self._ms(mark.samples) - at
            if not self._returning or early_ms <= 0 or at < now_ms - APART_MS:
                self._played_to = max(self._played_to, mark.samples)
            elif early_ms > EARLY_MS:
                left.insert(0, mark)
                took_effect = at  # the first mark that the clear returned brings the earliest news of the clear
        self._doubtful.clear()
        max_at = left[0].samples if left else self._sent
        at = max(self._played_to, min(int((took_effect - least) * self._rate / 1000), max_at))
        self._held_at = (at, 0.0 if self._played_to == self._sent else BOUND_MS)
        return Flushed(self._reply, *self._held_at) if clearing.cut else Held(self._reply, *self._held_at)

    def _played(self, now_ms: float, mark: Mark) -> Played | Finished:
        self._add_delay(now_ms, mark)
        if mark.last:
            return Finished(self._reply, mark.samples)
        before = self._pending[0].samples if self._pending else None
        age = max(0.0, now_ms - (min(self._delays) + self._ms(mark.samples)))
        return Played(self._reply, mark.samples, playing=True, age_ms=age, before=before)

    def _add_delay(self, now_ms: float, mark: Mark) -> None:
        self._played_to = max(self._played_to, mark.samples)
        self._delays.append(now_ms - self._ms(mark.samples))

    def _delay_by_clear(self) -> float:
        """The delay when no mark came back yet: the first frame went the same way as the clear, and its mark would come
        back on the same way as the acknowledgement."""
        began_ms, first = self._from
        return began_ms - self._ms(first) + (self.rtt_ms or 0.0)

    def _ms(self, samples: int) -> float:
        return samples * 1000 / self._rate


def _take(marks: deque[Mark], name: str) -> Mark | None:
    """Remove the mark of that name, and all marks before it. Marks come back in order, so those before it were lost."""
    for i, mark in enumerate(marks):
        if mark.name == name:
            for _ in range(i + 1):
                marks.popleft()
            return mark
    return None


def _generation(name: str) -> int:
    parts = name[1:].split(":")
    number = parts[2] if len(parts) >= 3 else parts[0]
    return int(number) if number.isdecimal() and len(number) < 10 else 1 << 31
