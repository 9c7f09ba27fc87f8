"""Where the audio of a call stands on the call's clock: the user's lane and the agent's, laid block by block.

Both lanes are told of audio as it comes, and asked for a block a while later, when it is known where the audio belongs.
A lane is a row of samples from the call's time 0 on; what is laid is never changed.

The user's audio stands where the call's stream clock puts it. Audio of one stream is laid without a seam: the clock's
estimate moves by some milliseconds, and only a gap, a pause, or a large difference moves the audio. Audio that comes
too late for its place follows what is laid, and pauses are left out until it is on time again.

The agent's audio stands where the client's reports put it: from the moment at which its loudspeaker moved on, to the
sample at which it stood. What was not heard is not laid, a hold is silence, and a resume goes on with the next sample.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bargein.audio.mulaw import SILENCE
from bargein.audio.pcm import Samples
from bargein.protocols import AudioOut, WireSamples

Piece = tuple[int, WireSamples]
"""Audio, and where it begins in a block."""

SEAM_MS = 20.0  # by which audio may stand beside its time: the stream clock's estimate moves so far
MOVE_MS = 150.0  # by which audio may not: there is a gap that the stream does not tell
QUIET = 150  # peak of a pause: -47 dB of full scale
BELIEVED_MS = 500.0  # beyond its newest report a client is believed to have played, as the playout does
MARKS = 256  # reports of one reply that wait
RUN_MS = 100.0  # of the user's audio that is laid in one go
PENDING_MS = 10_000.0


class _Run:
    """Chunks of the user's stream that follow one another."""

    __slots__ = ("chunks", "end", "first")

    def __init__(self, first: int, samples: Samples) -> None:
        self.first, self.end = first, first + len(samples)
        self.chunks = [samples]

    def append(self, samples: Samples) -> None:
        self.chunks.append(samples)
        self.end += len(samples)

    def joined(self) -> Samples:
        if len(self.chunks) > 1:
            self.chunks = [np.concatenate(self.chunks)]
        return self.chunks[0]


class UserLane:
    """rate: Hz. at: the time of a position in the user's stream, in ms on the call's clock. begin: sample of the lane
    from which on it is laid."""

    def __init__(self, rate: int, at: Callable[[int], float], begin: int = 0) -> None:
        self._rate = rate
        self._at = at
        self._runs: deque[_Run] = deque()
        self._longest = int(RUN_MS * rate / 1000)
        self._pending = 0
        self.most_ms = PENDING_MS
        """Of audio that waits; the oldest goes."""
        self._seam, self._move = SEAM_MS * rate / 1000, MOVE_MS * rate / 1000
        self._begin = self._end = begin  # _end: of what is laid
        self._next = -1  # position in the stream that follows what is laid
        self.dropped = 0
        """Samples that found no room."""

    def push(self, first: int, samples: Samples) -> None:
        """The next audio of the stream. The samples are copied: their owner may use them again."""
        newest = self._runs[-1] if self._runs else None
        if newest is not None and first == newest.end and first - newest.first < self._longest:
            newest.append(samples.copy())
        else:
            self._runs.append(_Run(first, samples.copy()))
        self._pending += len(samples)
        while self._pending * 1000 > self.most_ms * self._rate:
            lost = self._runs.popleft()
            self._pending -= lost.end - lost.first
            self.dropped += lost.end - lost.first

    def replace(self, first: int, samples: Samples) -> None:
        """Audio that came late takes the place of what was there, where that waits still."""
        end = first + len(samples)
        for run in self._runs:
            low, high = max(first, run.first), min(end, run.end)
            if low < high:
                run.joined()[low - run.first : high - run.first] = samples[low - first : high - first]

    def lay(self, begin: int, end: int) -> list[Piece]:
        """The block from sample `begin` to `end` of the lane. Blocks follow one another."""
        pieces: list[Piece] = []
        while self._runs:
            run = self._runs[0]
            first, samples = run.first, run.joined()
            place = round(self._at(first) * self._rate / 1000)
            if place < self._end and self._end == self._begin:
                self._trim(self._end - place)  # it was spoken before the recording began
                continue
            if self._is_left_out(self._end - place, samples):
                self._trim(len(samples))
                self._next = first + len(samples)
                continue
            if self._stands_apart(place - self._end, first, samples):
                self._end = place
            if self._end >= end:
                break
            part = samples[: end - self._end]
            self._trim(len(part))
            pieces.append((self._end - begin, part))
            self._end += len(part)
            self._next = first + len(part)
        self._end = max(self._end, end)
        return pieces

    def _is_left_out(self, late: int, samples: Samples) -> bool:
        """A pause, while the lane lags behind."""
        return late > self._seam and _is_quiet(samples)

    def _stands_apart(self, early: int, first: int, samples: Samples) -> bool:
        """There is silence between the audio before and this."""
        if early <= 0:
            return False
        return first != self._next or early > self._move or (early > self._seam and _is_quiet(samples))

    def _trim(self, count: int) -> None:
        """Take so many samples off the first run, at most all of it."""
        run = self._runs[0]
        count = min(count, run.end - run.first)
        self._pending -= count
        if count == run.end - run.first:
            self._runs.popleft()
        else:
            run.chunks = [run.joined()[count:]]
            run.first += count


def _is_quiet(samples: Samples) -> bool:
    return not len(samples) or max(int(samples.max()), -int(samples.min())) < QUIET


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where the client was in a reply."""

    at: float
    """Sample of the lane."""
    samples: int
    playing: bool
    """It played on from here."""
    reported: bool
    """By its own word, not by our estimate."""


class ReplyLane:
    """protocols.ReplyAudio by shape: one reply's audio, and the client's reports of it. rate: Hz of the audio. hides:
    spoken digits are silence."""

    def __init__(self, rate: int, enter: Callable[[ReplyLane], None], *, hides: bool = False) -> None:
        self._rate = rate
        self._hides = hides
        self._digits: Callable[[], Sequence[tuple[int, int]]] | None = None
        self._enter = enter
        self._entered = False
        self.frames: deque[tuple[int, WireSamples]] = deque()
        """Audio that was sent and is not laid, by its position in the reply."""
        self.marks: deque[_Mark] = deque(maxlen=MARKS)
        self.laid = 0
        """Position after the newest sample that is laid, or is known not to be heard."""
        self.sent_end = 0
        self.paced = False
        """The client reports nothing: our own pace counts."""
        self.over_at: int | None = None
        """Where it ended. None: it goes on."""

    def sent(self, frame: AudioOut) -> None:
        """A frame was handed to the transport. Frames of later positions that came before are taken back."""
        if not len(frame.samples):
            return
        if not self._entered:
            self._entered = True
            self._enter(self)
        frames, first = self.frames, frame.first_sample
        while frames and frames[-1][0] >= first:
            frames.pop()
        frames.append((first, frame.samples))
        self.sent_end = first + len(frame.samples)

    def at(self, at_ms: float, samples: int, *, playing: bool, reported: bool, final: bool, paced: bool) -> None:
        """The client was here at a moment of the call. final: it replaces later positions."""
        self.paced = paced
        marks = self.marks
        # The client's own word replaces our estimates, and its last word replaces those before it.
        while marks and reported and (not marks[-1].reported or (final and marks[-1].samples > samples)):
            marks.pop()
        marks.append(_Mark(at_ms * self._rate / 1000, samples, playing, reported))

    def hide(self, digits: Callable[[], Sequence[tuple[int, int]]]) -> None:
        """Where digits are spoken."""
        if self._hides:
            self._digits = digits

    def over(self, samples: int) -> None:
        """The reply is over, and this much of it was heard. A later word on it replaces this one."""
        self.over_at = samples

    def release(self) -> None:
        """Nothing more is laid of it: it holds no part of the call."""
        self._digits = None
        self.frames.clear()

    @property
    def stop(self) -> int | None:
        """The next position at which the client fell silent. None: it plays on, as far as is known."""
        stop = next((mark.samples for mark in self.marks if not mark.playing and mark.samples >= self.laid), None)
        if self.over_at is None:
            return stop
        return self.over_at if stop is None else min(stop, self.over_at)

    def settled(self, end: int) -> bool:
        """Whether it is known what was heard of it before sample `end` of the lane."""
        if self.paced or self.over_at is not None:
            return True
        newest = self.newest
        if newest is None:
            return False
        silent = newest is self.marks[-1] and not newest.playing
        return silent or newest.at >= end or newest.samples >= self.sent_end

    @property
    def newest(self) -> _Mark | None:
        """The client's newest word."""
        return next((mark for mark in reversed(self.marks) if mark.reported), None)

    def pass_stop(self) -> None:
        """All up to the stop is laid: what the client said before it is of no more use."""
        for index, mark in enumerate(self.marks):
            if not mark.playing and mark.samples >= self.laid:
                for _ in range(index + 1):
                    self.marks.popleft()
                return

    def start(self) -> float | None:
        """The place in the lane of the reply's position 0, were the next sample heard as the client says. None: it has
        not said that it moved on."""
        places: list[float] = []
        for mark in self.marks:
            counts = mark.reported or self.paced
            if counts and (mark.samples > self.laid or (mark.playing and mark.samples == self.laid)):
                places.append(mark.at - mark.samples)
            if places and not mark.playing:
                break
        return min(places, default=None)

    def pieces(self, until: int, at: int) -> list[Piece]:
        """Take the audio up to a position. at: where it begins in the block."""
        found: list[Piece] = []
        frames = self.frames
        while frames and frames[0][0] < until:
            first, samples = frames.popleft()
            end = first + len(samples)
            if end > until:
                frames.appendleft((until, samples[until - first :]))
                samples = samples[: until - first]
            if end > self.laid:
                skip = max(0, self.laid - first)
                found.append((at + first + skip - self.laid, self._without_digits(first + skip, samples[skip:])))
        return found

    def _without_digits(self, first: int, samples: WireSamples) -> WireSamples:
        if self._digits is None:
            return samples
        for begin, end in self._digits():
            low, high = max(begin - first, 0), min(end - first, len(samples))
            if low < high:
                samples = samples.copy()
                samples[low:high] = SILENCE if samples.dtype == np.uint8 else 0
        return samples


class AgentLane:
    """The agent as heard. rate: Hz of the replies' audio. hides: spoken digits are silence."""

    def __init__(self, rate: int, *, hides: bool = False) -> None:
        self._rate = rate
        self._hides = hides
        self._replies: deque[ReplyLane] = deque()
        self._run: float | None = None  # place in the lane of position 0 of the reply that is being laid
        self.estimated = 0
        """Samples that were laid by our own estimate, for want of reports."""

    def reply(self, heard: int = 0) -> ReplyLane:
        """One more reply. It takes its place with its first audio. heard: samples of it that sounded before."""
        reply = ReplyLane(self._rate, self._replies.append, hides=self._hides)
        reply.laid = heard
        return reply

    def close(self) -> None:
        """The call is over."""
        while self._replies:
            self._replies.popleft().release()

    def settled(self, end: int) -> bool:
        """Whether it is known what was heard before sample `end` of the lane."""
        return all(reply.settled(end) for reply in self._replies)

    def lay(self, begin: int, end: int) -> list[Piece]:
        """The block from sample `begin` to `end` of the lane. Blocks follow one another."""
        pieces: list[Piece] = []
        cursor = begin
        while self._replies and cursor < end:
            reply = self._replies[0]
            if self._run is None:
                start = reply.start()
                if start is None:
                    if len(self._replies) == 1 and (reply.over_at is None or reply.over_at > reply.laid):
                        break
                    self._replies.popleft().release()  # nothing more of it was heard
                    continue
                place = max(cursor, round(start) + reply.laid)
                if place >= end:
                    break
                cursor, self._run = place, place - reply.laid
            until = self._heard(reply, reply.laid + end - cursor, end)
            pieces += reply.pieces(until, cursor - begin)
            cursor += until - reply.laid
            reply.laid = until
            if cursor < end and not self._halt(reply):
                break
        return pieces

    def _heard(self, reply: ReplyLane, wanted: int, end: int) -> int:
        """How far the reply was heard, if it was heard without a pause: at most `wanted`."""
        stop = reply.stop
        if stop is not None:
            return max(reply.laid, min(wanted, stop))
        newest = reply.newest
        if reply.paced or newest is None:
            return max(reply.laid, min(wanted, reply.sent_end))
        most = newest.samples
        if newest.at < end and most < wanted:
            most = min(wanted, most + int(BELIEVED_MS * self._rate / 1000), reply.sent_end)
            self.estimated += max(0, most - max(newest.samples, reply.laid))
        return max(reply.laid, min(wanted, most))

    def _halt(self, reply: ReplyLane) -> bool:
        """The client stood still here. False: it is not known yet when it moves on."""
        self._run = None
        if reply.over_at is not None and reply.laid >= reply.over_at:
            self._replies.popleft().release()
            return True
        if reply.stop is None:
            return False
        reply.pass_stop()
        return True


def assembled(pieces: list[Piece], size: int, table: Samples) -> Samples:
    """A block of `size` samples with these pieces in it, silence elsewhere. table: the samples of mu-law codes."""
    block = np.zeros(size, np.int16)
    index = 0
    while index < len(pieces):
        begin, samples = pieces[index]
        row, end = [samples], begin + len(samples)
        index += 1
        while index < len(pieces) and pieces[index][0] == end:
            row.append(pieces[index][1])
            end += len(pieces[index][1])
            index += 1
        joined = np.concatenate(row) if len(row) > 1 else samples
        block[begin:end] = table[joined] if joined.dtype == np.uint8 else joined
    return block
