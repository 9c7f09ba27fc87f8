"""Whether calls can be taken: tried at start, and again in the background on each GET /readyz, at a bounded rate.

The answer to GET /readyz is the newest known, given at once. What it finds dead may return, and the other way round.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np

from bargein.agent import Agent
from bargein.audio.vad import WINDOW
from bargein.call.output.quiet_voice import is_audible
from bargein.call.output.speaker import demand_chunk
from bargein.call.runtime import Runtime
from bargein.errors import BargeinError, VendorLost

log = logging.getLogger(__name__)

WARM_S = 30.0  # a part that gives nothing for so long is not ready
READY_S = 10.0  # between two tries of parts that are ready: a try costs a word of the TTS
AGAIN_S = 2.0  # between two tries of parts that are not


@dataclass(slots=True)
class Readiness:
    """What is known of the parts that every call needs."""

    done: asyncio.Event = field(default_factory=asyncio.Event)
    """The first try is over."""
    waits: dict[str, str] = field(default_factory=lambda: {"vad": "starting", "tts": "starting"})
    """What is not ready, by part, and why."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ready(self) -> bool:
        return not self.waits

    def look_again(self) -> None:
        """Have the parts tried again, as soon as the rate allows."""
        self.asked.set()


async def keep_ready(readiness: Readiness, runtime: Runtime, agent: Callable[[], Agent]) -> None:
    """Try the parts, at once and whenever it is asked for, as long as the server runs.

    agent: gives the agent whose parts are tried; `bargein dev` may have another one each time."""
    while True:
        for part, attempt in _attempts(runtime, agent()).items():
            await _try(readiness, part, attempt)
        readiness.done.set()
        readiness.asked.clear()
        pause_s = READY_S if readiness.ready else AGAIN_S
        await asyncio.sleep(pause_s)  # the rate's bound
        await readiness.asked.wait()


async def _try(readiness: Readiness, part: str, attempt: Callable[[], Awaitable[None]]) -> None:
    waits = readiness.waits
    try:
        async with asyncio.timeout(WARM_S):
            await attempt()
    except (BargeinError, TimeoutError) as error:
        why = str(error) or f"no answer within {WARM_S:g} s"
    except Exception as error:
        log.exception("The %s failed", part)
        why = f"{type(error).__name__}; see the server's log"
    else:
        if waits.pop(part, "starting") != "starting":
            log.warning("Ready again: %s", part)
        return
    if waits.get(part) in (None, "starting"):
        log.warning("Not ready: %s: %s", part, why)
    waits[part] = why


def _attempts(runtime: Runtime, agent: Agent) -> dict[str, Callable[[], Awaitable[None]]]:
    """How each part is tried. An LLM is asked nothing that costs or that it would remember: it may have a `check`."""
    attempts: dict[str, Callable[[], Awaitable[None]]] = {"vad": lambda: _judge(runtime)}
    check: Callable[[], Awaitable[None]] | None = getattr(agent.llm, "check", None)
    if check is not None:
        attempts["llm"] = check
    attempts["tts"] = lambda: _say_a_word(agent)
    return attempts


async def _judge(runtime: Runtime) -> None:
    judged = asyncio.Event()
    stream = runtime.vad.open(16_000, lambda _: judged.set())
    try:
        stream.push_audio(np.zeros(WINDOW[16_000], np.int16))
        await judged.wait()
    finally:
        stream.close()


async def _say_a_word(agent: Agent) -> None:
    """The TTS says a word that can be heard: after that the first call waits for nothing."""

    async def word() -> AsyncIterator[str]:
        yield "Ready."

    tts = agent.tts or agent.fallback_tts
    if tts is None:
        return  # a realtime model speaks by itself, and is asked only in a call
    spoken = tts.speak(word())
    async with contextlib.AsyncExitStack() as stack:
        if (close := getattr(spoken, "aclose", None)) is not None:
            stack.push_async_callback(close)
        async for piece in spoken:
            demand_chunk(piece)
            if is_audible(piece):
                return
    raise VendorLost("The voice gave no sound for a word", advice="Look at the vendor's status")
