"""The position in a reply that a caller has heard, from a network that pauses in place and tells its queue's length.

    written      frames that we have sent since the network was emptied last
    queued       frames of these that the network says still wait
    sounded      written - queued: the frames that the network has taken from its queue, and so will play

A network with one thread for the commands and the audio of a stream answers in order. So the status that follows a
pause counts what was taken before the pause and nothing else: the held position is exact, and the reply goes on at the
next sample. A status without a pause says which frame sounds now: the end of the frame before it was reached.

Marks give the position while the reply plays: a mark comes back when the frame after it is due. A network without marks
is asked for its status instead, and for a word when its queue is empty.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from bargein.errors import ProtocolError
from bargein.protocols import AudioOut, Finished, Flushed, Held, Played
from bargein.transports.telephone.dialect import MarkBack, PausingDialect, QueueDrained, QueueFlow, QueueStatus
from bargein.transports.telephone.marks import EVERY_MS, Mark
from bargein.transports.telephone.playback import NOTHING, PlaybackEvent, Told

RUNS = 4  # replies whose frames may wait at once: the oldest was played or cut long ago
MAX_MARKS = 1024  # for a network that returns none
MAX_QUERIES = 64  # for a network that answers none
MOST_LOOKS = 4  # queries that only look, and are not answered yet: then no other is asked


@dataclass(frozen=True, slots=True)
class _Run:
    """The first frame of a reply's audio without a break."""

    frame: int
    """Frames that were written before."""
    reply: int
    first_sample: int


class _Asks(Enum):
    LOOK = auto()
    HELD = auto()
    FLUSHED = auto()
    END = auto()


@dataclass(slots=True)
class _Query:
    """A status that was asked for."""

    sent_ms: float
    asks: _Asks
    reply: int
    written: int
    runs: tuple[_Run, ...]
    generation: int
    pause: int
    """Of how many pauses it is the latest."""


class PausingPlayback:
    """A playback.TelephonePlayback by shape."""

    pauses = True

    def __init__(self, dialect: PausingDialect) -> None:
        self.full = False
        """The network takes no audio now."""
        self.rtt_ms: float | None = None
        self._dialect = dialect
        self._every = dialect.rate * EVERY_MS // 1000
        self._generation = 0  # times that the network was emptied: a mark's name holds it
        self._written = 0  # frames since then
        self._runs: deque[_Run] = deque(maxlen=RUNS)
        self._reply: int | None = None  # of the newest frame
        self._end = 0  # position after the newest frame
        self._marked = 0  # position of the newest mark
        self._paused = False
        self._pauses = 0
        self._held_at: int | None = None  # the position of the pause, once the network has told
        self._pending: deque[Mark] = deque(maxlen=MAX_MARKS)
        self._queries: deque[_Query] = deque(maxlen=MAX_QUERIES)
        self._ends: int | None = None  # the reply whose last frame was sent, for a network without marks

    # ------------------------------------------------------------------------------------------------- outgoing

    def begin(self) -> tuple[bytes, ...]:
        return self._dialect.opening()

    def before(self) -> tuple[bytes, ...]:
        """The call sends nothing in a hold. A frame of another reply ends a pause that no resume has ended."""
        return self.resume()

    def sent(self, now_ms: float, frame: AudioOut) -> tuple[bytes, ...]:
        """A frame has left. Returns the mark that follows, or what stands for one."""
        size = len(frame.samples)
        if frame.reply != self._reply or frame.first_sample != self._end:
            self._runs.append(_Run(self._written, frame.reply, frame.first_sample))
            self._reply, self._marked, self._ends = frame.reply, frame.first_sample, None
        self._written += -(-size // self._dialect.frame_samples)
        self._end = frame.first_sample + size
        if not (frame.last or frame.word_ends or self._end - self._marked >= self._every):
            return ()
        self._marked = self._end
        if self._dialect.marks:
            name = f"{frame.reply}:{self._end}:{self._generation}"
            self._pending.append(Mark(name, self._end, frame.last))
            return (self._dialect.mark(name),)
        if frame.last:
            self._ends = frame.reply
            return (self._dialect.report_drained(),)
        if len(self._queries) >= MOST_LOOKS:
            return ()
        return (self._ask(now_ms, _Asks.LOOK, frame.reply),)

    def hold(self, now_ms: float, reply: int) -> Told:
        """Pause, and ask for the position."""
        if self._paused:
            return NOTHING
        self._paused, self._held_at = True, None
        self._pauses += 1
        return Told((self._dialect.pause(), self._ask(now_ms, _Asks.HELD, reply)))

    def resume(self) -> tuple[bytes, ...]:
        """Go on at the sample of the pause."""
        if not self._paused:
            return ()
        self._paused, self._held_at = False, None
        return (self._dialect.go_on(),)

    def cut(self, now_ms: float, reply: int) -> Told:
        """Empty the network. Its own flush ends no pause, so the pause is ended after it: nothing waits then."""
        if reply != self._reply:
            return Told(self.resume())  # nothing of the reply has left, or it was cut before
        messages: list[bytes] = []
        report = None
        asked = next((q for q in self._queries if q.asks is _Asks.HELD and self._of_this_pause(q)), None)
        if self._paused and self._held_at is not None:
            report = Flushed(reply, self._held_at)
        elif self._paused and asked is not None:
            asked.asks = _Asks.FLUSHED
        else:
            messages += [self._dialect.pause(), self._ask(now_ms, _Asks.FLUSHED, reply)]
        messages += [self._dialect.clear(), self._dialect.go_on()]
        self._generation += 1
        self._written, self._paused, self._held_at = 0, False, None
        self._reply = self._ends = None
        self._runs.clear()
        self._pending.clear()  # a flush throws waiting marks away
        return Told(tuple(messages), report)

    def _ask(self, now_ms: float, asks: _Asks, reply: int) -> bytes:
        runs = tuple(self._runs)
        query = _Query(now_ms, asks, reply, self._written, runs, self._generation, self._pauses)
        self._queries.append(query)
        return self._dialect.status()

    # ------------------------------------------------------------------------------------------------- incoming

    def handle(self, now_ms: float, event: PlaybackEvent) -> Told:
        """Raises ProtocolError for a mark that was never sent, or that came back before, and for a status that was not
        asked for."""
        match event:
            case QueueStatus(frames):
                return self._status(now_ms, frames)
            case MarkBack(name):
                return Told(report=self._mark_back(name))
            case QueueDrained() if self._ends is not None:
                # The word may have been on its way since before the last frames: only an empty queue is the end.
                return Told((self._ask(now_ms, _Asks.END, self._ends),))
            case QueueFlow(full):
                self.full = full
            case _:
                pass
        return NOTHING

    def _status(self, now_ms: float, frames: int) -> Told:
        if not self._queries:
            what = "A status came that was not asked for"
            raise ProtocolError(what, advice="Send STATUS only after GET_STATUS", code="unknown_status")
        query = self._queries.popleft()
        self.rtt_ms = now_ms - query.sent_ms
        at = self._position(query, frames)
        if query.asks is _Asks.FLUSHED:
            return Told(report=None if at is None else Flushed(query.reply, at))
        if not self._is_new(query) or at is None:
            return NOTHING
        if query.asks is _Asks.END:
            if self._ends != query.reply:
                return NOTHING
            if frames:
                return Told((self._dialect.report_drained(),))
            self._ends = None
            return Told(report=Finished(query.reply, at))
        if query.asks is _Asks.HELD and self._of_this_pause(query):
            self._held_at = at
            return Told(report=Held(query.reply, at))
        if self._paused:
            return NOTHING  # the hold's own status follows
        first = next(run.first_sample for run in reversed(query.runs) if run.reply == query.reply)
        return Told(report=Played(query.reply, max(first, at - self._dialect.frame_samples), playing=True))

    def _is_new(self, query: _Query) -> bool:
        return query.generation == self._generation

    def _of_this_pause(self, query: _Query) -> bool:
        return self._paused and query.pause == self._pauses

    def _position(self, query: _Query, queued: int) -> int | None:
        """Where the query's reply was. None: nothing of the reply had left."""
        sounded = max(0, query.written - max(0, queued))
        runs = [*query.runs, None]
        at = None
        for run, following in zip(query.runs, runs[1:], strict=True):
            if run.reply != query.reply:
                continue
            end = query.written if following is None else following.frame
            if at is None or sounded > run.frame:
                at = run.first_sample + max(0, min(sounded, end) - run.frame) * self._dialect.frame_samples
        return at

    def _mark_back(self, name: str) -> Played | Finished | None:
        for i, mark in enumerate(self._pending):
            if mark.name == name:
                for _ in range(i + 1):
                    self._pending.popleft()  # marks come back in order: those before were lost
                reply = int(name.partition(":")[0])
                if mark.last:
                    return Finished(reply, mark.samples)
                before = self._pending[0] if self._pending else None
                same = before is not None and before.name.startswith(f"{reply}:")
                return Played(reply, mark.samples, playing=True, before=before.samples if before and same else None)
        generation = name.rpartition(":")[2]
        if generation.isdecimal() and len(generation) < 10 and int(generation) < self._generation:
            return None  # was on its way when the network was emptied
        raise ProtocolError(f"Mark {name[:40]!r} is not expected", advice="Return each mark once", code="unknown_mark")
