"""One worker for the model of voices: looks of many calls, and a model that is slow, stuck or wrong."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from bargein.audio import voice_encoder
from bargein.audio.dvector import Floats
from bargein.audio.pcm import Pcm
from bargein.audio.voice_encoder import LEARN_MS, MOST_WAITING, LearntVoice, VoiceEncoder, load_encoder
from bargein.errors import UsageError
from tests.audio.test_dvector import model_folder

LONG_MS = 30_000.0  # a deadline that is not reached


class Model:
    """Tells two voices apart by their pitch, as loudly as it is told. gate: looks wait for it."""

    def __init__(self) -> None:
        self.looks = 0
        self.gate: Event | None = None
        self.entered = Event()
        self.error: Exception | None = None

    def embed(self, pcm: Pcm) -> Floats | None:
        self.looks += 1
        self.entered.set()
        if self.gate is not None:
            self.gate.wait(30)
        if self.error is not None:
            raise self.error
        at = int(np.argmax(np.abs(np.fft.rfft(pcm.samples)))) * 1000 / pcm.ms
        return np.array([1, 0] if at < 180 or at > 400 else [0, 1], np.float32)


def tone(hz: float, ms: float = 1_000.0) -> Pcm:
    return Pcm((8_000 * np.sin(2 * np.pi * hz * np.arange(int(16 * ms)) / 16_000)).astype(np.int16), 16_000)


async def test_looks_of_many_calls_are_answered() -> None:
    encoder = VoiceEncoder(Model())
    encoder.start()
    found = await asyncio.gather(*(encoder.embed(tone(100 + 200 * (n % 2)), deadline_ms=LONG_MS) for n in range(8)))
    assert [each.tolist() for each in found if each is not None] == [[1, 0], [0, 1]] * 4
    await encoder.aclose()
    assert await encoder.embed(tone(100), deadline_ms=LONG_MS) is None


async def test_a_hundred_looks_at_once_are_bounded() -> None:
    model = Model()
    model.gate = Event()
    encoder = VoiceEncoder(model)
    encoder.start()
    looks = [asyncio.ensure_future(encoder.embed(tone(100), deadline_ms=LONG_MS)) for _ in range(100)]
    await asyncio.sleep(0)
    await asyncio.to_thread(model.entered.wait, 30)
    answered = sum(look.done() for look in looks)
    assert answered >= 100 - MOST_WAITING - 1
    model.gate.set()
    found = await asyncio.gather(*looks)
    assert MOST_WAITING <= sum(each is not None for each in found) <= MOST_WAITING + 1
    await encoder.aclose()


async def test_a_look_that_is_late_has_no_answer_and_a_stuck_one_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = Model()
    model.gate = Event()
    encoder = VoiceEncoder(model)
    encoder.start()
    running = asyncio.ensure_future(encoder.embed(tone(100), deadline_ms=LONG_MS))
    await asyncio.sleep(0)
    await asyncio.to_thread(model.entered.wait, 30)
    assert await encoder.embed(tone(100), deadline_ms=1) is None
    monkeypatch.setattr(voice_encoder, "STUCK_S", 0.0)
    monkeypatch.setattr(voice_encoder, "CLOSE_S", 0.01)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert await encoder.embed(tone(100), deadline_ms=LONG_MS) is None
    assert [r.message for r in caplog.records] == [
        "The voice model gives no answer, so no voice is told by it: it is stuck in a look"
    ]
    await encoder.aclose()  # does not wait for it
    model.gate.set()
    await running


async def test_a_model_that_fails_is_told_of_once_and_its_next_look_may_work(caplog: pytest.LogCaptureFixture) -> None:
    model = Model()
    model.error = RuntimeError("no memory")
    encoder = VoiceEncoder(model)
    encoder.start()
    with caplog.at_level(logging.WARNING):
        assert await encoder.embed(tone(100), deadline_ms=LONG_MS) is None
        assert await encoder.embed(tone(100), deadline_ms=LONG_MS) is None
    assert len(caplog.records) == 1
    assert "no memory" in caplog.records[0].message
    model.error = None
    assert await encoder.embed(tone(100), deadline_ms=LONG_MS) is not None
    await encoder.aclose()


async def test_it_starts_once() -> None:
    encoder = VoiceEncoder(Model())
    assert await encoder.embed(tone(100), deadline_ms=LONG_MS) is None  # not started
    encoder.start()
    with pytest.raises(UsageError):
        encoder.start()
    await encoder.aclose()


def test_the_folder_is_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(voice_encoder, "find_folder", lambda: None)
    monkeypatch.delenv(voice_encoder.SETTING, raising=False)
    assert load_encoder() is None
    monkeypatch.setenv(voice_encoder.SETTING, str(tmp_path))
    with caplog.at_level(logging.WARNING):
        assert load_encoder() is None
    assert [r.message for r in caplog.records] == [caplog.records[0].message]
    assert str(tmp_path) in caplog.records[0].message
    model_folder(tmp_path)
    assert load_encoder() is not None
    assert load_encoder(tmp_path) is not None


# ------------------------------------------------------------------------------------------------ one caller's voice


class Direct:
    """Answers at once."""

    def __init__(self, model: Model) -> None:
        self.model = model

    async def embed(self, pcm: Pcm, *, deadline_ms: float) -> Floats | None:
        return self.model.embed(pcm)


async def test_a_voice_is_learnt_from_four_seconds_and_read_once() -> None:
    model = Model()
    voice = LearntVoice(Direct(model))
    voice.add(tone(100, LEARN_MS / 2))
    await voice.look(tone(300), 5_000, deadline_ms=LONG_MS)
    assert (model.looks, voice.unlike(5_000)) == (0, None)
    voice.add(tone(100, LEARN_MS))
    await voice.look(tone(300), 6_000, deadline_ms=LONG_MS)
    assert (model.looks, voice.unlike(6_000)) == (2, 0.0)
    assert voice.unlike(7_000) is None  # of another onset
    await voice.look(tone(110), 7_000, deadline_ms=LONG_MS)
    assert (model.looks, voice.unlike(7_000)) == (3, None)
    voice.forget()
    await voice.look(tone(300), 8_000, deadline_ms=LONG_MS)
    assert (model.looks, voice.unlike(8_000)) == (3, None)


async def test_a_model_without_an_answer_gives_no_vote_and_is_asked_again() -> None:
    model = Model()
    voice = LearntVoice(Direct(model))
    voice.add(tone(100, LEARN_MS))
    for _ in range(2):
        model.embed = lambda pcm: None  # type: ignore[method-assign]
        await voice.look(tone(300), 6_000, deadline_ms=LONG_MS)
        assert voice.unlike(6_000) is None
    del model.embed
    await voice.look(tone(300), 6_000, deadline_ms=LONG_MS)
    assert voice.unlike(6_000) == 0.0
