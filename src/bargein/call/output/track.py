"""One reply's audio on its way out: what was made, sent and played of it, and the words in it.

Audio is divided into frames, and companded where the wire wants mu-law, when it comes in: sending is an index. Sent
frames are kept until they were played, because a transport that cannot pause gets them again after a hold.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bargein.audio.mulaw import SILENCE, Mulaw, from_mulaw, mulaw_codes
from bargein.audio.pcm import FRAME_MS, Samples
from bargein.audio.resample import StreamResampler
from bargein.audio.text_map import TextMap
from bargein.audio.words import WordClock
from bargein.protocols import AudioOut, ReplyAudio, SpeechChunk, WireSamples, Word
from bargein.units import digit_words

FADE_MS = 10  # of a reply that ends at a word: shorter clicks, longer would take the word's last sound
DIGIT_EDGE_MS = 60.0  # about a spoken digit that is left out of recordings: TTSs' times are off by that much
BEYOND_REPORT_MS = 500.0  # a client is believed to be at most this far past its newest report: they come each 100 ms


@dataclass(frozen=True, slots=True)
class Position:
    """How much of a reply the client has played."""

    samples: int
    ms: float
    bound_ms: float
    """The true position is at most this far away. 0: the position is exact."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A position that the client had reached at a moment of the call."""

    at_ms: float
    samples: int
    playing: bool
    """The client played on from here."""
    before: int | None
    """A later position that the client had not reached then. None: not known."""
    bound_ms: float
    """How far off the position may be."""


class Track:
    """The audio of one reply at the transport's rate. Positions are samples since the reply's first.

    mulaw: frames are mu-law codes. whole: the last frame is filled up with silence (a telephone network plays frames
    of one size). elsewhere: the client gets the audio from the model itself, and reports how much there is.
    written: see WordClock.
    """

    def __init__(
        self,
        reply: int,
        tts_rate: int,
        rate: int,
        *,
        mulaw: bool = False,
        whole: bool = False,
        elsewhere: bool = False,
        written: TextMap | None = None,
    ) -> None:
        self.reply = reply
        self.rate = rate
        self.words = WordClock(written)
        self.made = 0
        """Samples that the TTS has given."""
        self.sent = 0
        """Samples that were handed to the transport. A hold may take some back."""
        self.handed = 0
        """The most samples that a client can have."""
        self.reported = 0
        """The furthest sample that the client has reported as played."""
        self.paced = False
        """The client reports nothing, and our own pace stands in for its reports."""
        self.complete = False
        """The TTS has given all of it."""
        self.failure: str | None = None
        """Why the TTS gave no more. None: it has not failed."""
        self.done_sending = False
        """The last frame was sent."""
        self.record: ReplyAudio | None = None
        """The recording of it. None: there is none."""
        self._frame = rate * FRAME_MS // 1000
        self._resampler = StreamResampler(tts_rate, rate)
        self._mulaw = mulaw
        self._whole = whole
        self._elsewhere = elsewhere
        self._frames: deque[WireSamples] = deque()
        self._base = 0  # position of the first kept frame
        self._tail: WireSamples = np.zeros(0, np.uint8) if mulaw else np.zeros(0, np.int16)
        self._sequence = 0
        self._anchors: deque[Anchor] = deque(maxlen=512)

    @classmethod
    def restored(cls, reply: int, rate: int, words: WordClock, *, made: int, complete: bool) -> Track:
        """The track of a reply that another process played: nothing of it can be sent, and a client may still report
        of it."""
        track = cls(reply, rate, rate)
        track.words = words
        track.made = track.sent = track.handed = made
        track.complete = track.done_sending = complete
        return track

    # ------------------------------------------------------------------------------------------------ filling

    def push_audio(self, chunk: SpeechChunk) -> tuple[Word, ...]:
        """Take a chunk from the TTS. Returns the words whose times are known now."""
        words = self.words.add(chunk)
        if self._mulaw and isinstance(chunk.pcm, Mulaw):
            self._frame_up(chunk.pcm.codes)  # no transcoding
        else:
            self._append(self._resampler.push_audio(chunk.pcm.samples))
        return words

    def finish(self, failure: str | None = None) -> tuple[Word, ...]:
        """The TTS has ended, well or with a failure; its audio will be played. Returns the words still open."""
        if self.complete:
            return ()
        self.complete = True
        self.failure = failure
        self._append(self._resampler.push_audio(np.zeros(0, np.int16), last=True))
        self._frame_tail()
        return self.words.finish()

    def end_at_word(self) -> None:
        """Send no more than the word at which the client may be. What the client has is not taken back."""
        if self.done_sending:
            return
        at_ms = self._ms(self.handed)
        end_ms = min((word.end_ms for word in self.words.words if word.end_ms >= at_ms), default=at_ms)
        self.finish()
        end = min(self.made, max(self.handed, int(end_ms * self.rate / 1000)))
        kept = np.concatenate((*self._frames, self._tail))[: end - self._base] if self._frames else self._tail
        if end < self.made:
            self._fade(kept, self.handed - self._base)
        self.made = self._base
        self._frames.clear()
        self._tail = kept[:0]
        self._frame_up(kept)
        self._frame_tail()

    def _fade(self, audio: WireSamples, begin: int) -> None:
        """Let the end of the audio fade, or it would click: at most FADE_MS of it, and nothing before `begin`."""
        end = audio[max(begin, len(audio) - self.rate * FADE_MS // 1000) :]
        linear = from_mulaw(end.tobytes()) if self._mulaw else end
        faded = (linear * np.linspace(1.0, 0.0, len(end))).astype(np.int16)
        end[:] = mulaw_codes(faded) if self._mulaw else faded

    def _append(self, samples: Samples) -> None:
        self._frame_up(mulaw_codes(samples) if self._mulaw else samples)

    def _frame_up(self, samples: WireSamples) -> None:
        self.made += len(samples)
        joined = np.concatenate((self._tail, samples)) if len(self._tail) else samples
        whole = len(joined) // self._frame * self._frame
        self._frames.extend(joined[i : i + self._frame] for i in range(0, whole, self._frame))
        self._tail = joined[whole:]

    def _frame_tail(self) -> None:
        if len(self._tail) and self._whole:
            missing = self._frame - len(self._tail)
            self._frame_up(np.full(missing, SILENCE if self._mulaw else 0, self._tail.dtype))
        elif len(self._tail):
            self._frames.append(self._tail)
            self._tail = self._tail[:0]

    # ------------------------------------------------------------------------------------------------ sending

    @property
    def waiting_ms(self) -> float:
        """Audio that was made and not sent yet."""
        return (self.made - self.sent) * 1000 / self.rate

    def next_frame(self, most: int = 1) -> AudioOut | None:
        """The next frame to send, or None when there is none now. The caller sends it, then calls `sent_frame`.

        most: frames that may come together, as one. No word ends before the last of them, so that a position can be
        reported at every word's end.
        """
        index, skip = divmod(self.sent - self._base, self._frame)
        if index >= len(self._frames):
            if self.complete and not self.done_sending:
                return AudioOut(self.reply, self._sequence, self.sent, self._tail[:0], last=True)
            return None
        samples = self._frames[index]
        if skip:
            samples = samples[skip:]
        sent_ms = self._ms(self.sent)
        ends = self.words.ends_between(sent_ms, sent_ms + self._ms(len(samples)))
        while most > 1 and not ends and index + 1 < len(self._frames):
            most, index = most - 1, index + 1
            samples = np.concatenate((samples, self._frames[index]))
            ends = self.words.ends_between(sent_ms, sent_ms + self._ms(len(samples)))
        last = self.complete and index == len(self._frames) - 1
        return AudioOut(self.reply, self._sequence, self.sent, samples, last, ends)

    def sent_frame(self, frame: AudioOut) -> None:
        """The frame was handed to the transport."""
        self.sent += len(frame.samples)
        self.handed = max(self.handed, self.sent)
        self._sequence += 1
        self.done_sending = frame.last
        if self.record is not None:
            self.record.sent(frame)

    def unsend(self, first: AudioOut) -> None:
        """The frame `first` and all later ones came back from the transport unsent."""
        self.sent, self._sequence, self.done_sending = first.first_sample, first.sequence, False
        self.handed = self.sent

    def rewind(self, samples: int) -> None:
        """Send on from this position, which may also lie ahead of what was sent."""
        self.sent = max(self._base, min(samples, self.made))
        self.done_sending = False

    def recut(self) -> None:
        """Divide the audio anew from the position of sending on, so that every frame is a whole one."""
        if (self.sent - self._base) % self._frame == 0 or not self._frames:
            return
        kept = np.concatenate((*self._frames, self._tail))[self.sent - self._base :]
        self.made -= len(kept)
        self._base = self.sent
        self._frames.clear()
        self._tail = kept[:0]
        self._frame_up(kept)
        if self.complete:
            self._frame_tail()

    def discard_before(self, samples: int) -> None:
        """Audio before this position will never be sent again."""
        while self._frames and self._base + len(self._frames[0]) <= samples:
            self._base += len(self._frames.popleft())

    # ----------------------------------------------------------------------------------------------- position

    def can_have_played(self, samples: int) -> bool:
        """Whether a client's report can be true: no client plays what it was not sent."""
        return self._elsewhere or samples <= self.handed

    def reach(self, samples: int) -> int:
        """The position that a report of the client stands for: at most all that it was sent, and at least what it has
        reported before."""
        if self._elsewhere and samples > self.made:
            self.words.grow(samples - self.made, self.rate)
            self.made = self.sent = self.handed = samples
        return max(self.reported, min(samples, self.handed))

    def report(
        self,
        at_ms: float,
        samples: int,
        *,
        playing: bool,
        before: int | None = None,
        bound_ms: float = float("inf"),
        final: bool = False,
    ) -> None:
        """The client has reported that it was at position `samples` at at_ms. A report that lies before the newest one
        changes nothing.

        final: the client has counted, and replaces later positions that were our own estimate.
        """
        self.reported = max(self.reported, min(samples, self.made))
        self._anchor(at_ms, samples, playing, before, bound_ms, final=final)
        if self.record is not None:
            self.record.at(at_ms, samples, playing=playing, reported=True, final=final, paced=self.paced)

    def assume(self, at_ms: float, samples: int, *, playing: bool) -> None:
        """By our own estimate the client was at position `samples` at at_ms."""
        self._anchor(at_ms, samples, playing, None, float("inf"), final=False)
        if self.record is not None:
            self.record.at(at_ms, samples, playing=playing, reported=False, final=False, paced=self.paced)

    def _anchor(
        self, at_ms: float, samples: int, playing: bool, before: int | None, bound_ms: float, *, final: bool
    ) -> None:
        anchors = self._anchors
        if final:
            while anchors and anchors[-1].samples > samples:
                anchors.pop()
        elif anchors and (samples < anchors[-1].samples or at_ms < anchors[-1].at_ms):
            return
        anchors.append(Anchor(at_ms, min(samples, self.made), playing, before, bound_ms))

    def position(self, now_ms: float) -> Position:
        """Where the client is now, estimated from its last report: never far beyond the report."""
        if not self._anchors:
            return Position(0, 0.0, self._ms(self.sent))
        last = self._anchors[-1]
        if not last.playing:
            return Position(last.samples, self._ms(last.samples), min(last.bound_ms, self._ms(self.sent)))
        guess = last.samples + int(max(0.0, now_ms - last.at_ms) * self.rate / 1000)
        most = self.sent if last.before is None else min(self.sent, last.before)
        guess = max(last.samples, min(guess, most, self._believed))
        return Position(guess, self._ms(guess), self._ms(max(most, guess) - last.samples))

    def reported_position(self) -> Position:
        """Where the client is by its own word alone. The bound: how far beyond its report it may have played."""
        at = self.reported
        last = next((anchor for anchor in reversed(self._anchors) if anchor.samples == at), None)
        if last is not None and not last.playing:
            beyond = last.bound_ms
        else:
            most = self.handed if last is None or last.before is None else last.before
            beyond = self._ms(min(most, self.handed) - at)
        return Position(at, self._ms(at), min(beyond, self._ms(self.handed - at), BEYOND_REPORT_MS))

    @property
    def unplayed_ms(self) -> float:
        """Audio that was sent and not reported as played."""
        return self._ms(max(0, self.sent - self.reported))

    @property
    def unheard_ms(self) -> float:
        """Audio that was made and not reported as played."""
        return self._ms(max(0, self.made - self.reported))

    @property
    def _believed(self) -> int:
        """The furthest sample that the client is believed to have played."""
        return self.sent if self.paced else self.reported + int(BEYOND_REPORT_MS * self.rate / 1000)

    def was_at_ms(self, then_ms: float) -> float:
        """Which ms of the reply the client played at a moment of the call."""
        i = bisect_right(self._anchors, then_ms, key=lambda a: a.at_ms) - 1
        if i < 0:
            return 0.0
        anchor = self._anchors[i]
        ms = self._ms(anchor.samples) + (then_ms - anchor.at_ms if anchor.playing else 0.0)
        following = self._anchors[i + 1].samples if i + 1 < len(self._anchors) else min(self.sent, self._believed)
        return min(ms, self._ms(following))

    def digits(self) -> Sequence[tuple[int, int]]:
        """Where digits are spoken: first sample, and the one after the last. All of it, where words have no times."""
        words, text = self.words.words, self.words.text
        flags = digit_words(text[word.begin : word.end] for word in words)
        if any(flags) and not self.words.exact:
            return [(0, self.made)]
        rate = self.rate / 1000
        return [
            (int((word.start_ms - DIGIT_EDGE_MS) * rate), int((word.end_ms + DIGIT_EDGE_MS) * rate))
            for word, is_digit in zip(words, flags, strict=True)
            if is_digit
        ]

    def _ms(self, samples: int) -> float:
        return samples * 1000 / self.rate
