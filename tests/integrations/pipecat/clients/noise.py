"""The agent's audio on real wires, and where what came differs from what was sent."""

from __future__ import annotations

import numpy as np


def noise(samples: int) -> np.ndarray:
    """Of the agent, from its first sample."""
    return np.random.default_rng(17).integers(-8_000, 8_000, samples).astype(np.int16)


def jumps(got: bytes, whole: bytes) -> list[tuple[int, int]]:
    """Where the audio that came does not go on as it was sent: (sample, sample of the sent audio that follows)."""
    found: list[tuple[int, int]] = []
    at = shift = 0
    while at < len(got) and len(found) < 10:
        end, one, other = at, np.frombuffer(got[at:], "<i2"), np.frombuffer(whole[at + shift :], "<i2")
        size = min(len(one), len(other))
        differs = np.nonzero(one[:size] != other[:size])[0]
        if not len(differs):
            break
        end = at + int(differs[0]) * 2
        place = whole.find(got[end : end + 32])
        while place % 2 and place > 0:
            place = whole.find(got[end : end + 32], place + 1)
        found.append((end // 2, place // 2 if place >= 0 else -1))
        if place < 0:
            break
        at, shift = end, place - end
    return found


def strays(got: bytes, whole: bytes) -> list[tuple[int, int]]:
    """As `jumps`, where a resampler has rounded each sample in its own way: the first place that differs."""
    one, other = (np.frombuffer(each, "<i2").astype(np.int32) for each in (got, whole[: len(got)]))
    far = np.nonzero(np.abs(one - other) > 600)[0]
    return [(int(far[0]), -1)] if len(far) else []
