"""A VAD of few calls: the event loop runs the model, windows of a calm line wait, and every score is the same."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from bargein.audio.calm import CALM_WINDOWS, MOST_WAITING, CalmLine
from bargein.audio.pcm import Samples
from bargein.audio.resample import resample
from bargein.audio.silero import WINDOW
from bargein.audio.vad import MAX_INLINE, SileroVAD
from tests import sounds
from tests.audio.vad_kit import Listener, alone

RATES = [8000, 16000]
SIZE = WINDOW[16000]


def line(samples: int, loudness: float = 3.0) -> Samples:
    """A line on which nobody speaks."""
    return np.random.default_rng(1).normal(0, loudness, samples).astype(np.int16)


async def passes(count: int = 3) -> None:
    """Rounds of the event loop."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("most_inline", [0, 1, 8])
async def test_scores_are_those_of_a_stream_that_never_waits(rate: int, most_inline: int) -> None:
    quiet = line(3 * rate)
    calls = [
        np.concatenate((quiet[i * 731 :], resample(sounds.load(label.file), rate).samples, quiet))
        for i, label in enumerate(sounds.labels("interruption")[:3])
    ]
    async with SileroVAD(inline_streams=most_inline) as vad:
        listeners = [Listener(vad, rate) for _ in calls]
        for at in range(0, max(map(len, calls)), rate // 50):
            for listener, call in zip(listeners, calls, strict=True):
                listener.stream.push_audio(call[at : at + rate // 50])
            await passes(1)
            for listener, call in zip(listeners, calls, strict=True):
                judged = min(at + rate // 50, len(call)) // WINDOW[rate]
                await listener.until(judged - MOST_WAITING)  # the worker is not left behind
        for listener, call in zip(listeners, calls, strict=True):
            whole = alone(call, rate)
            assert len(whole) - MOST_WAITING < len(await listener.until(len(whole) - MOST_WAITING + 1))
            assert [w.speech for w in listener.windows] == pytest.approx(
                [w.speech for w in whole[: len(listener.windows)]], abs=1e-5
            )
            assert [w.first_sample for w in listener.windows] == list(
                range(0, len(listener.windows) * WINDOW[rate], WINDOW[rate])
            )


async def test_a_window_that_rises_above_the_quiet_takes_the_waiting_ones_along_at_once() -> None:
    async with SileroVAD(inline_streams=1) as vad:
        listener = Listener(vad)
        for _ in range(CALM_WINDOWS + 1):
            listener.stream.push_audio(line(SIZE))
            await passes()
        for _ in range(MOST_WAITING - 2):
            listener.stream.push_audio(line(SIZE))
        await passes()
        assert len(listener.windows) == CALM_WINDOWS
        listener.stream.push_audio(line(SIZE, loudness=60))
        await passes()
        assert len(listener.windows) == CALM_WINDOWS + MOST_WAITING
        listener.stream.push_audio(line(SIZE))
        await passes()
        assert len(listener.windows) == CALM_WINDOWS + MOST_WAITING + 1, "a line is not calm at once"


async def test_windows_of_a_calm_line_wait_no_longer_than_the_bound() -> None:
    async with SileroVAD(inline_streams=1) as vad:
        listener = Listener(vad)
        for _ in range(4 * CALM_WINDOWS):
            listener.stream.push_audio(line(SIZE))
            await passes()
        assert 4 * CALM_WINDOWS - MOST_WAITING < len(listener.windows) <= 4 * CALM_WINDOWS
        assert vad.stats.windows == len(listener.windows)


async def test_calm_lines_share_the_runs_of_the_one_that_waits_no_longer() -> None:
    count = 4
    async with SileroVAD(inline_streams=count) as vad:
        listeners = [Listener(vad) for _ in range(count)]
        for _ in range(CALM_WINDOWS + 1):
            for listener in listeners:
                listener.stream.push_audio(line(SIZE))
            await passes()
        for listener in listeners[1:]:
            for _ in range(2):
                listener.stream.push_audio(line(SIZE))
        before = vad.stats.batches
        listeners[0].stream.push_audio(line(SIZE, loudness=60))
        await passes()
        assert vad.stats.batches - before == 3
        assert {len(listener.windows) for listener in listeners[1:]} == {CALM_WINDOWS + 3}


async def test_a_burst_goes_to_the_worker_and_what_follows_stays_behind_it() -> None:
    async with SileroVAD(inline_streams=1) as vad:
        listener = Listener(vad)
        burst = line((MAX_INLINE + 5) * SIZE, loudness=300)
        listener.stream.push_audio(burst)
        for _ in range(10):
            listener.stream.push_audio(line(SIZE, loudness=300))
            await passes()
        whole = alone(np.concatenate((burst, *[line(SIZE, loudness=300)] * 10)), 16000)
        windows = await listener.until(len(whole))
        assert [w.first_sample for w in windows] == [w.first_sample for w in whole]
        assert [w.speech for w in windows] == pytest.approx([w.speech for w in whole], abs=1e-5)


async def test_nothing_is_told_of_windows_that_waited_when_the_stream_closed() -> None:
    async with SileroVAD(inline_streams=1) as vad:
        listener, other = Listener(vad), Listener(vad)
        for _ in range(CALM_WINDOWS + 4):
            listener.stream.push_audio(line(SIZE))
            await passes()
        told = len(listener.windows)
        listener.stream.close()
        other.stream.push_audio(line(SIZE, loudness=300))
        await passes()
        assert len(listener.windows) == told


def test_a_line_that_became_louder_for_good_is_calm_again_in_time() -> None:
    calm = CalmLine()
    for _ in range(2 * CALM_WINDOWS):
        calm.may_wait(line(SIZE))
        calm.scored(0.0)
    waits = []
    for _ in range(300):
        waits.append(calm.may_wait(line(SIZE, loudness=200)))
        calm.scored(0.0)
    assert not any(waits[:CALM_WINDOWS])
    assert all(waits[-100:])


def test_a_line_with_speech_is_not_calm() -> None:
    calm = CalmLine()
    for _ in range(2 * CALM_WINDOWS):
        calm.may_wait(line(SIZE))
        calm.scored(0.2)
    assert not calm.may_wait(line(SIZE))
