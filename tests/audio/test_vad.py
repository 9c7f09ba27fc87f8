"""The batcher: every stream hears what it would hear alone, in order, on the loop, whatever the others do."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bargein.audio.pcm import Samples
from bargein.audio.resample import resample
from bargein.audio.silero import CONTEXT, WINDOW, Floats, SileroModel
from bargein.audio.vad import GATHER_ABOVE, MAX_PENDING, MAX_SKIP_WINDOWS, SileroVAD, SileroVADStream, VADWindow
from bargein.errors import AudioShapeError, UsageError
from tests import sounds
from tests.audio.vad_kit import Listener, alone

RATES = [8000, 16000]
SIZE = WINDOW[16000]
SILENCE = np.zeros(SIZE, np.int16)


class Stuck:
    """A model that stands still in its first run until it is let go, and says the mean level of each window."""

    def __init__(self) -> None:
        self.entered, self.go = threading.Event(), threading.Event()
        self.batches: list[int] = []

    def run(self, batch: Floats, state: Floats, rate: int) -> tuple[Floats, Floats]:
        self.entered.set()
        assert self.go.wait(30)
        self.batches.append(len(batch))
        return batch[:, CONTEXT[rate] :].mean(axis=1), state


def level(share: float) -> Samples:
    return np.full(SIZE, int(share * 32768), np.int16)


# ------------------------------------------------------------------------------------------------- what is heard


@pytest.mark.parametrize("rate", RATES)
async def test_each_stream_hears_exactly_what_it_would_hear_alone(rate: int) -> None:
    voices = [resample(sounds.load(label.file), rate).samples for label in sounds.labels("interruption")]
    frame, ends = rate // 50, [len(voice) // WINDOW[rate] for voice in voices]
    async with SileroVAD() as vad:
        listeners = [Listener(vad, rate) for _ in voices]
        for step in range(max(map(len, voices)) // frame + 10):
            for i, (listener, voice) in enumerate(zip(listeners, voices, strict=True)):
                # Each is a bit behind the one before, so that now these and now those share a batch.
                now = step * frame - i * 101
                listener.stream.push_audio(voice[max(0, now - frame) : max(0, now)])
            for i, listener in enumerate(listeners):
                await listener.until(min(ends[i], max(0, step * frame - i * 101) // WINDOW[rate]))
        for listener, voice in zip(listeners, voices, strict=True):
            assert listener.windows == alone(voice, rate)
        assert 1 < vad.stats.mean_batch < len(voices)


async def test_both_rates_are_heard_beside_each_other() -> None:
    clip = sounds.load("interruption-1.wav")
    async with SileroVAD() as vad:
        listeners = [Listener(vad, rate) for rate in RATES]
        for listener in listeners:
            samples = resample(clip, listener.stream.rate).samples[: MAX_PENDING * WINDOW[listener.stream.rate]]
            listener.stream.push_audio(samples)
            assert await listener.until(MAX_PENDING) == alone(samples, listener.stream.rate)


@pytest.mark.parametrize("label", sounds.labels("interruption"), ids=lambda label: label.file)
async def test_an_onset_is_found_within_120_ms(label: sounds.Label) -> None:
    clip = sounds.load(label.file)
    async with SileroVAD() as vad:
        listener = Listener(vad)
        samples = clip.samples[: MAX_PENDING * SIZE]
        listener.stream.push_audio(samples)
        windows = await listener.until(len(samples) // SIZE)
    found = next(w.last_sample for w in windows if w.speech >= 0.5)
    assert 0 < found * 1000 / clip.rate - label.onset_ms <= 120


@pytest.mark.parametrize("label", [*sounds.labels("cough"), *sounds.labels("noise")], ids=lambda label: label.file)
async def test_a_cough_or_a_tap_is_no_long_speech(label: sounds.Label) -> None:
    clip = sounds.load(label.file)
    async with SileroVAD() as vad:
        listener = Listener(vad)
        samples = np.concatenate((SILENCE, clip.samples))[: MAX_PENDING * SIZE]
        listener.stream.push_audio(samples)
        windows = await listener.until(len(samples) // SIZE)
    assert sum(w.speech >= 0.5 for w in windows) * 32 <= 200


async def test_any_cut_of_a_stream_gives_the_same_windows() -> None:
    samples = sounds.load("interruption-2.wav").samples[: 20 * SIZE]
    async with SileroVAD() as vad:
        listener = Listener(vad)
        at = 0
        for length in (1, 0, 63, 64, 65, 511, 512, 513, 3, 4000, 5000, len(samples)):
            listener.stream.push_audio(samples[at : at + length])
            at += length
        assert await listener.until(20) == alone(samples, 16000)


async def test_what_was_fed_may_be_overwritten_by_its_owner() -> None:
    samples = sounds.load("interruption-2.wav").samples[: 8 * SIZE]
    async with SileroVAD() as vad:
        listener, buffer = Listener(vad), np.empty(100, np.int16)
        for at in range(0, len(samples), 100):
            part = samples[at : at + 100]
            buffer[: len(part)] = part
            listener.stream.push_audio(buffer[: len(part)])
        assert await listener.until(8) == alone(samples, 16000)


# ----------------------------------------------------------------------------------------------- gaps and resets


async def test_a_short_gap_is_silence() -> None:
    samples = sounds.load("interruption-3.wav").samples[: 10 * SIZE + 100]
    async with SileroVAD() as vad:
        listener = Listener(vad)
        listener.stream.push_audio(samples)
        listener.stream.skip(700)
        listener.stream.push_audio(samples)
        expected = alone(np.concatenate((samples, np.zeros(700, np.int16), samples)), 16000)
        assert await listener.until(len(expected)) == expected


async def test_of_a_long_gap_only_a_little_is_shown_and_positions_stay_right() -> None:
    samples = sounds.load("interruption-3.wav").samples[: 10 * SIZE + 100]
    hour = 3600 * 16000
    async with SileroVAD() as vad:
        listener = Listener(vad)
        listener.stream.push_audio(samples)
        listener.stream.skip(hour)
        listener.stream.push_audio(samples)
        windows = await listener.until(20 + MAX_SKIP_WINDOWS)
        shown = alone(np.concatenate((samples, np.zeros(MAX_SKIP_WINDOWS * SIZE, np.int16), samples)), 16000)
        assert [w.speech for w in windows] == [w.speech for w in shown]
        jump = hour - MAX_SKIP_WINDOWS * SIZE
        first = [w.first_sample for w in windows]
        assert first[:18] == [i * SIZE for i in range(18)]
        assert first[18:] == [i * SIZE + jump for i in range(18, len(windows))]


async def test_after_a_reset_nothing_is_left_of_what_was_before() -> None:
    before, after = (sounds.load(name).samples[: 12 * SIZE + 100] for name in ("interruption-1.wav", "speech.wav"))
    async with SileroVAD() as vad:
        listener = Listener(vad)
        listener.stream.push_audio(before)
        listener.stream.reset()
        listener.stream.push_audio(after)
        assert await listener.until(24) == [*alone(before, 16000), *alone(after, 16000, start=len(before))]


# ------------------------------------------------------------------------------------- order, ends and failures


async def test_windows_are_told_in_order_and_on_the_loop() -> None:
    async with SileroVAD() as vad:
        listeners = [Listener(vad) for _ in range(3)]
        for i in range(20):
            for listener in listeners:
                listener.stream.push_audio(level(i / 100))
        for listener in listeners:
            windows = await listener.until(20)
            assert [w.first_sample for w in windows] == [i * SIZE for i in range(20)]
            assert [w.last_sample for w in windows] == [(i + 1) * SIZE for i in range(20)]
            assert listener.threads == {threading.get_ident()}


async def test_a_stream_closed_while_its_window_is_judged_is_told_nothing() -> None:
    model = Stuck()
    async with SileroVAD(model=model) as vad:
        closed, other = Listener(vad), Listener(vad)
        closed.stream.push_audio(np.concatenate((SILENCE, SILENCE)))
        await asyncio.to_thread(model.entered.wait, 30)
        closed.stream.close()
        other.stream.push_audio(SILENCE)
        model.go.set()
        await other.until(1)
        closed.stream.push_audio(SILENCE)
        other.stream.push_audio(SILENCE)
        await other.until(2)
        assert closed.windows == []


async def test_a_callback_may_close_another_stream_of_the_same_batch() -> None:
    model = Stuck()
    async with SileroVAD(model=model) as vad:
        first, second, third = Listener(vad), Listener(vad), Listener(vad)
        first.stream.push_audio(SILENCE)
        await asyncio.to_thread(model.entered.wait, 30)
        closer = vad.open(16000, lambda _: second.stream.close())
        for stream in (closer, second.stream, third.stream):
            stream.push_audio(SILENCE)
        model.go.set()
        await third.until(1)
        assert model.batches == [1, 3]
        assert second.windows == []


async def test_a_call_that_fails_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: VADWindow) -> None:
        raise ZeroDivisionError

    async with SileroVAD() as vad:
        broken, whole = vad.open(16000, fail), Listener(vad)
        for _ in range(5):
            broken.push_audio(SILENCE)
            whole.stream.push_audio(SILENCE)
        await whole.until(5)
        async with asyncio.timeout(30):
            while vad.stats.failures < 5:  # the broken one may come last in the last batch
                whole.stream.push_audio(SILENCE)
                await whole.until(len(whole.windows) + 1)
    assert [r.levelno for r in caplog.records] == [logging.ERROR] * 5


async def test_a_model_that_fails_loses_a_batch_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    class Once(SileroModel):
        failed = False

        def run(self, batch: Floats, state: Floats, rate: int) -> tuple[Floats, Floats]:
            if not self.failed:
                self.failed = True
                raise MemoryError
            return super().run(batch, state, rate)

    async with SileroVAD(model=Once()) as vad:
        listener = Listener(vad)
        listener.stream.push_audio(np.concatenate((SILENCE, SILENCE)))
        assert [w.first_sample for w in await listener.until(1)] == [SIZE]
        assert (listener.stream.dropped, vad.dropped) == (1, 1)
    assert len(caplog.records) == 1


# ------------------------------------------------------------------------------------------------ under load


async def test_a_stream_that_floods_loses_its_own_oldest_windows_and_no_others() -> None:
    model = Stuck()
    async with SileroVAD(model=model) as vad:
        flood, calm = Listener(vad), Listener(vad)
        flood.stream.push_audio(level(0))
        await asyncio.to_thread(model.entered.wait, 30)
        for i in range(1, 101):
            flood.stream.push_audio(level(i / 200))
        for _ in range(MAX_PENDING):
            calm.stream.push_audio(SILENCE)
        model.go.set()
        windows = await flood.until(1 + MAX_PENDING)
        await calm.until(MAX_PENDING)
        kept = [0, *range(101 - MAX_PENDING, 101)]
        assert [w.first_sample for w in windows] == [i * SIZE for i in kept]
        assert [w.speech for w in windows] == pytest.approx([i / 200 for i in kept], abs=1 / 32768)
        assert (flood.stream.dropped, calm.stream.dropped, vad.dropped) == (100 - MAX_PENDING, 0, 100 - MAX_PENDING)
        assert set(model.batches[1:]) == {2}, "at most one window of a stream in a batch"


async def test_many_streams_meet_in_one_batch() -> None:
    count = 4 * GATHER_ABOVE
    async with SileroVAD(gather_ms=30_000) as vad:
        listeners = [Listener(vad) for _ in range(count)]
        for _ in range(3):
            for listener in listeners:
                listener.stream.push_audio(SILENCE)
            for listener in listeners:
                await listener.until(1)
                listener.windows.clear()
        assert (vad.stats.windows, vad.stats.batches, vad.stats.mean_batch) == (3 * count, 3, count)
        assert vad.stats.busy_ms > 0


async def test_a_few_streams_do_not_wait_for_each_other() -> None:
    async with SileroVAD(gather_ms=3_600_000) as vad:
        listeners = [Listener(vad) for _ in range(GATHER_ABOVE)]
        listeners[0].stream.push_audio(SILENCE)
        await listeners[0].until(1)


@pytest.fixture
def bounds(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """The bounds of the worker's waits, in s. A bounded wait ends at once."""
    bounds: list[float | None] = []

    class Waits(threading.Condition):
        def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
            bounds.append(timeout)
            return predicate() if timeout is not None else super().wait_for(predicate)

    monkeypatch.setattr("bargein.audio.vad.Condition", Waits)
    return bounds


async def test_a_window_waits_for_the_other_streams_no_longer_than_gather_ms(bounds: list[float | None]) -> None:
    async with SileroVAD(gather_ms=70) as vad:
        listeners = [Listener(vad) for _ in range(2 * GATHER_ABOVE)]
        listeners[0].stream.push_audio(SILENCE)
        await listeners[0].until(1)
    assert bounds[:2] == [None, 0.07]


async def test_streams_closed_while_a_run_waits_for_them_do_not_stop_the_worker(bounds: list[float | None]) -> None:
    async with SileroVAD(gather_ms=20) as vad:
        listeners = [Listener(vad) for _ in range(2 * GATHER_ABOVE)]
        for listener in listeners[1:]:
            listener.stream.push_audio(SILENCE)
            listener.stream.close()
        listeners[0].stream.push_audio(SILENCE)
        await listeners[0].until(1)


# ----------------------------------------------------------------------------------------------- the worker


async def test_an_idle_worker_waits_without_a_bound(bounds: list[float | None]) -> None:
    async with SileroVAD() as vad:
        listener = Listener(vad)
        listener.stream.push_audio(SILENCE)
        await listener.until(1)
    assert set(bounds) == {None}, "no wake-up by time"


async def test_nothing_is_told_after_the_end() -> None:
    model = Stuck()
    async with SileroVAD(model=model) as vad:
        listener = Listener(vad)
        listener.stream.push_audio(SILENCE)
        await asyncio.to_thread(model.entered.wait, 30)
        model.go.set()
    await asyncio.sleep(0)
    listener.stream.push_audio(SILENCE)
    await asyncio.sleep(0)
    assert listener.windows == []
    assert not any(t.name == "vad" for t in threading.enumerate())
    await vad.aclose()


async def test_a_vad_that_never_ran_can_be_closed() -> None:
    await SileroVAD().aclose()


async def test_a_vad_runs_once() -> None:
    async with SileroVAD() as vad:
        with pytest.raises(UsageError, match="started"):
            vad.start()


async def test_another_rate_is_refused() -> None:
    with pytest.raises(UsageError, match="44100"):
        SileroVAD().open(44100, lambda _: None)


@pytest.mark.parametrize("wrong", [np.zeros(512, np.float32), np.zeros((1, 512), np.int16)])
async def test_other_arrays_are_refused(wrong: np.ndarray) -> None:
    told: Callable[[VADWindow], None] = lambda _: None  # noqa: E731
    stream: SileroVADStream = SileroVAD().open(16000, told)
    with pytest.raises(AudioShapeError, match="mono int16"):
        stream.push_audio(wrong)
