"""Asterisk, as far as the server is concerned: WS /asterisk/media, and its REST interface (ARI) for hang-ups and
transfers.

The socket's address says who may call, as with other networks that sign nothing (carriers.py), and what the call is to
be: `?token=...&agent=front&channel=${UNIQUEID}`. A parameter of the address stands above a channel variable of the same
meaning (`BARGEIN_AGENT`).

When we close the socket, Asterisk hangs up the channel of the WebSocket, and its dialplan goes on with the caller where
`Dial` has the option `g`. A hang-up or a transfer acts on the caller's own channel: the parameter `channel` names it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote

import httpx

from bargein.errors import VendorLost, VendorRefused
from bargein.fleet.fleet import Fleet
from bargein.protocols import CallControl
from bargein.server.auth import Gate
from bargein.server.settings import Settings
from bargein.server.telephone.carriers import Carrier
from bargein.server.telephone.serve import SocketRequest
from bargein.transports.telephone.asterisk import AsteriskDialect
from bargein.transports.telephone.dialect import Started, TelephoneDialect
from bargein.transports.telephone.transport import NAME_CHARS, VALUE_CHARS

MEDIA = "/asterisk/media"
ARI_S = 5.0
CHANNEL = re.compile(r"[A-Za-z0-9._-]{1,80}")  # an id of a channel
TRANSFER_VARIABLE = "BARGEIN_TRANSFER_"  # a global variable, with the digits of the caller's channel behind
CHECK_LOGIN = "Check BARGEIN_ARI_USER and BARGEIN_ARI_PASSWORD"


class Ari:
    """Asterisk's REST interface. No answer of it ever shows the password."""

    def __init__(self, url: str, user: str, password: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = f"{url.rstrip('/')}/ari"
        self._login = (user, password)
        self._transport = transport

    async def request(self, method: str, path: str, params: Mapping[str, str] | None = None) -> httpx.Response:
        """Any answer below 500 but a refused login. Raises VendorRefused or VendorLost."""
        try:
            async with httpx.AsyncClient(timeout=ARI_S, trust_env=False, transport=self._transport) as client:
                answer = await client.request(method, f"{self._url}{path}", params=dict(params or {}), auth=self._login)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            what = f"Asterisk's REST interface could not be reached: {type(error).__name__}"
            raise VendorLost(what, advice="Check BARGEIN_ASTERISK_URL, and http.conf of Asterisk") from None
        if answer.status_code in (401, 403):
            raise VendorRefused(f"Asterisk refused the login with {answer.status_code}", advice=CHECK_LOGIN)
        if answer.status_code >= 500:
            raise VendorLost(f"Asterisk failed with {answer.status_code}", advice="Try again a little later")
        return answer


def ari_of(settings: Settings) -> Ari | None:
    """None: it is not configured."""
    url, user, password = settings.asterisk_url, settings.ari_user, settings.ari_password
    return Ari(url, user, password.get_secret_value()) if url and user and password is not None else None


class AsteriskControl:
    """A protocols.CallControl by shape, for the caller's own channel. context: where a transferred call goes on."""

    def __init__(self, ari: Ari, channel: str, context: str) -> None:
        self._ari = ari
        self._channel = channel
        self._context = context

    async def hang_up(self) -> None:
        answer = await self._ari.request("DELETE", f"/channels/{quote(self._channel, safe='')}")
        if answer.status_code != 404:  # it is gone already
            self._demand(answer)

    async def transfer(self, to: str) -> None:
        """Hand the caller on to an extension of the context.

        A channel of a Stasis application continues there at once. Any other channel is in `Dial`: the number is left in
        a global variable, our part ends, and the dialplan goes on by it.
        """
        where = {"context": self._context, "extension": to, "priority": "1"}
        answer = await self._ari.request("POST", f"/channels/{quote(self._channel, safe='')}/continue", where)
        if answer.status_code == 409:
            named = TRANSFER_VARIABLE + re.sub(r"\D", "", self._channel)
            answer = await self._ari.request("POST", "/asterisk/variable", {"variable": named, "value": to})
        self._demand(answer)

    def _demand(self, answer: httpx.Response) -> None:
        if answer.status_code >= 400:
            what = f"Asterisk refused with {answer.status_code} for channel {self._channel}"
            advice = "Let the parameter `channel` be the caller's ${UNIQUEID}, and have the context in the dialplan"
            raise VendorRefused(what, advice=advice)


class AsteriskLine:
    """A TelephoneVendor by shape."""

    def __init__(self, settings: Settings, gate: Gate) -> None:
        self._carrier = Carrier(AsteriskDialect, gate, "Asterisk")
        self._ari = ari_of(settings)
        self._context = settings.asterisk_context

    def dialect(self, caller: SocketRequest) -> TelephoneDialect:
        return AsteriskDialect(_parameters(caller))

    def admit(self, caller: SocketRequest) -> None:
        """Raises Refusal."""
        self._carrier.admit(caller)

    async def verify(self, caller: SocketRequest, started: Started, fleet: Fleet) -> None:
        """A caller that was admitted may stream."""

    def hops(self, started: Started) -> int | None:
        """None: Asterisk asks nothing when a stream is closed."""
        return None

    def exchange(self, started: Started) -> CallControl | None:
        """None: without ARI, and without the caller's channel, our part ends when the socket is closed."""
        channel = started.parameters.get("channel", "")
        if self._ari is None or not CHANNEL.fullmatch(channel):
            return None
        return AsteriskControl(self._ari, channel, self._context)


def _parameters(caller: SocketRequest) -> dict[str, str]:
    """Of the address; the token is none of them."""
    try:
        pairs = parse_qsl(caller.path.partition("?")[2], max_num_fields=50)
    except ValueError:
        return {}
    return {
        name: value
        for name, value in pairs
        if name != "token" and len(name) <= NAME_CHARS and len(value) <= VALUE_CHARS
    }
