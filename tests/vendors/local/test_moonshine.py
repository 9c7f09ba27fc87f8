"""The ears in their process: what they read, how they refuse when they cannot, and that they come back."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import numpy as np
import pytest

from bargein.audio.pcm import Pcm
from bargein.errors import AudioShapeError, VendorLost
from bargein.protocols import BatchTranscript
from bargein.vendors.local.moonshine import RATE, WAITING, MoonshineSTT, worker
from bargein.vendors.local.moonshine_worker import MODEL_SETTING
from bargein.vendors.local.worker_process import WorkerProcess

AMPLE_MS = 30_000.0  # no test waits for it


@pytest.fixture
async def process() -> AsyncIterator[WorkerProcess]:
    child = worker()
    yield child
    await child.aclose()


@pytest.fixture
async def reader(process: WorkerProcess) -> AsyncIterator[MoonshineSTT]:
    stt = MoonshineSTT(process)
    yield stt
    await stt.aclose()


def joined(*parts: Pcm) -> Pcm:
    return Pcm(np.concatenate([part.samples for part in parts]), RATE)


async def words(reader: MoonshineSTT, pcm: Pcm) -> str:
    """What is read, in lower case. The tests look for one word in it: the rest is the model's and the machine's."""
    return (await reader.read(pcm, deadline_ms=AMPLE_MS)).text.lower()


async def test_it_reads_what_was_said(reader: MoonshineSTT, stop: Pcm, story: Pcm) -> None:
    assert "stop" in await words(reader, stop)
    assert "story" in await words(reader, story)


async def test_what_was_read_before_changes_nothing(reader: MoonshineSTT, stop: Pcm, story: Pcm) -> None:
    first = await reader.read(stop, deadline_ms=AMPLE_MS)
    for before in (story, Pcm.silence(2000, RATE)):
        await reader.read(before, deadline_ms=AMPLE_MS)
        assert await reader.read(stop, deadline_ms=AMPLE_MS) == first


async def test_room_noise_around_it_is_not_read(reader: MoonshineSTT, stop: Pcm) -> None:
    room = Pcm(np.random.default_rng(3).normal(0, 20, RATE).astype(np.int16), RATE)
    assert "stop" in await words(reader, joined(room, stop, room))
    assert await reader.read(room, deadline_ms=AMPLE_MS) == BatchTranscript("")


async def test_a_stretch_too_short_for_a_word_is_none_and_asks_nobody(
    reader: MoonshineSTT, process: WorkerProcess
) -> None:
    for ms in (0, 99):
        assert await reader.read(Pcm.silence(ms, RATE), deadline_ms=AMPLE_MS) == BatchTranscript("")
    assert process.pid is None


async def test_another_rate_is_a_mistake_of_ours(reader: MoonshineSTT) -> None:
    with pytest.raises(AudioShapeError):
        await reader.read(Pcm.silence(500, 8000), deadline_ms=AMPLE_MS)


async def test_of_a_long_stretch_the_end_is_read(reader: MoonshineSTT, stop: Pcm, story: Pcm) -> None:
    long = joined(story, Pcm.silence(29_000, RATE), stop)
    read = await words(reader, long)
    assert "stop" in read
    assert "story" not in read


async def test_one_more_than_can_wait_is_told_that_it_is_busy(reader: MoonshineSTT, stop: Pcm) -> None:
    await reader.start()
    line = [asyncio.create_task(reader.read(stop, deadline_ms=AMPLE_MS)) for _ in range(1 + WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(VendorLost, match="busy"):
        await reader.read(stop, deadline_ms=AMPLE_MS)
    assert all("stop" in reading.text.lower() for reading in await asyncio.gather(*line))


async def test_who_cannot_wait_is_told_that_it_is_late_and_makes_room(reader: MoonshineSTT, stop: Pcm) -> None:
    await reader.start()
    line = [asyncio.create_task(reader.read(stop, deadline_ms=1)) for _ in range(1 + WAITING)]
    late = await asyncio.gather(*line, return_exceptions=True)
    assert [type(error) for error in late] == [VendorLost] * 5
    assert all("late" in str(error) for error in late)
    again = await asyncio.gather(*(words(reader, stop) for _ in range(1 + WAITING)))
    assert all("stop" in read for read in again)


async def test_who_cannot_wait_for_the_start_does_not_undo_it(
    reader: MoonshineSTT, process: WorkerProcess, stop: Pcm
) -> None:
    with pytest.raises(VendorLost, match="late"):
        await reader.read(stop, deadline_ms=5)
    assert "stop" in await words(reader, stop)
    assert process.pid is not None


async def test_a_cancelled_reading_harms_no_other(reader: MoonshineSTT, stop: Pcm) -> None:
    await reader.start()
    gone = asyncio.create_task(reader.read(stop, deadline_ms=AMPLE_MS))
    stays = asyncio.create_task(reader.read(stop, deadline_ms=AMPLE_MS))
    await asyncio.sleep(0)
    gone.cancel()
    assert "stop" in (await stays).text.lower()
    assert gone.cancelled()


async def test_a_killed_process_loses_its_reading_and_the_next_starts_another(
    reader: MoonshineSTT, process: WorkerProcess, stop: Pcm
) -> None:
    await reader.start()
    first = process.pid
    assert first is not None
    reading = asyncio.create_task(reader.read(joined(*[stop] * 20), deadline_ms=AMPLE_MS))
    await asyncio.sleep(0)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(VendorLost, match="died"):
        await reading
    assert "stop" in await words(reader, stop)
    assert process.pid not in (None, first)


async def test_closing_ends_a_process_of_its_own(stop: Pcm) -> None:
    stt = MoonshineSTT()
    await stt.start()
    await stt.aclose()
    assert stt._process.pid is None
    with pytest.raises(VendorLost):
        await stt.read(stop, deadline_ms=AMPLE_MS)


async def test_closing_leaves_a_shared_process_to_its_maker(process: WorkerProcess, stop: Pcm) -> None:
    first, second = MoonshineSTT(process), MoonshineSTT(process)
    await first.start()
    await first.aclose()
    assert (await second.read(stop, deadline_ms=AMPLE_MS)).text
    await second.aclose()
    assert process.pid is not None


async def test_closing_while_it_starts_leaves_nothing_behind(stop: Pcm) -> None:
    stt = MoonshineSTT()
    with pytest.raises(VendorLost, match="late"):
        await stt.read(stop, deadline_ms=1)
    await stt.aclose()
    assert stt._process.pid is None


async def test_without_a_model_a_reading_is_lost_with_advice(
    reader: MoonshineSTT, stop: Pcm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODEL_SETTING, "no/such/folder")
    with pytest.raises(VendorLost, match="moonshine-voice"):
        await reader.read(stop, deadline_ms=AMPLE_MS)
