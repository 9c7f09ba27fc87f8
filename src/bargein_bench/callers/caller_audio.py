"""The caller's side of a line: a script's speech, a quiet room, and the agent's echo, sample by sample. Pure.

Places count samples since the call began, at the line's own rate. The agent's side comes in as a playout: something
that knows where it began to sound, and what sounds when.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bargein.audio.pcm import Samples

ROOM_DBFS = -66.0  # what a line carries when nobody speaks
NOISE_FRAMES = 97  # the room's noise repeats after so many: no caller hears that


@dataclass(frozen=True, slots=True)
class SayLine:
    """A sound into the line. samples: at the line's rate; onset: where in them the speech begins; at_ms: since the call
    began; or, if after_agent, since the agent began to sound, the first time that it does so after the step before;
    or, if after_step, since the step before it was over."""

    at_ms: float
    samples: Samples
    onset: int = 0
    after_agent: bool = False
    name: str = ""
    after_step: bool = False


@dataclass(frozen=True, slots=True)
class PressKey:
    at_ms: float
    key: str


@dataclass(frozen=True, slots=True)
class EndCallStep:
    """The caller hangs up."""

    at_ms: float


Step = SayLine | PressKey | EndCallStep


@dataclass(frozen=True, slots=True)
class Echo:
    """What sounds comes back. ms: how much later; db: how loud, below 0; taps: of the line, shape (n,), floats."""

    ms: float
    db: float
    taps: tuple[float, ...] = (1.0,)


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """A step that was spoken. onset: the place of its first speech sample; end: the place after its last sample."""

    step: SayLine
    onset: int
    end: int


class CallerPlayout(Protocol):
    """What sounds at the caller's ear."""

    speech_starts: list[int]  # where the agent began to sound after a pause

    def played(self, first: int, count: int) -> Samples:
        """What sounds from a place on; before the beginning there is silence."""
        ...


@dataclass
class CallerAudio:
    """rate: Hz; frame: samples that are asked for at a time; seed: of the room's noise."""

    playout: CallerPlayout
    steps: Sequence[Step]
    rate: int
    frame: int
    echo: Echo | None = None
    seed: int = 1
    spoken: list[SpokenLine] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.noise = _noise(self.seed, self.frame)
        timed = [s for s in self.steps if not (isinstance(s, SayLine) and (s.after_agent or s.after_step))]
        self._timed = deque(sorted(timed, key=lambda s: s.at_ms))
        # Steps that wait, each with the one that must be over before it.
        pairs = zip((None, *self.steps), self.steps, strict=False)
        self._waits = deque(
            (before, s) for before, s in pairs if isinstance(s, SayLine) and (s.after_agent or s.after_step)
        )
        self._done: dict[int, int] = {}  # where each step was over, by its identity
        self._starts_seen = 0
        self._utterances: deque[tuple[int, Samples]] = deque()  # what is to be said, from which place on

    def due(self, place: int) -> list[PressKey | EndCallStep]:
        """What the script has for the frame at this place, beside speech, which begins to be said."""
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
        """Say what has waited for this. began: where the agent began to sound; None: nothing new of it."""
        while self._waits:
            before, step = self._waits[0]
            over = 0 if before is None else self._done.get(id(before))
            if over is None:
                return
            if step.after_step:
                if over > place + self.frame:
                    return  # it is being said: until it is over the line may be waited for no further
                self._waits.popleft()
                self._start(step, max(place, over + self._samples(step.at_ms)))
            elif began is not None and over <= began:
                self._waits.popleft()
                self._start(step, began + self._samples(step.at_ms))
                return  # one stretch is one chance
            else:
                return

    def _samples(self, ms: float) -> int:
        return int(ms * self.rate / 1000)

    def _start(self, step: SayLine, place: int) -> None:
        self._done[id(step)] = place + len(step.samples)
        self._utterances.append((place, step.samples))
        self.spoken.append(SpokenLine(step, place + step.onset, place + len(step.samples)))

    def room(self, place: int) -> Samples:
        """The quiet room at this place, one frame."""
        at = (place // self.frame) % NOISE_FRAMES * self.frame
        return self.noise[at : at + self.frame]

    @property
    def quiet(self) -> bool:
        """Only the room is on the line."""
        return self.echo is None and not self._utterances

    def render(self, place: int) -> Samples:
        """A frame: the room, the caller, and the echo of the agent."""
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
