"""A call of ours through a telephone network's REST API: ordered, ringing, and then a call as any other once its audio
stream comes. One that is not answered leaves its reason in the listing, its record, and to its watchers."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import ExitStack
from typing import Protocol

from bargein.agent import Agent
from bargein.errors import BargeinError
from bargein.fleet.records import CallRecord
from bargein.floor import Policy
from bargein.notices import Bye, StateChanged
from bargein.server.calls import Watchers
from bargein.server.hub import Hub
from bargein.server.sip.place import CallOrder
from bargein.server.start_call import journal_for, new_call_id, told_fact
from bargein.server.unanswered import unanswered_status

log = logging.getLogger(__name__)

WHY = {  # Twilio's CallStatus
    "busy": "busy",
    "no-answer": "no answer",
    "failed": "failed: the number cannot be reached",
    "canceled": "cancelled",
    "completed": "answered, and no audio came: Twilio could not open the stream; look at BARGEIN_PUBLIC_URL",
}

RINGS = "dialed"  # the network in the fleet's record of a call that rings: no stream is its own yet
SLACK_S = 20.0  # beyond the time that it may ring: the network routes the call, and tells how it ended


class OutboundLine(Protocol):
    """A telephone network that calls numbers for us."""

    name: str

    async def dial(self, call_id: str, order: CallOrder) -> str:
        """Have the network call the number. Returns the network's id of the call. Raises VendorRefused, VendorLost."""
        ...

    async def cancel(self, network_id: str) -> None:
        """Ring no more. Raises VendorRefused, VendorLost."""
        ...


class DialedPhone:
    """Raises Refusal where no place is free."""

    def __init__(self, hub: Hub, line: OutboundLine, order: CallOrder, agent: Agent, policy: Policy) -> None:
        self.id = new_call_id()
        self._hub, self._line, self._order = hub, line, order
        self._agent, self._policy = agent, policy
        self._watchers = Watchers(hub.metrics, hub.fleet, self.id, hub.redaction)
        self._started_s = time.time()
        self._began_ms = hub.host.clock.now_ms()
        self._network_id = ""
        self._state = "dialing"
        self._over: str | None = None
        self._settled = asyncio.Event()  # answered, or never will be
        self._rings = ExitStack()
        self._rings.enter_context(hub.calls.place())
        self._rings.enter_context(hub.calls.dialing(self.id, self.status, self._watchers))
        self._rings.callback(hub.ringing.pop, self.id, None)
        hub.ringing[self.id] = self

    def status(self) -> dict[str, object]:
        """As CallStatus, until the callee answers."""
        return unanswered_status(
            self.id,
            self._agent,
            self._policy,
            state=self._state,
            started_s=self._started_s,
            lasted_ms=self._now_ms(),
            over=self._over,
            facts=self._facts(),
        )

    async def begin(self) -> None:
        """Have the network call. Raises VendorRefused, VendorLost; the call is over then."""
        fleet = self._hub.fleet
        if fleet.shared:  # before the network asks or tells of the call, whichever node it reaches
            await fleet.add_call(
                CallRecord(self.id, fleet.node, self._agent.name, RINGS, self.id, self._started_s, epoch=0)
            )
        try:
            self._network_id = await self._line.dial(self.id, self._order)
        except BaseException as error:
            self.not_answered(error.message if isinstance(error, BargeinError) else "the order was given up")
            await fleet.remove_call(self.id)
            raise

    async def run(self) -> None:
        """Until the call is answered, or never will be. Raises nothing."""
        try:
            async with asyncio.timeout(self._order.ring_s + SLACK_S):
                await self._settled.wait()
        except TimeoutError:
            self.not_answered(f"{self._line.name} does not tell how the call goes; look at BARGEIN_PUBLIC_URL")
        if self._over is None:
            return  # it is a call as any other now
        await self._hub.fleet.remove_call(self.id)
        try:
            await self._line.cancel(self._network_id)
        except BargeinError as error:
            log.info("Call %s: %s", self.id, error.message)  # it was over there already

    def progress(self, state: str) -> None:
        """The network says how far it is."""
        if self._state == "dialing" and state == "ringing":
            self._state = "ringing"
            self._watchers.publish(StateChanged("ringing", self._now_ms()))

    def told(self, status: str, code: str) -> None:
        """The network's own word on the call."""
        if status in WHY:
            self.not_answered(WHY[status] + (f" (SIP {code})" if code and status == "failed" else ""))
        else:
            self.progress(status)

    def answered(self) -> tuple[str, Watchers, dict[str, str]]:
        """The call's stream is here, and takes its place: its id, its watchers, and facts for its record."""
        facts = {"direction": "outbound", "rang_ms": f"{self._now_ms():.0f}"}
        self._state = "answered"
        self._rings.close()
        self._settled.set()
        return self.id, self._watchers, facts

    def cancel(self, why: str) -> bool:
        """Ring no more. False: the call is answered, or over."""
        rings = not self._settled.is_set()
        self.not_answered(why)
        return rings

    def not_answered(self, why: str) -> None:
        """It never will be answered. Once."""
        if self._settled.is_set():
            return
        hub, self._state, self._over = self._hub, "over", f"not answered: {why}"
        log.info("Call %s: %s", self.id, self._over)
        hub.metrics.call_refused("not_answered")
        journal = journal_for(hub, self.id, self._agent, self._policy)
        journal.note(0.0, "call", id=self.id, agent=self._agent.name, **self._facts())
        journal.note(self._now_ms(), "not_answered", why=self._over)
        journal.note(self._now_ms(), "bye", reason=self._over)
        journal.close()
        hub.swept.set()
        self._watchers.publish(Bye(self._over))
        self._rings.close()
        self._settled.set()

    def _now_ms(self) -> float:
        return self._hub.host.clock.now_ms() - self._began_ms

    def _facts(self) -> dict[str, str]:
        plain = {"transport": self._line.name, "direction": "outbound", "to": self._order.to}
        if self._order.caller:
            plain["from"] = self._order.caller
        return {name: told_fact(self._hub.redaction, name, value) for name, value in plain.items()}
