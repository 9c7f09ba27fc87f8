"""A model of voices from files: what it makes of voices, and what files it refuses."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bargein.audio.dvector import FILTERS, MODEL, SpeakerModel, find_folder
from bargein.audio.pcm import Pcm
from bargein.errors import Unavailable
from tests.audio.tiny_onnx import mean_then_matrix
from tests.audio.voices import CALLER, OTHER, say


def model_folder(folder: Path, *, rows: int = 40, columns: int = 256, value: float | None = None) -> Path:
    """Files of a model that tells spectra apart."""
    filters = np.zeros((40, 201), np.float32)
    for n in range(40):
        filters[n, n * 4 : n * 4 + 4] = 1
    matrix = np.random.default_rng(1).normal(0, 1, (rows, columns)).astype(np.float32)
    if value is not None:
        matrix[:] = value
    np.save(folder / FILTERS, filters)
    (folder / MODEL).write_bytes(mean_then_matrix(matrix))
    return folder


def test_a_voice_is_a_direction_that_its_level_does_not_change(tmp_path: Path) -> None:
    model = SpeakerModel(model_folder(tmp_path))
    one, two, other = (model.embed(say(who, 1_000, db, 1)) for who, db in ((CALLER, -20), (CALLER, -40), (OTHER, -20)))
    assert one is not None
    assert two is not None
    assert other is not None
    assert float(one @ one) == pytest.approx(1, abs=1e-5)
    assert float(one @ two) > 0.98
    assert float(one @ other) < 0.9


def test_a_telephone_is_resampled_and_long_speech_is_read_in_parts(tmp_path: Path) -> None:
    model = SpeakerModel(model_folder(tmp_path))
    wide, phone = model.embed(say(CALLER, 4_000, -25, 1)), model.embed(say(CALLER, 4_000, -25, 1, 8000))
    assert wide is not None
    assert phone is not None
    assert float(wide @ phone) > 0.95


def test_silence_and_a_click_are_no_voice(tmp_path: Path) -> None:
    model = SpeakerModel(model_folder(tmp_path))
    assert model.embed(Pcm.silence(1_000, 8000)) is None
    assert model.embed(say(CALLER, 60, -25, 1)) is None
    assert model.embed(Pcm.silence(0, 16000)) is None


def no_model(folder: Path) -> None:
    (folder / MODEL).unlink()


def no_filters(folder: Path) -> None:
    (folder / FILTERS).unlink()


def other_bytes(folder: Path) -> None:
    (folder / MODEL).write_bytes(b"no model")


def other_bytes_of_filters(folder: Path) -> None:
    (folder / FILTERS).write_bytes(b"no filters")


def more_bands(folder: Path) -> None:
    np.save(folder / FILTERS, np.zeros((80, 201), np.float32))


def filters_of_nan(folder: Path) -> None:
    np.save(folder / FILTERS, np.full((40, 201), np.nan, np.float32))


def another_input(folder: Path) -> None:
    (folder / MODEL).write_bytes(mean_then_matrix(np.ones((40, 256), np.float32), name="x"))


def a_wider_input(folder: Path) -> None:
    model_folder(folder, rows=80)


def a_narrower_output(folder: Path) -> None:
    model_folder(folder, columns=192)


def only_nan(folder: Path) -> None:
    model_folder(folder, value=float("nan"))


def only_zeros(folder: Path) -> None:
    model_folder(folder, value=0.0)


@pytest.mark.parametrize(
    "change",
    [
        no_model,
        no_filters,
        other_bytes,
        other_bytes_of_filters,
        more_bands,
        filters_of_nan,
        another_input,
        a_wider_input,
        a_narrower_output,
        only_nan,
        only_zeros,
    ],
)
def test_other_files_are_refused_with_advice(tmp_path: Path, change: Callable[[Path], None]) -> None:
    folder = model_folder(tmp_path)
    change(folder)
    with pytest.raises(Unavailable, match="cannot be used") as refused:
        SpeakerModel(folder)
    assert MODEL in refused.value.advice


def test_an_installed_package_is_found_and_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = tmp_path / "livekit" / "plugins" / "speakerbeamss" / "models"
    models.mkdir(parents=True)
    for package in (models.parent, models.parent.parent):
        (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for name in [name for name in sys.modules if name.partition(".")[0] == "livekit"]:
        monkeypatch.delitem(sys.modules, name)
    assert find_folder() is None
    model_folder(models)
    assert find_folder() == models
    monkeypatch.setattr(sys, "path", [])
    assert find_folder() is None
