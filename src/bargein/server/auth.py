"""Who may call, and from where.

On loopback no token is needed, unless one was set. Elsewhere the server does not start without one. Pages get
short-lived tokens signed with it, because a page cannot keep a secret, and a WebSocket of a browser cannot send an
Authorization header: there the token goes as a subprotocol, which no log writes down as it would a query.

A browser sends any site's requests to our address, with our user's network position. So `Origin` is checked wherever
something can be changed or heard, and on loopback also `Host`: a name that an attacker's DNS points at 127.0.0.1
(rebinding) would otherwise make his page our own.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Literal
from urllib.parse import urlsplit

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bargein.clock import Clock, MonotonicClock
from bargein.errors import UsageError
from bargein.foreign import printable
from bargein.server.cross_origin import answer_headers, answer_question, is_question, told_why
from bargein.server.guesses import Guesses
from bargein.server.places import among, named_by, same_place
from bargein.server.refusals import Refusal
from bargein.server.settings import Settings, is_loopback
from bargein.server.under_a_path import placed, route_path

log = logging.getLogger(__name__)

Audience = Literal["page", "phone", "operator"]
"""Who a short-lived token is for: pages, which make calls and ask what there is, a telephone vendor's sockets, or the
operator's page, whose sockets watch calls."""
POLICY_VIOLATION, TRY_AGAIN_LATER = 1008, 1013  # close codes of a WebSocket that was not accepted
BODY_BYTES = 64 * 1024  # of a request
BODY_S = 10.0  # for all of a body to come
OFFERED = 3  # tokens of one request that are compared


class Gate:
    """Decides who may do what. Raises UsageError when it is made for an open address without a token."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._token = settings.token.get_secret_value() if settings.token else None
        if self._token is None and not settings.is_local:
            raise UsageError(
                f"{settings.host} can be reached from elsewhere, and no token is set",
                advice="Set BARGEIN_TOKEN to a long secret, or listen on 127.0.0.1",
            )
        if self._token is not None and len(self._token) < 16:
            raise UsageError("BARGEIN_TOKEN is shorter than 16 characters", advice="Set a longer one, at random")
        self._page_token_s = settings.page_token_s
        # A proxy may call us by another Host than the world calls it: a page of the public address is our own.
        self._origins = frozenset((*settings.origins, *([settings.public_url] if settings.public_url else [])))
        self._check_host = self._token is None
        self._signer = URLSafeTimedSerializer(self._token or settings.signing_secret, salt="bargein.token")
        self._guesses = Guesses(clock or MonotonicClock())

    @property
    def open(self) -> bool:
        """No token is needed."""
        return self._token is None

    # -------------------------------------------------------------------------------------------------- tokens

    def page_token(self, audience: Audience = "page") -> str:
        """A short-lived token."""
        return self._signer.dumps(audience)

    @property
    def page_token_s(self) -> int:
        return self._page_token_s

    def demand_owner(self, headers: Headers, address: str) -> None:
        """Raises Refusal unless the request carries the server's own token. address: of the peer."""
        if not self.open:
            self._demand(_offered(headers), None, address)

    def demand_caller(self, headers: Headers, subprotocols: Iterable[str], address: str) -> bool:
        """Raises Refusal unless the request carries the server's token, or a page's that has not expired.

        True: it carries the server's own, so that the owner asks and no visitor."""
        if self.open:
            return False
        return self._demand(_offered(headers, subprotocols), "page", address)

    def demand_operator(self, headers: Headers, subprotocols: Iterable[str], address: str) -> None:
        """Raises Refusal unless a socket carries the server's token, or an operator's that has not expired."""
        if not self.open:
            self._demand(_offered(headers, subprotocols), "operator", address)

    def demand_phone(self, headers: Headers, tokens: Iterable[str], address: str) -> None:
        """Raises Refusal unless the request carries the server's token, or one for telephones that has not expired."""
        if not self.open:
            self._demand([*tokens, *_offered(headers)], "phone", address)

    def _demand(self, offered: list[str], audience: Audience | None, address: str) -> bool:
        """Raises Refusal unless a token fits. True: it is the server's own."""
        # A signed token cannot be guessed: its holder is not kept waiting for what others guess at the same address.
        # One that has expired, or is for another end, is no guess: behind a proxy all pages have one address.
        signed = {token: self._signed_for(token) for token in offered[: 2 * OFFERED]}
        if audience is not None and audience in signed.values():
            return False
        offered = [token for token in offered if token and signed.get(token) is None]
        if offered and not self._guesses.allowed(address):
            raise Refusal(
                429, "too_many_guesses", "Too many wrong tokens came", advice="Wait a minute, then send the right one"
            )
        for token in offered[:OFFERED]:
            if self._is_owner(token):
                self._guesses.right(address)
                return True
            self._guesses.wrong(address)
        raise _no_token()

    def _is_owner(self, token: str) -> bool:
        # Compared as bytes and in constant time: a comparison that stops early tells how far it got.
        return hmac.compare_digest(token.encode(errors="replace"), (self._token or "").encode())

    def _signed_for(self, token: str) -> Audience | Literal["expired"] | None:
        """Who a token of ours is for. None: we did not sign it."""
        try:
            audience: Audience = self._signer.loads(token, max_age=self._page_token_s)
        except SignatureExpired:
            return "expired"
        except (BadData, ValueError):  # ValueError: of characters that no token has
            return None
        return audience

    # ------------------------------------------------------------------------------------------------- origins

    def lets(self, headers: Headers) -> bool:
        """Whether a page of the request's Origin may call. False, too, where the request has none."""
        origin = headers.get("origin", "")
        return same_place(origin, headers.get("host", "")) or among(origin, self._origins)

    @property
    def is_local(self) -> bool:
        """Only this machine's own programs reach the server, and need no token."""
        return self._check_host

    def check_place(self, headers: Headers, *, origin: bool) -> None:
        """Raises Refusal for a foreign Host (on loopback) and, if origin, for another site's page."""
        host = headers.get("host", "")
        if self._check_host and not is_loopback(_host_name(host)) and not named_by(host, self._origins):
            raise Refusal(
                421,
                "foreign_host",
                f"This server is not {printable(host, 80)!r}",
                advice="Call it by 127.0.0.1 or localhost; to serve other names, set BARGEIN_TOKEN",
            )
        came_from = headers.get("origin")
        if not origin or came_from is None:
            return  # no browser: those always send it
        if not self.lets(headers):
            shown = printable(came_from, 80)
            raise Refusal(403, "foreign_origin", f"Pages of {shown!r} may not call", advice="Allow it with --origin")


class Guard:
    """ASGI: the checks that stand before every route, and the headers that go with every answer.

    elsewhere: routes that are called by others than pages, and check their callers better than by a name.
    prefix: the path that a proxy puts before every path of ours.
    running: returns when calls can be taken, at once where they can; raises Refusal.
    """

    def __init__(
        self,
        app: ASGIApp,
        gate: Gate,
        elsewhere: frozenset[str],
        prefix: str,
        running: Callable[[], Awaitable[None]],
        headers: Sequence[tuple[bytes, bytes]],
    ) -> None:
        self._app = app
        self._gate = gate
        self._elsewhere = elsewhere
        self._prefix = prefix
        self._running = running
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        scope = placed(scope, self._prefix)
        path = route_path(scope)
        headers = Headers(scope=scope)
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        try:
            _check_host(headers)
            await self._running()
            if path not in self._elsewhere:
                self._gate.check_place(headers, origin=changes)
            _check_body(headers)
        except Refusal as refusal:
            if refusal.code == "foreign_origin":
                send = _with_headers(send, told_why(path, headers, local=self._gate.is_local))
            await deny(scope, receive, send, refusal)
            return
        if is_question(scope, path, headers):  # of an origin that is allowed: it was looked at above
            await answer_question(send, path, headers)
            return
        if not path and scope["type"] == "http":  # the place itself, without the slash that relative addresses need
            place = f"{scope['root_path'].rpartition('/')[2]}/"
            query = scope.get("query_string", b"").decode("latin-1")
            await RedirectResponse(f"{place}?{query}" if query else place, 307)(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send, [*self._headers, *answer_headers(path, headers, allowed=self._gate.lets(headers))])
        try:
            async with asyncio.timeout(BODY_S):
                whole = await _whole_body(receive)
        except TimeoutError:
            late = Refusal(408, "late_body", "The body did not come in time", advice="Send all of it at once")
            await deny(scope, receive, send, late)
            return
        except Refusal as refusal:
            await deny(scope, receive, send, refusal)
            return
        if whole is not None:
            await self._app(scope, whole, send)


async def deny(scope: Scope, receive: Receive, send: Send, refusal: Refusal) -> None:
    """Answer no, also to a WebSocket that was not accepted yet."""
    response = refusal.response()
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        if "websocket.http.response" not in scope.get("extensions", {}):
            code = TRY_AGAIN_LATER if refusal.status == 503 else POLICY_VIOLATION
            await send({"type": "websocket.close", "code": code, "reason": refusal.code})
            return
    await response(scope, receive, send)


async def _whole_body(receive: Receive) -> Receive | None:
    """Read a request's body. Returns the request's receive, which has all of the body at once. None: the client went
    away before the body's end. Raises Refusal for a body that is too large: not every server tells the length."""
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_BYTES:
            raise _too_large()
        more = message.get("more_body", False)
    first: list[Message] = [{"type": "http.request", "body": b"".join(parts)}]

    async def again() -> Message:
        return first.pop() if first else await receive()

    return again


def _with_headers(send: Send, headers: Sequence[tuple[bytes, bytes]]) -> Send:
    async def wrapped(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            old = message.get("headers", [])
            assert isinstance(old, list)
            message["headers"] = [*old, *headers]
        await send(message)

    return wrapped  # type: ignore[return-value]  # starlette's Message is a MutableMapping of anything


def _check_host(headers: Headers) -> None:
    """Of every route: addresses are made of the Host, and of some texts none can be made."""
    try:
        urlsplit(f"//{headers.get('host', '')}").port  # noqa: B018  # raises
    except ValueError:
        raise Refusal(400, "bad_host", "The Host is no name", advice="Send a name or an address, and a port") from None


def _check_body(headers: Headers) -> None:
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers:
        raise Refusal(411, "no_length", "The length of the body is not told", advice="Send Content-Length")
    if not length.isdecimal() or len(length) > 20 or int(length) > BODY_BYTES:
        raise _too_large()


def _too_large() -> Refusal:
    return Refusal(413, "too_large", "The body is too large", advice=f"Send at most {BODY_BYTES} bytes")


def _offered(headers: Headers, subprotocols: Iterable[str] = ()) -> list[str]:
    """The tokens that a request brings."""
    kind, _, bearer = headers.get("authorization", "").partition(" ")
    offered = [name.removeprefix("token.") for name in subprotocols if name.startswith("token.")]
    return [*offered, bearer.strip()] if kind.lower() == "bearer" else offered


def _host_name(host: str) -> str:
    return host.rsplit("]", 1)[0] if host.startswith("[") else host.rsplit(":", 1)[0]


def _no_token() -> Refusal:
    return Refusal(
        401, "no_token", "A valid token is needed", advice="Send Authorization: Bearer with it, or get a page token"
    )
