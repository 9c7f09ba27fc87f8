"""The SIP door of a running server: one user agent, the ports of its calls, and a task for each call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from bargein.errors import UsageError
from bargein.server.hub import Hub
from bargein.server.sip.configuration import SipConfiguration, sip_configuration
from bargein.server.sip.inbound import serve_invite
from bargein.server.sip.media import SipMedia
from bargein.server.sip.outbound import DialedCall
from bargein.server.sip.place import CallOrder
from bargein.server.sip.trunk_addresses import TrunkAddresses
from bargein.sip.addresses import NameAddr, SipUri
from bargein.sip.dialog import SipDialog
from bargein.sip.incoming_call import IncomingCall
from bargein.sip.session_description import AudioDescription
from bargein.sip.settings import SipTrunk
from bargein.sip.user_agent import SipUserAgent
from bargein.transports.rtp.ports import RtpPorts

log = logging.getLogger(__name__)

ANY = {4: "0.0.0.0", 6: "::"}  # noqa: S104  # audio comes in where signalling does, or at any interface


class SipDoor:
    """A sip.SipHandler and an OpenDoor by shape. Owns a task for each call, until `ended`."""

    def __init__(self, hub: Hub, configuration: SipConfiguration) -> None:
        self.configuration = configuration
        self.trunk: SipTrunk | None = configuration.trunk
        self._hub = hub
        self._tasks: set[asyncio.Task[None]] = set()
        self._chores: set[asyncio.Task[None]] = set()
        first, last = configuration.rtp_ports or (None, None)
        self._ports = {version: RtpPorts(host, first, last) for version, host in ANY.items()}
        self._ringing: dict[str, DialedCall] = {}
        self.agent: SipUserAgent | None = None

    def own(self, work: Coroutine[Any, Any, None], name: str, *, until_close: bool = False) -> None:
        """Do this beside all else. until_close: it is cancelled when the door closes; else the door waits for it."""
        owner = self._chores if until_close else self._tasks
        task = asyncio.create_task(work, name=name)
        owner.add(task)
        task.add_done_callback(owner.discard)

    async def ended(self) -> None:
        """Until no call has a task."""
        for each in self._chores:
            each.cancel()
        while left := self._tasks | self._chores:
            await asyncio.wait(left)

    # ----------------------------------------------------------------------------------------------------- inbound

    def incoming(self, call: IncomingCall) -> None:
        """Never waits."""
        self.own(serve_invite(self._hub, self, call), f"SIP call {call.id[:40]}")

    def media(self, host: str, *, sealed: bool = False) -> SipMedia:
        """Raises Unavailable where no port is free."""
        port = self._ports[6 if ":" in host else 4].take()
        clock, ticker = self._hub.host.clock, self._hub.host.ticker
        try:
            return SipMedia(port, host, clock, ticker, self.configuration.far_buffer_ms, sealed=sealed)
        except BaseException:
            port.close()
            raise

    def domain(self, dialog: SipDialog) -> str:
        """Where the telephone numbers of a transfer are reached."""
        return self.trunk.uri.host if self.trunk is not None else dialog.remote.uri.host

    @property
    def ports_taken(self) -> int:
        """Pairs of UDP ports that calls have now."""
        return sum(ports.taken for ports in self._ports.values())

    # ---------------------------------------------------------------------------------------------------- outbound

    async def dial(self, order: CallOrder) -> str:
        """Begin to call. Raises Refusal, UsageError."""
        dialed = DialedCall(self._hub, self, order)
        self._ringing[dialed.id] = dialed
        self.own(dialed.run(), f"SIP call {dialed.id}")
        return dialed.id

    def rings_no_more(self, call_id: str) -> None:
        """A call of ours was answered, or never will be."""
        self._ringing.pop(call_id, None)

    def cancel(self, call_id: str) -> bool:
        """Ring no more. False: the call does not ring."""
        found = self._ringing.get(call_id)
        return found is not None and found.cancel("the operator hung up")

    def cancel_all(self) -> None:
        for each in list(self._ringing.values()):
            each.cancel("the server closes")

    async def local_host(self, uri: SipUri) -> str:
        return await self._user_agent.local_host(uri)

    async def invite(
        self,
        uri: SipUri,
        offer: bytes,
        *,
        caller: NameAddr | None,
        ring_s: float,
        on_progress: Callable[[int, AudioDescription | None], None],
    ) -> SipDialog:
        """Raises SipRefused, SipTimeout, ProtocolError."""
        trunk = self.trunk if self.trunk is not None and uri.host == self.trunk.uri.host else None
        return await self._user_agent.invite(
            uri, offer, from_=caller, within_s=ring_s, trunk=trunk, on_progress=on_progress
        )

    @property
    def _user_agent(self) -> SipUserAgent:
        if self.agent is None:
            raise UsageError("The SIP door is closed", advice="Start the server again")
        return self.agent

    # ------------------------------------------------------------------------------------------------------- told

    def addresses(self) -> list[str]:
        """Where phones reach us, one for each socket."""
        if self.agent is None:
            return []
        return [f"sip:{each}".replace(";transport=udp", "") for each in self.agent.addresses]

    def lines(self) -> list[tuple[str, str]]:
        """What a start says of the door."""
        lines = [("sip", f"{', '.join(self.addresses())}: calls of {self.configuration.who}")]
        lines += [("trunk", f"{uri}: {state}") for uri, state in self._registrations().items()]
        return lines

    def state(self) -> Mapping[str, object]:
        """For GET /readyz, which anybody may ask: no account is named."""
        trunks = list(self._registrations().values())
        return {"addresses": self.addresses(), **({"trunk": trunks[0]} if trunks else {})}

    def _registrations(self) -> Mapping[str, str]:
        return {} if self.agent is None else self.agent.registrations()


@asynccontextmanager
async def open_sip(hub: Hub) -> AsyncIterator[SipDoor | None]:
    """The door of these settings, open while the block runs: then its calls have ended, and the trunk knows. None: they
    ask for none. Raises UsageError for wrong settings, and for an address that cannot be had."""
    configuration = sip_configuration(hub.settings)
    if not configuration.listen:
        yield None
        return
    trunk = TrunkAddresses(configuration.trunk)
    async with AsyncExitStack() as stack:
        door = SipDoor(hub, configuration)
        stack.push_async_callback(door.ended)
        door.own(trunk.keep(), "the trunk's addresses", until_close=True)
        agent = SipUserAgent(
            configuration.listen,
            door,
            hub.host.clock,
            admission=configuration.admission(trunk.has),
            public=configuration.public,
            trunks=() if configuration.trunk is None else (configuration.trunk,),
            server_tls=configuration.server_tls,
        )
        try:
            await stack.enter_async_context(agent)
        except OSError as error:
            places = ", ".join(map(str, configuration.listen))
            advice = "Choose another --sip, or stop what listens there"
            raise UsageError(f"Cannot listen on {places}: {error.strerror or error}", advice=advice) from error
        door.agent = agent
        hub.sip.door = door
        hub.metrics.gauge("sip_ports", "pairs of UDP ports that SIP calls have", lambda: float(door.ports_taken))
        try:
            yield door
        finally:
            hub.sip.door = None
            door.cancel_all()
            await hub.calls.hang_up_all("the server closes")
            door.agent = None
