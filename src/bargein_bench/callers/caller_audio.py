"""The audio of a caller: the speech of a script, a quiet room, and the agent's echo, sample by sample. Pure.

Places count samples from the begin of the call, at the caller's rate. The agent's audio comes from a CallerPlayout.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bargein.audio.pcm import Samples

ROOM_DBFS = -66.0  # of a room without speech
NOISE_FRAMES = 97  # after which the room's noise repeats, inaudibly


@dataclass(frozen=True, slots=True)
class SayLine:
    """Audio that the caller speaks."""

    at_ms: float
    """From the begin of the call; with after_agent, from the agent's begin; with after_step, from the end of the step
    before."""
    samples: Samples
    """At the caller's rate."""
    onset: int = 0
    """Where in the samples the speech begins."""
    after_agent: bool = False
    """Wait until the agent begins to speak, for the first time after the step before."""
    name: str = ""
    after_step: bool = False
    """Wait until the step before is over."""


@dataclass(frozen=True, slots=True)
class PressKey:
    at_ms: float
    key: str


@dataclass(frozen=True, slots=True)
class EndCallStep:
    """The caller hangs up."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class SendsNoSilence:
    """Throughout the call no audio is sent where the caller is quiet: a network with discontinuous transmission, or a
    muted microphone."""


Step = SayLine | PressKey | EndCallStep | SendsNoSilence


@dataclass(frozen=True, slots=True)
class Echo:
    """The agent's audio, as it comes back on the caller's side."""

    ms: float
    """Delay."""
    db: float
    """Level, below 0."""
    taps: tuple[float, ...] = (1.0,)
    """Impulse response, shape (n,)."""


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """A step that was spoken."""

    step: SayLine
    onset: int
    """Place of the first sample of speech."""
    end: int
    """Place after the last sample."""


class CallerPlayout(Protocol):
    """What the caller hears."""

    speech_starts: list[int]
    """Places at which the agent began to speak after a pause."""

    def played(self, first: int, count: int) -> Samples:
        """What sounded from a place on. Before the begin of the call there is silence."""
        ...


@dataclass
class CallerAudio:
    """rate: Hz. frame: samples of one frame. seed: of the room's noise. spoken: steps, as they are spoken."""

    playout: CallerPlayout
    steps: Sequence[Step]
    rate: int
    frame: int
    echo: Echo | None = None
    seed: int = 1
    spoken: list[SpokenLine] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.noise = _noise(self.seed, self.frame)
        steps = [s for s in self.steps if not isinstance(s, SendsNoSilence)]
        self._sends_silence = len(steps) == len(self.steps)
        timed = [s for s in steps if not (isinstance(s, SayLine) and (s.after_agent or s.after_step))]
        self._timed = deque(sorted(timed, key=lambda s: s.at_ms))
        # Steps that wait, each with the step before it, which must be over.
        pairs = zip((None, *steps), steps, strict=False)
        self._waits = deque(
            (before, s) for before, s in pairs if isinstance(s, SayLine) and (s.after_agent or s.after_step)
        )
        self._done: dict[int, int] = {}  # place at which each step was over, by the step's id
        self._starts_seen = 0
        self._utterances: deque[tuple[int, Samples]] = deque()  # audio to be spoken, and the place of its first sample

    def due(self, place: int) -> list[PressKey | EndCallStep]:
        """The steps of the frame at this place that are no speech. Speech that is due begins."""
        began = self.playout.speech_starts[self._starts_seen :]
        self._starts_seen += len(began)
        for at in (*began, None):
            self._start_waiting(at, place)
        found: list[PressKey | EndCallStep] = []
        while self._timed and self._timed[0].at_ms * self.rate / 1000 < place + self.frame:
            step = self._timed.popleft()
            if isinstance(step, SayLine):
                self._start(step, max(place, self._samples(step.at_ms)))
            else:
                self._done[id(step)] = place
                found.append(step)
        return found

    def _start_waiting(self, began: int | None, place: int) -> None:
        """Start the steps that waited for this.

        began: place at which the agent began to speak. None: the agent did not begin.
        """
        while self._waits:
            before, step = self._waits[0]
            over = 0 if before is None else self._done.get(id(before))
            if over is None:
                return
            if step.after_step:
                if over > place + self.frame:
                    return  # the step before is still being spoken
                self._waits.popleft()
                self._start(step, max(place, over + self._samples(step.at_ms)))
            elif began is not None and over <= began:
                self._waits.popleft()
                self._start(step, began + self._samples(step.at_ms))
                return  # one begin of the agent starts one step
            else:
                return

    def _samples(self, ms: float) -> int:
        return int(ms * self.rate / 1000)

    def _start(self, step: SayLine, place: int) -> None:
        self._done[id(step)] = place + len(step.samples)
        if step.samples.any():
            self._utterances.append((place, step.samples))
        self.spoken.append(SpokenLine(step, place + step.onset, place + len(step.samples)))

    def room(self, place: int) -> Samples:
        """One frame of the quiet room."""
        at = (place // self.frame) % NOISE_FRAMES * self.frame
        return self.noise[at : at + self.frame]

    @property
    def quiet(self) -> bool:
        """Whether the frame has only the room."""
        return self.echo is None and not self._utterances

    def sends(self, place: int) -> bool:
        """Whether the frame at this place is sent at all."""
        if self._sends_silence or self.echo is not None:
            return True
        return any(begin < place + self.frame and place < begin + len(s) for begin, s in self._utterances)

    @property
    def unsent(self) -> Samples:
        """One frame of what the line carries where nothing is sent."""
        return np.zeros(self.frame, np.int16)

    def render(self, place: int) -> Samples:
        """One frame: the room, the caller's speech, and the echo of the agent."""
        total = self.room(place).astype(np.float32)
        over = False
        for begin, samples in self._utterances:
            first, last = max(begin, place), min(begin + len(samples), place + self.frame)
            if first < last:
                total[first - place : last - place] += samples[first - begin : last - begin]
            over = over or begin + len(samples) <= place + self.frame
        if over:
            self._utterances = deque(s for s in self._utterances if s[0] + len(s[1]) > place + self.frame)
        if self.echo is not None:
            total += self._returned(place, self.echo)
        return np.clip(np.rint(total), -32768, 32767).astype(np.int16)

    def _returned(self, place: int, echo: Echo) -> NDArray[np.float32]:
        more = len(echo.taps) - 1
        played_before = self.playout.played(place - self._samples(echo.ms) - more, self.frame + more)
        taps = np.asarray(echo.taps, np.float32) * np.float32(10 ** (echo.db / 20))
        back: NDArray[np.float32] = np.convolve(played_before.astype(np.float32), taps, "valid")
        return back


def _noise(seed: int, frame: int) -> Samples:
    rng = np.random.default_rng(seed)
    loud = rng.normal(0, 32768 * 10 ** (ROOM_DBFS / 20), NOISE_FRAMES * frame)
    return np.rint(loud).astype(np.int16)
