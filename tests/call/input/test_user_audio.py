"""How far a sound stands above the quiet before it: cheap evidence that something began."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bargein.audio.pcm import Samples
from bargein.audio.vad import VADWindow
from bargein.call.input.user_audio import UserAudio
from bargein.floor import SpeechWindow
from bargein.protocols import AudioIn

RATE, FRAME = 8000, 160


class Stream:
    """A detector that says what the test wants, of the newest 32 ms."""

    dropped = 0

    def __init__(self) -> None:
        self.on_window: Callable[[VADWindow], None] = lambda _: None
        self.end = 0

    def open(self, rate: int, on_window: Callable[[VADWindow], None]) -> Stream:
        self.on_window = on_window
        return self

    def push_audio(self, samples: Samples) -> None:
        self.end += len(samples)

    def skip(self, samples: int) -> None:
        self.end += samples

    def close(self) -> None: ...

    def says(self, speech: float) -> None:
        self.on_window(VADWindow(self.end - 256, self.end, speech))


def heard(db_before: float, db_after: float, *, speech: float = 0.1, frames: int = 60) -> SpeechWindow:
    told: list[SpeechWindow] = []
    stream = Stream()
    hearing = UserAudio(RATE, stream, lambda: 0.0, told.append)
    rng = np.random.default_rng(1)
    for i in range(frames):
        db = db_after if i >= frames - 2 else db_before
        samples = rng.normal(0, 32768 * 10 ** (db / 20), FRAME)
        hearing.push_audio(AudioIn(np.clip(np.rint(samples), -32768, 32767).astype(np.int16), i * FRAME))
    stream.says(speech)
    (window,) = told
    return window


def test_a_sound_that_begins_clearly_is_told_with_how_clearly() -> None:
    assert heard(-66, -40).rise_db == pytest.approx(26.5, abs=2)
    assert heard(-66, -66).rise_db == pytest.approx(0, abs=3)
    assert heard(-40, -38).rise_db < 5


def test_nobody_looks_where_it_would_change_nothing() -> None:
    assert heard(-66, -30, speech=0.01).rise_db == 0
    assert heard(-66, -30, speech=0.9).rise_db == 0


def test_digital_silence_before_it_makes_no_sound_infinitely_loud() -> None:
    assert heard(-200, -50).rise_db == pytest.approx(20, abs=2)


def test_a_call_that_has_just_begun_has_no_quiet_to_compare_with() -> None:
    assert heard(-66, -30, frames=4).rise_db == 0
