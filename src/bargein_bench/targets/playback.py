"""How a client plays an agent's audio, as our page does (web/client/worklets/loudspeaker.js, playback.js). Pure.

Places count samples from the begin of the call, at the audio's rate; the caller of a method says which place is now.
Audio is rendered in quanta, as in a browser: audio that comes within a quantum sounds from the next one on, and a
rendered quantum sounds in spite of a hold or flush. So a hold takes effect after the rendered quantum and one more, in
which the page fades (here that one sounds in full; either way its samples count as played). The latency of the
loudspeaker is not modelled.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bargein.audio.pcm import Samples
from bargein_bench.targets.heard_audio import PAUSE_S, HeardAudio

QUANTUM_S = 128 / 48_000
REPORT_S = 0.1
GAP_S = 0.02  # a longer dry time in the middle of a reply is audible; beyond PAUSE_S it is a pause


@dataclass(frozen=True, slots=True)
class PlayedReport:
    """A report of the client about its playback."""

    kind: Literal["played", "held", "flushed", "finished"]
    reply: int
    played: int
    """Samples of the reply that have sounded."""


@dataclass(frozen=True, slots=True)
class Tail:
    """What a flush discarded of a reply."""

    at: int
    """Place from which on it did not sound."""
    reply: int
    samples: Samples


@dataclass(slots=True, eq=False)
class _Reply:
    """A reply that plays or waits."""

    id: int
    came: int = 0
    """Samples that came."""
    waiting: int = 0
    """Samples that have not sounded."""
    ended: bool = False
    chunks: deque[Samples] = field(default_factory=deque)

    @property
    def played(self) -> int:
        return self.came - self.waiting

    @property
    def busy(self) -> bool:
        return self.came > 0 and not (self.ended and not self.waiting)

    def put(self, samples: Samples) -> None:
        if len(samples):
            self.chunks.append(samples)
            self.came += len(samples)
            self.waiting += len(samples)

    def pop(self, count: int) -> Samples:
        """The next samples. count: not more than are waiting."""
        out = np.empty(count, np.int16)
        at = 0
        while at < count:
            chunk = self.chunks.popleft()
            part = chunk[: count - at]
            out[at : at + len(part)] = part
            at += len(part)
            if len(part) < len(chunk):
                self.chunks.appendleft(chunk[len(part) :])
        self.waiting -= count
        return out


class Playback:
    """Plays replies, which are numbered from 1 upwards.

    Every method also returns the reports that fell due until its place. most_queued_ms: more audio than that is
    discarded, as by the page's ring buffer. frames: chunks that came. late, gap_ms: chunks after the audio had run dry
    in the middle of a reply, and for how long. stale_ms: audio of a flushed reply. after_end: chunks of a finished or
    overtaken reply. holes, repeats, discarded: chunks that left a hole, that came again, for which there was no room.
    """

    def __init__(self, most_ms: float, *, rate: int, caller_rate: int, most_queued_ms: float) -> None:
        self.heard = HeardAudio(most_ms, rate, caller_rate)
        self.tails: list[Tail] = []
        self.frames = self.late = self.after_end = self.holes = self.repeats = self.discarded = 0
        self.gap_ms = self.stale_ms = self.most_queued_ms = 0.0
        self._rate = rate
        self._quantum = round(QUANTUM_S * rate)
        self._most = int(most_queued_ms * rate / 1000)
        self._replies: deque[_Reply] = deque()  # the first one plays
        self._flushed = self._over = 0  # numbers up to which replies were flushed, or have finished
        self._at = 0  # place up to which audio is rendered, a multiple of the quantum
        self._next_report = 0
        self._paused = self._report_held = False
        self._fades = False  # the last quantum sounded, so a pause takes one more
        self._dry = 0

    # ------------------------------------------------------------------------------------------- what is asked of it

    def queue(
        self, now: int, reply: int, samples: Samples, *, first: int | None = None, last: bool = False
    ) -> list[PlayedReport]:
        """Audio came. first: its place in the reply; None: after the chunk before. last: of the reply."""
        reports = self.advance(now)
        self.frames += len(samples) > 0
        if reply <= self._flushed:
            self.stale_ms += len(samples) * 1000 / self._rate
            return reports
        found = self._find(reply)
        if found is None:
            self.after_end += len(samples) > 0
            return reports
        hole = 0 if first is None else max(0, first - found.came)
        if first is not None and first < found.came and len(samples):
            self.repeats += 1
            samples = samples[found.came - first :]
        if self._queued + hole + len(samples) > self._most:
            self.discarded += 1
            return reports
        if found is self._replies[0] and len(samples):
            self._was_dry()
        if hole:  # lost audio is silence, and shifts nothing
            self.holes += 1
            found.put(np.zeros(hole, np.int16))
        found.put(samples)
        found.ended = found.ended or last
        self.most_queued_ms = max(self.most_queued_ms, self._queued * 1000 / self._rate)
        return reports

    def hold(self, now: int, reply: int) -> list[PlayedReport]:
        """Pause the reply that plays. `held` follows once it is silent. Another reply is not held."""
        reports = self.advance(now)
        if self._replies and self._replies[0].id == reply:
            if self._paused:
                reports.append(PlayedReport("held", reply, self._replies[0].played))
            else:
                self._paused = self._report_held = True
        return reports

    def resume(self, now: int, reply: int) -> list[PlayedReport]:
        """Go on from the sample where the reply stopped."""
        reports = self.advance(now)
        if self._replies and self._replies[0].id == reply:
            self._paused = False
        return reports

    def flush(self, now: int, reply: int) -> list[PlayedReport]:
        """Discard the reply, also what still comes of it, and the replies before it that wait."""
        reports = self.advance(now)
        self._flushed = max(self._flushed, reply)
        current = self._replies[0] if self._replies else None
        if current is None or reply >= current.id:
            played = current.played if current is not None and current.id == reply else 0
            reports.append(PlayedReport("flushed", reply, played))
        # A reply older than the flushed one plays on: the server flushes one reply at a time.
        gone = [each for each in self._replies if each.id == reply or (each.id < reply and each is not current)]
        for each in gone:
            self._replies.remove(each)
            if each.waiting:
                self.tails.append(Tail(self._at, each.id, each.pop(each.waiting)))
        if current in gone:
            self._begin()
        return reports

    @property
    def live(self) -> list[int]:
        """Numbers of the replies that play or wait."""
        return [each.id for each in self._replies]

    @property
    def deadline(self) -> int | None:
        """The place of the next report, if nothing comes before. None: there is none."""
        if not self._replies:
            return None
        reply = self._replies[0]
        if self._report_held:
            return self._at + 1
        if self._paused:
            return None
        due = self._quanta_to_report * self._quantum
        if reply.ended:
            end = max(0, -(-reply.waiting // self._quantum) - 1) * self._quantum
            return self._at + min(due, end) + 1
        return self._at + due + 1 if due < reply.waiting else None

    def advance(self, now: int) -> list[PlayedReport]:
        """Play until now. Returns the reports that fell due."""
        reports: list[PlayedReport] = []
        while self._at < now:
            reports += self._render(-(-(now - self._at) // self._quantum))
        self.heard.settled = self._at
        return reports

    # --------------------------------------------------------------------------------------------------- the parts

    @property
    def _queued(self) -> int:
        return sum(each.waiting for each in self._replies)

    @property
    def _quanta_to_report(self) -> int:
        return max(0, -(-(self._next_report - self._at) // self._quantum))

    def _find(self, reply: int) -> _Reply | None:
        """The reply that audio belongs to, appended if it is new. None: it is over, or a later one has come."""
        for each in self._replies:
            if each.id == reply:
                return each
        if reply <= self._over or (self._replies and reply < self._replies[-1].id):
            return None
        first = self._replies[0] if self._replies else None
        if first is not None and not first.busy:
            self._replies.popleft()
        self._replies.append(_Reply(reply))
        if self._replies[0] is not first:
            self._begin()
        return self._replies[-1]

    def _begin(self) -> None:
        """Another reply is the first, or none."""
        self._paused = self._report_held = False
        self._fades = True
        self._dry = 0

    def _was_dry(self) -> None:
        if GAP_S * self._rate < self._dry <= PAUSE_S * self._rate:
            self.late += 1
            self.gap_ms += self._dry * 1000 / self._rate
        self._dry = 0

    def _render(self, most: int) -> list[PlayedReport]:
        """Render quanta until something happens, at most `most`. Returns the reports of the last one."""
        if not self._replies or (self._paused and not self._report_held):
            self._at += most * self._quantum
            return []
        reply = self._replies[0]
        if self._report_held or (reply.ended and not reply.waiting):
            quanta = 1
        elif not reply.waiting:
            quanta = most
        else:
            quanta = min(most, max(1, reply.waiting // self._quantum), self._quanta_to_report + 1)
        moved = min(reply.waiting, quanta * self._quantum) if self._fades or not self._paused else 0
        if moved:
            self.heard.add(self._at, reply.id, reply.played, reply.pop(moved))
        self._at += quanta * self._quantum
        self._fades = not self._paused
        if not self._paused and not reply.ended and reply.came:
            self._dry += quanta * self._quantum - moved
        return self._reports(reply, moved)

    def _reports(self, reply: _Reply, moved: int) -> list[PlayedReport]:
        reports: list[PlayedReport] = []
        if self._report_held:
            self._report_held = False
            reports.append(PlayedReport("held", reply.id, reply.played))
        rendered = self._at - self._quantum
        if reply.ended and not reply.waiting and not self._paused:
            reports.append(PlayedReport("finished", reply.id, reply.played))
            self._over = max(self._over, reply.id)
            self._replies.popleft()
            self._begin()
        elif moved and rendered >= self._next_report:
            self._next_report = rendered + int(REPORT_S * self._rate)
            reports.append(PlayedReport("played", reply.id, reply.played))
        return reports
