"""What Twilio's own package does for us: signatures, TwiML, and the REST API. Needs the `twilio` extra."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

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
SIGNATURE, SIGNATURE_SETTINGS = "x-twilio-signature", "x-twilio-webhooks-signature-settings"


def signed(token: str, url: str, params: ImmutableMultiDict[str, str] | None, headers: Mapping[str, str]) -> bool:
    """Whether Twilio signed this request to this url (as it called it: scheme, host, port, path, query)."""
    signature = headers.get(SIGNATURE, "")
    algorithm = get_signature_algorithm(headers.get(SIGNATURE_SETTINGS, ""))
    try:
        return bool(RequestValidator(token).validate(url, params or {}, signature, algorithm))
    except (ValueError, TypeError):  # of an address or a signature that is none
        return False


def connect(url: str, parameters: Mapping[str, str]) -> str:
    """TwiML that connects the call to a bidirectional stream at url (wss)."""
    response, wire = VoiceResponse(), Connect()
    stream = wire.stream(url=url)
    for name, value in parameters.items():
        stream.parameter(name=name, value=value)
    response.append(wire)
    return str(response)


class _Rerouted(TwilioHttpClient):  # type: ignore[misc]  # the package is not typed
    """Another base URL than Twilio's own: a proxy, or a simulator."""

    def __init__(self, base_url: str) -> None:
        super().__init__(timeout=REST_S)
        self._base_url = base_url.rstrip("/")

    def request(self, method: str, url: str, *args: object, **more: object) -> Response:
        return super().request(method, url.replace(API, self._base_url, 1), *args, **more)


class TwilioExchange:
    """A protocols.CallControl by shape, for one call."""

    def __init__(self, account: str, token: str, call: str, base_url: str | None = None) -> None:
        self._client = Client(account, token, http_client=_Rerouted(base_url or API))
        self._call = call

    async def hang_up(self) -> None:
        await self._update(status="completed")

    async def transfer(self, to: str) -> None:
        response = VoiceResponse()
        response.dial(to)
        await self._update(twiml=str(response))

    async def _update(self, **change: str) -> None:
        try:
            # The package's client waits; so it does in a thread, and no other call with it.
            await asyncio.to_thread(self._client.calls(self._call).update, **change)
        except TwilioRestException as error:
            if error.status < 500 and error.status != 429:
                advice = "Check TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and the number"
                raise VendorRefused(f"Twilio refused with {error.status}, code {error.code}", advice=advice) from None
            raise VendorLost(f"Twilio failed with {error.status}", advice="Try again a little later") from None
        except (TwilioException, RequestException) as error:
            # Its text may hold the address with the account in it.
            what = type(error).__name__
            raise VendorLost(f"Twilio could not be reached: {what}", advice="Check the network") from None
