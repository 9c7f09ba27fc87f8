"""smart-turn: a model's file where a user has one, looked into off the event loop, and never waited for too long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from bargein.audio.log_mel import log_mel
from bargein.audio.pcm import Pcm
from bargein.errors import Unavailable
from bargein.protocols import TurnModel
from bargein.vendors.local.smart_turn import IN_PIPECAT, LENGTH, MODEL_SETTING, WAITING, SmartTurn, find_model
from tests.audio.tiny_onnx import mean_then_matrix

SHARE = 0.02  # of a frame's mean over the channels, in the tiny model's answer


def model_bytes(share: float = SHARE) -> bytes:
    """Its answer is the last frame's mean, times so much."""
    matrix = np.zeros((800, 1), np.float32)
    matrix[-1] = share
    return mean_then_matrix(matrix, name="input_features")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "smart-turn-v3.onnx"
    path.write_bytes(model_bytes())
    return path


@pytest.fixture
async def model(file: Path) -> AsyncIterator[SmartTurn]:
    made = SmartTurn(file)
    yield made
    await made.aclose()


def tone(ms: int, rate: int = 16_000, hz: float = 440.0) -> Pcm:
    at = np.arange(rate * ms // 1000) / rate
    return Pcm((8_000 * np.sin(2 * np.pi * hz * at)).astype(np.int16), rate)


async def test_it_hears_the_last_eight_seconds(model: SmartTurn) -> None:
    assert isinstance(model, TurnModel)
    long, newest = tone(9_000), tone(9_000).part(16_000, 9 * 16_000)
    heard = newest.samples.astype(np.float32) / np.float32(32768)
    even = (heard - heard.mean()) / np.sqrt(heard.var() + 1e-7)
    wanted = SHARE * float(log_mel(even)[:, -1].mean())
    assert 0 < wanted < 1
    assert len(heard) == LENGTH
    for pcm in (long, newest):
        assert await model.judge(pcm, deadline_ms=5_000) == pytest.approx(wanted, rel=1e-4)


async def test_a_telephone_s_audio_is_heard_as_well(model: SmartTurn) -> None:
    found = [await model.judge(tone(2_000, rate), deadline_ms=5_000) for rate in (8_000, 16_000)]
    assert found[0] == pytest.approx(found[1], abs=0.01)


async def test_nothing_is_no_turn(model: SmartTurn) -> None:
    assert await model.judge(Pcm(np.zeros(0, np.int16), 16_000), deadline_ms=5_000) is None


@pytest.mark.parametrize("share", [float("nan"), 1e6])
async def test_what_is_no_probability_is_no_answer(tmp_path: Path, share: float) -> None:
    (tmp_path / "odd.onnx").write_bytes(model_bytes(share))
    odd = SmartTurn(tmp_path / "odd.onnx")
    assert await odd.judge(tone(1_000), deadline_ms=5_000) is None
    await odd.aclose()


async def test_a_model_of_another_shape_is_asked_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "other.onnx").write_bytes(mean_then_matrix(np.zeros((7, 1), np.float32), name="other"))
    other = SmartTurn(tmp_path / "other.onnx")
    for _ in range(3):
        assert await other.judge(tone(1_000), deadline_ms=5_000) is None
    assert caplog.text.count("asked no more") == 1
    await other.aclose()


async def test_a_look_that_hangs_keeps_no_call_waiting(model: SmartTurn, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, looks = threading.Event(), []

    def hang(pcm: Pcm) -> float | None:
        looks.append(pcm)
        go_on.wait(5)
        return 0.5

    monkeypatch.setattr(model, "_look", hang)
    found = await asyncio.gather(*(model.judge(tone(100), deadline_ms=20) for _ in range(100)))
    assert found == [None] * 100
    go_on.set()
    assert len(looks) <= 1 + WAITING, "the others were refused at once"


def test_a_path_wins_over_the_environment_and_that_over_pipecat(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "pipecat"
    (package / IN_PIPECAT).mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('it was imported')")
    inside = package / IN_PIPECAT / "smart-turn-v3.2-cpu.onnx"
    inside.write_bytes(model_bytes())
    monkeypatch.delenv(MODEL_SETTING, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert find_model() == inside
    other = tmp_path / "other.onnx"
    other.write_bytes(model_bytes())
    monkeypatch.setenv(MODEL_SETTING, str(other))
    assert find_model() == other
    assert find_model(file) == file


def test_a_file_that_is_missing_or_no_model_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="There is no smart-turn model at"):
        SmartTurn(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(Unavailable, match="is no smart-turn model"):
        SmartTurn(tmp_path / "text.onnx")
