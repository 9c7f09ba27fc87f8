"""Where in a reply a telephone's far end is, told from the marks that come back.

A telephone network plays what it gets, and sends a mark back when all audio before it has been played. It cannot
pause: a hold is a `clear`, after which the network returns every mark that was still waiting, played or not. So a
mark of ours (the acknowledgement) follows each clear. What came back before that one was there:

- a mark that was due was played: its frame sounded, and only its news was under way;
- a mark that comes before its time, together with the acknowledgement, was returned by the clear, and was not.

The far end plays at the pace of a clock, so a mark's time is known: the least delay of the latest marks is the way's
own (jitter only adds to it). The position when the clear took effect follows from when the news of that came, on the
same way: the network's delay falls out, and what remains is the jitter of a message.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from bargein.errors import ProtocolError
from bargein.protocols import AudioOut, Finished, Flushed, Held, Played

EVERY_MS = 100  # of audio between two marks, if no word ends before
EARLY_MS = 10.0  # a mark may come so much before its time: the least delay that we saw was not quite the least
APART_MS = 50.0  # what comes so long before the acknowledgement did not come by the clear
RECENT = 8  # marks whose delays are looked at: an underrun makes older ones untrue
BOUND_MS = 10.0  # how far off a position between marks may be: the jitter of a message
MOST_PENDING = 1024  # a far end that never returns any


@dataclass(frozen=True, slots=True)
class Mark:
    """Audio up to `samples` (exclusive) of the reply lies before it. last: and the reply has no more."""

    name: str
    samples: int
    last: bool


@dataclass(slots=True)
class _Clearing:
    """A clear that was not acknowledged yet."""

    sent_ms: float
    cut: bool
    returned: list[tuple[float, Mark]]


Told = Played | Held | Flushed | Finished


class Marks:
    """rate: Hz of the wire; every time in ms of one clock. returning: the far end gives cleared marks back."""

    def __init__(self, rate: int, *, returning: bool = True) -> None:
        self._rate = rate
        self._returning = returning
        self._every = rate * EVERY_MS // 1000
        self._reply = 0
        self._sent = 0  # of the reply, since its first sample
        self._marked = 0
        self._generation = 0  # of audio: a clear ends one
        self._from = (0.0, 0)  # when this stretch of audio began to leave, and at which position
        self._passed = 0  # the last position that surely sounded
        self._delays: deque[float] = deque(maxlen=RECENT)
        self._pending: deque[Mark] = deque()
        self._doubtful: deque[Mark] = deque()  # of before the clear
        self._clearing: _Clearing | None = None
        self._rest: tuple[int, float] | None = None  # where a hold took effect, and its bound
        self.rtt_ms: float | None = None  # of the latest clear

    # ------------------------------------------------------------------------------------------------- going out

    def sent(self, now_ms: float, frame: AudioOut) -> str | None:
        """A frame leaves; the name of the mark that is to follow it, if any."""
        if frame.reply != self._reply or self._rest is not None or self._clearing is not None:
            self._begin(now_ms, frame)
        self._sent = frame.first_sample + len(frame.samples)
        if not (frame.last or frame.word_ends or self._sent - self._marked >= self._every):
            return None
        if len(self._pending) >= MOST_PENDING:
            self._pending.popleft()
        self._marked = self._sent
        name = f"r{self._reply}:{self._sent}:{self._generation}{':end' if frame.last else ''}"
        self._pending.append(Mark(name, self._sent, frame.last))
        return name

    def clear(self, now_ms: float, reply: int, *, cut: bool) -> tuple[str | None, Flushed | None]:
        """The reply is to fall silent: the name of the mark that is to follow a clear (None: it needs no other), and
        what is known already of a cut."""
        if reply != self._reply:
            return None, None  # nothing of it has left
        if self._clearing is not None:
            self._clearing.cut = self._clearing.cut or cut
            return None, None
        if self._rest is not None:
            return None, Flushed(reply, *self._rest) if cut else None
        self._doubtful, self._pending = self._pending, deque()
        return self._next(now_ms, cut=cut), None

    def _begin(self, now_ms: float, frame: AudioOut) -> None:
        """A new stretch: of another reply, or of this one after a hold."""
        if frame.reply != self._reply:
            self._pending.clear()
        self._reply = frame.reply
        self._clearing = self._rest = None
        self._doubtful.clear()
        self._delays.clear()
        self._from = (now_ms, frame.first_sample)
        self._marked = self._passed = frame.first_sample

    def _next(self, now_ms: float, *, cut: bool) -> str:
        self._generation += 1
        self._clearing = _Clearing(now_ms, cut, [])
        return f"c{self._generation}"

    # ------------------------------------------------------------------------------------------------ coming back

    def back(self, now_ms: float, name: str) -> Told | None:
        """A mark came back. Raises PeerNonsense for one that we never sent, or that came back before."""
        if name == f"c{self._generation}":
            return self.cleared(now_ms)
        if (mark := _take(self._pending, name)) is not None:
            return self._played(now_ms, mark)
        if (mark := _take(self._doubtful, name)) is not None:
            if self._clearing is not None:
                self._clearing.returned.append((now_ms, mark))
            return None  # else it is of before a clear, and its place is known already
        if name.startswith(("c", "r")) and _generation(name) < self._generation:
            return None  # of a reply, or of a clear, that was overtaken
        raise ProtocolError(f"No mark {name[:40]!r} is under way", advice="Return each mark once", code="unknown_mark")

    def cleared(self, now_ms: float) -> Held | Flushed | None:
        """The far end has taken the clear: nothing sounds."""
        clearing = self._clearing
        if clearing is None:
            return None
        self._clearing = None
        self.rtt_ms = now_ms - clearing.sent_ms
        least = min(self._delays) if self._delays else self._unheard_delay()
        left: list[Mark] = list(self._doubtful)
        took_effect = now_ms
        for at, mark in reversed(clearing.returned):
            early_ms = least + self._ms(mark.samples) - at
            if not self._returning or early_ms <= 0 or at < now_ms - APART_MS:
                self._passed = max(self._passed, mark.samples)
            elif early_ms > EARLY_MS:
                left.insert(0, mark)
                took_effect = at  # they come with the news of the clear, and the first brings it soonest
        self._doubtful.clear()
        most = left[0].samples if left else self._sent
        at = max(self._passed, min(int((took_effect - least) * self._rate / 1000), most))
        self._rest = (at, 0.0 if self._passed == self._sent else BOUND_MS)
        return Flushed(self._reply, *self._rest) if clearing.cut else Held(self._reply, *self._rest)

    def _played(self, now_ms: float, mark: Mark) -> Played | Finished:
        self._pass(now_ms, mark)
        if mark.last:
            return Finished(self._reply, mark.samples)
        before = self._pending[0].samples if self._pending else None
        age = max(0.0, now_ms - (min(self._delays) + self._ms(mark.samples)))
        return Played(self._reply, mark.samples, playing=True, age_ms=age, before=before)

    def _pass(self, now_ms: float, mark: Mark) -> None:
        self._passed = max(self._passed, mark.samples)
        self._delays.append(now_ms - self._ms(mark.samples))

    def _unheard_delay(self) -> float:
        """As long as no mark came back: the first frame went the way that the clear went, and its news comes back the
        way that the clear's came."""
        began_ms, first = self._from
        return began_ms - self._ms(first) + (self.rtt_ms or 0.0)

    def _ms(self, samples: int) -> float:
        return samples * 1000 / self._rate


def _take(marks: deque[Mark], name: str) -> Mark | None:
    """The mark of that name, out of the line, with all before it: they come back in order, so those were lost."""
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
