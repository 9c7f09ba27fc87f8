"""Pages of other sites that may call (`--origin`): what their browsers ask before a page may read an answer (CORS).

A page that imports the client from here, or brings it along from npm, has another origin than this server. Its browser
lets it read the answers of the routes that the client uses, where the server names that origin. No cookie is involved:
who may do what is decided by tokens, as ever.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import Scope, Send

from bargein.server.places import name_in
from bargein.server.settings import is_loopback

CLIENT_ROUTES = re.compile(
    r"/client\.js|/client/\w+\.js|/web/client/.+|/agents|/policy|/calls/browser|/webrtc/.+|/openai/calls"
)
"""What the client module asks for, and the module itself."""
ASKED_AGAIN_S = 600  # a browser keeps the answer for so long
_VARY = (b"vary", b"Origin")
_ALLOWED = (
    (b"access-control-allow-methods", b"GET, POST, DELETE"),
    (b"access-control-allow-headers", b"authorization, content-type"),
    (b"access-control-max-age", str(ASKED_AGAIN_S).encode()),
)


def answer_headers(path: str, headers: Headers, *, allowed: bool) -> list[tuple[bytes, bytes]]:
    """For an answer of that route. allowed: the page's origin may call."""
    if CLIENT_ROUTES.fullmatch(path) is None:
        return []
    origin = headers.get("origin")
    if origin is None or not allowed:
        return [_VARY]
    shown = (b"access-control-expose-headers", b"location, retry-after, www-authenticate")
    return [_VARY, (b"access-control-allow-origin", origin.encode("latin-1")), shown]


def is_question(scope: Scope, path: str, headers: Headers) -> bool:
    """Whether a browser asks beforehand (a preflight)."""
    asks = scope["type"] == "http" and scope["method"] == "OPTIONS" and "access-control-request-method" in headers
    return asks and CLIENT_ROUTES.fullmatch(path) is not None


async def answer_question(send: Send, path: str, headers: Headers) -> None:
    """To a page whose origin may call."""
    told = [*answer_headers(path, headers, allowed=True), *_ALLOWED]
    await send({"type": "http.response.start", "status": 204, "headers": told})
    await send({"type": "http.response.body", "body": b""})


def told_why(path: str, headers: Headers, *, local: bool) -> list[tuple[bytes, bytes]]:
    """For a refusal of a foreign origin, so that its page can say what to do, and not only that nothing answers.

    local: the server is on loopback, without a token: strangers' pages are not to learn that it runs."""
    origin = headers.get("origin", "")
    if CLIENT_ROUTES.fullmatch(path) is None or (local and not is_loopback(name_in(origin))):
        return []
    return [_VARY, (b"access-control-allow-origin", origin.encode("latin-1"))]
