"""A SIP call that we make: it is listed from its first moment, rings for a bounded time, and is a call as any other
once it is answered. One that is not answered leaves its reason in the listing, its record, and to its watchers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol

from bargein.errors import BargeinError, UsageError
from bargein.notices import Bye, StateChanged
from bargein.server.calls import Watchers
from bargein.server.hub import Hub
from bargein.server.outbound_numbers import demand_allowed
from bargein.server.sip.control import SipControl, uri_of
from bargein.server.sip.inbound import NETWORK, Described, SipMediaMaker, attach, facts_of, release
from bargein.server.sip.media import SipMedia
from bargein.server.sip.place import CallOrder
from bargein.server.start_call import journal_for, new_call_id, start_call, told_fact
from bargein.server.telephone.serve import choose_for_order
from bargein.server.unanswered import unanswered_status
from bargein.sip.addresses import NameAddr, SipUri
from bargein.sip.dialog import SipDialog
from bargein.sip.errors import SipRefusal, SipRefused, SipTimeout
from bargein.sip.session_description import AudioDescription
from bargein.sip.settings import SipTrunk

log = logging.getLogger(__name__)

RINGS = 180
WHY = {
    403: "refused",
    404: "no such number",
    408: "no answer",
    480: "not available",
    484: "no such number",
    486: "busy",
    487: "cancelled",
    600: "busy",
    603: "declined",
}
"""Why a call was not answered, by the status of the far end."""


class Inviter(SipMediaMaker, Protocol):
    """The door, as far as a call of ours needs it."""

    trunk: SipTrunk | None

    async def local_host(self, uri: SipUri) -> str: ...

    def rings_no_more(self, call_id: str) -> None: ...

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
        ...


class DialedCall:
    """Made by `dial`, which raises what makes a call impossible; `run` raises nothing."""

    def __init__(self, hub: Hub, inviter: Inviter, order: CallOrder) -> None:
        """Raises Refusal, UsageError."""
        self.id = new_call_id()
        self._hub, self._inviter, self._order = hub, inviter, order
        self._uri = target_of(order.to, inviter.trunk)
        if not order.to.strip().startswith(("sip:", "sips:")):
            demand_allowed(hub, order.to)
        self._caller = caller_of(order.caller, inviter.trunk)
        self._agent, self._policy = choose_for_order(hub, order)
        self._watchers = Watchers(hub.metrics, hub.fleet, self.id, hub.redaction)
        self._started_s = time.time()
        self._began_ms = hub.host.clock.now_ms()
        self._state = "dialing"
        self._over: str | None = None
        self._ringing: asyncio.Task[tuple[SipMedia, SipDialog]] | None = None
        self._cancelled: str | None = None
        self._place = ExitStack()
        self._place.enter_context(hub.calls.place())

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

    def cancel(self, why: str) -> bool:
        """Ring no more. False: the call is answered, or over."""
        rings = self._over is None and self._cancelled is None and self._state != "answered"
        if rings:
            self._cancelled = why
            if self._ringing is not None:
                self._ringing.cancel()
        return rings

    def _now_ms(self) -> float:
        return self._hub.host.clock.now_ms() - self._began_ms

    def _facts(self) -> dict[str, str]:
        plain = {"transport": NETWORK, "direction": "outbound", "to": self._order.to}
        if self._caller is not None:
            plain["from"] = str(self._caller.uri)
        return {name: told_fact(self._hub.redaction, name, value) for name, value in plain.items()}

    async def run(self) -> None:
        """To the end of the call."""
        with self._place:
            dialog = media = None
            try:
                with self._hub.calls.dialing(self.id, self.status, self._watchers):
                    try:
                        media, dialog = await self._until_answered()
                    except BargeinError as error:
                        self._not_answered(why_not(error))
                    except asyncio.CancelledError:
                        self._not_answered(f"not answered: {self._cancelled or 'the server stopped'}")
                        if self._cancelled is None:
                            raise
                if media is not None and dialog is not None:
                    await self._talk(media, dialog)
            except Exception:
                log.exception("Call %s: a SIP call failed", self.id)
            finally:
                if media is not None:
                    await media.close("ended")
                if dialog is not None:
                    release(dialog)

    async def _until_answered(self) -> tuple[SipMedia, SipDialog]:
        if self._cancelled is not None:
            raise asyncio.CancelledError
        self._ringing = asyncio.create_task(self._ring(), name=f"ringing {self.id}")
        try:
            found = await self._ringing
        except asyncio.CancelledError:
            self._ringing.cancel()
            await asyncio.wait([self._ringing])
            raise
        finally:
            self._inviter.rings_no_more(self.id)
        self._state = "answered"
        return found

    async def _ring(self) -> tuple[SipMedia, SipDialog]:
        host = await self._inviter.local_host(self._uri)
        media = self._inviter.media(host, sealed=self._uri.secure)
        try:
            dialog = await self._inviter.invite(
                self._uri,
                media.offer(),
                caller=self._caller,
                ring_s=self._order.ring_s,
                on_progress=self._progress,
            )
            try:
                Described(dialog, media)
                media.take_answer(dialog.offer)
            except BaseException:
                dialog.hang_up("no common codec")
                raise
        except BaseException:
            await media.close("not answered")
            raise
        return media, dialog

    def _progress(self, status: int, _: AudioDescription | None) -> None:
        """Early media is not played: the agent's words begin with the answer."""
        if status >= RINGS and self._state == "dialing":
            self._state = "ringing"
            self._watchers.publish(StateChanged("ringing", self._now_ms()))

    async def _talk(self, media: SipMedia, dialog: SipDialog) -> None:
        transport = media.transport
        assert transport is not None
        await transport.start()
        control = SipControl(dialog, transport, self._inviter.domain(dialog))
        facts = facts_of(dialog, media, caller=dialog.local, callee=dialog.remote)
        facts |= {"direction": "outbound", "rang_ms": f"{self._now_ms():.0f}"}
        async with start_call(
            self._hub,
            self._agent,
            self._policy,
            transport,
            network=NETWORK,
            network_id="",
            control=control,
            facts=facts,
            dialed=(self.id, self._watchers),
        ) as kept:
            attach(dialog, transport, control)
            log.info("Call %s: answered by %s", self.id, dialog.peer.host)
            await kept.call.run()
        log.info("Call %s: over (%s)", self.id, kept.call.over)

    def _not_answered(self, why: str) -> None:
        self._state, self._over = "over", why
        log.info("Call %s: not answered: %s", self.id, why)
        self._hub.metrics.call_refused("not_answered")
        journal = journal_for(self._hub, self.id, self._agent, self._policy)
        journal.note(0.0, "call", id=self.id, agent=self._agent.name, **self._facts())
        journal.note(self._now_ms(), "not_answered", why=why)
        journal.note(self._now_ms(), "bye", reason=why)
        journal.close()
        if self._hub.webhook is not None:
            self._hub.webhook.call_over(self.id)
        self._hub.swept.set()
        self._watchers.publish(Bye(why))


def why_not(error: BargeinError) -> str:
    """Why a call was not answered, for its status and record."""
    match error:
        case SipRefused(status=status, reason=reason):
            return f"not answered: {WHY.get(status, 'refused')} ({status} {reason})"
        case SipRefusal():
            return "not answered: no common codec"
        case SipTimeout():
            return "not answered: no answer in time"
        case _:
            return f"not answered: {error.message}"


def target_of(to: str, trunk: SipTrunk | None) -> SipUri:
    """Raises UsageError for what is no address, and for a number without a trunk."""
    to = to.strip()
    if to.startswith(("sip:", "sips:")):
        return uri_of(to, "")
    number = to.removeprefix("+")
    if not (number.isascii() and number.isdecimal() and 2 <= len(number) <= 20):
        raise UsageError(f"{to[:80]!r} cannot be called", advice="Write sip:user@host, or a number such as +4930123456")
    if trunk is None:
        advice = "Set BARGEIN_SIP_TRUNK, or call sip:user@host"
        raise UsageError(f"The number {to} needs a SIP trunk, and none is set", advice=advice)
    return SipUri(to, trunk.uri.host, trunk.uri.port, trunk.uri.secure)


def caller_of(caller: str | None, trunk: SipTrunk | None) -> NameAddr | None:
    """As whom the far end sees us. None: the account of the trunk, or this server. Raises UsageError."""
    if not caller:
        return None
    if caller.startswith(("sip:", "sips:")):
        return NameAddr(uri_of(caller, ""))
    if trunk is None or not caller.isprintable() or any(each in caller for each in '<>"@ '):
        raise UsageError(
            f"{caller[:80]!r} is no caller", advice="Write sip:user@host; a number or a user needs BARGEIN_SIP_TRUNK"
        )
    return NameAddr(SipUri(caller, trunk.uri.host))
