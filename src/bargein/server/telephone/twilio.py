"""Twilio: who may ask, and who may stream. twilio_webhooks.py answers POST /twilio/voice and POST /twilio/next; WS
/twilio/media takes the stream.

With an auth token configured, Twilio must sign its webhook; its answer carries a short-lived token, good for one stream
of that very call, on any node, and the stream must bring it back. Without one there is no telling who calls, so only
this machine may.
"""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.datastructures import Headers, ImmutableMultiDict

from bargein.errors import UsageError
from bargein.fleet.fleet import Fleet
from bargein.protocols import CallControl
from bargein.server.auth import Gate
from bargein.server.refusals import Refusal
from bargein.server.settings import Settings
from bargein.server.telephone.serve import SocketRequest, demand_no_page, is_this_machine
from bargein.server.under_a_path import joined
from bargein.transports.telephone.dialect import Started, TelephoneDialect
from bargein.transports.telephone.twilio import TwilioDialect

try:
    from bargein.server.telephone import twilio_sdk as sdk
except ImportError:
    sdk = None  # type: ignore[assignment]

VOICE, MEDIA, NEXT = "/twilio/voice", "/twilio/media", "/twilio/next"
STATUS = "/twilio/status"  # of a call of ours
TOKEN_S = 60  # Twilio connects at once
INSTALL = "Install it with pip install 'bargein[twilio]'"


class Twilio:
    """A TelephoneVendor by shape. Raises UsageError for an auth token without the package that checks signatures."""

    def __init__(self, settings: Settings, gate: Gate) -> None:
        token = settings.twilio_auth_token
        self._token = token.get_secret_value() if token else None
        if self._token and sdk is None:
            raise UsageError("TWILIO_AUTH_TOKEN is set, and the twilio package is not there", advice=INSTALL)
        self._account = settings.twilio_account_sid
        self._rest_url = settings.twilio_url
        self._public = settings.public_url.rstrip("/") if settings.public_url else None
        self._gate = gate
        self._signer = URLSafeTimedSerializer(self._token or settings.signing_secret, salt="bargein.twilio")

    def dialect(self, caller: SocketRequest) -> TelephoneDialect:
        return TwilioDialect()

    @property
    def public(self) -> str | None:
        """The server's address for the outside world, where one is set."""
        return self._public

    @property
    def can_dial(self) -> bool:
        """The account is known for which Twilio makes calls."""
        return self._token is not None and self._account is not None

    def orders(self) -> sdk.TwilioOrders:
        """Where calls are ordered, once `can_dial`."""
        assert self._account is not None
        assert self._token is not None
        return sdk.TwilioOrders(self._account, self._token, self._rest_url)

    # -------------------------------------------------------------------------------------------------- webhook

    def token(self, call: str) -> str:
        """For one stream of this call."""
        return self._signer.dumps([call, secrets.token_urlsafe(9)])

    def demand_twilio(self, caller: SocketRequest, form: ImmutableMultiDict[str, str], *, secure: bool) -> None:
        """Raises Refusal for a webhook that Twilio did not call."""
        if sdk is None:
            raise Refusal(501, "not_installed", "The twilio package is not installed", advice=INSTALL)
        if self._token is None:
            demand_no_page(caller)
            self._demand_local(caller)
            self._gate.demand_phone(_headers(caller), (), caller.host)
        elif not self._signed(caller, form, "https" if secure else "http"):
            raise _bad_signature()

    def _signed(self, caller: SocketRequest, form: ImmutableMultiDict[str, str] | None, *schemes: str) -> bool:
        assert self._token is not None
        host = caller.headers.get("host", "")
        if self._public is not None:
            bases = [urlsplit(self._public)._replace(scheme=s).geturl() for s in _like(self._public, schemes)]
        else:
            bases = [f"{scheme}://{host}" for scheme in schemes]
        # Some sign the address of a socket with a slash at its end, some without.
        paths = [caller.path] if form is not None else [caller.path, f"{caller.path}/"]
        return any(
            sdk.signed(self._token, joined(base, path), form, caller.headers) for base in bases for path in paths
        )

    # --------------------------------------------------------------------------------------------------- stream

    def admit(self, caller: SocketRequest) -> None:
        """Raises Refusal for a socket that cannot be Twilio's."""
        demand_no_page(caller)
        if self._token is None:
            self._demand_local(caller)
        elif sdk.SIGNATURE in caller.headers and not self._signed(caller, None, "wss", "ws", "https", "http"):
            raise _bad_signature()  # without one the token must do

    async def verify(self, caller: SocketRequest, started: Started, fleet: Fleet) -> None:
        """Raises Refusal for a stream without a token of ours, or with one that was for another."""
        token = started.parameters.get("token")
        if token is not None:
            await self._spend(token, started.call, fleet)
        elif self._token is not None:
            raise _bad_token("The stream brought no token")
        else:
            self._gate.demand_phone(_headers(caller), (), caller.host)

    def hops(self, started: Started) -> int | None:
        """How often the call was sent to its node. None: the stream has no action, so that closing it ends the call."""
        if "next" not in started.parameters:
            return None
        told = started.parameters.get("hops", "0")
        return int(told) if told.isdecimal() and len(told) < 4 else 0

    def exchange(self, started: Started) -> CallControl | None:
        if self._token is None or self._account is None or not started.call:
            return None
        action = started.parameters.get("next")
        return sdk.TwilioExchange(self._account, self._token, started.call, self._rest_url, action=action)

    async def _spend(self, token: str, call: str, fleet: Fleet) -> None:
        """Each token opens one stream, on whatever node."""
        try:
            of, once = self._signer.loads(token, max_age=TOKEN_S)
        except (BadData, ValueError, TypeError):
            raise _bad_token("The stream's token is not ours, or too old") from None
        if of != call:
            raise _bad_token("The stream's token is of another call")
        if not await fleet.spend(f"twilio {once}", 2 * TOKEN_S):
            raise _bad_token("The stream's token was used before")

    @staticmethod
    def _demand_local(caller: SocketRequest) -> None:
        if not is_this_machine(caller):
            raise Refusal(
                403,
                "no_auth_token",
                "Telephone calls from elsewhere need a Twilio auth token",
                advice="Set TWILIO_AUTH_TOKEN, and BARGEIN_PUBLIC_URL behind a proxy",
            )


def _like(public: str, schemes: tuple[str, ...]) -> list[str]:
    """Of the schemes that a request may have been signed with, those that fit a public address."""
    secure = public.startswith("https")
    return [s for s in schemes if (s in ("https", "wss")) == secure] or [urlsplit(public).scheme]


def _headers(caller: SocketRequest) -> Headers:
    return Headers(dict(caller.headers))


def _bad_signature() -> Refusal:
    return Refusal(
        403,
        "bad_signature",
        "The request is not signed by Twilio for this address",
        advice="Set BARGEIN_PUBLIC_URL to the address that Twilio calls, and TWILIO_AUTH_TOKEN to its account's",
    )


def _bad_token(what: str) -> Refusal:
    return Refusal(403, "bad_token", what, advice=f"Begin the call at POST {VOICE}")
