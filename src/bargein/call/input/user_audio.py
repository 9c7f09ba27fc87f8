"""The user's audio: kept for a while, put on the call's clock, and judged by the VAD.

A far end may send nothing in silence (DTX, mute). So audio that is missing for ABSENT_MS is silence, from then on frame
by frame: VAD and STT get the silence in real time, as on a line that sends all of it. Audio that comes after all (a
network's stall) follows the silence, and no word is lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from bargein.audio.echo import LineEcho
from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import HotResampler
from bargein.audio.room_echo import RATE as ROOM_RATE
from bargein.audio.room_echo import RoomEcho
from bargein.audio.timeline import StreamClock
from bargein.audio.vad import VADWindow
from bargein.call.input.burst import BurstLimiter
from bargein.call.input.kept_audio import KeptAudio
from bargein.floor import SpeechWindow
from bargein.protocols import VAD, AudioIn, AudioTaker, VADStream, WireSamples

VAD_RATES = (8000, 16000)
KEEP_MS = 5_000  # always kept: covers any hold, and the pre-roll of the turn that follows it
MOST_MS = 90_000  # kept of an open turn; the oldest goes first
ECHO_WORTH = 0.08  # of speech: a window below it changes nothing, whether it is an echo or not
LEVEL_WORTH = (0.05, 0.5)  # of speech: below, no loudness makes it speech; above, it needs no further evidence
QUIET_FRAMES, LEAST_FRAMES = 50, 5  # of 20 ms before a window, in which the quiet of the line is sought
QUIETEST = 107.0  # mean square at -70 dBFS: quieter levels count as this
GAP_MS = 2_000  # of silence stand for a longer gap in the stream
ABSENT_MS = 200.0  # a network's usual jitter is less
STEP_MS = 40.0  # between two ticks count for absence at most
STALL_MS = 200.0  # between two ticks: we stood still, and the missing audio may wait in its socket
SHORT_MS = 200  # of silence, which the VAD judges whole
FILL_MS = 20.0  # of silence at least, at once
UNHEARD_MS = 100.0  # of ticks without audio: a frame after them comes late because nothing was sent


def rate_of(rate: int) -> int:
    """Hz of the audio that VAD and STT get, of a client's stream of `rate` Hz."""
    return rate if rate in VAD_RATES else 16000


def _unjudged(window: SpeechWindow) -> None:
    """The call is over."""


class UserAudio:
    """on_window: gets every VAD window, with times on the call's clock. echo: set where the line brings the agent's own
    audio back. A client that tells what its loudspeaker plays gets a RoomEcho with the first of it. repair_ms: as in
    TransportCapabilities."""

    def __init__(
        self,
        rate: int,
        vad: VAD,
        now_ms: Callable[[], float],
        on_window: Callable[[SpeechWindow], None],
        echo: LineEcho | None = None,
        repair_ms: float = 0.0,
    ) -> None:
        self.rate = rate_of(rate)
        self._resampler = HotResampler(rate, self.rate) if rate != self.rate else None
        self._in_rate = rate
        self._now_ms = now_ms
        self._bursts = BurstLimiter(rate, now_ms())
        self.echo: LineEcho | RoomEcho | None = echo
        """Removes the agent's own audio from the user's. May be set during the call."""
        self._clock = StreamClock(self.rate)
        self._on_window = on_window
        self._stream: VADStream | None = vad.open(self.rate, self._window)
        self._kept = KeptAudio()
        self._keep = KEEP_MS * self.rate // 1000
        self._repair = int(repair_ms * self.rate / 1000)
        self._told = 0  # position after the newest sample that `on_audio` has, where audio is repaired
        self._in_end = 0
        self._filled = 0  # samples of silence in place of missing audio, since the newest audio
        self._absent_ms = 0.0  # time without audio, as the ticks tell it
        self._tick_ms = now_ms()
        self._late_ms = 0.0  # what a client that is away keeps of its audio, and may still send
        self.last_ms = now_ms()
        """When the newest audio came."""
        self.on_audio: Callable[[int, Samples], None] | None = None
        """Gets all audio, each time with the position of the first sample; `repair_ms` after the VAD."""
        self.record: AudioTaker | None = None
        """The call's recording. None: there is none."""
        self.keep_from_ms: float | None = None
        """Where the open turn begins: its audio is kept beyond KEEP_MS."""

    def push_audio(self, audio: AudioIn) -> None:
        """Take the next audio of the stream. Never waits."""
        if audio.replaces:
            self._mend(audio)
            return
        now = self.last_ms = self._now_ms()
        if self._bursts.admit(now, audio):
            self._take(now, audio)

    def client_away(self, backlog_ms: float) -> None:
        """No audio comes, and the client keeps the newest backlog_ms of it: only what is older is silence."""
        self._late_ms = backlog_ms

    def client_back(self, now_ms: float) -> None:
        """Audio comes again, what was kept first."""
        self.last_ms = now_ms
        self._absent_ms = 0.0

    def tick(self, now_ms: float) -> None:
        """Time passes: audio of a burst whose wait is over is taken, and audio that is missing is silence."""
        for audio in self._bursts.tick(now_ms):
            self._take(now_ms, audio)
        step_ms, self._tick_ms = now_ms - self._tick_ms, now_ms
        self._absent_ms = self._absent_ms + min(step_ms, STEP_MS) if step_ms < STALL_MS else 0.0
        wait_ms = ABSENT_MS + self._late_ms
        if self._absent_ms < wait_ms or not self._in_end:
            return
        missing_ms = now_ms - wait_ms - self._clock.at(self._kept.end)
        if missing_ms >= FILL_MS:
            missing = int(missing_ms * self.rate / 1000)
            self._filled += missing
            self._silence(missing)

    def _take(self, now: float, audio: AudioIn) -> None:
        samples = audio.samples
        gap = audio.first_sample - self._in_end - self._bursts.take_dropped()
        self._in_end = audio.first_sample + len(samples)
        if self._resampler is not None:
            samples = self._resampler.push_audio(samples)
        if gap > 0 or self._absent_ms >= UNHEARD_MS:
            self._place(now, round(gap * self.rate / self._in_rate), len(samples))
        self._absent_ms = self._late_ms = 0.0
        if audio.loudspeaker is not None:
            self._sounded(audio.loudspeaker)
        if self.record is not None:
            self.record.user(self._kept.end, samples)
        if self.echo is not None:
            samples = self.echo.clean(self._kept.end, now, samples)
        self._append(samples)
        self._clock.arrived(self._kept.end, now)
        if self._stream is not None:
            self._stream.push_audio(samples)

    def _mend(self, audio: AudioIn) -> None:
        """Audio that came late takes its place, if that is still known. The VAD has judged what was there before."""
        back = self._in_end - audio.first_sample
        if not self._filled and self._resampler is None and len(audio.samples) <= back:
            self._kept.overwrite(self._kept.end - back, audio.samples)
            if self.record is not None:
                self.record.replaced(self._kept.end - back, audio.samples)

    def _sounded(self, samples: WireSamples) -> None:
        """The client's loudspeaker played these at the samples that come next."""
        if self.echo is None and self._in_rate == ROOM_RATE:
            self.echo = RoomEcho()
        if isinstance(self.echo, RoomEcho):
            self.echo.sounded(self._kept.end, samples)

    def _place(self, now: float, gap: int, size: int) -> None:
        """Silence before the next `size` samples: as much as the client tells (gap), else what has passed."""
        missing = gap - self._filled
        if gap <= 0:
            late_ms = now - self._clock.at(self._kept.end + size)
            told = not self._filled and late_ms <= ABSENT_MS
            missing = 0 if told else int(late_ms * self.rate / 1000)
        elif missing < 0:
            told = False
        else:
            told = True
        if missing > 0:
            self._silence(missing)
        if self._filled:
            self._clock.split(self._kept.end)
        if not told and self.echo is not None:
            self.echo.restart()
        self._filled = 0

    def at(self, sample: int) -> float:
        """When a sample of this stream was spoken, in ms on the call's clock."""
        return self._clock.at(sample)

    @property
    def newest_ms(self) -> float:
        """When the newest audio was spoken."""
        return self._clock.at(self._kept.end)

    def close(self) -> None:
        """The VAD judges no more of this call, and nothing gets its audio."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None
        self.on_audio = None
        self._on_window = _unjudged

    def since(self, from_ms: float) -> Pcm:
        """The audio from a moment of the call until now, as far as it is still kept."""
        kept = self._kept
        return Pcm(kept.copy(self._clock.position(from_ms), kept.end), self.rate)

    def _silence(self, samples: int) -> None:
        if self._stream is None:
            pass  # the call is over
        elif samples <= SHORT_MS * self.rate // 1000:
            self._stream.push_audio(np.zeros(samples, np.int16))
        else:
            self._stream.skip(samples)
        most_ms = GAP_MS if self.keep_from_ms is None else MOST_MS  # the audio of an open turn is kept
        fill = min(samples, most_ms * self.rate // 1000)
        if samples > fill:
            # Older audio is of no use after so long a gap, and its positions would be wrong.
            self._kept.restart(self._kept.end + samples - fill)
        self._append(np.zeros(fill, np.int16))

    def _append(self, samples: Samples) -> None:
        kept = self._kept
        if self.on_audio is not None and not self._repair:
            self.on_audio(kept.end, samples)
        kept.append(samples)
        if self._repair:
            self._tell_repaired()
        most = self._keep
        if self.keep_from_ms is not None:
            keep_ms = min(max(float(KEEP_MS), self._now_ms() - self.keep_from_ms + 1000), MOST_MS)
            most = int(keep_ms * self.rate / 1000)
        kept.discard_before(kept.end - most)

    def _tell_repaired(self) -> None:
        """The audio that no late packet can change any more."""
        kept = self._kept
        begin, end = max(self._told, kept.first), kept.end - self._repair
        if end > begin:
            self._told = end
            if self.on_audio is not None:
                self.on_audio(begin, kept.copy(begin, end))

    def _rise(self, window: VADWindow) -> float:
        """How far a window stands above the quiet of the second before it, in dB."""
        size = self.rate // 50
        first = max(self._kept.first, window.first_sample - QUIET_FRAMES * size)
        before = (window.first_sample - first) // size
        if before < LEAST_FRAMES:
            return 0.0
        frames = self._kept.view(window.first_sample - before * size, window.last_sample).astype(np.float32)
        levels = np.square(frames[: before * size]).reshape(before, size).mean(axis=1)
        inside = frames[before * size :]
        halves = np.square(inside[: len(inside) // 2 * 2]).reshape(2, -1).mean(axis=1)
        quiet = max(float(np.partition(levels, before // 10)[before // 10]), QUIETEST)
        return 10 * math.log10(max(float(halves.max()), QUIETEST) / quiet)

    def _level(self, window: VADWindow) -> float:
        """The level of a window, in dB of full scale."""
        samples = self._kept.view(window.first_sample, window.last_sample).astype(np.float32)
        square = float(np.dot(samples, samples)) / max(len(samples), 1)
        return 10 * math.log10(max(square, QUIETEST) / 32768**2)

    def _window(self, window: VADWindow) -> None:
        at, speech, echo = self._clock.at, float(window.speech), 0.0
        if self.echo is not None and speech >= ECHO_WORTH:
            echo = self.echo.explains(window.first_sample, window.last_sample)
        rise = self._rise(window) if LEVEL_WORTH[0] <= speech < LEVEL_WORTH[1] else 0.0
        self._on_window(
            SpeechWindow(
                self._clock.tell(window.first_sample),
                at(window.last_sample),
                round(speech, 4),
                round(echo, 3),
                round(rise, 1),
                round(self._level(window), 1) if speech >= LEVEL_WORTH[0] else None,
                round(self._now_ms(), 1),
            )
        )
