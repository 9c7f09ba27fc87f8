"""The head's file, and what it hears: neither the level nor the room before a sound."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bargein.audio.pcm import Pcm
from bargein.audio.sound import read_head
from bargein.audio.sound.features import (
    CURVE_NUMBERS,
    FRAMES,
    LAYOUT,
    SAMPLES,
    curve_numbers,
    levelled,
    newest,
)
from bargein.audio.sound.front_end import FILES, WakewordFrontEnd, file_sha256, installed_folder
from bargein.audio.sound.head import FILE
from bargein.errors import Unavailable
from bargein.floor import Policy
from tests.audio.sound.sound_kit import changed_head, look, speech


def test_the_shipped_head_is_small_and_belongs_to_the_installed_front_end() -> None:
    folder = installed_folder()
    assert folder is not None
    head = read_head()
    assert head.sha256 == {name: file_sha256(folder / name) for name in FILES}
    assert FILE.stat().st_size < 20_000
    assert head.threshold == Policy.balanced().verdict.sound_threshold


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"format": "another"},
        {"rate": 8000},
        {"layout": LAYOUT + ", more"},
        {"curve": {"weights": [0.0] * (CURVE_NUMBERS + 1), "bias": 0.0}},
        {"full": {"weights": [], "bias": 0.0}},
        {"spectrum": None},
        {"curve": {"weights": [float("nan")] * CURVE_NUMBERS, "bias": 0.0}},
        {"curve": {"weights": ["x"] * CURVE_NUMBERS, "bias": 0.0}},
        {"threshold": 0.0},
        {"settled": 0.1},
        {"front_end": {}},
        {"front_end": {"sha256": [1]}},
    ],
)
def test_a_head_of_another_version_or_a_broken_one_is_refused_with_advice(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    with pytest.raises(Unavailable, match="broken") as refused:
        read_head(changed_head(tmp_path, change))
    assert "train_sound_head" in refused.value.advice


def test_a_missing_or_unreadable_head_is_refused(tmp_path: Path) -> None:
    for path, text in ((tmp_path / "no.json", None), (tmp_path / "cut.json", FILE.read_text()[:400])):
        if text is not None:
            path.write_text(text)
        with pytest.raises(Unavailable):
            read_head(path)


@pytest.mark.parametrize("content", [None, b"", b"no network"])
def test_a_front_end_without_its_files_or_with_broken_ones_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        for name in FILES:
            (tmp_path / name).write_bytes(content)
    with pytest.raises(Unavailable) as refused:
        WakewordFrontEnd(tmp_path)
    assert "bargein[sound]" in refused.value.advice


def test_the_front_end_is_found_without_running_its_package() -> None:
    code = "import sys; from bargein.audio.sound.front_end import installed_folder as f; print(f()); "
    code += "print(sorted(m for m in sys.modules if m.startswith('livekit.')))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split("\n")
    assert Path(said[0]).is_dir()
    assert said[1] == "[]"


def test_the_level_of_a_sound_tells_nothing() -> None:
    loud = speech(400)
    soft = Pcm((loud.samples // 16).astype(np.int16), loud.rate)
    a, b = levelled(loud), levelled(soft)
    assert a[1] == b[1]
    assert np.abs(a[0] - b[0]).max() < 0.01 * np.abs(a[0]).max()


def test_a_sound_ends_the_wave_and_before_it_lies_the_floor_alone() -> None:
    for rate in (8000, 16000):
        wave, heard = levelled(speech(360, rate))
        assert len(wave) == SAMPLES
        assert heard == (360 * 16 - 512) // 160 + 1
        assert np.abs(wave[: SAMPLES - 360 * 16 - 200]).max() < 0.01 * np.abs(wave).max()
    assert levelled(speech(3000))[1] == FRAMES
    assert newest(speech(3000)).ms < 945


def test_only_the_last_second_of_a_curve_counts() -> None:
    assert np.array_equal(curve_numbers([0.0] * 50 + [0.99] * 30), curve_numbers([0.99] * 30))
    assert curve_numbers([0.95, 0.98, 1.0]).tolist() == pytest.approx(
        [0.9767, 0.95, 1.0, 1.0, 1.0, 2.0, 0.0205], abs=1e-3
    )


def test_the_same_sound_has_the_same_answer_at_every_level() -> None:
    folder = installed_folder()
    assert folder is not None
    head, front_end = read_head(), WakewordFrontEnd(folder)
    pcm, curve = look("cough-1.wav", 300)
    answers = []
    for gain in (1.0, 0.25):
        scaled = Pcm(np.rint(pcm.samples * gain).astype(np.int16), pcm.rate)
        answers.append(head.words(scaled, curve_numbers(curve), front_end)[0])
    assert answers[0] == pytest.approx(answers[1], abs=0.02)


def test_the_card_names_the_head_that_is_shipped() -> None:
    card = (Path(__file__).parents[3] / "docs" / "sound_head.md").read_text()
    trained = json.loads(FILE.read_text())["trained"]
    for kind, count in trained["recordings"].items():
        assert f"| {kind} | {count} |" in card
