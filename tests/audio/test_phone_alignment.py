"""Words found in their sound: espeak knows the truth."""

from __future__ import annotations

import random
from bisect import bisect_right

import numpy as np
import pytest

from bargein.audio.envelope import Envelope
from bargein.audio.pcm import Pcm, Samples
from bargein.audio.phone_alignment import FEWEST, LEARNED, LearnedPace, heard_of, place
from bargein.protocols import Word
from bargein.units import spans
from bargein_simulators.speech import SimulatedSpeech
from tests.audio.test_alignment import TEXTS

RATE = 8000
CUTS = 30


def silence(ms: float) -> Samples:
    return np.zeros(round(ms * RATE / 1000), np.int16)


async def spoken(text: str) -> tuple[Samples, list[Word]]:
    """A text behind a silence, with its true times."""
    speech = SimulatedSpeech()
    said = await speech.say(text, RATE)
    await speech.aclose()
    words = [Word(word.start_ms + 200, word.end_ms + 200, word.begin, word.end) for word in said.words]
    return np.concatenate([silence(200), said.pcm.samples, silence(150)]), words


def off(text: str, end: int, words: list[Word], ms: float) -> int:
    """By how many words a place in the text is wrong."""
    true = bisect_right([word.end_ms for word in words], ms)
    return abs(sum(begin < end for begin, _ in spans(text)) - true)


@pytest.mark.parametrize("text", TEXTS)
async def test_a_cut_is_within_a_word_when_the_whole_sound_is_known(text: str) -> None:
    samples, words = await spoken(text)
    sound, dice = Envelope.of(Pcm(samples, RATE)), random.Random(3)
    wrong = []
    for _ in range(CUTS):
        ms = dice.uniform(0, sound.ms)
        wrong.append(off(text, heard_of(text, sound, ms, whole=True, pace=1.0), words, ms))
    assert max(wrong) <= 1
    assert wrong.count(0) >= 0.75 * CUTS


@pytest.mark.parametrize("text", TEXTS)
async def test_a_cut_is_nearly_always_within_a_word_when_only_played_sound_is_known(text: str) -> None:
    pace = LearnedPace()
    for said in TEXTS[1], TEXTS[2]:
        samples, _ = await spoken(said)
        pace.learn(said, Envelope.of(Pcm(samples, RATE)))
    samples, words = await spoken(text)
    dice, wrong = random.Random(5), list[int]()
    for _ in range(CUTS):
        ms = dice.uniform(0, len(samples) * 1000 / RATE)
        come = Envelope.of(Pcm(samples[: int(ms * RATE / 1000)], RATE))
        wrong.append(off(text, heard_of(text, come, ms, whole=False, pace=pace.pace), words, ms))
    assert sum(n <= 1 for n in wrong) >= 0.9 * CUTS


def test_a_pause_is_no_word() -> None:
    tone = (np.sin(np.arange(RATE * 3 // 4) / 3) * 8000).astype(np.int16)
    samples = np.concatenate([silence(300), tone, silence(1000), tone])
    sound = Envelope.of(Pcm(samples, RATE))
    ends = [word.end_ms for word in place("One now. Two now.", sound, whole=True, pace=1.0).words]
    assert ends[1] == pytest.approx(1050, abs=30)
    assert ends[2] > 2050
    assert ends[3] == pytest.approx(sound.ms, abs=30)


@pytest.mark.parametrize("text", ["", "  ", "...", "word", "今日は", "1234567", "a" * 300])
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("kind", ["none", "silence", "click", "noise"])
def test_no_text_and_no_sound_is_too_odd(text: str, whole: bool, kind: str) -> None:
    noise = np.random.default_rng(1).integers(-9000, 9000, RATE, dtype=np.int16)
    samples = {"none": noise[:0], "silence": silence(900), "click": noise[:170], "noise": noise}[kind]
    sound = Envelope.of(Pcm(samples, RATE))
    for ms in (0.0, 100.0, sound.ms, sound.ms + 50):
        assert 0 <= heard_of(text, sound, ms, whole=whole, pace=None) <= len(text)


def test_a_slow_voice_is_known_by_its_first_sentences() -> None:
    slow, fast = LearnedPace(), LearnedPace()
    tone = (np.sin(np.arange(RATE * 4) / 3) * 8000).astype(np.int16)
    text = "one two three four five six"
    for _ in range(LEARNED):
        slow.learn(text, Envelope.of(Pcm(tone, RATE)))
        fast.learn(text, Envelope.of(Pcm(tone[: RATE * 3 // 2], RATE)))
    assert slow.pace is not None
    assert fast.pace is not None
    assert slow.pace > 1.5 * fast.pace
    known = slow.pace
    slow.learn(text, Envelope.of(Pcm(tone[:RATE], RATE)))
    assert slow.pace == known


def test_a_word_or_two_tell_no_pace() -> None:
    pace = LearnedPace()
    tone = (np.sin(np.arange(RATE) / 3) * 8000).astype(np.int16)
    pace.learn("one " * (FEWEST - 1), Envelope.of(Pcm(tone, RATE)))
    assert pace.pace is None
