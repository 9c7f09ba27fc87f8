"""Log-mel features: their shape, and where a tone stands in them."""

from __future__ import annotations

import numpy as np
import pytest

from bargein.audio.log_mel import CHANNELS, RATE, log_mel, to_hz


@pytest.mark.parametrize("hz", [200.0, 1000.0, 3000.0, 7000.0])
def test_a_tone_stands_in_the_channel_of_its_pitch(hz: float) -> None:
    at = np.arange(RATE) / RATE
    features = log_mel(np.sin(2 * np.pi * hz * at).astype(np.float32))
    assert features.shape == (CHANNELS, 100)
    top = 15.0 + np.log(8.0) * 27.0 / np.log(6.4)
    middles = to_hz(np.linspace(0.0, top, CHANNELS + 2))[1:-1]
    loudest = int(features[:, 50].argmax())
    assert abs(int(np.abs(middles - hz).argmin()) - loudest) <= 1


def test_slaney_s_scale_is_linear_and_then_logarithmic() -> None:
    assert to_hz(np.array([0.0, 3.0, 15.0, 42.0])) == pytest.approx([0.0, 200.0, 1000.0, 6400.0])


def test_levels_lie_in_a_range_of_eighty_decibels() -> None:
    features = log_mel(
        np.random.default_rng(1).normal(0, 0.1, RATE).astype(np.float32)
        * np.linspace(0, 1, RATE, dtype=np.float32) ** 8
    )
    assert features.max() - features.min() <= 2.0 + 1e-6
    assert np.isfinite(log_mel(np.zeros(RATE, np.float32))).all()
