"""The user agent without sockets: messages and time in, messages and callbacks out."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bargein.clock import Clock
from bargein.errors import ProtocolError
from bargein.foreign import printable
from bargein.sip.addresses import NameAddr, SipAddress, SipUri, place_of, read_parameters
from bargein.sip.client_transactions import ClientTransaction
from bargein.sip.dialog_state import DialogKey, DialogState, HostedDialog, OnAnswer, OnFlow
from bargein.sip.errors import SipRefusal
from bargein.sip.flows import Flow
from bargein.sip.gate import Admitted, Challenged, SipGate
from bargein.sip.incoming_call import IncomingCall
from bargein.sip.messages import SipRequest, SipResponse, Via, check, read_message, sdp_of
from bargein.sip.registration import Registration
from bargein.sip.renegotiation import agree_interval
from bargein.sip.server_transactions import ServerTransaction
from bargein.sip.session_description import read_audio
from bargein.sip.session_timer import LEAST_S
from bargein.sip.settings import SipAdmission, SipLimits
from bargein.sip.timers import RetryTimes, TimerQueue
from bargein.sip.transactions import METHODS, Transactions, answer_to, new_branch, new_tag

log = logging.getLogger(__name__)

SUPPORTED = frozenset({"timer"})
NOT_SERVED = ("REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH", "PRACK")


class SipHandler(Protocol):
    def incoming(self, call: IncomingCall) -> None:
        """A call that the gate let in. Never waits: answers or rejects now or later."""
        ...


class OpenFlow(Protocol):
    def __call__(self, address: SipAddress, reached: OnFlow) -> None: ...


@dataclass(frozen=True, slots=True)
class CoreSettings:
    admission: SipAdmission
    limits: SipLimits = field(default_factory=SipLimits)
    public: str = ""
    """Our address as peers reach it, in Contact and SDP. "": the local address on the way to the peer."""
    session_expires_s: int = 1800
    agent_name: str = "bargein"
    times: RetryTimes = field(default_factory=RetryTimes)


class SipCore:
    """contact_port: port that a peer reaches us at by a flow's transport. open_flow: calls back, at once or later."""

    def __init__(
        self,
        handler: SipHandler,
        clock: Clock,
        settings: CoreSettings,
        *,
        open_flow: OpenFlow,
        contact_port: Callable[[Flow], int],
    ) -> None:
        self.settings = settings
        self.session_expires_s = settings.session_expires_s
        self.timers = TimerQueue(clock)
        self.counts: Counter[str] = Counter()
        """Messages by what became of them: malformed, unheard, refused, challenged, calls."""
        self.registrations: list[Registration] = []
        self.on_idle: Callable[[], None] = lambda: None
        """Called when the last dialog is gone."""
        limits = settings.limits
        self.transactions = Transactions(
            self.timers,
            self,
            times=settings.times,
            most=limits.transactions,
            most_of_address=limits.transactions_of_address,
        )
        self.gate = SipGate(clock, limits, settings.admission, self._trunk_peers)
        self._public = SipUri.read(f"sip:{settings.public}") if settings.public else None
        self._handler = handler
        self._open_flow = open_flow
        self._contact_port = contact_port
        self._dialogs: dict[DialogKey, HostedDialog] = {}
        self._waiting: set[IncomingCall] = set()
        self._closing = False

    @property
    def dialogs(self) -> int:
        return len(self._dialogs)

    @property
    def waiting(self) -> int:
        """Calls that came and have no final answer."""
        return len(self._waiting)

    def uses(self, flow: Flow) -> bool:
        """True: a dialog or a registration lives on the flow."""
        users = [*(each.state.flow for each in self._dialogs.values()), *(each.flow for each in self.registrations)]
        return any(each is flow for each in users)

    # From the network.

    def receive(self, data: bytes, flow: Flow) -> None:
        """One message. Whatever the bytes are and the handlers do, nothing is raised."""
        try:
            self._receive(data, flow)
        except Exception:
            log.exception("A SIP message could not be handled")

    def _receive(self, data: bytes, flow: Flow) -> None:
        if len(data) > self.settings.limits.message_bytes:
            self._drop("malformed", flow, "the message is too long")
            return
        try:
            message = read_message(data)
            if isinstance(message, SipResponse):
                check(message)
                self.transactions.receive_response(message, flow)
                return
            flow = _received(message, flow)
        except ProtocolError as error:
            self._drop("malformed", flow, error.message)
            return
        self._receive_request(message, flow)

    def _receive_request(self, request: SipRequest, flow: Flow) -> None:
        host = flow.peer.host
        problem = None
        try:
            check(request)
        except ProtocolError as error:
            problem = error
        if problem is None and (self.transactions.known(request) or _key(request) in self._dialogs):
            self.transactions.receive_request(request, flow)
        elif request.method == "ACK":
            return  # of a refusal that was sent once, or of a call that is over
        elif not self.gate.hears(request, host):
            self._drop("unheard", flow, request.method)
        elif problem is not None:
            self._drop("malformed", flow, problem.message)
            flow.send(self._answer(request, 400, "Bad Request").render())
        elif self.transactions.full(host):
            self._drop("unheard", flow, "too many requests at once")
        else:
            self.transactions.receive_request(request, flow)

    def _drop(self, count: str, flow: Flow, why: str) -> None:
        self.counts[count] += 1
        if self.gate.rates.may_log():
            log.info("SIP from %s: %s: %s", printable(flow.peer), count, printable(why))

    # From the transactions.

    def doubts(self, flow: Flow) -> bool:
        return not self.gate.trusts(flow.peer.host)

    def request(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        try:
            if _to_tag(request):
                found = self._dialogs.get(_key(request))
                if found is None:
                    transaction.respond(self._answer(request, 481, "Call/Transaction Does Not Exist"))
                else:
                    transaction.once = False  # the tags are the proof
                    found.handle(transaction)
            else:
                self._begin(transaction)
        except ProtocolError as error:
            self._drop("malformed", transaction.flow, error.message)
            transaction.respond(self._answer(request, 400, "Bad Request"))
        except Exception:
            log.exception("A SIP request could not be served")
            transaction.respond(self._answer(request, 500, "Server Internal Error"))

    def ack(self, request: SipRequest, flow: Flow) -> None:
        if (found := self._dialogs.get(_key(request))) is not None:
            found.acknowledged(request)

    def stray_success(self, response: SipResponse, flow: Flow) -> None:
        headers = response.headers
        try:
            key = (headers.get("call-id"), NameAddr.read(headers.get("from")).tag, NameAddr.read(headers.get("to")).tag)
        except ProtocolError:
            return
        if (found := self._dialogs.get(key)) is not None:
            found.accepted_again(response)

    def _begin(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        method = request.method
        unknown = request.headers.tokens("require") - SUPPORTED
        if not request.uri.lower().startswith(("sip:", "sips:")):
            transaction.respond(self._answer(request, 416, "Unsupported URI Scheme"))
        elif method in METHODS and unknown:
            response = self._answer(request, 420, "Bad Extension")
            response.headers.add("unsupported", ", ".join(sorted(unknown)))
            transaction.respond(response)
        elif method == "INVITE":
            self._invited(transaction)
        elif method == "OPTIONS":
            response = self._answer(request, 200, "OK")
            response.headers.add("accept", "application/sdp")
            response.headers.add("supported", ", ".join(sorted(SUPPORTED)))
            transaction.respond(response)
        elif method in METHODS:
            transaction.respond(self._answer(request, 481, "Call/Transaction Does Not Exist"))
        elif method in NOT_SERVED:
            transaction.respond(self._answer(request, 405, "Method Not Allowed"))
        else:
            transaction.respond(self._answer(request, 501, "Not Implemented"))

    def _invited(self, transaction: ServerTransaction) -> None:
        request, flow = transaction.request, transaction.flow
        admitted = self.gate.admit(request, flow.peer.host)
        if not isinstance(admitted, Admitted):
            self._refuse(transaction, admitted.challenges if isinstance(admitted, Challenged) else ())
            return
        transaction.once = False
        if self._closing:
            transaction.respond(self._answer(request, 503, "Service Unavailable"))
            return
        sdp = sdp_of(request)
        if request.body.strip() and not sdp:
            response = self._answer(request, 415, "Unsupported Media Type")
            response.headers.add("accept", "application/sdp")
            transaction.respond(response)
            return
        try:
            offer = read_audio(sdp) if sdp else None
            agree_interval(request.headers, self.session_expires_s)
        except ProtocolError as error:
            response = self._answer(request, 488, "Not Acceptable Here")
            response.headers.add("warning", f'399 bargein "{printable(error.message, 120).replace(chr(34), "")}"')
            transaction.respond(response)
            return
        except SipRefusal as refusal:
            response = self._answer(request, refusal.status, refusal.reason)
            response.headers.add("min-se", str(LEAST_S))
            transaction.respond(response)
            return
        state = DialogState.called(request, new_tag(), flow)
        call = IncomingCall(
            self, transaction, state, offer=offer, sdp=sdp, user=admitted.user, on_settled=self._waiting.discard
        )  # fmt: skip
        self._waiting.add(call)
        self.counts["calls"] += 1
        try:
            self._handler.incoming(call)
        except Exception:
            log.exception("The handler of an incoming SIP call failed")
            call.end(500, "failed")

    def _refuse(self, transaction: ServerTransaction, challenges: Sequence[str]) -> None:
        request = transaction.request
        self.counts["challenged" if challenges else "refused"] += 1
        if challenges:
            response = self._answer(request, 401, "Unauthorized")
            for challenge in challenges:
                response.headers.add("www-authenticate", challenge)
        else:
            response = self._answer(request, 403, "Forbidden")
        transaction.respond(response)

    def _answer(self, request: SipRequest, status: int, reason: str) -> SipResponse:
        response = answer_to(request, status, reason)
        if status in (200, 405, 501):
            response.headers.add("allow", ", ".join(METHODS))
        return response

    def _trunk_peers(self) -> frozenset[str]:
        return frozenset(host for each in self.registrations for host in each.peers)

    # For dialogs.

    def contact(self, flow: Flow) -> str:
        host, port = flow.local.host, None
        if self._public is not None and not _loopback(flow):
            host, port = self._public.host, self._public.port
        transport = flow.local.transport
        parameter = "" if transport == "udp" else f";transport={transport}"
        place = place_of(host, port if port is not None else self._contact_port(flow))
        return f"<sip:{self.settings.agent_name}@{place}{parameter}>"

    def media_host(self, flow: Flow) -> str:
        return flow.local.host if self._public is None or _loopback(flow) else self._public.host

    def send(self, request: SipRequest, flow: Flow, answered: OnAnswer) -> ClientTransaction:
        self._stamp(request, flow)
        return self.transactions.send(request, flow, on_response=answered, on_timeout=lambda: answered(None))

    def cancel(self, request: SipRequest, flow: Flow) -> None:
        self.transactions.send(request, flow, on_response=lambda _: None, on_timeout=lambda: None)

    def send_ack(self, request: SipRequest, flow: Flow) -> bytes:
        self._stamp(request, flow)
        data = request.render()
        flow.send(data)
        return data

    def reach(self, state: DialogState, reached: OnFlow) -> None:
        flow = state.flow
        if not flow.closed and (state.direct or state.routes):
            reached(flow)
            return
        first = NameAddr.read(state.routes[0]).uri if state.routes else state.target
        self._open_flow(first.address, reached)

    def confirmed(self, dialog: HostedDialog) -> None:
        self._dialogs[dialog.state.key] = dialog

    def forget(self, dialog: HostedDialog) -> None:
        if self._dialogs.get(dialog.state.key) is dialog:
            del self._dialogs[dialog.state.key]
            if not self._dialogs:
                self.on_idle()

    def begin_close(self) -> None:
        """Hang up all calls. `dialogs` falls to 0 as the far ends answer."""
        self._closing = True
        for call in list(self._waiting):
            call.end(503, "closed")
        for dialog in list(self._dialogs.values()):
            dialog.hang_up()

    def end_close(self) -> None:
        """Forget what is left: each dialog's `on_over` was called or is called now."""
        for dialog in list(self._dialogs.values()):
            dialog.lost("closed")
        self.transactions.clear()
        self.timers.clear()

    def _stamp(self, request: SipRequest, flow: Flow) -> None:
        local = flow.local
        via = Via(local.transport.upper(), local.host, local.port, (("branch", new_branch()), ("rport", "")))
        request.headers.set_all("via", [str(via)])
        request.headers.set("max-forwards", "70")
        request.headers.set("user-agent", self.settings.agent_name)


def _received(request: SipRequest, flow: Flow) -> Flow:
    """Note where a request came from in its Via (RFC 3261, 18.2.1; RFC 3581), and return the way of its answers."""
    first, *others = request.headers.all("via")
    via = Via.read(first)
    rport = via.parameter("rport") is not None
    kept = [(key, value) for key, value in via.parameters if key not in ("received", "rport")]
    if rport:
        kept.append(("rport", str(flow.peer.port)))
    if rport or via.host != flow.peer.host:
        kept.append(("received", flow.peer.host))
    request.headers.set_all("via", [str(Via(via.transport, via.host, via.port, tuple(kept))), *others])
    return flow if rport else flow.toward(via.port or 5060)


def _loopback(flow: Flow) -> bool:
    return flow.peer.host == "::1" or flow.peer.host.startswith("127.")


def _to_tag(request: SipRequest) -> str:
    return _tag(request.headers.get("to"))


def _key(request: SipRequest) -> DialogKey:
    headers = request.headers
    return (headers.get("call-id"), _tag(headers.get("to")), _tag(headers.get("from")))


def _tag(text: str) -> str:
    """Of a From or To, read leniently: the tag stands behind the last bracket."""
    parameters = read_parameters(text.rpartition(">")[2].split(";")[1:])
    return next((value for name, value in parameters if name == "tag"), "")
