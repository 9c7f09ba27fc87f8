"""Resampling: lengths that add up, streams that do not care how they are cut, and filters that do what they say."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein.audio.levels import rms
from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import HotResampler, StreamResampler, resample
from bargein.errors import UsageError

RATES = (8000, 16000, 22050, 24000, 44100, 48000)
HOT_RATES = (8000, 16000, 24000, 48000)
HOT_PAIRS = list(itertools.permutations(HOT_RATES, 2))
cuts = st.lists(st.integers(0, 1500), min_size=1, max_size=12)


def sine(hz: float, rate: int, ms: int = 200, peak: int = 16000) -> Samples:
    samples: Samples = np.rint(peak * np.sin(2 * np.pi * hz * np.arange(ms * rate // 1000) / rate)).astype(np.int16)
    return samples


def noise(samples: int, seed: int = 7) -> Samples:
    return np.random.default_rng(seed).integers(-20000, 20000, samples).astype(np.int16)


def pieces(samples: Samples, lengths: list[int]) -> list[Samples]:
    return np.split(samples, np.cumsum(lengths)[:-1])


# ---------------------------------------------------------------------------------------------------- whole clips


@pytest.mark.parametrize(("rate", "to"), list(itertools.permutations(RATES, 2)))
def test_a_clip_keeps_its_length_and_its_tone(rate: int, to: int) -> None:
    clip = resample(Pcm(sine(1000, rate), rate), to)
    assert (clip.rate, clip.ms) == (to, 200)
    middle = slice(len(clip.samples) // 4, 3 * len(clip.samples) // 4)
    assert np.abs(clip.samples[middle] - sine(1000, to)[middle].astype(int)).max() <= 16, "less than 0.1 %, and in step"


def test_a_clip_of_the_same_rate_is_not_touched() -> None:
    samples = noise(100)
    assert resample(Pcm(samples, 16000), 16000).samples is samples


def test_a_clip_of_nothing_is_nothing() -> None:
    assert resample(Pcm.silence(0, 16000), 8000).ms == 0


# -------------------------------------------------------------------------------------------------------- streams


@given(lengths=cuts, rate=st.sampled_from(RATES), to=st.sampled_from(RATES))
def test_what_comes_out_of_a_stream_is_what_went_in_times_the_ratio(lengths: list[int], rate: int, to: int) -> None:
    stream = StreamResampler(rate, to)
    parts = pieces(noise(sum(lengths)), lengths)
    out = [stream.push_audio(part) for part in parts] + [stream.push_audio(np.zeros(0, np.int16), last=True)]
    assert sum(map(len, out)) == math.floor(sum(lengths) * to / rate + 0.5)


@given(lengths=cuts)
def test_a_stream_gives_the_same_however_it_is_cut(lengths: list[int]) -> None:
    samples = noise(sum(lengths))
    whole, cut = StreamResampler(22050, 24000), StreamResampler(22050, 24000)
    parts = [cut.push_audio(part) for part in pieces(samples, lengths)] + [cut.push_audio(samples[:0], last=True)]
    assert np.concatenate(parts).tolist() == whole.push_audio(samples, last=True).tolist()


def test_a_stream_of_the_same_rate_hands_samples_through() -> None:
    samples = noise(100)
    assert StreamResampler(24000, 24000).push_audio(samples, last=True) is samples


def test_a_stream_that_ended_takes_no_more() -> None:
    stream = StreamResampler(8000, 16000)
    stream.push_audio(noise(10), last=True)
    with pytest.raises(UsageError, match="ended"):
        stream.push_audio(noise(10))


# ------------------------------------------------------------------------------------------------------- hot path


@pytest.mark.parametrize(("rate", "to"), HOT_PAIRS)
def test_the_hot_path_is_late_by_less_than_1_5_ms(rate: int, to: int) -> None:
    hot = HotResampler(rate, to)
    tone = hot.push_audio(sine(200, rate))
    assert 0 < hot.delay_ms < 1.5
    lags = range(3 * to // 1000 + 1)
    truth = sine(200, to, 190)
    best = min(lags, key=lambda lag: float(np.abs(tone[lag : lag + len(truth)] - truth.astype(float)).sum()))
    assert abs(best * 1000 / to - hot.delay_ms) <= 1000 / to


@pytest.mark.parametrize(("rate", "to"), HOT_PAIRS)
def test_the_hot_path_passes_four_fifths_of_the_band(rate: int, to: int) -> None:
    low = min(rate, to) / 2
    for share in (0.01, 0.1, 0.3, 0.5, 0.7, 0.8):
        tone = HotResampler(rate, to).push_audio(sine(share * low, rate))
        gain = 20 * math.log10(rms(tone[len(tone) // 4 :]) / rms(sine(share * low, rate)))
        assert abs(gain) <= 0.6, f"{share} of the band"


@pytest.mark.parametrize(("rate", "to"), [(rate, to) for rate, to in HOT_PAIRS if rate > to])
def test_the_hot_path_lets_nothing_fold_back_into_the_band(rate: int, to: int) -> None:
    for hz in np.linspace(1.05 * to / 2, rate / 2 * 0.99, 25).tolist():
        tone = HotResampler(rate, to).push_audio(sine(hz, rate))
        assert rms(tone[len(tone) // 4 :]) <= rms(sine(hz, rate)) * 10 ** (-49 / 20), f"{hz} Hz"


@pytest.mark.parametrize(("rate", "to"), [(rate, to) for rate, to in HOT_PAIRS if rate < to])
def test_the_hot_path_adds_no_images_above_the_band(rate: int, to: int) -> None:
    tone_peak = 16000 * np.hanning(to - to // 10).sum() / 2  # in a spectrum taken like the one below
    for share in (0.05, 0.3, 0.6, 0.8, 0.95):
        tone = HotResampler(rate, to).push_audio(sine(share * rate / 2, rate, 1000))[to // 10 :]
        spectrum = np.abs(np.fft.rfft(tone * np.hanning(len(tone))))
        hz = np.fft.rfftfreq(len(tone), 1 / to)
        image = spectrum[hz >= 1.05 * rate / 2].max()
        assert 20 * math.log10(image / tone_peak) <= -49, f"{share} of the band"


@given(lengths=cuts, pair=st.sampled_from(HOT_PAIRS))
def test_the_hot_path_gives_the_same_however_it_is_cut(lengths: list[int], pair: tuple[int, int]) -> None:
    samples = noise(sum(lengths))
    whole, cut = HotResampler(*pair), HotResampler(*pair)
    joined = np.concatenate([cut.push_audio(part) for part in pieces(samples, lengths)])
    assert joined.tolist() == whole.push_audio(samples).tolist()
    assert len(joined) == -(-len(samples) * pair[1] // pair[0])


@pytest.mark.parametrize(("rate", "to"), HOT_PAIRS)
def test_the_hot_path_keeps_a_constant_a_constant(rate: int, to: int) -> None:
    out = HotResampler(rate, to).push_audio(np.full(rate // 10, 1234, np.int16))
    assert set(out[to // 200 :].tolist()) == {1234}


def test_the_hot_path_clips_and_does_not_wrap() -> None:
    square = np.where(np.arange(4800) // 48 % 2, 32767, -32768).astype(np.int16)
    out = HotResampler(48000, 16000).push_audio(square)
    assert (out.min(), out.max()) == (-32768, 32767)
    assert np.abs(np.diff(out.astype(int))).max() <= 65535


def test_the_hot_path_of_the_same_rate_hands_samples_through() -> None:
    samples = noise(320)
    hot = HotResampler(16000, 16000)
    assert hot.push_audio(samples) is samples
    assert hot.delay_ms == 0.0


def test_the_hot_path_refuses_a_rate_it_has_no_short_filter_for() -> None:
    with pytest.raises(UsageError, match="44100"):
        HotResampler(44100, 16000)
