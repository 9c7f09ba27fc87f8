"""A call of ours until its answer: challenges, too short sessions, several early answers, forks, CANCEL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bargein.errors import BargeinError, ProtocolError
from bargein.sip.addresses import NameAddr, SipUri
from bargein.sip.client_transactions import ClientTransaction, cancel_of
from bargein.sip.dialog import SipDialog
from bargein.sip.dialog_requests import refused
from bargein.sip.dialog_state import DialogHost, DialogState
from bargein.sip.digest import DigestClient
from bargein.sip.errors import SipRefused, SipTimeout, malformed_sdp
from bargein.sip.flows import Flow
from bargein.sip.messages import Headers, SipRequest, SipResponse, read_cseq, sdp_of
from bargein.sip.session_description import AudioDescription, read_audio
from bargein.sip.session_timer import LEAST_S, least_of, read_interval
from bargein.sip.settings import SipCredentials
from bargein.sip.transactions import METHODS

MOST_TRIES = 5
"""INVITEs of one call: after challenges of a proxy and of the callee, and a longer session."""


@dataclass(frozen=True, slots=True)
class InvitePlan:
    """What is called, and how."""

    uri: SipUri
    from_: NameAddr
    """With our tag."""
    call_id: str
    offer: bytes
    credentials: SipCredentials | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    routes: Sequence[str] = ()
    on_progress: Callable[[int, AudioDescription | None], None] | None = None


class OutgoingCall:
    """result: the dialog, or SipRefused, SipTimeout, ProtocolError.

    An answer that comes after `cancel` gets a BYE."""

    def __init__(self, host: DialogHost, plan: InvitePlan, flow: Flow) -> None:
        self.result: asyncio.Future[SipDialog] = asyncio.get_running_loop().create_future()
        self._host = host
        self._plan = plan
        self._flow = flow
        self._digest = DigestClient(plan.credentials) if plan.credentials else None
        self._expires_s = host.session_expires_s
        self._cseq = 0
        self._tries = 0
        self._cancelled = False
        self._transaction: ClientTransaction | None = None
        self._dialogs: dict[str, SipDialog] = {}
        """By the far end's tag: the first is ours, the others are forks that get a BYE."""

    def start(self) -> None:
        self._tries += 1
        self._cseq += 1
        request = self._request()
        self._transaction = self._host.send(request, self._flow, lambda response: self._answered(request, response))

    def cancel(self) -> None:
        """Give up. A CANCEL goes out once the far end has said anything; an answer that crosses it gets a BYE."""
        if self._cancelled or self._dialogs:
            return
        self._cancelled = True
        if self._transaction is not None and self._transaction.proceeding:
            self._send_cancel()

    def _request(self) -> SipRequest:
        plan = self._plan
        headers = Headers([("route", route) for route in plan.routes])
        for name, value in (
            ("from", str(plan.from_)),
            ("to", f"<{plan.uri.bare()}>"),
            ("call-id", plan.call_id),
            ("cseq", f"{self._cseq} INVITE"),
            ("contact", self._host.contact(self._flow)),
            ("allow", ", ".join(METHODS)),
            ("supported", "timer"),
            ("session-expires", str(self._expires_s)),
            ("min-se", str(LEAST_S)),
            *plan.headers.items(),
        ):
            headers.add(name, value)
        for name, value in self._digest.lines("INVITE", str(plan.uri)) if self._digest else ():
            headers.add(name, value)
        if plan.offer:
            headers.add("content-type", "application/sdp")
        return SipRequest("INVITE", str(plan.uri), headers, plan.offer)

    def _answered(self, request: SipRequest, response: SipResponse | None) -> None:
        if response is None:
            self._fail(SipTimeout("The SIP callee did not answer", advice="Check the address and the network"))
        elif response.status < 200:
            self._progress(response)
        elif response.status < 300:
            self._accepted(request, response)
        elif self._again(response):
            self.start()
        else:
            self._fail(refused(response))

    def _progress(self, response: SipResponse) -> None:
        if self._cancelled:
            self._send_cancel()
        elif self._plan.on_progress is not None and response.status > 100:
            try:
                sdp = sdp_of(response)
                early = read_audio(sdp) if sdp else None
            except ProtocolError:
                early = None
            self._plan.on_progress(response.status, early)

    def _again(self, response: SipResponse) -> bool:
        """True: the refusal has a remedy, and the INVITE goes again."""
        if self._cancelled or self._tries >= MOST_TRIES:
            return False
        if response.status == 422:
            longer = least_of(response.headers)
            if longer <= self._expires_s:
                return False
            self._expires_s = longer
            return True
        if response.status not in (401, 407) or self._digest is None:
            return False
        name = "www-authenticate" if response.status == 401 else "proxy-authenticate"
        try:
            self._digest.challenged(response.status, response.headers.raw(name))
        except SipRefused as error:
            self._fail(error)
            return False
        return True

    def _accepted(self, request: SipRequest, response: SipResponse) -> None:
        try:
            tag = NameAddr.read(response.headers.get("to")).tag
            if (known := self._dialogs.get(tag)) is not None:
                known.accepted_again(response)
                return
            first = not self._dialogs
            dialog = self._dialog(request, response)
        except ProtocolError as error:
            self._fail(error)
            return
        self._dialogs[tag] = dialog
        self._host.confirmed(dialog)
        dialog.accepted_by_peer(read_cseq(request.headers.get("cseq"))[0])
        if self._digest is not None:
            self._digest.accepted()
        if not first or self._cancelled or self.result.done():
            dialog.hang_up()
            return
        try:
            sdp = sdp_of(response)
            if not sdp:
                raise malformed_sdp("the answer has none")
            dialog.offer = read_audio(sdp)
        except ProtocolError as error:
            dialog.hang_up()
            self._fail(error)
            return
        interval = read_interval(response.headers)
        dialog.start(
            interval.seconds if interval else self._expires_s,
            ours=interval is None or interval.refresher != "uas",
        )
        self.result.set_result(dialog)

    def _dialog(self, request: SipRequest, response: SipResponse) -> SipDialog:
        return SipDialog(
            self._host,
            DialogState.calling(request, response, self._flow),
            incoming=False,
            headers=response.headers.first_of_each(),
            offer=None,
            sdp=self._plan.offer,
            credentials=self._plan.credentials,
        )

    def _send_cancel(self) -> None:
        transaction = self._transaction
        if transaction is None or transaction.final is not None:
            return
        transaction.wait_at_most(32_000)
        self._transaction = None
        self._host.cancel(cancel_of(transaction.request), transaction.flow)

    def _fail(self, error: BargeinError) -> None:
        if not self.result.done():
            self.result.set_exception(error)
