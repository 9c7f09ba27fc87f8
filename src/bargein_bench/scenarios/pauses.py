"""A pause in the middle of a sentence: where a speaker may pause, and the sentence with a pause there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from bargein_bench.scenarios.clips import RATE, Clip

LEAST_MS = 1_600.0  # a shorter sentence has no middle
MIDDLE = (0.3, 0.75)  # share of the sentence in which the pause lies
BLOCK_MS = 10
DIP_MS = 50  # of quiet: as between two words
DIP_DB = 22.0  # below the sentence's own level
FADE_MS = 8.0


def pausing(clips: Iterable[Clip], most_ms: float) -> list[Clip]:
    """Those sentences that have a place for a pause, with that place."""
    return [
        placed
        for clip in clips
        if LEAST_MS <= clip.active_ms <= most_ms and (placed := _placed(clip)).pause_ms is not None
    ]


def with_pause(clip: Clip, lasts_ms: float) -> Clip:
    """The sentence with so much silence at its place for a pause. The room's own noise goes on: the caller has it."""
    assert clip.pause_ms is not None
    at, more, fade = (int(ms * RATE / 1000) for ms in (clip.pause_ms, lasts_ms, FADE_MS))
    ramp = np.linspace(1, 0, fade)
    before, after = clip.samples[:at].copy(), clip.samples[at:].copy()
    before[-fade:] = np.rint(before[-fade:] * ramp)
    after[:fade] = np.rint(after[:fade] * ramp[::-1])
    samples = np.concatenate((before, np.zeros(more, np.int16), after))
    return replace(clip, samples=samples, end_ms=clip.end_ms + lasts_ms)


def _placed(clip: Clip) -> Clip:
    """With the longest quiet place in its middle; a place that the clip has stays."""
    if clip.pause_ms is not None:
        return clip
    first, last = (int((clip.onset_ms + share * clip.active_ms) / BLOCK_MS) for share in MIDDLE)
    size = BLOCK_MS * RATE // 1000
    blocks = clip.samples[first * size : last * size].astype(np.float64).reshape(-1, size)
    levels = 10 * np.log10(np.maximum(np.square(blocks / 32768).mean(axis=1), 1e-12))
    quiet = np.concatenate(([False], levels < clip.level_db - DIP_DB, [False]))
    edges = np.flatnonzero(np.diff(quiet.astype(np.int8)))
    spans = [(int(b), int(e)) for b, e in zip(edges[::2], edges[1::2], strict=True) if (e - b) * BLOCK_MS >= DIP_MS]
    if not spans:
        return clip
    begin, end = max(spans, key=lambda span: span[1] - span[0])
    return replace(clip, pause_ms=(first + (begin + end) / 2) * BLOCK_MS)
