"""Whose voice the running sound is: what the caller's turns and the other speech before it tell."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from bargein.audio.dvector import Floats
from bargein.audio.pcm import Pcm
from bargein.call.input.voice_watch import VoiceWatch
from bargein.floor import Other, SpeechWindow
from tests.audio.voices import CALLER, OTHER, Throat, say

RATES = (8000, 16000)
ROOM_DB = -66.0
SISTER = Throat(128, 1.03)  # a voice much like the caller's


class Line:
    """A call's audio and the VAD's windows of it. kept: the audio that is given instead."""

    def __init__(self, rate: int = 8000) -> None:
        self.rate = rate
        self.pcm = Pcm.silence(0, rate)
        self.watch = VoiceWatch(self.since)
        self.seed = 1
        self.asked: list[float] = []
        self.kept: Pcm | None = None

    def since(self, from_ms: float) -> Pcm:
        self.asked.append(from_ms)
        if self.kept is not None:
            return self.kept
        return self.pcm.part(max(0, int(from_ms * self.rate / 1000)), len(self.pcm))

    @property
    def now_ms(self) -> float:
        return self.pcm.ms

    def hear(self, throat: Throat, ms: float, db: float, *, own: bool = False, echo: float = 0.0) -> float:
        """Somebody speaks. Returns the onset."""
        self.seed += 1
        onset = self.now_ms
        self._windows(say(throat, ms, db, self.seed, self.rate), 0.95, own, echo)
        return onset

    def quiet(self, ms: float, *, own: bool = False) -> None:
        self.seed += 1
        noise = np.random.default_rng(self.seed).normal(0, 32768 * 10 ** (ROOM_DB / 20), int(ms * self.rate / 1000))
        self._windows(Pcm(noise.astype(np.int16), self.rate), 0.01, own, 0.0)

    def _windows(self, pcm: Pcm, speech: float, own: bool, echo: float) -> None:
        size = self.rate * 32 // 1000
        for first in range(0, len(pcm) - size + 1, size):
            self.pcm = Pcm(np.concatenate((self.pcm.samples, pcm.samples[first : first + size])), self.rate)
            self.watch.window(SpeechWindow(self.now_ms - 32, self.now_ms, speech, echo), own=own)

    def turn(self, throat: Throat = CALLER, ms: float = 3_000, db: float = -25.0) -> None:
        onset = self.hear(throat, ms, db, own=True)
        self.quiet(700, own=True)
        self.watch.turn_over(self.since(onset))
        self.quiet(1_000)

    def television(self, times: int = 4, db: float = -37.0, throat: Throat = OTHER) -> None:
        for _ in range(times):
            self.hear(throat, 1_200, db)
            self.quiet(700)
        self.quiet(700)

    def signs(self, throat: Throat, db: float, ms: float = 640) -> tuple[Other, ...]:
        onset = self.hear(throat, ms, db)
        return self.watch.signs(self.since(onset), onset, self.now_ms)


@pytest.mark.parametrize("rate", RATES)
def test_a_television_that_was_on_before_is_told_from_the_caller(rate: int) -> None:
    line = Line(rate)
    line.television()
    line.turn()
    line.television(2)
    assert line.signs(OTHER, -37) == ("before",)
    assert "13 dB softer than the caller's turns" in line.watch.evidence
    assert "like what spoke before (7" in line.watch.evidence


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("db", [-20.0, -25.0, -29.0, -33.0])
def test_the_caller_is_the_caller_while_a_television_is_on(rate: int, db: float) -> None:
    line = Line(rate)
    line.television()
    line.turn()
    line.television(2)
    assert line.signs(CALLER, db) == ()


@pytest.mark.parametrize("db", [-21.0, -29.0, -35.0])
def test_on_a_quiet_line_the_caller_has_no_sign_however_soft(db: float) -> None:
    line = Line()
    line.turn()
    line.turn()
    assert line.signs(CALLER, db) == ()


def test_first_words_have_no_sign() -> None:
    line = Line()
    line.quiet(2_000)
    assert line.signs(CALLER, -25) == ()
    assert line.watch.evidence == ""


def test_a_television_is_told_in_the_greeting_before_any_turn() -> None:
    line = Line()
    line.television(5)
    assert line.signs(OTHER, -38) == ("before",)
    line.quiet(1_500)
    assert line.signs(CALLER, -25) == ()


def test_hums_of_the_caller_over_a_reply_are_no_television() -> None:
    line = Line()
    line.turn()
    for _ in range(6):
        line.hear(CALLER, 400, -31)
        line.quiet(900)
    line.quiet(1_000)
    assert line.signs(CALLER, -25) == ()
    line.quiet(1_500)
    assert line.signs(CALLER, -33) == ()


def test_speech_of_which_a_turn_was_made_is_the_callers() -> None:
    """The floor cut for it a moment after it was over: it was no other speech."""
    line = Line()
    for _ in range(6):
        line.hear(CALLER, 700, -25)
        line.quiet(500)
        line.quiet(600, own=True)
        line.quiet(1_500)
    assert line.signs(CALLER, -25) == ()
    assert line.asked[:-1] == []  # none of it was learnt as another's


def test_the_agents_own_echo_is_nobodys_speech() -> None:
    line = Line()
    for _ in range(6):
        line.hear(OTHER, 1_200, -37, echo=0.9)
        line.quiet(700)
    line.quiet(1_000)
    assert line.asked == []


def test_a_television_that_was_answered_once_does_not_stay_the_caller() -> None:
    line = Line()
    line.turn(OTHER, db=-38)
    line.television()
    line.turn(CALLER, db=-24)
    line.television(2)
    assert line.signs(OTHER, -38) == ("before",)
    line.quiet(1_500)
    assert line.signs(CALLER, -28) == ()


def test_a_television_in_a_later_turn_teaches_nothing() -> None:
    line = Line()
    line.television()
    line.turn()
    line.turn(OTHER, db=-37)
    line.television(2)
    assert line.signs(OTHER, -37) == ("before",)


def test_without_a_model_another_voice_must_be_very_far_and_long_enough() -> None:
    line = Line()
    line.turn()
    line.turn()
    assert line.signs(SISTER, -27) == ()
    far = Throat(260, 1.7, -0.9)
    assert line.signs(far, -27, ms=400) == ()
    line.quiet(500)
    assert line.signs(far, -27) == ("voice",)
    assert line.watch.evidence == "unlike the caller's voice"


class Voices:
    """A model of voices that tells the two apart by their pitch. answers: it gives any."""

    def __init__(self, *, answers: bool = True) -> None:
        self.answers = answers
        self.looks = 0

    async def embed(self, pcm: Pcm, *, deadline_ms: float) -> Floats | None:
        self.looks += 1
        spectrum = np.abs(np.fft.rfft(pcm.samples))
        hz = np.fft.rfftfreq(len(pcm), 1 / pcm.rate)
        low, high = (spectrum[(hz > each * 0.85) & (hz < each * 1.15)].sum() for each in (115, 210))
        return np.array([1, 0] if low > high / 4 else [0, 1], np.float32) if self.answers else None


@pytest.mark.parametrize("answers", [True, False])
async def test_a_model_of_voices_tells_a_colleague(answers: bool) -> None:
    line = Line()
    voices = Voices(answers=answers)
    line.watch = VoiceWatch(line.since, voices)
    for db in (-25, -26):
        line.turn(CALLER, db=db)

    async def look(throat: Throat, ms: float) -> tuple[Other, ...]:
        onset = line.hear(throat, ms, -27)
        pcm = line.since(onset)
        await line.watch.listen(pcm, onset, line.now_ms, deadline_ms=100)
        line.quiet(1_500, own=True)
        return line.watch.signs(pcm, onset, onset + ms)

    assert await look(OTHER, 320) == ()
    assert voices.looks == 0
    assert await look(OTHER, 640) == (("voice",) if answers else ())
    assert ("another voice" in line.watch.evidence) is answers
    assert await look(CALLER, 640) == ()


def test_a_short_sound_and_a_silent_one_say_nothing() -> None:
    line = Line()
    line.television()
    line.turn()
    line.television(2)
    assert line.signs(OTHER, -37, ms=200) == ()
    assert line.watch.signs(Pcm.silence(700, 8000), line.now_ms - 700, line.now_ms) == ()
    assert line.watch.signs(Pcm.silence(0, 8000), line.now_ms - 700, line.now_ms) == ()


def test_audio_that_is_kept_no_longer_teaches_nothing() -> None:
    watch = VoiceWatch(lambda _: Pcm.silence(0, 8000))
    for n in range(200):
        watch.window(SpeechWindow(n * 32.0, n * 32.0 + 32, 0.9 if n % 40 < 25 else 0.0), own=False)
    assert watch.signs(say(OTHER, 700, -30, 1, 8000), 6_400, 7_100) == ()


def test_a_quiet_line_costs_no_look_at_the_audio() -> None:
    line = Line()
    line.quiet(3_000)
    assert line.asked == []


def test_memory_does_not_grow_with_the_call() -> None:
    line = Line()
    line.television(3)
    line.turn()
    line.television(2)
    small = _size(line.watch)
    line.kept = line.pcm
    for n in range(400):  # hours: the same audio again and again
        for k in range(60):
            at_ms = line.kept.ms * (n + 1) + k * 32
            line.watch.window(SpeechWindow(at_ms, at_ms + 32, 0.9 if k < 30 else 0.0), own=False)
    assert _size(line.watch) < small + 4_000
    assert _size(line.watch) < 45_000


def _size(watch: VoiceWatch) -> int:
    return len(pickle.dumps({name: part for name, part in vars(watch).items() if name != "_since"}))
