"""What Twilio's own package does for us: signatures, TwiML, and the REST API. Needs the `twilio` extra."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from requests import RequestException
from starlette.datastructures import ImmutableMultiDict
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator, get_signature_algorithm
from twilio.rest import Client
from twilio.twiml.voice_response import Connect, VoiceResponse

from bargein.errors import VendorLost, VendorRefused

API = "https://api.twilio.com"
REST_S = 10.0
RING_S = 25  # another number may ring for so long
ANSWER_MS = 15_000.0  # for Twilio's word on it after that; without one the number has answered
REFUSED = {  # by Twilio's code
    20003: "Check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN: they do not belong together",
    21210: "Call from a number that Twilio has given you, or that you have verified there",
    21211: "Check the number: it is none that can be called",
    21212: "Set TWILIO_PHONE_NUMBER to a number that Twilio has given you, as +4930123456",
    21215: "Allow calls to this country in Twilio's console: Voice, Settings, Geo permissions",
    21216: "This number is blocked at Twilio for your account",
    21219: "A trial account calls verified numbers only: verify the number in Twilio's console",
}
_SAY_TAGS = (
    "ca-ES cs-CZ da-DK de-DE el-GR en-US es-ES fi-FI fr-FR he-IL hi-IN hu-HU id-ID it-IT ja-JP ko-KR nb-NO nl-NL pl-PL "
    "pt-BR ro-RO ru-RU sv-SE tr-TR uk-UA vi-VN zh-CN"
)
SAY_LANGUAGES = {tag[:2]: tag for tag in _SAY_TAGS.split()} | {"no": "nb-NO"}  # of a language without a region
SIGNATURE, SIGNATURE_SETTINGS = "x-twilio-signature", "x-twilio-webhooks-signature-settings"


def signed(token: str, url: str, params: ImmutableMultiDict[str, str] | None, headers: Mapping[str, str]) -> bool:
    """Whether Twilio signed this request to this url (as it called it: scheme, host, port, path, query)."""
    signature = headers.get(SIGNATURE, "")
    algorithm = get_signature_algorithm(headers.get(SIGNATURE_SETTINGS, ""))
    try:
        return bool(RequestValidator(token).validate(url, params or {}, signature, algorithm))
    except (ValueError, TypeError):  # of an address or a signature that is none
        return False


def connect(url: str, parameters: Mapping[str, str], action: str) -> str:
    """TwiML that connects the call to a bidirectional stream at url (wss). action: asked what follows the stream."""
    response, wire = VoiceResponse(), Connect(action=action)
    stream = wire.stream(url=url)
    for name, value in parameters.items():
        stream.parameter(name=name, value=value)
    response.append(wire)
    return str(response)


def hang_up() -> str:
    """TwiML that ends the call."""
    response = VoiceResponse()
    response.hangup()
    return str(response)


def busy(text: str, language: str, pause_s: int, again: str | None) -> str:
    """TwiML that says why there is no answer, and after a pause leads to another address; None: the call ends."""
    response = VoiceResponse()
    if text:
        response.say(text, language=_say_language(language))
    if again is None:
        response.hangup()
    else:
        response.pause(length=pause_s)
        response.redirect(again)
    return str(response)


def _say_language(language: str) -> str | None:
    """Twilio's <Say> wants a region; None: Twilio's own language."""
    main, _, region = language.partition("-")
    return f"{main.lower()}-{region.upper()}" if region else SAY_LANGUAGES.get(main.lower())


class _Rerouted(TwilioHttpClient):  # type: ignore[misc]  # the package is not typed
    """Another base URL than Twilio's own: a proxy, or a simulator."""

    def __init__(self, base_url: str) -> None:
        super().__init__(timeout=REST_S)
        self._base_url = base_url.rstrip("/")

    def request(self, method: str, url: str, *args: object, **more: object) -> Response:
        return super().request(method, url.replace(API, self._base_url, 1), *args, **more)


class TwilioExchange:
    """A protocols.CallControl by shape, for one call. action: the address that is told how a transfer went; None: it
    is not told, and a transfer ends our part of the call."""

    def __init__(
        self, account: str, token: str, call: str, base_url: str | None = None, *, action: str | None = None
    ) -> None:
        self.return_ms = RING_S * 1000 + ANSWER_MS if action else 0.0
        self._action = action
        self._client = Client(account, token, http_client=_Rerouted(base_url or API))
        self._call = call

    async def hang_up(self) -> None:
        await self._update(status="completed")

    async def transfer(self, to: str) -> None:
        response = VoiceResponse()
        if self._action:
            response.dial(to, action=self._action, timeout=RING_S)
        else:
            response.dial(to)
        await self._update(twiml=str(response))

    async def _update(self, **change: str) -> None:
        await _asked(self._client.calls(self._call).update, **change)


class TwilioOrders:
    """Calls that Twilio makes for an account."""

    def __init__(self, account: str, token: str, base_url: str | None = None) -> None:
        self._client = Client(account, token, http_client=_Rerouted(base_url or API))

    async def create(self, *, to: str, from_: str, url: str, status_callback: str, ring_s: int) -> str:
        """Order a call. Returns Twilio's id of the call. Raises VendorRefused, VendorLost."""
        made = await _asked(
            self._client.calls.create,
            to=to,
            from_=from_,
            url=url,
            timeout=ring_s,
            status_callback=status_callback,
            status_callback_event=["initiated", "ringing", "answered", "completed"],
        )
        return str(made.sid)

    async def cancel(self, call: str) -> None:
        """End a call that rings. Raises VendorRefused, VendorLost."""
        await _asked(self._client.calls(call).update, status="completed")


async def _asked(ask: Callable[..., Any], **words: object) -> Any:
    """Twilio's answer. Raises VendorRefused, VendorLost."""
    try:
        # The package's client waits; so it does in a thread, and no other call with it.
        return await asyncio.to_thread(ask, **words)
    except TwilioRestException as error:
        if error.status < 500 and error.status != 429:
            advice = REFUSED.get(error.code, "Check TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and the number")
            raise VendorRefused(f"Twilio refused with {error.status}, code {error.code}", advice=advice) from None
        raise VendorLost(f"Twilio failed with {error.status}", advice="Try again a little later") from None
    except (TwilioException, RequestException) as error:
        # Its text may hold the address with the account in it.
        what = type(error).__name__
        raise VendorLost(f"Twilio could not be reached: {what}", advice="Check the network") from None
