"""The agent's background sound, where the transport can play one."""

from __future__ import annotations

import asyncio
import logging

from bargein.agent import Agent
from bargein.audio.ambience import Ambience
from bargein.call.context import CallContext
from bargein.protocols import PlaysBackground, Transport

log = logging.getLogger(__name__)


async def play_background(context: CallContext, agent: Agent, transport: Transport) -> None:
    """Once, as the call begins. A file that cannot be read costs the call nothing but its background."""
    kind, plays, why = agent.background, False, "the client takes replies alone"
    if kind is None:
        return
    if isinstance(transport, PlaysBackground):
        try:
            # The first call of a process makes the sound, which takes half a second.
            sound = await asyncio.to_thread(Ambience.of, kind, transport.rate_out, agent.background_db)
        except Exception as error:
            why = str(error)
        else:
            plays = transport.play_background(sound)
    context.journal.note(context.now_ms(), "background", sound=kind, plays=plays, why="" if plays else why)
    if not plays:
        log.warning("Call %s: no background: %s", context.call_id, why)
