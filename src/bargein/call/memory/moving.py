"""A call leaves its server in good order: at a moment when neither party speaks, with all of it remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bargein.call.assembly import CallParts
from bargein.call.memory.keeper import MemoryKeeper
from bargein.floor import Floor, State
from bargein.floor.speech import Evidence

QUIET_MS = 800.0  # that neither party has spoken: who begins to speak in the gap is not heard


class Moving:
    """memory: None: the call cannot move."""

    def __init__(self, floor: Floor, parts: CallParts, memory: MemoryKeeper | None) -> None:
        self._floor = floor
        self._parts = parts
        self._memory = memory
        self._quiet = asyncio.Event()
        self._by_ms = 0.0
        self._over = asyncio.Event()
        self.wanted = False
        """The call is to leave at the next quiet moment."""

    async def leave(self, within_ms: float, now_ms: Callable[[], float]) -> bool:
        """Returns once other servers may take the call up. False: it stays here."""
        if self._memory is None or self._over.is_set() or self.wanted:
            return False
        self._by_ms = now_ms() + within_ms
        self.wanted = True
        try:
            while True:
                self._quiet.clear()
                if not (self.quiet_now(now_ms()) or now_ms() >= self._by_ms):
                    await self._quiet.wait()
                if self._over.is_set() or not await self._memory.durable():
                    return False
                if self.quiet_now(now_ms()) or now_ms() >= self._by_ms:
                    return await self._memory.release()
        finally:
            self.wanted = False

    def tick(self, now_ms: float) -> None:
        """Called every 20 ms while `wanted`."""
        if now_ms >= self._by_ms or self.quiet_now(now_ms):
            self._quiet.set()

    def end(self) -> None:
        """The call is over."""
        self._over.set()
        self._quiet.set()

    def quiet_now(self, now_ms: float) -> bool:
        """Neither party speaks, and nothing would be lost or done twice: the agent has said all and the user says
        nothing, or the user has just ended and no answer has begun."""
        floor, replies = self._floor, self._parts.replies
        if floor.away or floor.speech.evidence is not Evidence.SILENT or floor.left:
            return False
        if floor.state is State.IDLE:
            since_ms = max(floor.quiet_since_ms, floor.speech.until_ms)
            return now_ms - since_ms >= QUIET_MS and not floor.says_waiting and replies.unconfirmed is None
        live = replies.live
        if floor.state is not State.THINKING or live is None or live.kind != "reply":
            return False
        begun = live.busy or live.track is not None or live.calls or live.owed_from is not None
        return not begun and self._parts.conversation.has_turn(floor.turn.id)
