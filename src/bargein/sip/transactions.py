"""The transaction layer: each message that comes belongs to a transaction, begins one, or is read over."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from bargein.sip.client_transactions import ClientTransaction
from bargein.sip.flows import Flow
from bargein.sip.messages import SipRequest, SipResponse, Via, read_cseq
from bargein.sip.server_transactions import ServerTransaction
from bargein.sip.timers import RetryTimes, TimerQueue

COOKIE = "z9hG4bK"
METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "UPDATE", "REFER", "NOTIFY")
"""Methods that are served: the Allow of every answer."""

Key = tuple[str, ...]


class TransactionUser(Protocol):
    def doubts(self, flow: Flow) -> bool:
        """True: who sends from there has proven nothing yet."""
        ...

    def request(self, transaction: ServerTransaction) -> None:
        """A new request, no ACK and no CANCEL."""
        ...

    def ack(self, request: SipRequest, flow: Flow) -> None:
        """An ACK that belongs to no refusal: that of a 2xx."""
        ...

    def stray_success(self, response: SipResponse, flow: Flow) -> None:
        """A 2xx to an INVITE whose transaction is over."""
        ...


class Transactions:
    """All transactions of a user agent. most, most_of_address: bounds on server transactions."""

    def __init__(
        self,
        timers: TimerQueue,
        user: TransactionUser,
        *,
        times: RetryTimes | None = None,
        most: int = 4000,
        most_of_address: int = 500,
    ) -> None:
        self.timers = timers
        self.times = times or RetryTimes()
        self._user = user
        self._most = most
        self._most_of_address = most_of_address
        self._servers: dict[Key, ServerTransaction] = {}
        self._clients: dict[Key, ClientTransaction] = {}
        self._merged: dict[Key, ServerTransaction] = {}
        self._by_host: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._servers) + len(self._clients)

    def known(self, request: SipRequest) -> bool:
        """True: the request repeats one that has a transaction, or is the ACK or CANCEL of one."""
        method = "INVITE" if request.method in ("ACK", "CANCEL") else request.method
        return _server_key(request, method) in self._servers

    def full(self, host: str) -> bool:
        return len(self._servers) >= self._most or self._by_host[host] >= self._most_of_address

    def receive_request(self, request: SipRequest, flow: Flow) -> None:
        if request.method == "ACK":
            self._ack(request, flow)
            return
        key = _server_key(request, request.method)
        if (found := self._servers.get(key)) is not None:
            found.repeated(flow)
            return
        transaction = self._begin(key, request, flow)
        if request.method == "CANCEL":
            self._cancel(request, transaction)
        elif (merge := _merge_key(request)) in self._merged and not _in_dialog(request):
            transaction.respond(answer_to(request, 482, "Loop Detected"))  # it came by two ways (8.2.2.2)
        else:
            self._merged.setdefault(merge, transaction)
            self._user.request(transaction)

    def receive_response(self, response: SipResponse, flow: Flow) -> None:
        _, method = read_cseq(response.headers.get("cseq"))
        via = Via.read(response.headers.all("via")[0])
        if (found := self._clients.get((via.branch, method))) is not None:
            found.handle(response)
        elif method == "INVITE" and 200 <= response.status < 300:
            self._user.stray_success(response, flow)

    def send(
        self,
        request: SipRequest,
        flow: Flow,
        *,
        on_response: Callable[[SipResponse], None],
        on_timeout: Callable[[], None],
    ) -> ClientTransaction:
        """The request has its Via already (`via_line`)."""
        branch = Via.read(request.headers.all("via")[0]).branch
        key = (branch, request.method)

        def end(_: ClientTransaction) -> None:
            self._clients.pop(key, None)

        transaction = ClientTransaction(
            request, flow, self.timers, self.times, on_response=on_response, on_timeout=on_timeout, on_end=end
        )
        self._clients[key] = transaction
        transaction.start()
        return transaction

    def clear(self) -> None:
        """End all transactions, telling their users nothing."""
        for server in list(self._servers.values()):
            server.end()
        for client in list(self._clients.values()):
            client.end()

    def _begin(self, key: Key, request: SipRequest, flow: Flow) -> ServerTransaction:
        host = flow.peer.host
        merge = _merge_key(request)

        def end(transaction: ServerTransaction) -> None:
            self._servers.pop(key, None)
            if self._merged.get(merge) is transaction:
                del self._merged[merge]
            self._by_host[host] -= 1
            if self._by_host[host] <= 0:
                del self._by_host[host]

        transaction = ServerTransaction(request, flow, self.timers, self.times, end)
        transaction.once = self._user.doubts(flow)
        self._servers[key] = transaction
        self._by_host[host] += 1
        return transaction

    def _ack(self, request: SipRequest, flow: Flow) -> None:
        found = self._servers.get(_server_key(request, "INVITE"))
        if found is not None and found.last is not None and found.last.status >= 300:
            found.acknowledged()
        else:
            self._user.ack(request, flow)

    def _cancel(self, request: SipRequest, transaction: ServerTransaction) -> None:
        found = self._servers.get(_server_key(request, "INVITE"))
        if found is None:
            transaction.respond(answer_to(request, 481, "Call/Transaction Does Not Exist"))
            return
        transaction.respond(answer_to(request, 200, "OK"))
        found.cancelled()


def new_branch() -> str:
    return f"{COOKIE}{secrets.token_hex(12)}"


def new_tag() -> str:
    return secrets.token_hex(10)


def answer_to(request: SipRequest, status: int, reason: str, tag: str = "") -> SipResponse:
    """An answer with the headers that every answer repeats. tag: ours, where the request's To has none."""
    response = SipResponse(status, reason, type(request.headers)())
    for name, value in request.headers:
        if name in ("via", "from", "call-id", "cseq"):
            response.headers.add(name, value)
        elif name == "to":
            has_tag = ";tag=" in value.lower().replace(" ", "")
            response.headers.add(name, value if has_tag or status == 100 else f"{value};tag={tag or new_tag()}")
        elif name == "record-route" and 180 <= status < 300:
            response.headers.add(name, value)
    return response


def _server_key(request: SipRequest, method: str) -> Key:
    via = Via.read(request.headers.all("via")[0])
    if via.branch.startswith(COOKIE) and len(via.branch) > len(COOKIE):
        return (via.branch, via.host, str(via.port or 0), method)
    # A peer of RFC 2543 has no unique branch (17.2.3).
    number, _ = read_cseq(request.headers.get("cseq"))
    headers = request.headers
    return (headers.get("call-id"), headers.get("from"), str(number), f"{via.host}:{via.port}", method)


def _merge_key(request: SipRequest) -> Key:
    headers = request.headers
    return (headers.get("call-id"), headers.get("from"), headers.get("cseq"), request.method)


def _in_dialog(request: SipRequest) -> bool:
    return ";tag=" in request.headers.get("to").lower().replace(" ", "")
