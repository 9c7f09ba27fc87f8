"""A call without a server, on a transport of one's own; with its own clock, ticker and VAD where none are given."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from bargein.agent import Agent
from bargein.audio.sound import SoundJudge
from bargein.audio.vad import SileroVAD
from bargein.call.call import Call
from bargein.call.record.status import CallStatus
from bargein.call.runtime import Runtime
from bargein.call.ticker import Ticker
from bargein.clock import MonotonicClock
from bargein.errors import UsageError
from bargein.floor import Policy
from bargein.notices import Notice
from bargein.protocols import CallControl, Journal, Transport
from bargein.recorder.journal import NullJournal

log = logging.getLogger(__name__)


async def standalone_call(
    agent: Agent,
    transport: Transport,
    *,
    runtime: Runtime | None,
    journal: Journal | None,
    policy: Policy | None,
    watch: Callable[[Notice], None] | None,
    control: CallControl | None,
    facts: Mapping[str, str] | None,
) -> CallStatus:
    """`bargein.run_call`."""
    if not isinstance(agent, Agent):
        raise UsageError(
            f"run_call() needs an Agent, and was given a {type(agent).__name__}",
            advice="Give an Agent(llm=..., tts=...), or an Agent(realtime=...)",
        )
    if agent.stt == "auto":
        log.warning("Agent %s has no stt, so no words are read. Give stt=..., or stt=None", agent.name)
    missing = [name for name in ("receive", "send", "hold", "flush", "notify", "close") if not hasattr(transport, name)]
    if missing or isinstance(transport, type):
        raise UsageError(
            f"run_call(): a {type(transport).__name__} is no transport",
            advice="Give an object with the methods of protocols.Transport",
        )
    async with _runtime(runtime) as shared:
        call = Call(
            call_id=f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}",
            agent=agent,
            transport=transport,
            runtime=shared,
            journal=journal or NullJournal(),
            policy=policy,
            watch=watch,
            control=control,
            facts=facts,
        )
        await call.run()
        return call.status()


@asynccontextmanager
async def _runtime(given: Runtime | None) -> AsyncIterator[Runtime]:
    if given is not None:
        yield given
        return
    clock = MonotonicClock()
    ticker = Ticker(clock)
    async with SileroVAD() as vad, SoundJudge() as sound, asyncio.TaskGroup() as group:
        ticking = group.create_task(ticker.run(), name="ticker")
        try:
            yield Runtime(clock, ticker, vad, NoMeter(), sound)
        finally:
            ticking.cancel()


class NoMeter:
    """protocols.Meter by shape: measurements go nowhere."""

    def observe(self, name: str, ms: float, cause: str) -> None: ...

    def count(self, name: str, amount: int = 1, cause: str = "") -> None: ...
