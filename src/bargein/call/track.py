"""One reply's audio on its way out, and its ledger: made, sent, played, and the words in it.

Frames are cut when audio comes in, so that sending is an index; what was sent is kept until it was played, because
a transport that cannot pause is made to by sending again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

import numpy as np

from bargein.audio.pcm import FRAME_MS, Samples
from bargein.audio.resample import StreamResampler
from bargein.audio.words import WordClock
from bargein.contracts import FrameOut, Spoken, Word


@dataclass(frozen=True, slots=True)
class Position:
    """How much of a reply was heard. bound_ms: the true position is at most this far ahead; 0: exact."""

    samples: int
    ms: float
    bound_ms: float


class Track:
    """The audio of one reply at the transport's rate. Positions are samples since its first."""

    def __init__(self, reply: int, voice_rate: int, rate: int) -> None:
        self.reply = reply
        self.rate = rate
        self.words = WordClock()
        self.made = 0
        self.sent = 0
        self.complete = False  # nothing more will be pushed
        self.failure: str | None = None
        self.done_sending = False
        self._frame = rate * FRAME_MS // 1000
        self._resampler = StreamResampler(voice_rate, rate)
        self._frames: deque[Samples] = deque()
        self._base = 0  # position of the first kept frame
        self._tail: Samples = np.zeros(0, np.int16)
        self._sequence = 0
        # where the far end was, and when: (call ms, samples, playing)
        self._anchors: deque[tuple[float, int, bool]] = deque(maxlen=512)
        self._exact = False

    # ------------------------------------------------------------------------------------------------ filling

    def push(self, spoken: Spoken) -> tuple[Word, ...]:
        """Take a stretch from the voice; the words that got their times by it."""
        words = self.words.add(spoken)
        self._append(self._resampler.feed(spoken.pcm.samples))
        return words

    def finish(self, failure: str | None = None) -> tuple[Word, ...]:
        """The voice has ended, well or with a failure; what it gave will be played. The words that were open."""
        if self.complete:
            return ()
        self.complete = True
        self.failure = failure
        self._append(self._resampler.feed(np.zeros(0, np.int16), last=True))
        if len(self._tail):
            self._frames.append(self._tail)
            self._tail = self._tail[:0]
        return self.words.finish()

    def _append(self, samples: Samples) -> None:
        self.made += len(samples)
        joined = np.concatenate((self._tail, samples)) if len(self._tail) else samples
        whole = len(joined) // self._frame * self._frame
        self._frames.extend(joined[i : i + self._frame] for i in range(0, whole, self._frame))
        self._tail = joined[whole:]

    # ------------------------------------------------------------------------------------------------ sending

    @property
    def waiting_ms(self) -> float:
        """What was made and not sent yet."""
        return (self.made - self.sent) * 1000 / self.rate

    def next_frame(self) -> FrameOut | None:
        """The next frame to send, or None when there is none now. `sent_frame` moves on."""
        index, skip = divmod(self.sent - self._base, self._frame)
        if index >= len(self._frames):
            if self.complete and not self.done_sending:
                return FrameOut(self.reply, self._sequence, self.sent, self._tail[:0], last=True)
            return None
        samples = self._frames[index]
        last = self.complete and index == len(self._frames) - 1
        return FrameOut(self.reply, self._sequence, self.sent, samples[skip:] if skip else samples, last)

    def sent_frame(self, frame: FrameOut) -> None:
        self.sent += len(frame.samples)
        self._sequence += 1
        self.done_sending = frame.last

    def unsend(self, first: FrameOut) -> None:
        """This frame and all after it did not leave after all."""
        self.sent, self._sequence, self.done_sending = first.first_sample, first.sequence, False

    def rewind(self, samples: int) -> None:
        """What lies after this position is to be sent again."""
        self.sent = max(self._base, min(samples, self.sent))
        self.done_sending = False

    def forget(self, samples: int) -> None:
        """What lies before this position will never be needed again."""
        while self._frames and self._base + len(self._frames[0]) <= samples:
            self._base += len(self._frames.popleft())

    # ----------------------------------------------------------------------------------------------- position

    def at(self, now_ms: float, samples: int, *, playing: bool, exact: bool) -> None:
        """The far end was here at now_ms. Never goes back: an older report that comes late changes nothing."""
        if self._anchors and samples < self._anchors[-1][1]:
            return
        self._anchors.append((now_ms, min(samples, self.made), playing))
        self._exact = exact

    def position(self, now_ms: float) -> Position:
        """Where the far end is now, going by its last report."""
        if not self._anchors:
            return Position(0, 0.0, self._ms(self.sent))
        at_ms, samples, playing = self._anchors[-1]
        if self._exact and not playing:
            return Position(samples, self._ms(samples), 0.0)
        guess = samples + int(max(0.0, now_ms - at_ms) * self.rate / 1000) if playing else samples
        guess = max(samples, min(guess, self.sent))
        return Position(guess, self._ms(guess), self._ms(max(self.sent, guess) - samples))

    def was_at_ms(self, then_ms: float) -> float:
        """Where in the reply (ms of its audio) the far end was at a moment of the call."""
        i = bisect_right(self._anchors, then_ms, key=lambda a: a[0]) - 1
        if i < 0:
            return 0.0
        at_ms, samples, playing = self._anchors[i]
        ms = self._ms(samples) + (then_ms - at_ms if playing else 0.0)
        return (
            min(ms, self._ms(self._anchors[i + 1][1])) if i + 1 < len(self._anchors) else min(ms, self._ms(self.sent))
        )

    def _ms(self, samples: int) -> float:
        return samples * 1000 / self.rate
