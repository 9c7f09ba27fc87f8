"""Word times from a text and its sound: espeak knows the truth."""

from __future__ import annotations

import itertools
import random
from bisect import bisect_right

import numpy as np
import pytest

from bargein.audio.alignment import PACE, Aligned, align, align_begun
from bargein.audio.envelope import Envelope
from bargein.audio.pcm import Pcm, Samples
from bargein.protocols import Word
from bargein.units import spans
from bargein_simulators.speech import SimulatedSpeech

TEXTS = (
    (
        "Hello, and welcome. I am a speech model, and you can interrupt me whenever you like: I fall silent, and I "
        "remember which of my words you have heard. So, what would you like to talk about?"
    ),
    (
        "You said: tell me about the sea. I can speak for a while, slowly and calmly, about the sea, the wind, gulls "
        "above the harbour, so that you can interrupt me in the middle of any word."
    ),
    (
        "Your appointment is on Tuesday, the 14th of March, at 3:30 in the afternoon. Doctor Miller sees you in room "
        "12. Please bring your insurance card and a list of your medicines, and come ten minutes early."
    ),
    (
        "There are three plans. The small one costs 19 dollars a month and has 5 gigabytes. The middle one costs 29 "
        "dollars; it has 20 gigabytes. The large one has no limit at all, and costs 49."
    ),
)


def sound(*parts: Samples) -> Envelope:
    return Envelope.of(Pcm(np.concatenate(parts), 8000))


def counted(words: tuple[Word, ...], ms: float) -> int:
    """How far into the text a caller is who has heard that long."""
    n = bisect_right([word.end_ms for word in words], ms)
    return words[n - 1].end if n else 0


@pytest.mark.parametrize("text", TEXTS)
async def test_at_most_one_word_off_in_95_of_100_random_moments(text: str) -> None:
    speech = SimulatedSpeech()
    said = await speech.say(text, 8000)
    await speech.aclose()
    words = align(text, Envelope.of(said.pcm)).words
    assert [text[w.begin : w.end] for w in words] == text.split()
    dice = random.Random(3)
    off = []
    for _ in range(400):
        ms = dice.uniform(300, said.pcm.ms)
        heard, true = counted(words, ms), counted(said.words, ms)
        off.append(abs(sum(begin < heard for begin, _ in spans(text)) - sum(begin < true for begin, _ in spans(text))))
    assert sum(n <= 1 for n in off) >= 380
    assert max(off) <= 3


def test_words_are_in_order_and_inside_the_sound() -> None:
    tone = (np.sin(np.arange(16_000) / 5) * 8000).astype(np.int16)
    quiet = np.zeros(4_000, np.int16)
    words = align("One two three. Four five!", sound(quiet, tone, quiet, tone, quiet)).words
    assert len(words) == 5
    assert all(w.start_ms < w.end_ms for w in words)
    assert all(a.end_ms <= b.start_ms + 1e-6 for a, b in itertools.pairwise(words))
    assert words[0].start_ms == 500
    assert words[2].end_ms == 2500  # the stop is where the pause is, though its letters are fewer
    assert words[3].start_ms == 3000
    assert words[-1].end_ms == 5000


@pytest.mark.parametrize("text", ["", "  ", "... ,", "word"])
def test_odd_texts_and_silence_give_no_nonsense(text: str) -> None:
    assert align(text, sound(np.zeros(8000, np.int16))) == Aligned((), PACE)
    assert align(text, Envelope()) == Aligned((), PACE)
    tone = (np.sin(np.arange(16_000) / 5) * 8000).astype(np.int16)
    assert len(align(text, sound(tone)).words) == len(spans(text))


def test_a_text_of_many_stops_over_a_sound_of_many_pauses_has_all_its_words() -> None:
    tone, quiet = (np.sin(np.arange(8_000) / 5) * 8000).astype(np.int16), np.zeros(2_000, np.int16)
    words = align("word, " * 60, sound(*[tone, quiet] * 50)).words
    assert len(words) == 60


@pytest.mark.parametrize("text", TEXTS)
async def test_what_has_only_begun_is_laid_out_by_its_pauses_and_the_pace_of_what_was_whole(text: str) -> None:
    speech = SimulatedSpeech()
    pace = align(TEXTS[0], Envelope.of((await speech.say(TEXTS[0], 8000)).pcm)).pace
    said = await speech.say(text, 8000)
    await speech.aclose()
    dice = random.Random(5)
    off = []
    for _ in range(200):
        ms = dice.uniform(800, said.pcm.ms - 500)
        come = said.pcm.samples[: int((ms + 400) * 8)]
        ahead = next((w.end for w in said.words if w.start_ms > ms + 1_500), len(text))
        words = align_begun(text[:ahead], Envelope.of(Pcm(come, 8000)), pace)
        heard, true = counted(words, ms), counted(said.words, ms)
        starts = [begin for begin, _ in spans(text)]
        off.append(abs(sum(s < heard for s in starts) - sum(s < true for s in starts)))
    assert sum(n <= 1 for n in off) >= 160
    assert max(off) <= 3
