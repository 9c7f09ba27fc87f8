"""A model of voices for all calls of the process: one worker thread, off the event loop, bounded.

A model that is missing, wrong or stuck costs its vote, and is told of once: a look then has no answer.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Full, Queue
from threading import Event, Thread
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bargein.audio.dvector import SpeakerModel, find_folder
from bargein.audio.pcm import Pcm
from bargein.audio.speaker import FRAME_MS, loud_part
from bargein.errors import Unavailable, UsageError

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]

SETTING = "BARGEIN_VOICE_MODEL"  # of the environment: a folder
MOST_WAITING = 16  # looks; about 0.2 s of work
STUCK_S = 5.0  # in one look: the worker will not come back
CLOSE_S = 1.0  # a worker that is stuck is left behind
LEARN_MS = 3_000.0  # of the caller's speech without its pauses, some 4 s of clear speech
UNLIKE = (
    0.50  # cosine to the caller's turns: about 1 in 100 of a caller's own sounds is below, television over it included
)


class VoiceModel(Protocol):
    """As `SpeakerModel`."""

    def embed(self, pcm: Pcm) -> Floats | None:
        """As `SpeakerModel.embed`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    pcm: Pcm
    answer: asyncio.Future[Floats | None]
    loop: asyncio.AbstractEventLoop
    by_s: float


def load_encoder(folder: Path | None = None) -> VoiceEncoder | None:
    """The encoder of a folder, of the folder that SETTING names, or of an installed package. None: there is no model,
    or its files cannot be used, which is logged."""
    named = os.environ.get(SETTING)
    place = folder or (Path(named) if named else find_folder())
    if place is None:
        return None
    try:
        return VoiceEncoder(SpeakerModel(place))
    except Unavailable as error:
        log.warning("No voice is told by a model: %s", error)
        return None


class VoiceEncoder:
    """One for the process: `start()` on the event loop, `embed` for each look, `aclose()`."""

    def __init__(self, model: VoiceModel) -> None:
        self._model = model
        self._queue: Queue[_Look | None] = Queue(MOST_WAITING)  # None: stop
        self._stop = Event()
        self._thread: Thread | None = None
        self._since_s: float | None = None  # when the running look began
        self._told = False

    def start(self) -> None:
        """Start the worker. Raises UsageError the second time."""
        if self._thread is not None:
            raise UsageError("The voice encoder was started before", advice="Start one in a process, once")
        self._thread = Thread(target=self._work, name="voices", daemon=True)
        self._thread.start()

    async def aclose(self) -> None:
        """Stop the worker, and wait for its end."""
        self._stop.set()
        with suppress(Full):  # a full queue wakes the worker, too
            self._queue.put_nowait(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, CLOSE_S)

    async def embed(self, pcm: Pcm, *, deadline_ms: float) -> Floats | None:
        """A voice as numbers of length 1. None: no answer by the deadline, or none at all."""
        since_s = self._since_s
        if since_s is not None and time.monotonic() - since_s > STUCK_S:
            self._tell("it is stuck in a look")
            return None
        if self._thread is None or self._stop.is_set():
            return None
        loop = asyncio.get_running_loop()
        look = _Look(pcm, loop.create_future(), loop, time.monotonic() + deadline_ms / 1000)
        try:
            self._queue.put_nowait(look)
        except Full:
            return None
        try:
            async with asyncio.timeout(deadline_ms / 1000):
                return await look.answer
        except TimeoutError:
            return None

    def _work(self) -> None:
        while (look := self._queue.get()) is not None and not self._stop.is_set():
            found = None
            if time.monotonic() < look.by_s:
                self._since_s = time.monotonic()
                try:
                    found = self._model.embed(look.pcm)
                except Exception as error:  # a vote is lost, and no call with it
                    self._tell(str(error) or type(error).__name__)
                self._since_s = None
            try:
                look.loop.call_soon_threadsafe(_answer, look.answer, found)
            except RuntimeError:
                return  # the event loop is closed
            del look

    def _tell(self, why: object) -> None:
        if not self._told:
            self._told = True
            log.warning("The voice model gives no answer, so no voice is told by it: %s", why)


def _answer(future: asyncio.Future[Floats | None], found: Floats | None) -> None:
    if not future.done():
        future.set_result(found)


class SpeakerEmbedder(Protocol):
    """As `VoiceEncoder`."""

    async def embed(self, pcm: Pcm, *, deadline_ms: float) -> Floats | None:
        """As `VoiceEncoder.embed`."""
        ...


class LearntVoice:
    """One caller's voice: its newest speech until it was read, then 256 numbers."""

    def __init__(self, encoder: SpeakerEmbedder) -> None:
        self._encoder = encoder
        self._speech: list[Pcm] = []  # LEARN_MS at most
        self._voice: Floats | None = None
        self._like: tuple[float, float] | None = None  # an onset (ms), and how like the caller its voice is

    def add(self, pcm: Pcm) -> None:
        """A turn of the caller."""
        if self._voice is None:
            left = LEARN_MS - sum(each.ms for each in self._speech)
            if left > 0:
                self._speech.append(loud_part(pcm).part(0, int(left * pcm.rate / 1000)))

    def forget(self) -> None:
        """The turns so far were another's."""
        self._speech, self._voice, self._like = [], None, None

    async def look(self, pcm: Pcm, onset_ms: float, *, deadline_ms: float) -> None:
        """Compare the running sound. Where too little of the caller was heard: nothing."""
        if self._voice is None and sum(each.ms for each in self._speech) >= LEARN_MS - FRAME_MS:
            rate = self._speech[0].rate
            whole = Pcm(np.concatenate([each.samples for each in self._speech]), rate)
            self._voice = await self._encoder.embed(whole, deadline_ms=deadline_ms)
            if self._voice is None:
                return
            self._speech = []
        if self._voice is not None:
            voice = await self._encoder.embed(pcm, deadline_ms=deadline_ms)
            self._like = None if voice is None else (onset_ms, float(voice @ self._voice))

    def unlike(self, onset_ms: float) -> float | None:
        """How like the caller's the voice of this onset is, where it is another's. None: it is not, or was not told."""
        if self._like is None or self._like[0] != onset_ms or self._like[1] >= UNLIKE:
            return None
        return self._like[1]
