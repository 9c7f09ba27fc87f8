"""The process's judge of sounds: its answers, its bounds, and every fault that it answers less by."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from bargein.audio.pcm import Pcm
from bargein.audio.sound import SoundHead, SoundJudge
from bargein.audio.sound import judge as judging
from bargein.errors import UsageError
from tests.audio.sound.sound_kit import (
    BY_CURVE,
    BY_FULL,
    BY_SPECTRUM,
    CURVE,
    ToldFrontEnd,
    changed_head,
    head_file,
    look,
    speech,
)

WAIT_MS = 10_000.0  # no look of these tests is late by accident


async def test_a_look_is_answered_by_the_whole_head_in_a_thread_of_its_own(tmp_path: Path) -> None:
    told = ToldFrontEnd()
    async with SoundJudge(head_file(tmp_path), lambda _: told) as judged:
        assert await judged.judge(speech(), CURVE, deadline_ms=WAIT_MS) == pytest.approx(BY_FULL)
        assert await judged.judge(speech(rate=8000), CURVE, deadline_ms=WAIT_MS) == pytest.approx(BY_FULL)
    assert told.threads
    assert threading.get_ident() not in told.threads
    assert (judged.stats.looks, judged.stats.full, judged.stats.settled) == (2, 2, 0)


async def test_where_the_spectrum_is_sure_of_words_no_embedding_is_made(tmp_path: Path) -> None:
    told = ToldFrontEnd()
    async with SoundJudge(head_file(tmp_path, settled=0.65), lambda _: told) as judged:
        assert await judged.judge(speech(), CURVE, deadline_ms=WAIT_MS) == pytest.approx(BY_SPECTRUM)
    assert (told.looks, told.embedded, judged.stats.settled) == (1, 0, 1)


async def test_without_a_front_end_the_curve_answers(tmp_path: Path) -> None:
    async with SoundJudge(head_file(tmp_path), lambda _: None) as judged:
        first = await judged.judge(speech(), CURVE, deadline_ms=WAIT_MS)
        assert [first, await judged.judge(speech(), CURVE, deadline_ms=WAIT_MS)] == pytest.approx([BY_CURVE, BY_CURVE])


async def test_a_front_end_of_another_version_is_said_once_and_the_curve_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = changed_head(tmp_path, {"front_end": {"name": "x", "sha256": {"melspectrogram.onnx": "0" * 64}}})
    async with SoundJudge(path, judging.installed_front_end) as judged:
        words = await judged.judge(*look("interruption-1.wav", 300), deadline_ms=WAIT_MS)
        assert words is not None
        await judged.judge(speech(), CURVE, deadline_ms=WAIT_MS)
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "another version" in caplog.text
    assert "bargein[sound]" in caplog.text


@pytest.mark.parametrize("text", [None, "", "{}", "[1]", '{"format": "bargein sound head", "version": 2}'])
async def test_without_a_head_no_look_is_answered_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str | None
) -> None:
    path = tmp_path / "none.json"
    if text is not None:
        path.write_text(text)
    async with SoundJudge(path, lambda _: ToldFrontEnd()) as judged:
        assert await judged.judge(speech(), CURVE, deadline_ms=WAIT_MS) is None
        assert await judged.judge(speech(), CURVE, deadline_ms=WAIT_MS) is None
        assert judged.threshold is None
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "train_sound_head" in caplog.text


async def test_what_is_no_sound_has_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told = ToldFrontEnd()
    async with SoundJudge(head_file(tmp_path), lambda _: told) as judged:
        for pcm, curve in (
            (Pcm(np.zeros(0, np.int16), 16000), CURVE),
            (speech(), ()),
            (speech(), (0.5, float("nan"))),
            (speech(), (0.5, float("inf"))),
            (speech(rate=44100), CURVE),
            (speech(rate=48000), CURVE),
        ):
            assert await judged.judge(pcm, curve, deadline_ms=WAIT_MS) is None
        assert (judged.stats.refused, told.looks) == (6, 0)
    assert caplog.text.count("44100") == 1
    assert "48000" not in caplog.text


@pytest.mark.parametrize("samples", [1, 100, 511, 513, 16000 * 20])
@pytest.mark.parametrize("rate", [8000, 16000])
async def test_a_sound_of_any_length_is_answered(samples: int, rate: int) -> None:
    silence = Pcm(np.zeros(samples, np.int16), rate)
    loud = Pcm(np.full(samples, -32768, np.int16), rate)
    async with SoundJudge() as judged:
        for pcm in (silence, loud):
            words = await judged.judge(pcm, CURVE[:1], deadline_ms=WAIT_MS)
            assert words is not None
            assert 0 <= words <= 1
    assert judged.stats.failed == 0


@pytest.mark.parametrize("broken", [{"raises": True}, {"gives": float("nan")}, {"gives": float("inf")}])
async def test_a_look_that_fails_has_the_curves_answer_and_the_next_is_tried(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: dict[str, float]
) -> None:
    told = ToldFrontEnd(raises=bool(broken.get("raises")), gives=broken.get("gives", 0.0))
    async with SoundJudge(head_file(tmp_path), lambda _: told) as judged:
        for _ in range(3):
            assert await judged.judge(speech(), CURVE, deadline_ms=WAIT_MS) == pytest.approx(BY_CURVE)
    assert (judged.stats.failed, told.looks) == (3, 3)
    assert len(caplog.records) == 1
    assert "bargein[sound]" in caplog.text


async def test_of_a_hundred_looks_at_once_those_beyond_the_bound_have_the_curves_answer(tmp_path: Path) -> None:
    gate = threading.Event()
    told = ToldFrontEnd(gate=gate)
    async with SoundJudge(head_file(tmp_path), lambda _: told) as judged, asyncio.TaskGroup() as group:
        looks = [group.create_task(judged.judge(speech(), CURVE, deadline_ms=WAIT_MS)) for _ in range(100)]
        at_once, waiting = await asyncio.wait(looks, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in at_once] == pytest.approx([BY_CURVE] * len(at_once))
        assert len(waiting) in (judging.MOST_WAITING, judging.MOST_WAITING + 1)  # one may be in the worker
        gate.set()
    assert judged.stats.full == len(waiting)
    assert judged.stats.busy == len(at_once)
    assert [task.result() for task in waiting] == pytest.approx([BY_FULL] * len(waiting))


async def test_a_late_look_has_no_answer_and_the_event_loop_goes_on(tmp_path: Path) -> None:
    gate = threading.Event()
    told = ToldFrontEnd(gate=gate)
    async with SoundJudge(head_file(tmp_path), lambda _: told) as judged:
        began = time.monotonic()
        assert await judged.judge(speech(), CURVE, deadline_ms=30) is None
        assert await judged.judge(speech(), CURVE, deadline_ms=0) is None
        assert time.monotonic() - began < 5  # the gate opens after 20 s by itself
        gate.set()
        assert await judged.judge(speech(), CURVE, deadline_ms=WAIT_MS) == pytest.approx(BY_FULL)
    assert judged.stats.late == 2


async def test_a_look_that_hangs_loses_its_thread_and_the_next_is_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "HANG_MS", 40.0)
    gate = threading.Event()
    made = iter([ToldFrontEnd(gate=gate), ToldFrontEnd()])
    async with SoundJudge(head_file(tmp_path), lambda _: next(made)) as judged:
        assert await judged.judge(speech(), CURVE, deadline_ms=5) is None
        # Waits behind the look that hangs until the thread is replaced.
        assert await judged.judge(speech(), CURVE, deadline_ms=WAIT_MS) == pytest.approx(BY_FULL)
        assert judged.stats.replaced == 1
        gate.set()
    assert len(caplog.records) == 1
    assert "thread was replaced" in caplog.text


async def test_after_looks_that_hang_again_and_again_the_curve_alone_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "HANG_MS", 20.0)
    gate = threading.Event()
    threads = []

    def hangs(_: SoundHead) -> ToldFrontEnd:
        threads.append(threading.get_ident())
        return ToldFrontEnd(gate=gate)

    async with SoundJudge(head_file(tmp_path), hangs) as judged:
        while (words := await judged.judge(speech(), CURVE, deadline_ms=30)) is None:
            pass
        assert words == pytest.approx(BY_CURVE)
        assert judged.stats.replaced == judging.MOST_REPLACED + 1 == len(threads)
        assert await judged.judge(speech(), CURVE, deadline_ms=WAIT_MS) == pytest.approx(BY_CURVE)
        gate.set()
    assert [r.levelname for r in caplog.records] == ["WARNING", "WARNING"]
    assert "alone judges sounds from now on" in caplog.text


async def test_a_front_end_that_never_loads_is_given_up_and_the_curve_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "LOAD_MS", 30.0)
    gate = threading.Event()
    told = ToldFrontEnd()

    def loads(_: SoundHead) -> ToldFrontEnd:
        gate.wait(20)
        return told

    async with SoundJudge(head_file(tmp_path), loads) as judged:
        assert await judged.judge(speech(), CURVE, deadline_ms=WAIT_MS) == pytest.approx(BY_CURVE)
        gate.set()
        assert await judged.judge(speech(), CURVE, deadline_ms=WAIT_MS) == pytest.approx(BY_CURVE)
    assert told.looks == 0
    assert len(caplog.records) == 1


async def test_a_look_of_a_call_that_is_over_is_not_made(tmp_path: Path) -> None:
    gate = threading.Event()
    told = ToldFrontEnd(gate=gate)
    async with SoundJudge(head_file(tmp_path), lambda _: told) as judged:
        looks = [asyncio.create_task(judged.judge(speech(), CURVE, deadline_ms=WAIT_MS)) for _ in range(3)]
        await asyncio.sleep(0)
        for task in looks[1:]:
            task.cancel()
        await asyncio.gather(*looks[1:], return_exceptions=True)
        gate.set()
        assert await looks[0] == pytest.approx(BY_FULL)
        assert await judged.judge(speech(), CURVE, deadline_ms=WAIT_MS) == pytest.approx(BY_FULL)
    assert told.looks == 2


async def test_looks_that_wait_at_the_end_have_no_answer(tmp_path: Path) -> None:
    gate = threading.Event()
    judged = SoundJudge(head_file(tmp_path), lambda _: ToldFrontEnd(gate=gate))
    assert await judged.judge(speech(), CURVE, deadline_ms=WAIT_MS) is None  # not started
    judged.start()
    looks = [asyncio.create_task(judged.judge(speech(), CURVE, deadline_ms=WAIT_MS)) for _ in range(3)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(judged.aclose())
    assert await asyncio.gather(*looks) == [None, None, None]
    gate.set()
    await closing
    assert await judged.judge(speech(), CURVE, deadline_ms=WAIT_MS) is None


async def test_a_judge_starts_once(tmp_path: Path) -> None:
    async with SoundJudge(head_file(tmp_path), lambda _: ToldFrontEnd()) as judged:
        with pytest.raises(UsageError, match="once"):
            judged.start()


async def test_the_installed_judge_tells_words_from_coughs_and_says_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    said, other = [], []
    async with SoundJudge() as judged:
        for rate in (8000, 16000):
            for ms in (300, 600):
                for number in (1, 2, 3, 4, 5, 7):
                    said.append(await judged.judge(*look(f"interruption-{number}.wav", ms, rate), deadline_ms=WAIT_MS))
                for name in ("cough-1.wav", "cough-2.wav"):
                    other.append(await judged.judge(*look(name, ms, rate), deadline_ms=WAIT_MS))
    assert all(words is not None and words >= 0.5 for words in said), said
    assert all(words is not None and words < 0.5 for words in other), other
    assert judged.stats.settled > len(said) / 3  # most words cost no embedding
    assert not caplog.records
