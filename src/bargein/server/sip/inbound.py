"""A SIP call that came: from its INVITE to its BYE."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from bargein.errors import Unavailable
from bargein.server.hub import Hub
from bargein.server.refusals import Refusal
from bargein.server.sip.control import SipControl
from bargein.server.sip.media import NOT_ACCEPTABLE, SERVER_ERROR, SipMedia
from bargein.server.start_call import start_call
from bargein.server.telephone.serve import RefusalLog, choose_for_phone
from bargein.server.trace_headers import carry_trace
from bargein.sip.addresses import NameAddr
from bargein.sip.dialog import SipDialog
from bargein.sip.errors import SipRefusal
from bargein.sip.incoming_call import IncomingCall
from bargein.sip.session_description import AudioDescription
from bargein.transports.rtp.transport import RtpTransport

log = logging.getLogger(__name__)

NETWORK = "sip"
UNAVAILABLE, BUSY = 503, 486
RETRY_S = 10  # that a caller who found no place waits at least
ANSWER_S = 32.0  # for the far end's answer to our offer (64 * T1: then its ACK is lost for good)
HEADERS = {name: f"x-bargein-{name}" for name in ("agent", "policy", "language", "record")}
FACT_CHARS = 100

refusals = RefusalLog()


class SipMediaMaker(Protocol):
    """Makes a call's media."""

    def media(self, host: str, *, sealed: bool = False) -> SipMedia:
        """Raises Unavailable where no port is free."""
        ...

    def domain(self, dialog: SipDialog) -> str:
        """Where the telephone numbers of a transfer are reached."""
        ...


async def serve_invite(hub: Hub, maker: SipMediaMaker, invite: IncomingCall) -> None:
    """To the end of the call. Raises nothing: what fails here concerns no other call."""
    cancelled = asyncio.Event()
    invite.on_cancel = lambda _: cancelled.set()
    try:
        with hub.calls.place():
            await _answer(hub, maker, invite, cancelled)
    except Refusal as refusal:
        refusals.warn("A SIP call was refused", refusal)
        full = refusal.code == "busy"
        invite.reject(BUSY if full else UNAVAILABLE, retry_after_s=RETRY_S)
    except SipRefusal as refusal:
        log.info("A SIP call from %s was refused: %d %s", invite.peer.host, refusal.status, refusal.reason)
        invite.reject(refusal.status, refusal.reason)
    except Unavailable as error:
        log.warning("A SIP call was refused: %s", error)
        invite.reject(UNAVAILABLE, retry_after_s=RETRY_S)
    except Exception:
        log.exception("A SIP call failed")
        invite.reject(SERVER_ERROR)


async def _answer(hub: Hub, maker: SipMediaMaker, invite: IncomingCall, cancelled: asyncio.Event) -> None:
    agent, policy = choose_for_phone(hub, asked_for(hub, invite))
    carry_trace(hub, invite.headers)
    media = maker.media(invite.local_host)
    dialog = None
    try:
        invite.ring()
        sdp = media.offer() if invite.offer is None else media.answer(invite.offer, invite.sdp)
        if cancelled.is_set() or invite.settled:
            return
        dialog = invite.answer(sdp)
        described = Described(dialog, media)
        if media.transport is None and not await described.within(ANSWER_S):
            return
        assert media.transport is not None
        await media.transport.start()
        control = SipControl(dialog, media.transport, maker.domain(dialog))
        facts = facts_of(dialog, media, caller=invite.caller, callee=invite.callee, user=invite.user)
        async with start_call(
            hub, agent, policy, media.transport, network=NETWORK, network_id="", control=control, facts=facts
        ) as kept:
            attach(dialog, media.transport, control)
            log.info("Call %s: SIP call %s from %s", kept.call.id, dialog.id, dialog.peer.host)
            await kept.call.run()
        log.info("Call %s: over (%s)", kept.call.id, kept.call.over)
    finally:
        await media.close("ended")
        if dialog is not None:
            release(dialog)


class Described:
    """What the far end says of its audio, after our first answer: its answer to our offer, and new offers."""

    def __init__(self, dialog: SipDialog, media: SipMedia) -> None:
        self._media = media
        self._settled = asyncio.Event()
        self._dialog = dialog
        dialog.on_answer = self._answered
        dialog.on_reinvite = self._reinvited
        dialog.on_over = lambda _: self._settled.set()

    async def within(self, seconds: float) -> bool:
        """Whether the answer to our offer has come, and can be used."""
        try:
            async with asyncio.timeout(seconds):
                await self._settled.wait()
        except TimeoutError:
            log.warning("SIP call %s: no answer to our offer came", self._dialog.id)
        return self._media.transport is not None and self._dialog.over is None

    def _answered(self, description: AudioDescription) -> None:
        try:
            self._media.take_answer(description)
        except SipRefusal:
            log.warning("SIP call %s: the far end's answer has no codec of ours", self._dialog.id)
            self._dialog.hang_up("no common codec")
        self._settled.set()

    def _reinvited(self, description: AudioDescription | None, sdp: bytes) -> bytes:
        return self._media.offer() if description is None else self._media.answer(description, sdp)


def attach(dialog: SipDialog, transport: RtpTransport, control: SipControl) -> None:
    """What comes by signalling reaches the call from now on. A dialog that is over already ends it."""
    dialog.on_over = control.far_end_over
    dialog.on_key = lambda key, _: transport.push_key(key)
    if dialog.over is not None:
        control.far_end_over(dialog.over)


def release(dialog: SipDialog) -> None:
    """The call is over: hang up, where the far end has not. The dialog outlives it for half a minute, in case that its
    last messages come again, and lets go of the call now."""
    dialog.hang_up()
    dialog.on_answer = dialog.on_over = _nothing
    dialog.on_key, dialog.on_reinvite = _nothing, _no_offer


def _nothing(*_: object) -> None:
    """The call is over."""


def _no_offer(_: AudioDescription | None, __: bytes) -> bytes:
    raise SipRefusal(NOT_ACCEPTABLE, "Not Acceptable Here")


def asked_for(hub: Hub, invite: IncomingCall) -> Mapping[str, str]:
    """What an INVITE asks for (see HEADERS): by headers, and the agent by the user that is called, too."""
    found = {name: invite.headers[header].strip() for name, header in HEADERS.items() if invite.headers.get(header)}
    if "agent" not in found and invite.request_uri.user in hub.catalogue.agents:
        found["agent"] = invite.request_uri.user
    return found


def facts_of(
    dialog: SipDialog, media: SipMedia, *, caller: NameAddr, callee: NameAddr, user: str = ""
) -> dict[str, str]:
    """For the record."""
    codec = media.agreed.codec if media.agreed is not None else ""
    facts = {
        "transport": NETWORK,
        "phone_call": dialog.id[:FACT_CHARS],
        "from": shown(caller),
        "to": shown(callee),
        "peer": f"{dialog.peer.host} by {dialog.peer.transport}",
        "codec": f"{codec} sealed" if media.agreed is not None and media.agreed.srtp is not None else codec,
    }
    return facts | ({"user": user} if user else {})


def shown(address: NameAddr) -> str:
    """A number where the user is one, else user and host."""
    user = address.uri.user
    number = user.lstrip("+").isdecimal() and len(user) > 4
    return (user if number else f"{user}@{address.uri.host}")[:FACT_CHARS]
