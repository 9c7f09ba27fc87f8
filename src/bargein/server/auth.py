"""Who may call, and from where.

On loopback no token is needed, unless one was set. Elsewhere the server does not start without one. Pages get
short-lived tokens signed with it, because a page cannot keep a secret, and a WebSocket of a browser cannot send an
Authorization header: there the token goes as a subprotocol, which no log writes down as it would a query.

A browser sends any site's requests to our address, with our user's network position. So `Origin` is checked wherever
something can be changed or heard, and on loopback also `Host`: a name that an attacker's DNS points at 127.0.0.1
(rebinding) would otherwise make his page our own.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from bargein.errors import UsageError
from bargein.server.page_headers import HEADERS
from bargein.server.places import among, named_by, same_place
from bargein.server.refusals import Refusal
from bargein.server.settings import Settings, is_loopback
from bargein.server.under_a_path import placed, route_path

log = logging.getLogger(__name__)

PAGE = "page"
POLICY_VIOLATION, TRY_AGAIN_LATER = 1008, 1013  # close codes of a WebSocket that was not accepted
BODY_BYTES = 64 * 1024  # of a request


class Gate:
    """Decides who may do what. Raises UsageError when it is made for an open address without a token."""

    def __init__(self, settings: Settings) -> None:
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
        self._signer = URLSafeTimedSerializer(self._token or secrets.token_urlsafe(32), salt="bargein.page")

    @property
    def open(self) -> bool:
        """No token is needed."""
        return self._token is None

    # -------------------------------------------------------------------------------------------------- tokens

    def page_token(self) -> str:
        return self._signer.dumps(PAGE)

    @property
    def page_token_s(self) -> int:
        return self._page_token_s

    def demand_owner(self, headers: Headers) -> None:
        """Raises Refusal unless the request carries the server's own token."""
        if not self.open and not self._is_owner(_bearer(headers)):
            raise _no_token()

    def demand_caller(self, headers: Headers, subprotocols: list[str]) -> None:
        """Raises Refusal unless the request carries the server's token, or a page's that has not expired."""
        if self.open:
            return
        offered = [name.removeprefix("token.") for name in subprotocols if name.startswith("token.")]
        if (bearer := _bearer(headers)) is not None:
            offered.append(bearer)
        if not any(self._is_owner(token) or self._is_page(token) for token in offered):
            raise _no_token()

    def _is_owner(self, token: str | None) -> bool:
        # Compared as bytes and in constant time: a comparison that stops early tells how far it got.
        return token is not None and hmac.compare_digest(token.encode(), (self._token or "").encode())

    def _is_page(self, token: str) -> bool:
        try:
            return bool(self._signer.loads(token, max_age=self._page_token_s) == PAGE)
        except BadData:
            return False

    # ------------------------------------------------------------------------------------------------- origins

    def check_place(self, headers: Headers, *, origin: bool) -> None:
        """Raises Refusal for a foreign Host (on loopback) and, if origin, for another site's page."""
        host = headers.get("host", "")
        if self._check_host and not is_loopback(_host_name(host)) and not named_by(host, self._origins):
            raise Refusal(
                421,
                "foreign_host",
                f"This server is not {host[:80]!r}",
                advice="Call it by 127.0.0.1 or localhost; to serve other names, set BARGEIN_TOKEN",
            )
        came_from = headers.get("origin")
        if not origin or came_from is None:
            return  # no browser: those always send it
        if not same_place(came_from, host) and not among(came_from, self._origins):
            raise Refusal(
                403, "foreign_origin", f"Pages of {came_from[:80]!r} may not call", advice="Allow it with --origin"
            )


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
    ) -> None:
        self._app = app
        self._gate = gate
        self._elsewhere = elsewhere
        self._prefix = prefix
        self._running = running

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        scope = placed(scope, self._prefix)
        path = route_path(scope)
        headers = Headers(scope=scope)
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        try:
            await self._running()
            if path not in self._elsewhere:
                self._gate.check_place(headers, origin=changes)
            _check_body(headers)
        except Refusal as refusal:
            await deny(scope, receive, send, refusal)
            return
        if not path and scope["type"] == "http":  # the place itself, without the slash that relative addresses need
            place = f"{scope['root_path'].rpartition('/')[2]}/"
            query = scope.get("query_string", b"").decode("latin-1")
            await RedirectResponse(f"{place}?{query}" if query else place, 307)(scope, receive, send)
            return
        await self._app(scope, receive, send if scope["type"] == "websocket" else _with_headers(send))


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


def _with_headers(send: Send) -> Send:
    async def wrapped(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            old = message.get("headers", [])
            assert isinstance(old, list)
            message["headers"] = [*old, *HEADERS]
        await send(message)

    return wrapped  # type: ignore[return-value]  # starlette's Message is a MutableMapping of anything


def _check_body(headers: Headers) -> None:
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers:
        raise Refusal(411, "no_length", "The length of the body is not told", advice="Send Content-Length")
    if not length.isdecimal() or int(length[:20]) > BODY_BYTES:
        raise Refusal(413, "too_large", "The body is too large", advice=f"Send at most {BODY_BYTES} bytes")


def _bearer(headers: Headers) -> str | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def _host_name(host: str) -> str:
    return host.rsplit("]", 1)[0] if host.startswith("[") else host.rsplit(":", 1)[0]


def _no_token() -> Refusal:
    return Refusal(
        401, "no_token", "A valid token is needed", advice="Send Authorization: Bearer with it, or get a page token"
    )
