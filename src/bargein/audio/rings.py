"""Rings of samples, written and read by position: the newest ones of a stream stay."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bargein.audio.pcm import Samples

Floats = NDArray[np.float32]


def put(ring: Samples, begin: int, samples: Samples, end: int) -> None:
    """Write samples into a ring from `begin` to `end` (exclusive)."""
    size = len(ring)
    if end - begin > size:
        begin, samples = end - size, samples[-size:]
    at, count = begin % size, end - begin
    if at + count <= size:
        ring[at : at + count] = samples
    else:
        ring[at:] = samples[: size - at]
        ring[: at + count - size] = samples[size - at :]


def get(ring: Samples, begin: int, end: int) -> Floats:
    """The samples from `begin` to `end` (exclusive), no more of them than the ring has."""
    size = len(ring)
    at, count = begin % size, end - begin
    if at + count <= size:
        return ring[at : at + count].astype(np.float32)
    return np.concatenate((ring[at:], ring[: at + count - size])).astype(np.float32)


def emphasised(x: Floats) -> Floats:
    """High frequencies raised, so that two voices of one pitch do not match."""
    return x - 0.9 * np.concatenate((x[:1], x[:-1]))
