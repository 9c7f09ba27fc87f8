"""The model in this process: what it reads, what it refuses to read, and where it is looked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bargein.errors import Unavailable
from bargein.vendors.local.moonshine_gate import RATE
from bargein.vendors.local.moonshine_recognizer import MODEL_FILES, Recognizer, find_model, fold


@pytest.fixture(scope="module")
def ears() -> Recognizer:
    return Recognizer()


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("  Wait,  stop. ", "Wait, stop."),
        ("You", ""),
        ("You.", ""),
        ("Thank you for watching!", ""),
        ("♪ ♪", ""),
        ("[Music]", ""),
        ("- What?", "What?"),
        ("...", ""),
        ("", ""),
        ("Thank you.", "Thank you."),
        ("You are late.", "You are late."),
    ],
)
def test_what_is_no_word_is_folded_away(written: str, words: str) -> None:
    assert fold(written) == words


@pytest.mark.parametrize("level", [0, 30, 3000])
def test_a_noise_of_any_level_is_read_as_nothing(ears: Recognizer, level: int) -> None:
    hiss = np.random.default_rng(7).normal(0, level, RATE).astype(np.int16)
    assert ears.read(hiss) == ""


def test_the_package_carries_the_tiny_english_model() -> None:
    place, base = find_model()
    assert (place.name, base) == ("tiny-en", False)


def test_a_named_folder_without_a_model_is_unavailable_and_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"moonshine-voice==0\.1\.0"):
        find_model(tmp_path)


def test_a_named_folder_with_a_model_is_taken(tmp_path: Path) -> None:
    place = tmp_path / "base-en"
    place.mkdir()
    for name in MODEL_FILES:
        (place / name).touch()
    assert find_model(place) == (place, True)


def test_a_model_that_a_later_release_has_downloaded_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "host" / "model" / "tiny-en" / "quantized" / "tiny-en"
    place.mkdir(parents=True)
    for name in MODEL_FILES:
        (place / name).touch()
    monkeypatch.setenv("MOONSHINE_VOICE_CACHE", str(tmp_path))
    monkeypatch.setattr(
        "bargein.vendors.local.moonshine_recognizer.get_model_path", lambda name: tmp_path / "nothing" / name
    )
    assert find_model() == (place, False)
