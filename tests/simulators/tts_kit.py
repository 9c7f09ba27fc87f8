"""A connection to a simulated voice, and what a client hears of its audio."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import av
import numpy as np
import pytest
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect

from bargein.audio.alaw import from_alaw
from bargein.audio.mulaw import from_mulaw
from bargein.audio.pcm import Samples
from tests.simulators.serving import serving

TEXT = "Hello there."


@asynccontextmanager
async def connected(app: FastAPI, path: str) -> AsyncIterator[ClientConnection]:
    async with (
        serving(app, ws=True) as url,
        asyncio.timeout(10),
        connect(url.replace("http", "ws") + path, close_timeout=0.5) as socket,
    ):
        yield socket


def decoded(data: bytes, encoding: str) -> Samples:
    """What a client hears of it."""
    match encoding:
        case "mulaw":
            return from_mulaw(data)
        case "alaw":
            return from_alaw(data)
        case "f32le":
            return (np.frombuffer(data, "<f4") * 32_767).astype(np.int16)
        case _:
            return np.frombuffer(data, "<i2").astype(np.int16)


def file_ms(data: bytes) -> float:
    """Length of a compressed file."""
    with cast("Any", av).open(io.BytesIO(data)) as container:
        rate = container.streams.audio[0].rate
        return float(sum(frame.samples for frame in container.decode(audio=0)) * 1000 / rate)


def sounds_like(samples: Samples, spoken_ms: float, rate: int) -> None:
    """The samples are that speech and no noise: as long, and with quiet in them."""
    assert len(samples) * 1000 / rate == pytest.approx(spoken_ms, abs=1)
    level = np.abs(samples.astype(int))
    assert level.max() > 3_000
    assert np.median(level) < level.max() / 4
