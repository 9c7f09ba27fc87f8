"""The scenes: what the caller's side does, at which moment, and what a person would do in the agent's place.

A scene is data. `Stage` makes the script of a call from it, with sounds, levels and moments that follow from a seed.
The place in the call follows from how the agent opens (`Opening`): an agent with a long greeting is interrupted in the
greeting; another one is first asked for a long reply.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bargein.audio.pcm import Samples
from bargein_bench.callers.caller_audio import Echo, SayLine, Step
from bargein_bench.results import Want
from bargein_bench.scenarios.clips import RATE, Clip, Library

When = Literal["reply", "early", "greeting", "thinking", "last_word"]

SPEECH_DB = (-28.0, -20.0)  # level of a caller's speech, dB of full scale, drawn for each call
VARIES_DB = 3.0  # each utterance is louder or softer by so much at most
LEVELS: dict[str, tuple[float, float]] = {
    "cough": (-28.0, -18.0),
    "sneeze": (-26.0, -18.0),
    "door": (-34.0, -24.0),
    "keyboard": (-46.0, -36.0),
    "traffic": (-45.0, -35.0),
    "music": (-44.0, -34.0),
    "television": (-45.0, -37.0),  # some 15 dB below the caller
}
MOST_SPEECH_MS = 2_200.0
MOST_NOISE_MS = 5_000.0
BACKCHANNEL_MS = 700.0
MOMENT_MS = (1_500.0, 3_500.0)  # into a reply
EARLY_MS = (60.0, 300.0)
GREETING_MS = (500.0, 1_200.0)
BEFORE_END_MS = 350.0
WATCHED_MS = 3_500.0  # after the event, before the question
QUESTION_MS = 4_500.0  # from the question's end to the end of the call
QUIET_MS = 6_000.0  # of silence, or of echo alone
TWICE_MS = 900.0  # from the first interruption's end to the second's onset
LONG_GREETING_MS = 6_000.0  # a greeting that may be interrupted like any reply
LINE_TAPS = (1.0, 0.35, -0.15, 0.08)  # of a hybrid: its echo is no exact copy


@dataclass(frozen=True, slots=True)
class Scene:
    """What the caller's side does in a call."""

    name: str
    want: Want
    """What a person would do."""
    what: str
    """The scene in words."""
    kind: str | None = None
    """Kind of its sound. None: no sound."""
    when: When = "reply"
    bed: str | None = None
    """Kind of a noise throughout the call."""
    snr_db: float = 0.0
    """Level of the speech above the noise."""
    echoes: tuple[tuple[float, float], ...] = ()
    """Echoes of the agent, as (ms, dB); one of them is taken."""
    twice: bool = False
    """Interrupt twice."""


LOUD_ECHOES = ((60.0, -15.0), (150.0, -20.0), (300.0, -15.0))
SOFT_ECHOES = ((80.0, -30.0), (250.0, -35.0))
SCENES: tuple[Scene, ...] = (
    Scene("interruption", "yield", "a clear interruption in a reply", "interruption"),
    Scene("command", "yield", 'a short command, such as "stop" or "wait"', "command"),
    Scene("greeting", "yield", "an interruption of the greeting", "interruption", "greeting"),
    Scene("early", "yield", "an interruption in the first 350 ms of a reply", "interruption", "early"),
    Scene("thinking", "yield", "more words while the agent thinks", "interruption", "thinking"),
    Scene("last word", "yield", "an interruption at the last word", "interruption", "last_word"),
    Scene("twice", "yield", "two interruptions in quick succession", "interruption", twice=True),
    Scene("hesitation", "yield", "an interruption with a hesitation in it", "hesitation"),
    Scene(
        "noise 20 dB", "yield", "an interruption over traffic, 20 dB below it", "interruption", bed="traffic", snr_db=20
    ),
    Scene(
        "noise 10 dB", "yield", "an interruption over traffic, 10 dB below it", "interruption", bed="traffic", snr_db=10
    ),
    Scene("noise 0 dB", "yield", "an interruption over traffic as loud as it", "interruption", bed="traffic", snr_db=0),
    Scene("echo and speech", "yield", "an interruption over the agent's own echo", "interruption", echoes=LOUD_ECHOES),
    Scene("backchannel", "ignore", '"mm-hmm", "yeah", "right"', "backchannel"),
    Scene("cough", "ignore", "a cough", "cough"),
    Scene("sneeze", "ignore", "a sneeze", "sneeze"),
    Scene("door", "ignore", "a door that slams", "door"),
    Scene("keyboard", "ignore", "typing on a keyboard", "keyboard"),
    Scene("traffic", "ignore", "traffic, rain, a helicopter", "traffic"),
    Scene("music", "ignore", "music in the room", "music"),
    Scene("television", "ignore", "other people's talk, some 15 dB below the caller's", "television"),
    Scene("loud echo", "ignore", "the agent's own echo, 15 to 20 dB below it", echoes=LOUD_ECHOES),
    Scene("soft echo", "ignore", "the agent's own echo, 30 to 35 dB below it", echoes=SOFT_ECHOES),
    Scene("silence", "ignore", "nothing at all", None),
)


@dataclass(frozen=True, slots=True)
class Opening:
    """How an agent begins a call, from calls without an interruption. Times in ms."""

    greets_ms: float | None
    """From the begin of the call to the agent's first audio. None: the agent waits for the caller."""
    greeting_ms: float | None
    """Length of the greeting. None: longer than those calls."""
    answer_ms: float | None = None
    """From the end of a request to the first audio of the reply."""
    reply_ms: float | None = None
    """Length of that reply. None: longer than those calls."""

    @property
    def asks(self) -> bool:
        """Whether the agent must be asked before it speaks at length."""
        return self.greets_ms is None or (self.greeting_ms is not None and self.greeting_ms < LONG_GREETING_MS)

    def ask_at_ms(self) -> float:
        """When the request is spoken: half a second after the greeting, or soon."""
        return 800.0 if self.greets_ms is None else self.greets_ms + (self.greeting_ms or 0.0) + 500.0


@dataclass(frozen=True, slots=True)
class Scored:
    """A step that is judged."""

    step: SayLine
    want: Want
    sound: str
    """What the sound is, for people."""
    in_reply: bool = True
    """Whether the agent must speak at the onset."""


@dataclass(frozen=True, slots=True)
class Staged:
    """The script of one call."""

    scene: str
    steps: tuple[Step, ...]
    scored: tuple[Scored, ...]
    question: SayLine | None
    """The last step, a plain question. None: there is no clip for one."""
    lasts_ms: float
    echo: Echo | None = None


class NotPlayed(Exception):
    """A scene cannot be played with this agent, or with these clips: the text says why."""


def chosen(names: Sequence[str]) -> tuple[Scene, ...]:
    """The scenes of these names, or all scenes. Raises KeyError with an unknown name."""
    known = {scene.name: scene for scene in SCENES}
    return tuple(known[name] for name in names) if names else SCENES


class Stage:
    """Makes the scripts of calls.

    rate: of the target, Hz. opening: of its agent. The choices of a call follow from the seed, the scene and the call's
    number within the scene, so a further scene changes no other.
    """

    def __init__(self, library: Library, rate: int, opening: Opening, seed: int) -> None:
        self._library, self._rate, self._opening, self._seed = library, rate, opening, seed
        self._caller_db = sum(SPEECH_DB) / 2

    def set(self, scene: Scene, number: int) -> Staged:
        """The script of a call. Raises NotPlayed."""
        rng = np.random.default_rng([self._seed, number, *scene.name.encode()])
        self._caller_db = float(rng.uniform(*SPEECH_DB))
        steps: list[SayLine] = []
        if self._opening.asks and scene.when not in ("greeting", "last_word"):
            steps.append(self.ask(rng))
        elif scene.when == "thinking":
            steps.append(replace(self.ask(rng), after_agent=True, at_ms=2_000.0))
        before = len(steps)
        at_ms = self._moment(scene, rng)
        scored: list[Scored] = []
        if scene.kind is None:
            step = SayLine(at_ms, np.zeros(self._samples(QUIET_MS), np.int16), 0, after_agent=True, name=scene.name)
            steps.append(step)
            scored.append(Scored(step, scene.want, _echo_name(scene, number) or "nothing"))
        else:
            for again in range(2 if scene.twice else 1):
                clip = self._clip(scene, rng, number + again)
                step = self._say_line(clip, at_ms, after_agent=not again)
                if again or scene.when == "thinking":
                    step = replace(step, after_agent=False, after_step=True, at_ms=TWICE_MS if again else at_ms)
                steps.append(step)
                scored.append(Scored(step, scene.want, clip.name, not again and scene.when != "thinking"))
        question = self._question(rng, number)
        if question is not None:
            steps.append(question)
        bed = self._bed(scene, rng, scored[0].step, steps)
        length = self._length(steps, before, scene)
        return Staged(scene.name, (*steps, *bed), tuple(scored), question, length, _echo(scene, number))

    def _moment(self, scene: Scene, rng: np.random.Generator) -> float:
        """When the sound is played, from the agent's begin, or (thinking) from the end of the request."""
        opening = self._opening
        match scene.when:
            case "reply":
                return float(rng.uniform(*MOMENT_MS)) if scene.kind else 300.0
            case "early":
                return float(rng.uniform(*EARLY_MS))
            case "greeting":
                if opening.greets_ms is None:
                    raise NotPlayed("the agent has no greeting")
                if opening.greeting_ms is not None and opening.greeting_ms < GREETING_MS[1] + 300:
                    raise NotPlayed("the agent's greeting is too short")
                return float(rng.uniform(*GREETING_MS))
            case "thinking":
                if opening.answer_ms is None:
                    raise NotPlayed("the agent's thinking time is unknown")
                if opening.answer_ms < 400:
                    raise NotPlayed(f"the agent thinks for {opening.answer_ms:.0f} ms only")
                return opening.answer_ms * float(rng.uniform(0.5, 0.85))
            case "last_word":
                if opening.greets_ms is None or opening.greeting_ms is None:
                    raise NotPlayed("the end of the agent's greeting is unknown")
                if opening.greeting_ms < 1_000:
                    raise NotPlayed("the agent's greeting is too short")
                return opening.greeting_ms - BEFORE_END_MS

    def _clip(self, scene: Scene, rng: np.random.Generator, number: int) -> Clip:
        """The clips of a kind in turns, each at a level of its own."""
        assert scene.kind is not None
        clips = self._library.of(scene.kind)
        if not clips:
            raise NotPlayed(f"there is no clip of kind {scene.kind}")
        order = np.random.default_rng([self._seed, *scene.kind.encode()]).permutation(len(clips))
        clip = clips[int(order[number % len(clips)])]
        speech = scene.kind not in LEVELS
        level = self._speech_level(rng) if speech else float(rng.uniform(*LEVELS[scene.kind]))
        most = {"interruption": MOST_SPEECH_MS, "backchannel": BACKCHANNEL_MS}.get(scene.kind, MOST_NOISE_MS)
        return clip.trimmed(most).at_level(level)

    def _speech_level(self, rng: np.random.Generator) -> float:
        """The level of the caller's next utterance, dB."""
        return self._caller_db + float(rng.uniform(-VARIES_DB, VARIES_DB))

    def _say_line(self, clip: Clip, at_ms: float, *, after_agent: bool = False) -> SayLine:
        onset = int(clip.onset_ms * self._rate / 1000)
        return SayLine(at_ms, clip.at_rate(self._rate), onset, after_agent, clip.name)

    def ask(self, rng: np.random.Generator) -> SayLine:
        """The request that a long reply answers. Raises NotPlayed."""
        clips = self._library.of("ask") or self._library.of("question") or self._library.of("interruption")
        if not clips:
            raise NotPlayed("there is no clip that asks for a reply")
        clip = clips[int(rng.integers(len(clips)))].trimmed(MOST_NOISE_MS).at_level(self._speech_level(rng))
        return self._say_line(clip, self._opening.ask_at_ms())

    def _question(self, rng: np.random.Generator, number: int) -> SayLine | None:
        clips = self._library.of("question") or self._library.of("interruption")
        if not clips:
            return None
        clip = clips[number % len(clips)].trimmed(MOST_NOISE_MS).at_level(self._speech_level(rng))
        return replace(self._say_line(clip, WATCHED_MS), after_step=True)

    def _bed(self, scene: Scene, rng: np.random.Generator, step: SayLine, steps: Sequence[SayLine]) -> tuple[Step, ...]:
        """The noise of the scene, throughout the call."""
        if scene.bed is None:
            return ()
        clips = self._library.of(scene.bed)
        if not clips:
            raise NotPlayed(f"there is no clip of kind {scene.bed}")
        clip = clips[int(rng.integers(len(clips)))].trimmed(MOST_NOISE_MS)
        speech = float(np.sqrt(np.mean(np.square(step.samples.astype(np.float64)))))
        level = 20 * np.log10(max(speech, 1.0) / 32768) - scene.snr_db
        samples = _looped(clip.at_level(level).at_rate(self._rate), self._samples(self._length(steps, 0, scene)))
        return (SayLine(0.0, samples, 0, name=clip.name),)

    def _length(self, steps: Sequence[SayLine], before: int, scene: Scene) -> float:
        """Length of the call in ms, with a margin: some steps wait for the agent."""
        opening = self._opening
        speech_ms = sum(len(step.samples) * 1000 / self._rate + step.at_ms for step in steps)
        begins = 0.0 if before and opening.asks else (opening.greets_ms or 0.0)
        answers = (opening.answer_ms or 2_000.0) if before else 0.0
        return begins + speech_ms + answers + QUESTION_MS

    def _samples(self, ms: float) -> int:
        return int(ms * self._rate / 1000)


def _looped(samples: Samples, count: int) -> Samples:
    """The samples again and again, with cross-fades."""
    fade = min(RATE // 20, len(samples) // 4)
    ramp = np.linspace(0, 1, fade)
    body = samples.astype(np.float32)
    body[:fade] = body[:fade] * ramp + body[-fade:] * ramp[::-1]
    body = body[: len(body) - fade]
    looped: Samples = np.rint(np.resize(body, count)).astype(np.int16)
    return looped


def _echo(scene: Scene, number: int) -> Echo | None:
    if not scene.echoes:
        return None
    ms, db = scene.echoes[number % len(scene.echoes)]
    return Echo(ms, db, LINE_TAPS)


def _echo_name(scene: Scene, number: int) -> str:
    echo = _echo(scene, number)
    return "" if echo is None else f"echo after {echo.ms:.0f} ms, {echo.db:.0f} dB"
