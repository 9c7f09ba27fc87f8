"""The user agent of a server: listens, answers, calls, keeps registrations; ends all of them at its close."""

from __future__ import annotations

import asyncio
import functools
import secrets
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from bargein.clock import Clock
from bargein.errors import UsageError
from bargein.sip.addresses import NameAddr, SipAddress, SipUri
from bargein.sip.core import CoreSettings, SipCore, SipHandler
from bargein.sip.dialog import SipDialog
from bargein.sip.dialog_state import OnFlow
from bargein.sip.errors import SipTimeout
from bargein.sip.flows import Flow
from bargein.sip.network import SipNetwork
from bargein.sip.outgoing_call import InvitePlan, OutgoingCall
from bargein.sip.registration import Registration
from bargein.sip.session_description import AudioDescription
from bargein.sip.settings import SipAdmission, SipCredentials, SipLimits, SipTrunk
from bargein.sip.transactions import new_tag


class SipUserAgent:
    """async with SipUserAgent(...) as agent: the sockets are open in the block, and every task of it is owned."""

    def __init__(
        self,
        listen: Sequence[SipAddress],
        handler: SipHandler,
        clock: Clock,
        limits: SipLimits | None = None,
        *,
        admission: SipAdmission,
        public: str | None = None,
        trunks: Sequence[SipTrunk] = (),
        server_tls: ssl.SSLContext | None = None,
        client_tls: ssl.SSLContext | None = None,
        session_expires_s: int = 1800,
        agent_name: str = "bargein",
    ) -> None:
        self._limits = limits or SipLimits()
        self._clock = clock
        self._listen = tuple(listen)
        settings = CoreSettings(admission, self._limits, public or "", session_expires_s, agent_name)
        self._core = SipCore(handler, clock, settings, open_flow=self._open_flow, contact_port=self._contact_port)
        self._network = SipNetwork(self._core, self._limits, server_tls, client_tls, self._flow_lost)
        self._core.registrations = [
            Registration(self._core, trunk, functools.partial(self._open_flow, _way(trunk)))
            for trunk in trunks
            if trunk.register
        ]
        self._calls: set[OutgoingCall] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._open = False

    @property
    def addresses(self) -> tuple[SipAddress, ...]:
        """Where the sockets listen, with the ports that the system gave."""
        return self._network.addresses

    @property
    def counts(self) -> Counter[str]:
        """Messages by what became of them: malformed, unheard, refused, challenged, calls."""
        return self._core.counts

    @property
    def dialogs(self) -> int:
        """Calls that are up, those that wait for the answer to a BYE included."""
        return self._core.dialogs

    def registrations(self) -> Mapping[str, str]:
        """State by the trunk's URI: "registered", "registering", "waiting: why", "refused: why"."""
        return {str(each.trunk.uri): each.state for each in self._core.registrations}

    def register_now(self) -> None:
        """Register again at once: the network changed."""
        for each in self._core.registrations:
            each.start()

    async def __aenter__(self) -> Self:
        """OSError: an address cannot be listened at."""
        self._core.timers.on_sooner = self._schedule
        await self._network.open(self._listen)
        self._open = True
        self.register_now()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._hang_up_all()
        finally:
            self._open = False
            self._core.end_close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._timer is not None:
                self._timer.cancel()
            await self._network.close()

    async def invite(
        self,
        uri: SipUri,
        offer: bytes,
        *,
        from_: NameAddr | None = None,
        credentials: SipCredentials | None = None,
        headers: Mapping[str, str] | None = None,
        within_s: float = 60.0,
        trunk: SipTrunk | None = None,
        on_progress: Callable[[int, AudioDescription | None], None] | None = None,
    ) -> SipDialog:
        """Call. dialog.offer is the far end's answer. Raises SipRefused, SipTimeout, ProtocolError (its SDP is none).

        A cancelled call sends a CANCEL. trunk: its proxy and its credentials are used."""
        if not offer:
            raise UsageError("A SIP call needs an offer", advice="Write one with `write_offer`")
        proxy = trunk.proxy if trunk is not None else None
        flow = await self._flow((proxy or uri).address, within_s)
        sender = from_ or NameAddr(trunk.uri if trunk else SipUri(self._core.settings.agent_name, flow.local.host))
        parameters = (*((key, value) for key, value in sender.parameters if key != "tag"), ("tag", new_tag()))
        plan = InvitePlan(
            uri,
            NameAddr(SipUri.read(sender.uri.bare()), sender.display, parameters),
            secrets.token_hex(12),
            offer,
            credentials or (trunk.credentials if trunk else None),
            headers or {},
            (f"<{proxy};lr>",) if proxy is not None else (),
            on_progress,
        )
        call = OutgoingCall(self._core, plan, flow)
        self._calls.add(call)
        late = self._core.timers.after(
            within_s * 1000, lambda: self._give_up(call, "The callee did not answer in time")
        )
        call.start()
        try:
            return await asyncio.shield(call.result)
        except asyncio.CancelledError:
            if call.result.done() and not call.result.cancelled() and call.result.exception() is None:
                call.result.result().hang_up()
            call.result.cancel()
            call.cancel()
            raise
        finally:
            late.cancel()
            self._calls.discard(call)

    async def local_host(self, uri: SipUri) -> str:
        """Our address on the way to a URI (`public` if it is set): for the offer's SDP. Raises SipTimeout."""
        return self._core.media_host(await self._flow(uri.address, 10.0))

    async def _flow(self, address: SipAddress, within_s: float) -> Flow:
        if not self._open:
            raise SipTimeout("The SIP user agent is closed", advice="Call inside of its `async with` block")
        try:
            async with asyncio.timeout(within_s):
                return await self._network.flow_to(address)
        except OSError as error:  # TimeoutError is one
            text = f"The SIP peer {address} cannot be reached: {str(error) or 'no answer in time'}"
            raise SipTimeout(text, advice="Check the address, its port and its transport") from error

    def _open_flow(self, address: SipAddress, reached: OnFlow) -> None:
        if (flow := self._network.open_flow(address)) is not None:
            reached(flow)
        else:
            self._spawn(self._connect(address, reached))

    async def _connect(self, address: SipAddress, reached: OnFlow) -> None:
        flow: Flow | None = None
        try:
            flow = await self._flow(address, 10.0)
        except SipTimeout:
            flow = None
        reached(flow)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="sip-connect")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _give_up(self, call: OutgoingCall, why: str) -> None:
        if not call.result.done():
            call.cancel()
            call.result.set_exception(SipTimeout(why, advice="Try again later, or wait longer (within_s)"))

    def _contact_port(self, flow: Flow) -> int:
        return self._network.port_for(flow)

    def _flow_lost(self, flow: Flow) -> None:
        for each in self._core.registrations:
            each.flow_lost(flow)

    async def _hang_up_all(self) -> None:
        """BYE, CANCEL and the end of registrations, for at most `close_s`."""
        if not self._open:
            return
        done = asyncio.Event()
        left = len(self._core.registrations)

        def look() -> None:
            if left == 0 and self._core.dialogs == 0:
                done.set()

        def ended() -> None:
            nonlocal left
            left -= 1
            look()

        self._core.on_idle = look
        self._core.timers.after(self._limits.close_s * 1000, done.set)
        for call in list(self._calls):
            self._give_up(call, "The SIP user agent closes")
        self._core.begin_close()
        for each in self._core.registrations:
            each.end(ended)
        look()
        await done.wait()

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._core.timers.next_due_ms
        if due is not None:
            wait_s = max(0.0, due - self._clock.now_ms()) / 1000
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._run_due)

    def _run_due(self) -> None:
        self._timer = None
        try:
            self._core.timers.run_due()
        finally:
            self._schedule()


def _way(trunk: SipTrunk) -> SipAddress:
    return (trunk.proxy or trunk.uri).address
