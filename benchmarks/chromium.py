"""A real Chromium with a spoken microphone, for the benchmarks and the browser tests."""

from __future__ import annotations

import os
import shutil
import wave
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bargein.audio.pcm import Samples
from bargein.errors import Unavailable
from benchmarks.sounds import RATE

try:
    from playwright.async_api import async_playwright
except ImportError:  # `page` raises Unavailable
    async_playwright = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from playwright.async_api import Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)


def executable() -> str:
    """Where Chromium is. Raises Unavailable."""
    for name in (os.environ.get("BARGEIN_CHROMIUM", ""), *NAMES):
        if name and (found := shutil.which(name)):
            return found
    raise Unavailable("There is no Chromium here", advice="Run `sh tools/chromium.sh`, or set BARGEIN_CHROMIUM")


def spoken(path: Path, samples: Samples) -> Path:
    """Write the audio that the fake microphone plays, once."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


@asynccontextmanager
async def page(microphone: Path | None = None, **context: object) -> AsyncIterator[Page]:
    """A page in a fresh browser. microphone: a WAV that its fake microphone plays once, from when it is opened."""
    if async_playwright is None:
        raise Unavailable("playwright is not installed", advice="Install it: pip install playwright")
    flags = list(FLAGS)
    if microphone is not None:
        flags.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=flags)
        try:
            made = await browser.new_context(**context)  # type: ignore[arg-type]
            yield await made.new_page()
        finally:
            await browser.close()


@dataclass(frozen=True, slots=True)
class PageRecording:
    """What a page recorded with ?record, on its audio clock. Times in ms from the first block."""

    microphone: list[tuple[float, float]]
    """Of each block: time of its first frame, and its highest |sample|."""
    output: list[tuple[float, float]]
    """Of each block: time of its first frame, and its highest |sample|."""
    block_ms: float
    """Length of a block."""
    events: list[tuple[float, str]]
    """What the playback did: hold, localHold, resume, flush, finished."""
    messages: list[Mapping[str, object]]
    """Messages of the server, in order."""
    reports: list[Mapping[str, object]]
    """Reports of the page about its playback."""


async def recording(of: Page) -> PageRecording:
    raw = await of.evaluate(
        "bargein.call.sound.dump().then(d => ({...d, messages: bargein.call.messages, reports: bargein.call.reports}))"
    )
    rate = raw["output"]["sampleRate"]
    zero = min(raw["microphone"]["frames"][0], raw["output"]["frames"][0])

    def blocks(side: str) -> list[tuple[float, float]]:
        frames, peaks = raw[side]["frames"], raw[side]["peaks"]
        return [((f - zero) * 1000 / rate, p) for f, p in zip(frames, peaks, strict=True)]

    frames = raw["output"]["frames"]
    events = [((e["frame"] - zero) * 1000 / rate, e["kind"]) for e in raw["output"]["events"]]
    return PageRecording(
        blocks("microphone"),
        blocks("output"),
        # The usual step: a context that starts may skip frames, or render one twice.
        median(b - a for a, b in pairwise(frames)) * 1000 / rate,
        events,
        raw["messages"],
        raw["reports"],
    )
