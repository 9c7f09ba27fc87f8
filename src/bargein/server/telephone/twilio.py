"""Twilio: POST /twilio/voice tells it where to stream a call, WS /twilio/media takes the stream.

Who may do so. With an auth token configured, Twilio must sign its webhook; its answer carries a short-lived token,
good for one stream of that very call, and the stream must bring it back. Without one there is no telling who calls,
so only this machine may.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import Response
from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.datastructures import Headers, ImmutableMultiDict

from bargein.errors import UsageError
from bargein.protocols import CallControl
from bargein.server.auth import Gate
from bargein.server.kept_calls import KeptCall
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
TOKEN_S = 60  # Twilio connects at once
MOST_TOKENS = 10_000  # used ones, remembered until they expire
PASSED_ON = ("agent", "policy", "language")  # of the webhook's query, to the stream
NOT_ANSWERED = {  # Twilio's DialCallStatus, for the model
    "busy": "the line is busy",
    "no-answer": "there is no answer",
    "failed": "the number cannot be reached",
    "canceled": "the call was given up",
}
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
        self._used: OrderedDict[str, float] = OrderedDict()

    def dialect(self) -> TelephoneDialect:
        return TwilioDialect()

    # -------------------------------------------------------------------------------------------------- webhook

    def voice(
        self, caller: SocketRequest, form: ImmutableMultiDict[str, str], *, secure: bool, mounted: str = ""
    ) -> str:
        """TwiML for a call that comes in. mounted: the path under which the app is mounted. Raises Refusal."""
        self.demand_twilio(caller, form, secure=secure)
        host = caller.headers.get("host", "")
        base = self._public or f"{'https' if secure else 'http'}://{host}"
        query = dict(parse_qsl(urlsplit(caller.path).query))
        parameters = {name: query[name] for name in PASSED_ON if name in query}
        parameters |= {name.lower(): form[name] for name in ("From", "To") if name in form}
        parameters["token"] = self._signer.dumps([form.get("CallSid", ""), secrets.token_urlsafe(9)])
        parameters["next"] = joined(base, mounted + NEXT)
        return sdk.connect(joined(base.replace("http", "ws", 1), mounted + MEDIA), parameters, parameters["next"])

    def after_stream(
        self,
        caller: SocketRequest,
        form: ImmutableMultiDict[str, str],
        kept: KeptCall | None,
        *,
        secure: bool,
        mounted: str = "",
    ) -> str:
        """TwiML for a call whose stream, or whose transfer, is over. kept: our call, if it goes on."""
        status = form.get("DialCallStatus")
        if kept is not None and status in NOT_ANSWERED:
            kept.call.not_transferred(NOT_ANSWERED[status])
        elif kept is not None and status is not None:
            kept.call.transferred()
        if kept is None or not kept.live:
            return sdk.hang_up()
        return self.voice(caller, form, secure=secure, mounted=mounted)

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

    def verify(self, caller: SocketRequest, started: Started) -> None:
        """Raises Refusal for a stream without a token of ours, or with one that was for another."""
        token = started.parameters.get("token")
        if token is not None:
            self._spend(token, started.call)
        elif self._token is not None:
            raise _bad_token("The stream brought no token")
        else:
            self._gate.demand_phone(_headers(caller), (), caller.host)

    def exchange(self, started: Started) -> CallControl | None:
        if self._token is None or self._account is None or not started.call:
            return None
        action = started.parameters.get("next")
        return sdk.TwilioExchange(self._account, self._token, started.call, self._rest_url, action=action)

    def _spend(self, token: str, call: str) -> None:
        """Each token opens one stream."""
        try:
            of, _ = self._signer.loads(token, max_age=TOKEN_S)
        except (BadData, ValueError, TypeError):
            raise _bad_token("The stream's token is not ours, or too old") from None
        if of != call:
            raise _bad_token("The stream's token is of another call")
        if token in self._used:
            raise _bad_token("The stream's token was used before")
        now = time.monotonic()
        self._used[token] = now
        while self._used and (len(self._used) > MOST_TOKENS or now - next(iter(self._used.values())) > 2 * TOKEN_S):
            self._used.popitem(last=False)

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


router = APIRouter()


@router.post(VOICE)
async def voice(request: Request) -> Response:
    """Twilio's webhook for a call that comes in: TwiML that streams it to us."""
    vendor: Twilio = request.app.state.phones[MEDIA]
    caller, form, mounted = await _webhook(request)
    twiml = vendor.voice(caller, form, secure=request.url.scheme == "https", mounted=mounted)
    if request.app.state.hub.calls.closing:
        twiml = sdk.reject()
    return Response(twiml, media_type="application/xml")


@router.post(NEXT)
async def following(request: Request) -> Response:
    """Twilio's webhook after a stream or a transfer: a call that goes on gets a stream again, any other one ends."""
    vendor: Twilio = request.app.state.phones[MEDIA]
    caller, form, mounted = await _webhook(request)
    vendor.demand_twilio(caller, form, secure=request.url.scheme == "https")
    kept = request.app.state.hub.kept.find(f"twilio {form.get('AccountSid', '')}", form.get("CallSid", ""))
    twiml = vendor.after_stream(caller, form, kept, secure=request.url.scheme == "https", mounted=mounted)
    return Response(twiml, media_type="application/xml")


async def _webhook(request: Request) -> tuple[SocketRequest, ImmutableMultiDict[str, str], str]:
    """Who asks, the form, and the path under which the app is mounted."""
    client = request.client
    query = request.url.query
    path = f"{request.url.path}?{query}" if query else request.url.path
    caller = SocketRequest(client.host if client else "", request.headers, path)
    form = ImmutableMultiDict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
    return caller, form, request.scope.get("root_path", "").rstrip("/")
