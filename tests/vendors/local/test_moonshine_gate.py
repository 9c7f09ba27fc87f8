"""What is speech enough to be read, by the probabilities of its windows, and the network that gives them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bargein.audio.pcm import Samples
from bargein.vendors.local.moonshine_gate import RATE, SIZE, GatedSpeech, SpeechGate, locate
from tests.sounds import labels, load, recordings


def windows(*probabilities: float) -> NDArray[np.float32]:
    return np.array(probabilities, np.float32)


def test_two_sure_windows_are_speech_with_room_around_it() -> None:
    found = locate(windows(*[0.0] * 10, 0.6, 0.99, 0.99, 0.4, *[0.0] * 10), 24 * SIZE)
    assert found == GatedSpeech(begin=10 * SIZE - 2400, end=14 * SIZE + 1600)


def test_the_room_ends_where_the_sound_does() -> None:
    assert locate(windows(0.99, 0.99), 900) == GatedSpeech(begin=0, end=900)


@pytest.mark.parametrize(
    "noise",
    [
        windows(0.67, 0.57, 0.54, 0.6, 0.51, 0.64, 0.94, 0.97, 0.976, 0.96),  # a sneeze, as measured
        windows(0.1, 0.3, 0.48, 0.2),  # a cough
        windows(0.0, 0.99, 0.0),  # one window may be anything
        windows(),
    ],
)
def test_what_may_as_well_be_a_noise_is_not_speech(noise: NDArray[np.float32]) -> None:
    assert locate(noise, len(noise) * SIZE) is None


def test_silence_and_noise_are_no_speech() -> None:
    gate = SpeechGate()
    hiss = np.random.default_rng(7).normal(0, 0.1, RATE).astype(np.float32)
    for wave in (np.zeros(RATE, np.float32), hiss):
        assert float(gate.probabilities(wave).max()) < 0.3


def test_every_begun_window_is_judged() -> None:
    gate = SpeechGate()
    assert [len(gate.probabilities(np.zeros(n, np.float32))) for n in (0, 1, 512, 513)] == [0, 1, 1, 2]


def test_what_was_judged_before_changes_nothing() -> None:
    gate = SpeechGate()
    random = np.random.default_rng(7)
    loud, wave = (random.normal(0, level, RATE).astype(np.float32) for level in (0.5, 0.1))
    first = gate.probabilities(wave)
    gate.probabilities(loud)
    assert np.array_equal(gate.probabilities(wave), first)


# Voices and noises: those of tests.sounds, and the folder of recordings where there is one.


def worth_reading(samples: Samples) -> bool:
    wave = samples.astype(np.float32) / np.float32(32768)
    return locate(SpeechGate().probabilities(wave), len(wave)) is not None


def test_people_who_interrupt_are_worth_reading_after_600_ms_19_times_of_20() -> None:
    said = [(load(label.file).samples, label.onset_ms) for label in labels("interruption")]
    said += [(clip.samples, clip.onset_ms) for clip in recordings("interruption")]
    read = [worth_reading(samples[: int((onset_ms + 600) * 16)]) for samples, onset_ms in said]
    assert sum(read) >= 0.95 * len(read)


def test_coughs_and_knocks_are_not_9_times_of_10() -> None:
    heard = [load(label.file).samples for label in (*labels("cough"), *labels("noise"))]
    heard += [clip.samples for kind in ("cough", "door", "keyboard") for clip in recordings(kind)]
    read = [worth_reading(samples) for samples in heard]
    assert sum(read) <= 0.1 * len(read)
