"""Whose voices the benchmarks play, with recordings beside the checkout and without."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bargein.errors import UsageError
from bargein_bench.scenarios import people, readers, synthetic
from bargein_bench.scenarios.clips import RATE
from benchmarks.chromium import spoken
from benchmarks.sounds import clips


def recordings(at: Path) -> Path:
    """Three people: one whose onset is sure, one whose is not, one who says a single word."""
    at.mkdir(parents=True)
    spoken(at / "a.wav", np.full(2 * RATE, 1_000, np.int16))
    entries = [
        {"file": "a.wav", "kind": "interruption", "onset_ms": 500, "end_ms": 2_000},
        {"file": "a.wav", "kind": "interruption", "onset_ms": 400, "end_ms": 2_000, "onset_quality": "B"},
        {"file": "a.wav", "kind": "interruption", "onset_ms": 300, "end_ms": 600},
    ]
    (at / "manifest.json").write_text(json.dumps(entries))
    return at


def test_the_readers_are_there_without_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(people.SETTING, "")
    assert people.recordings_folder() is None
    assert [clip.name for clip in people.at_hand()] == [phrase.text for phrase in readers.INTERRUPTIONS]


def test_a_folder_that_is_named_comes_on_top(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(people.SETTING, str(recordings(tmp_path / "x")))
    more = people.at_hand()[len(readers.INTERRUPTIONS) :]
    assert [(clip.kind, clip.exact) for clip in more] == [
        ("interruption", True),
        ("interruption", False),
        ("command", True),
    ]


def test_a_folder_beside_the_checkout_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(people.SETTING, raising=False)
    module = tmp_path / "checkout" / "src" / "bargein" / "people.py"
    module.parent.mkdir(parents=True)
    monkeypatch.setattr(people, "__file__", str(module))
    assert people.recordings_folder() is None, "this is no checkout"
    (tmp_path / "checkout" / "pyproject.toml").touch()
    assert people.recordings_folder() is None, "nothing lies beside it"
    beside = recordings(tmp_path / "shared" / "audio")
    assert people.recordings_folder() == beside


def test_a_folder_that_is_not_there_is_a_mistake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(people.SETTING, str(tmp_path / "none"))
    with pytest.raises(UsageError, match=people.SETTING):
        people.at_hand()


def test_our_own_numbers_are_measured_with_exact_onsets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (clip,) = clips(recordings(tmp_path / "x"))
    assert len(clip.samples) == 1.5 * RATE, "it begins at its first sample of speech"
    monkeypatch.setenv(people.SETTING, "")
    assert {c.name for c in clips()} == {phrase.text for phrase in readers.INTERRUPTIONS}
    assert [c.name for c in clips()] == [c.name for c in clips()]
    monkeypatch.setattr(readers, "PACKAGE", "no_such_package")
    with pytest.raises(UsageError, match=r"bargein\[moonshine\]"):
        clips()


def test_the_made_throats_are_the_same_each_time() -> None:
    first, again, other = synthetic.throats(3), synthetic.throats(3), synthetic.throats(4)
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a.samples, b.samples) for a, b in zip(first, other, strict=True))
    assert [c.kind for c in first] == ["cough"] * 6 + ["backchannel"] * 6 + ["laugh"] * 4
