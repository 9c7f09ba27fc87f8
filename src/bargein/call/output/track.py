"""One reply's audio on its way out, and its ledger: made, sent, played, and the words in it.

Frames are cut, and companded where the wire wants that, when audio comes in, so that sending is an index; what was
sent is kept until it was played, because a transport that cannot pause is made to by sending again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

import numpy as np

from bargein.audio.mulaw import SILENCE, Mulaw, mulaw_codes
from bargein.audio.pcm import FRAME_MS, Samples
from bargein.audio.resample import StreamResampler
from bargein.audio.words import WordClock
from bargein.protocols import AudioOut, SpeechChunk, WireSamples, Word


@dataclass(frozen=True, slots=True)
class Position:
    """How much of a reply was heard. bound_ms: the true position is at most this far from it; 0: exact."""

    samples: int
    ms: float
    bound_ms: float


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where the far end was, and when. before: a later position that it had not reached then (None: not known);
    bound_ms: how far off this may be."""

    at_ms: float
    samples: int
    playing: bool
    before: int | None
    bound_ms: float


class Track:
    """The audio of one reply at the transport's rate. Positions are samples since its first.

    mulaw: frames are mu-law codes. whole: the last frame is filled up with silence (a telephone network plays frames
    of one size). elsewhere: the far end has the sound without us; how much there is, it says."""

    def __init__(
        self,
        reply: int,
        voice_rate: int,
        rate: int,
        *,
        mulaw: bool = False,
        whole: bool = False,
        elsewhere: bool = False,
    ) -> None:
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
        self._mulaw = mulaw
        self._whole = whole
        self._elsewhere = elsewhere
        self._frames: deque[WireSamples] = deque()
        self._base = 0  # position of the first kept frame
        self._tail: WireSamples = np.zeros(0, np.uint8) if mulaw else np.zeros(0, np.int16)
        self._sequence = 0
        self._anchors: deque[Anchor] = deque(maxlen=512)

    # ------------------------------------------------------------------------------------------------ filling

    def push(self, spoken: SpeechChunk) -> tuple[Word, ...]:
        """Take a stretch from the voice; the words that got their times by it."""
        words = self.words.add(spoken)
        if self._mulaw and isinstance(spoken.pcm, Mulaw):
            self._cut(spoken.pcm.codes)  # straight through
        else:
            self._append(self._resampler.push_audio(spoken.pcm.samples))
        return words

    def finish(self, failure: str | None = None) -> tuple[Word, ...]:
        """The voice has ended, well or with a failure; what it gave will be played. The words that were open."""
        if self.complete:
            return ()
        self.complete = True
        self.failure = failure
        self._append(self._resampler.push_audio(np.zeros(0, np.int16), last=True))
        self._cut_rest()
        return self.words.finish()

    def _append(self, samples: Samples) -> None:
        self._cut(mulaw_codes(samples) if self._mulaw else samples)

    def _cut(self, samples: WireSamples) -> None:
        self.made += len(samples)
        joined = np.concatenate((self._tail, samples)) if len(self._tail) else samples
        whole = len(joined) // self._frame * self._frame
        self._frames.extend(joined[i : i + self._frame] for i in range(0, whole, self._frame))
        self._tail = joined[whole:]

    def _cut_rest(self) -> None:
        if len(self._tail) and self._whole:
            missing = self._frame - len(self._tail)
            self._cut(np.full(missing, SILENCE if self._mulaw else 0, self._tail.dtype))
        elif len(self._tail):
            self._frames.append(self._tail)
            self._tail = self._tail[:0]

    # ------------------------------------------------------------------------------------------------ sending

    @property
    def waiting_ms(self) -> float:
        """What was made and not sent yet."""
        return (self.made - self.sent) * 1000 / self.rate

    def next_frame(self) -> AudioOut | None:
        """The next frame to send, or None when there is none now. `sent_frame` moves on."""
        index, skip = divmod(self.sent - self._base, self._frame)
        if index >= len(self._frames):
            if self.complete and not self.done_sending:
                return AudioOut(self.reply, self._sequence, self.sent, self._tail[:0], last=True)
            return None
        samples = self._frames[index]
        if skip:
            samples = samples[skip:]
        last = self.complete and index == len(self._frames) - 1
        sent_ms = self._ms(self.sent)
        ends = self.words.ends_between(sent_ms, sent_ms + self._ms(len(samples)))
        return AudioOut(self.reply, self._sequence, self.sent, samples, last, ends)

    def sent_frame(self, frame: AudioOut) -> None:
        self.sent += len(frame.samples)
        self._sequence += 1
        self.done_sending = frame.last

    def unsend(self, first: AudioOut) -> None:
        """This frame and all after it did not leave after all."""
        self.sent, self._sequence, self.done_sending = first.first_sample, first.sequence, False

    def rewind(self, samples: int) -> None:
        """What lies after this position is to be sent, or sent again: it may lie ahead of what we believed."""
        self.sent = max(self._base, min(samples, self.made))
        self.done_sending = False

    def recut(self) -> None:
        """Begin frames anew where sending stands, so that they are whole ones again; what lies before is forgotten."""
        if (self.sent - self._base) % self._frame == 0 or not self._frames:
            return
        kept = np.concatenate((*self._frames, self._tail))[self.sent - self._base :]
        self.made -= len(kept)
        self._base = self.sent
        self._frames.clear()
        self._tail = kept[:0]
        self._cut(kept)
        if self.complete:
            self._cut_rest()

    def forget(self, samples: int) -> None:
        """What lies before this position will never be needed again."""
        while self._frames and self._base + len(self._frames[0]) <= samples:
            self._base += len(self._frames.popleft())

    # ----------------------------------------------------------------------------------------------- position

    def reach(self, samples: int) -> int:
        """The far end says that it has played so much: it can have played no more than there is."""
        if self._elsewhere and samples > self.made:
            self.words.grow(samples - self.made, self.rate)
            self.made = self.sent = samples
        return min(samples, self.made)

    def at(
        self,
        at_ms: float,
        samples: int,
        *,
        playing: bool,
        before: int | None = None,
        bound_ms: float = float("inf"),
        surely: bool = False,
    ) -> None:
        """The far end was here at at_ms. Never goes back: an older report that comes late changes nothing; unless the
        far end knows it surely, and what we had was our own guess."""
        anchors = self._anchors
        if surely:
            while anchors and anchors[-1].samples > samples:
                anchors.pop()
        elif anchors and (samples < anchors[-1].samples or at_ms < anchors[-1].at_ms):
            return
        anchors.append(Anchor(at_ms, min(samples, self.made), playing, before, bound_ms))

    def position(self, now_ms: float) -> Position:
        """Where the far end is now, going by its last report."""
        if not self._anchors:
            return Position(0, 0.0, self._ms(self.sent))
        last = self._anchors[-1]
        if not last.playing:
            return Position(last.samples, self._ms(last.samples), min(last.bound_ms, self._ms(self.sent)))
        guess = last.samples + int(max(0.0, now_ms - last.at_ms) * self.rate / 1000)
        most = self.sent if last.before is None else min(self.sent, last.before)
        guess = max(last.samples, min(guess, most))
        return Position(guess, self._ms(guess), self._ms(max(most, guess) - last.samples))

    def was_at_ms(self, then_ms: float) -> float:
        """Where in the reply (ms of its audio) the far end was at a moment of the call."""
        i = bisect_right(self._anchors, then_ms, key=lambda a: a.at_ms) - 1
        if i < 0:
            return 0.0
        anchor = self._anchors[i]
        ms = self._ms(anchor.samples) + (then_ms - anchor.at_ms if anchor.playing else 0.0)
        following = self._anchors[i + 1].samples if i + 1 < len(self._anchors) else self.sent
        return min(ms, self._ms(following))

    def _ms(self, samples: int) -> float:
        return samples * 1000 / self.rate
