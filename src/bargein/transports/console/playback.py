"""What the loudspeaker is to play: frames in order, paused in place, and the positions that have sounded.

The sound card asks for samples some time before they sound, and says when they will (the DAC's time). A position counts
as played once that time has come: neither when the frame was sent nor when the card took it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock

import numpy as np

from bargein.audio.ambience import Ambience
from bargein.audio.pcm import Samples
from bargein.protocols import AudioOut, Finished, Held, Inbound, Played

MOST_MS = 400  # of frames that wait: the call sends at most its lead ahead
ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True)
class _Taken:
    """Samples that the card has taken."""

    until_s: float
    """When the last of them sounds, on the card's clock."""
    reply: int
    samples: int
    """Position after them."""
    last: bool


class LoudspeakerQueue:
    """Used by the event loop and by the card's thread; each method holds the lock for microseconds."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._lock = Lock()
        self._frames: deque[AudioOut] = deque()
        self._skip = 0  # samples of the first frame that were taken
        self._waiting = 0  # samples
        self._taken: deque[_Taken] = deque()
        self._at: dict[int, int] = {}  # position that the card has taken, by reply
        self._paused = False
        self._sounding_until_s = 0.0
        self.background: Ambience | None = None

    def push(self, frame: AudioOut) -> bool:
        """False: there is no room now."""
        with self._lock:
            if self._waiting > MOST_MS * self._rate // 1000:
                return False
            self._frames.append(frame)
            self._waiting += len(frame.samples)
            return True

    def pause(self, reply: int) -> Held:
        """Take nothing more. The position: what the card has taken sounds to its end."""
        with self._lock:
            self._paused = True
            return Held(reply, self._at.get(reply, 0))

    def go_on(self) -> None:
        with self._lock:
            self._paused = False

    def flush(self, reply: int) -> int:
        """Discard the reply's frames. Returns how many there were."""
        with self._lock:
            self._paused = False
            kept = [frame for frame in self._frames if frame.reply != reply]
            gone = len(self._frames) - len(kept)
            if self._frames and self._frames[0].reply == reply:
                self._skip = 0
            self._frames = deque(kept)
            self._waiting = sum(len(frame.samples) for frame in kept) - self._skip
            self._taken = deque(taken for taken in self._taken if taken.reply != reply)
            return gone

    def position(self, reply: int) -> int:
        """How much of a reply the card has taken."""
        with self._lock:
            return self._at.get(reply, 0)

    def sounds(self, now_s: float) -> bool:
        """Whether the agent sounds now."""
        with self._lock:
            return now_s < self._sounding_until_s - ROUNDING_S

    def pull(self, count: int, sounds_s: float) -> Samples:
        """The next samples for the card. sounds_s: when the first of them will sound, on the card's clock."""
        out = np.zeros(count, np.int16)
        with self._lock:
            filled = 0
            while filled < count and self._frames and not self._paused:
                frame = self._frames[0]
                part = frame.samples[self._skip : self._skip + count - filled]
                out[filled : filled + len(part)] = part
                filled += len(part)
                self._skip += len(part)
                self._waiting -= len(part)
                at = frame.first_sample + self._skip
                done = self._skip >= len(frame.samples)
                until_s = sounds_s + filled / self._rate
                self._at[frame.reply] = at
                self._taken.append(_Taken(until_s, frame.reply, at, frame.last and done))
                if done:
                    self._frames.popleft()
                    self._skip = 0
            if filled:
                self._sounding_until_s = sounds_s + filled / self._rate
        return out if self.background is None else self.background.under(out)

    def reports(self, now_s: float) -> list[Inbound]:
        """What has sounded since the last reports."""
        told: list[Inbound] = []
        with self._lock:
            newest: _Taken | None = None
            while self._taken and self._taken[0].until_s <= now_s + ROUNDING_S:
                newest = self._taken.popleft()
                if newest.last:
                    told.append(Played(newest.reply, newest.samples, playing=False))
                    told.append(Finished(newest.reply, newest.samples))
                    self._at.pop(newest.reply, None)
                    newest = None
            if newest is not None:
                playing = not self._paused and bool(self._frames or self._taken)
                age_ms = max(0.0, (now_s - newest.until_s) * 1000)
                told.append(Played(newest.reply, newest.samples, playing, age_ms))
        return told
