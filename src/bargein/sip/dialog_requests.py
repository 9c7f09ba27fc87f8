"""Requests of ours inside a dialog: route, CSeq, digest, the ACK of each 2xx to an INVITE, and no answer at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from bargein.sip.dialog_state import DialogHost, DialogState, OnAnswer
from bargein.sip.digest import DigestClient
from bargein.sip.errors import SipRefused, SipTimeout
from bargein.sip.flows import Flow
from bargein.sip.messages import SipRequest, SipResponse, read_cseq
from bargein.sip.settings import SipCredentials

ADVICE = {
    403: "Check that the peer lets this user do so",
    404: "Check the user part of the address",
    407: "Give the SIP user and its password",
    401: "Give the SIP user and its password",
    408: "The peer or a proxy gave up: try again later",
    480: "The callee cannot be reached now: try again later",
    481: "The peer has forgotten the call",
    486: "The callee is busy: try again later",
    487: "The call was cancelled",
    488: "Offer another codec (PCMU, PCMA or G722)",
    603: "The callee declined",
}


def refused(response: SipResponse) -> SipRefused:
    advice = ADVICE.get(response.status, "Read the status in RFC 3261, 21")
    if response.status < 400:
        advice = f"Call the address that it names: {response.headers.get('contact') or 'none'}"
    return SipRefused(response.status, response.reason, advice=advice)


class DialogRequests:
    """on_dead: the far end does not answer, cannot be reached or knows the dialog no more; with the reason."""

    def __init__(
        self,
        host: DialogHost,
        state: DialogState,
        credentials: SipCredentials | None,
        on_dead: Callable[[str], None],
    ) -> None:
        self.host = host
        self.state = state
        self._digest = DigestClient(credentials) if credentials else None
        self._on_dead = on_dead
        self._acks: dict[int, bytes] = {}
        """ACK of each 2xx to an INVITE of ours, by CSeq: sent again for each repeat of the 2xx."""

    def ask(
        self,
        method: str,
        answered: OnAnswer,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        """answered: the final answer, once. None: there is none."""

        def reached(flow: Flow | None) -> None:
            if flow is None:
                self._on_dead("transport_lost")
                answered(None)
            else:
                self.state.flow = flow
                self._send(method, headers, body, answered)

        self.host.reach(self.state, reached)

    async def answer(
        self, method: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b"", within_s: float
    ) -> SipResponse:
        """The 2xx to a request. Raises SipRefused, SipTimeout."""
        future: asyncio.Future[SipResponse | None] = asyncio.get_running_loop().create_future()

        def answered(response: SipResponse | None) -> None:
            if not future.done():
                future.set_result(response)

        self.ask(method, answered, headers=headers, body=body)
        late = self.host.timers.after(within_s * 1000, lambda: answered(None))
        try:
            response = await future
        finally:
            late.cancel()
        if response is None:
            raise SipTimeout(f"The SIP peer did not answer {method}", advice="Check that the peer is still reachable")
        if response.status >= 300:
            raise refused(response)
        return response

    def acknowledge(self, cseq: int, flow: Flow, body: bytes = b"") -> None:
        """Send the ACK of a 2xx, and keep it for the 2xx's repeats."""
        request = self.state.request("ACK", cseq=cseq)
        if body:
            request.headers.add("content-type", "application/sdp")
            request.body = body
        self._acks[cseq] = self.host.send_ack(request, flow)
        while len(self._acks) > 8:
            del self._acks[next(iter(self._acks))]

    def accepted_again(self, response: SipResponse) -> None:
        cseq, _ = read_cseq(response.headers.get("cseq"))
        if (ack := self._acks.get(cseq)) is not None:
            self.state.flow.send(ack)

    def _send(self, method: str, headers: Sequence[tuple[str, str]], body: bytes, answered: OnAnswer) -> None:
        request = self._request(method, headers, body)
        cseq = self.state.local_cseq
        flow = self.state.flow
        done = False

        def handle(response: SipResponse | None) -> None:
            nonlocal done
            if response is not None and response.status < 200:
                return
            if done:
                if response is not None and response.status < 300 and method == "INVITE":
                    self.accepted_again(response)
                return
            done = True
            if response is not None and method == "INVITE" and response.status < 300:
                self.state.refresh(response.headers)
                self.acknowledge(cseq, flow)
            if response is not None and self._again(response):
                self._send(method, headers, body, answered)
                return
            if response is None:
                self._on_dead("timeout")
            elif response.status == 481 and method != "INFO":
                self._on_dead("refused")
            elif response.status == 408 and method in ("INVITE", "UPDATE"):
                self._on_dead("timeout")
            answered(response)

        self.host.send(request, flow, handle)

    def _request(self, method: str, headers: Sequence[tuple[str, str]], body: bytes) -> SipRequest:
        request = self.state.request(method)
        for name, value in headers:
            request.headers.add(name, value)
        if method in ("INVITE", "UPDATE", "REFER", "NOTIFY"):
            request.headers.add("contact", self.host.contact(self.state.flow))
        for name, value in self._digest.lines(method, request.uri) if self._digest else ():
            request.headers.add(name, value)
        request.body = body
        return request

    def _again(self, response: SipResponse) -> bool:
        """True: the answer is a challenge, and the request may go again with a password."""
        if self._digest is None:
            return False
        if response.status not in (401, 407):
            self._digest.accepted()
            return False
        name = "www-authenticate" if response.status == 401 else "proxy-authenticate"
        try:
            self._digest.challenged(response.status, response.headers.raw(name))
        except SipRefused:
            return False
        return True
