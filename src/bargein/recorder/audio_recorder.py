"""A call's audio on its way to `audio.flac`: protocols.CallAudio by shape.

The call's own thread notes references and positions; every two seconds a block of both lanes is put together, encoded
and written by the disk's thread. So a call keeps a few seconds of audio in memory, however long it lasts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from bargein.audio.mulaw import from_mulaw
from bargein.audio.pcm import Samples
from bargein.audio.resample import StreamResampler
from bargein.protocols import Journal
from bargein.recorder.audio_file import AUDIO_FILE, AudioFile
from bargein.recorder.audio_lanes import AgentLane, Piece, ReplyLane, UserLane, assembled
from bargein.recorder.disk import DiskThread
from bargein.recorder.spoken_digits import SpokenDigits

log = logging.getLogger(__name__)

BLOCK_MS = 2016  # 28 frames of FLAC at 16 kHz, 14 at 8 kHz
LAG_MS = 1_500.0  # after a block's end: late audio and reports have come by then
DIGITS_LAG_MS = 20_000.0  # where digits are left out: the words of what is written must be known
WAIT_MS = 4_000.0  # more, for a client whose reports have not come so far
AGAIN_MS = 100.0  # between two looks at such a client
BOTH, USER = slice(0, 2), slice(0, 1)
AHEAD_MS = 96  # of the agent's lane before the user's: the resampler holds back up to 66 ms
MAX_BYTES = 512 * 1024 * 1024  # some 8 hours of speech
_MULAW = from_mulaw(bytes(range(256)))


class AudioRecorder:
    """rate: Hz of the file and of the user's audio, 8000 or 16000. agent_rate: Hz of the replies' audio; None: the
    client has their audio from elsewhere. at: the time of a position in the user's stream. disk: its thread does the
    rest; None: all is done before the method returns. digits: spoken digits are to be silence; tells of the
    user's."""

    def __init__(
        self,
        folder: Path,
        journal: Journal,
        *,
        rate: int,
        agent_rate: int | None,
        at: Callable[[int], float],
        now_ms: float = 0.0,
        disk: DiskThread | None = None,
        max_bytes: int = MAX_BYTES,
        digits: SpokenDigits | None = None,
    ) -> None:
        self._journal = journal
        self._rate, self._agent_rate = rate, agent_rate or rate
        self._disk = disk
        self._file = AudioFile(folder / AUDIO_FILE, rate, max_bytes)
        self._block = BLOCK_MS * rate // 1000
        self._index = int(now_ms // BLOCK_MS)
        self._skipped = self._index * self._block  # samples of silence before the next block that is written
        ahead = AHEAD_MS if self._agent_rate != rate else 0
        self._ahead_ms = ahead
        self._user = UserLane(rate, at, self._index * self._block)
        self._digits = digits
        lag_ms = LAG_MS if digits is None else DIGITS_LAG_MS
        self._user.most_ms = lag_ms + WAIT_MS + 2 * BLOCK_MS
        self._agent = AgentLane(self._agent_rate, hides=digits is not None)
        self._agent_end = self._index * BLOCK_MS * self._agent_rate // 1000  # of what is laid of the agent's lane
        self._line = _AgentLine(self._agent_rate, rate, self._agent_rate * ahead // 1000)
        self._next_due()
        self._told_lost = self._told_estimate = 0
        self._silences: list[tuple[float, float, slice]] = []  # from, until (ms), lanes
        self._paused_ms: float | None = None  # since when
        self._closed = False
        self._do(self._file.open)
        facts = {"rate": rate, "file": AUDIO_FILE, "agent": agent_rate is not None}
        journal.note(now_ms, "recording", from_ms=float(self._index * BLOCK_MS), **facts)

    # ----------------------------------------------------------------------------------------- what the call tells

    def user(self, first: int, samples: Samples) -> None:
        """Audio of the user, as it came. first: its position in the user's stream."""
        self._user.push(first, samples)

    def replaced(self, first: int, samples: Samples) -> None:
        """Audio of the user that came late, in the place of what stood for it."""
        self._user.replace(first, samples)

    def reply(self, heard: int = 0) -> ReplyLane:
        """One more reply of the agent. heard: samples of it that sounded before."""
        return self._agent.reply(heard)

    def tick(self, now_ms: float) -> None:
        """Time passes. Never waits."""
        if now_ms >= self._due_ms and not self._closed:
            self._go_on(now_ms)

    def pause(self, now_ms: float, why: str) -> None:
        """From now on both sides are silence, until `resume`."""
        if self._paused_ms is None:
            self._paused_ms = now_ms
            self._journal.note(now_ms, "recording_paused", why=why)

    def resume(self, now_ms: float) -> None:
        """Both sides are recorded again."""
        if self._paused_ms is not None:
            self._silences.append((self._paused_ms, now_ms, BOTH))
            self._paused_ms = None
            self._journal.note(now_ms, "recording_resumed")

    def close(self, now_ms: float) -> None:
        """The call is over: what is left is written, and the file has the call's length."""
        if self._closed:
            return
        end_ms = now_ms
        while (self._index + 1) * BLOCK_MS <= end_ms:
            self._lay(self._block)
        self._lay(max(0, int(end_ms * self._rate / 1000) - self._index * self._block))
        self._closed = True
        self._agent.close()
        self._do(self._file.close)
        self._tell(now_ms)
        self._journal.note(now_ms, "recording_ended", ms=round(end_ms, 1))

    # ---------------------------------------------------------------------------------------------- block by block

    def _go_on(self, now_ms: float) -> None:
        end_ms = (self._index + 1) * BLOCK_MS + self._ahead_ms
        waits = now_ms < end_ms + LAG_MS + WAIT_MS
        early = self._digits is not None and now_ms < end_ms + DIGITS_LAG_MS and not self._digits.settled(end_ms)
        if early or (waits and not self._agent.settled(end_ms * self._agent_rate // 1000)):
            self._due_ms = now_ms + AGAIN_MS
            return
        self._lay(self._block)
        self._next_due()
        self._tell(now_ms)

    def _next_due(self) -> None:
        self._due_ms = (self._index + 1) * BLOCK_MS + self._ahead_ms + LAG_MS

    def _lay(self, size: int) -> None:
        """Both lanes' next block. size: of the file's samples; the last block may be short."""
        begin = self._index * self._block
        user = self._user.lay(begin, begin + size)
        end = (begin + size) * self._agent_rate // self._rate + self._ahead_ms * self._agent_rate // 1000
        agent_size = end - self._agent_end
        agent = self._agent.lay(self._agent_end, end)
        self._agent_end = end
        self._index += 1
        if self._file.over or not size:
            return
        silences = self._silences_in(begin, begin + size)
        job = partial(self._write, user, agent, size, agent_size, silences, self._skipped)
        waiting = sum(samples.nbytes for _, samples in user) + sum(samples.nbytes for _, samples in agent)
        if self._disk is None:
            job()
        elif not self._disk.put(job, max(waiting, 1)):
            self._skipped += size
            return
        self._skipped = 0

    def _silences_in(self, begin: int, end: int) -> list[tuple[int, int, slice]]:
        """What is to be silent of a block."""
        since = [] if self._paused_ms is None else [(self._paused_ms, float("inf"), BOTH)]
        found = []
        if self._digits is not None:
            ms = 1000 / self._rate
            since += [(low, high, USER) for low, high in self._digits.spans(begin * ms, end * ms)]
        for from_ms, until_ms, lanes in (*self._silences, *since):
            first = max(begin, int(from_ms * self._rate / 1000))
            last = min(float(end), until_ms * self._rate / 1000)
            if first < last:
                found.append((first - begin, int(last) - begin, lanes))
        self._silences = [each for each in self._silences if each[1] * self._rate / 1000 > end]
        return found

    def _write(
        self,
        user: list[Piece],
        agent: list[Piece],
        size: int,
        agent_size: int,
        silences: list[tuple[int, int, slice]],
        skipped: int,
    ) -> None:
        """In the disk's thread."""
        block = np.empty((size, 2), np.int16)
        block[:, 0] = assembled(user, size, _MULAW)
        if skipped:
            self._line.skip()
        block[:, 1] = self._line.next(assembled(agent, agent_size, _MULAW), size)
        for first, last, lanes in silences:
            block[first:last, lanes] = 0
        self._file.write(block, skipped)

    def _tell(self, now_ms: float) -> None:
        """What has gone wrong meanwhile, for the journal."""
        faults = self._file.faults
        while faults:
            facts = dict(faults.popleft())
            self._journal.note(now_ms, str(facts.pop("kind")), **facts)
        if (skipped := self._skipped) and not self._told_lost:
            log.error("Audio of call %s is lost: the disk is too slow", self._file.path.parent.name)
            why = "the disk is too slow"
            self._journal.note(
                now_ms, "recording_lost", from_ms=self._index * BLOCK_MS - skipped * 1000 / self._rate, why=why
            )
        elif self._told_lost and not skipped:
            self._journal.note(now_ms, "recording_again", until_ms=float((self._index - 1) * BLOCK_MS))
        self._told_lost = skipped
        if (estimated := self._agent.estimated) > self._told_estimate:
            ms = (estimated - self._told_estimate) * 1000 / self._agent_rate
            self._told_estimate = estimated
            self._journal.note(now_ms, "recording_estimated", ms=round(ms, 1), until_ms=float(self._index * BLOCK_MS))

    def _do(self, job: Callable[[], None]) -> None:
        if self._disk is None:
            job()
        else:
            self._disk.put(job)


class _AgentLine:
    """The agent's lane at the file's rate. ahead: samples by which it comes before the user's."""

    def __init__(self, rate: int, file_rate: int, ahead: int) -> None:
        self._rates = rate, file_rate
        self._ahead = ahead
        self._stream = StreamResampler(rate, file_rate)
        self._carry = np.zeros(0, np.int16)
        self._begun = rate == file_rate
        self._quiet = True

    def skip(self) -> None:
        """Blocks were lost, or were silence: the stream begins anew."""
        if self._rates[0] != self._rates[1]:
            self._stream = StreamResampler(*self._rates)
            self._carry = self._stream.push_audio(np.zeros(self._ahead, np.int16))
            self._quiet = self._begun = True

    def next(self, samples: Samples, size: int) -> Samples:
        """The lane's next samples in, a block out. The first time `ahead` more come in than go out."""
        if self._rates[0] == self._rates[1]:
            return samples
        quiet = not samples.any()
        if quiet and self._quiet:
            if not self._begun:
                self.skip()
            return np.zeros(size, np.int16)
        # Two blocks of silence leave nothing in the stream: the second one need not go through it.
        self._quiet = quiet
        self._begun = True
        out = np.concatenate((self._carry, self._stream.push_audio(samples)))
        self._carry = out[size:]
        return out[:size] if len(out) >= size else np.concatenate((out, np.zeros(size - len(out), np.int16)))
