"""The telephone at the end of a Twilio-style stream: what it plays, when, and which marks it returns. Pure.

As Twilio documents it: media is buffered, and played in order. A mark is returned when all audio before it has been
played, at once if there is none. A clear empties the buffer, and returns every mark that was waiting. Time counts
samples of the telephone's own clock.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from bargein.audio.mulaw import SILENCE, from_mulaw
from bargein.audio.pcm import Samples

RATE = 8000
FRAME = 160
MOST_BUFFERED = 10 * 60 * RATE  # Twilio discards more, with warning 31931
GAP = FRAME  # a longer dry time in the middle of speech is audible
PAUSE = 25 * FRAME  # a longer dry time is a pause of the agent
SAME = 72  # samples by which a frame that was sent before is recognised
SETTLE = 2 * FRAME  # media that follows a clear sooner belongs to what was cleared


class SimulatedTelephone:
    """most_ms: length of the call; later audio is not kept.

    heard: mu-law codes of all that sounded, by place. frames: media that came. late: frames that came after a gap.
    gap_ms: length of the gaps. discarded: frames beyond ten minutes. stale_ms: media of a reply that came after its
    clear. most_queued_ms: the most audio that waited. speech_starts: places at which the agent began to speak after a
    pause. runs: [begin, end] of media without a break. cleared: discarded audio, and its place.
    """

    def __init__(self, most_ms: float) -> None:
        self.heard: NDArray[np.uint8] = np.full(int(most_ms * RATE / 1000) + RATE, SILENCE, np.uint8)
        self.frames = self.late = self.discarded = self.clears = 0
        self.gap_ms = self.stale_ms = self.most_queued_ms = 0.0
        self.speech_starts: list[int] = []
        self.runs: list[list[int]] = []
        self.cleared: list[tuple[int, bytes]] = []
        self._free = 0  # when the buffer will be empty
        self._marks: deque[tuple[int, str]] = deque()
        self._cleared: int | None = None
        self._after_clear = False
        self._since_clear = 0
        self._came = -PAUSE  # when the newest media came

    def media(self, now: int, codes: bytes) -> None:
        """Audio came at place `now`."""
        self.frames += 1
        if self._free - now > MOST_BUFFERED:
            self.discarded += 1
            return
        dry = now - self._free
        if self._cleared is not None:
            again = self._since_clear == 0 and self.cleared and codes[8:SAME] in self.cleared[-1][1]
            self._since_clear += 1
            if again:
                self._cleared = None  # the agent resumes the audio that it had cleared
            elif now - max(self._cleared, self._came) < SETTLE:
                self.stale_ms += len(codes) * 1000 / RATE
            else:
                self._cleared = None
        if dry > PAUSE or not self.speech_starts:
            self.speech_starts.append(now)
        elif dry > GAP and self._cleared is None and self._free > 0 and not self._after_clear:
            self.late += 1
            self.gap_ms += dry * 1000 / RATE
        self._came = now
        self._append(now, codes)
        self._after_clear = False
        self.most_queued_ms = max(self.most_queued_ms, (self._free - now) * 1000 / RATE)

    def _append(self, now: int, codes: bytes) -> None:
        """Buffer audio, to be played in order."""
        begins = max(now, self._free)
        if begins > self._free or not self.runs:
            self.runs.append([begins, begins])
        self._free = self.runs[-1][1] = begins + len(codes)
        room = self.heard[begins : self._free]
        room[:] = np.frombuffer(codes, np.uint8)[: len(room)]

    def mark(self, now: int, name: str) -> list[str]:
        """A mark came. Returns the marks that are due."""
        self._marks.append((max(now, self._free), name))
        return self.due(now)

    def clear(self, now: int) -> list[str]:
        """A clear came. Returns the marks that were waiting."""
        returned = [name for _, name in self._marks]
        self._marks.clear()
        if now < self._free:
            self.cleared.append((now, self.heard[now : self._free].tobytes()))
            self.heard[now : self._free] = SILENCE
            self._free = self.runs[-1][1] = now
        self._cleared = now
        self._since_clear = 0
        self._after_clear = True
        self.clears += 1
        return returned

    def goes_on(self) -> None:
        """The network was paused: what comes next follows no gap."""
        self._after_clear = True

    def play(self, now: int, codes: bytes) -> None:
        """The network itself plays this, after all that is buffered: no frame of a stream."""
        self._append(now, codes)
        self._after_clear = True

    def end_stream(self, now: int, *, played_out: bool) -> None:
        """The stream ended at place `now`: its waiting marks are gone. played_out: what is buffered sounds to its end,
        else it is discarded. What comes next is another stream's, and follows no gap."""
        self._marks.clear()
        if not played_out and now < self._free:
            self.cleared.append((now, self.heard[now : self._free].tobytes()))
            self.heard[now : self._free] = SILENCE
            self._free = self.runs[-1][1] = now
        self._cleared = None
        self._after_clear = True

    def due(self, now: int) -> list[str]:
        """The marks that are to be returned by now."""
        names = []
        while self._marks and self._marks[0][0] <= now:
            names.append(self._marks.popleft()[1])
        return names

    @property
    def next_mark(self) -> int | None:
        """When the next mark is due."""
        return self._marks[0][0] if self._marks else None

    def played(self, first: int, count: int) -> Samples:
        """What sounded from a place on, as far as it is known. Before the begin of the call there is silence."""
        if first < 0:
            rest = max(0, first + count)
            return np.concatenate((np.zeros(count - rest, np.int16), from_mulaw(self.heard[:rest].tobytes())))
        return from_mulaw(self.heard[first : first + count].tobytes())

    def signal(self) -> Samples:
        """All that sounded."""
        return from_mulaw(self.heard.tobytes())
