"""Makes the scripts of calls from scenes, with sounds, levels and moments that follow from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bargein.audio.pcm import Samples
from bargein_bench.callers.caller_audio import Echo, SayLine, SendsNoSilence
from bargein_bench.scenarios.clips import RATE, Clip, Library
from bargein_bench.scenarios.pauses import pausing, with_pause
from bargein_bench.scenarios.scenes import MOST_SPEECH_MS, NotPlayed, Opening, Scene, Scored, Staged

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
    "line noise": (-45.0, -30.0),
    "noise": (-36.0, -24.0),
}
MOST_NOISE_MS = 5_000.0
MOST_SENTENCE_MS = 8_000.0
MOST_TELEVISION_MS = 20_000.0
MOST_OF: dict[str, float] = {"interruption": MOST_SPEECH_MS, "wait": MOST_SPEECH_MS, "backchannel": 700.0}
MOMENT_MS = (1_500.0, 3_500.0)  # into a reply
EARLY_MS = (60.0, 300.0)
GREETING_MS = (500.0, 1_200.0)
BEFORE_END_MS = 350.0
WATCHED_MS = 3_500.0  # after the event, before the question
QUESTION_MS = 4_500.0  # from the question's end to the end of the call
QUIET_MS = 6_000.0  # of silence, or of echo alone
TWICE_MS = 900.0  # from the first interruption's end to the second's onset
LINE_TAPS = (1.0, 0.35, -0.15, 0.08)  # of a hybrid: its echo is no exact copy
TURN_MS = 400.0  # from the agent's last word to a turn of the user's


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
        if self._opening.asks and scene.when not in ("greeting", "last_word", "turn"):
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
        elif scene.when == "turn":
            step = self._turn(scene, rng, number, at_ms)
            steps.append(step)
            scored.append(Scored(step, scene.want, step.name, in_reply=False))
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
        length = self._length(steps, max(before, scene.when == "turn"), scene)
        bed = self._bed(scene, rng, scored[0].step, length)
        if bed and scene.kind is None:
            scored = [replace(each, sound=bed[0].name) for each in scored]
        muted = () if scene.sends_silence else (SendsNoSilence(),)
        return Staged(scene.name, (*steps, *bed, *muted), tuple(scored), question, length, _echo(scene, number))

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
            case "turn":
                if opening.greets_ms is not None and opening.greeting_ms is None:
                    raise NotPlayed("the agent does not leave the floor to the caller")
                return opening.ask_at_ms()

    def _clip(self, scene: Scene, rng: np.random.Generator, number: int) -> Clip:
        """The clips of a kind in turns, each at a level of its own."""
        assert scene.kind is not None
        clip = self._in_turn(scene.kind, self._library.of(scene.kind), number)
        speech = scene.kind not in LEVELS
        level = self._speech_level(rng) if speech else float(rng.uniform(*LEVELS[scene.kind]))
        return clip.trimmed(MOST_OF.get(scene.kind, MOST_NOISE_MS)).at_level(level)

    def _in_turn(self, kind: str, clips: Sequence[Clip], number: int) -> Clip:
        if not clips:
            raise NotPlayed(f"there is no clip of kind {kind}")
        order = np.random.default_rng([self._seed, *kind.encode()]).permutation(len(clips))
        return clips[int(order[number % len(clips)])]

    def _turn(self, scene: Scene, rng: np.random.Generator, number: int, at_ms: float) -> SayLine:
        """A turn of the user's. Its last sample is the end of its speech, to which answers are timed."""
        assert scene.kind is not None
        clips = self._library.of(scene.kind)
        if scene.pause_ms is not None:  # synthesized sentences and recorded ones in turns
            made = pausing(self._library.of("interruption"), MOST_SENTENCE_MS)
            clips, number = ((clips, made) if made and clips else (clips or made,) * 2)[number % 2], number // 2
        clip = self._in_turn(scene.kind, clips, number)
        if scene.pause_ms is not None:
            pause_ms = float(rng.uniform(*scene.pause_ms))
            clip = replace(with_pause(clip, pause_ms), name=f"{clip.name}, pausing for {pause_ms:.0f} ms")
        return self._say_line(clip.trimmed(clip.active_ms).at_level(self._speech_level(rng)), at_ms)

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

    def _bed(self, scene: Scene, rng: np.random.Generator, step: SayLine, lasts_ms: float) -> tuple[SayLine, ...]:
        """The noise of the scene, throughout the call."""
        if scene.bed is None:
            return ()
        clips = self._library.of(scene.bed)
        if not clips:
            raise NotPlayed(f"there is no clip of kind {scene.bed}")
        most = MOST_TELEVISION_MS if scene.bed == "television" else MOST_NOISE_MS
        clip = clips[int(rng.integers(len(clips)))].trimmed(most)
        if scene.snr_db is None:
            level = float(rng.uniform(*LEVELS[scene.bed]))
        else:
            speech = float(np.sqrt(np.mean(np.square(step.samples.astype(np.float64)))))
            level = 20 * np.log10(max(speech, 1.0) / 32768) - scene.snr_db
        samples = _looped(clip.at_level(level).at_rate(self._rate), self._samples(lasts_ms))
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
