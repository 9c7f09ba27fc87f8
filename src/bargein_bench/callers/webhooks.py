"""Twilio's requests to an application: signed, tried again as Twilio does, with a fallback address.

Documented: a connection has 5 s, an answer 15 s; a connection that fails is tried once more (an address may say
otherwise behind `#`: `#rc=2&rp=all`); then the fallback address of the call is requested, with ErrorCode and ErrorUrl.
That the fallback serves the addresses of later verbs, too, is not verified: `fallback_for_all=False` says otherwise.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx

from bargein_bench.callers.line import CallerLine
from bargein_bench.callers.result import NetworkError, Webhook
from bargein_bench.callers.twiml import TwimlRefused, Verb, read_twiml

FAILED, NOT_CONNECTED, BAD_URL, MANY_REDIRECTS, BAD_TYPE = 11200, 11205, 11100, 11215, 12300  # Twilio's numbers
CONNECT_MS, READ_MS, TRIES_MORE = 5_000.0, 15_000.0, 1  # Twilio's defaults
XML_TYPES = ("text/xml", "application/xml", "text/html")
POLICIES = ("4xx", "5xx", "ct", "rt", "all")


def signature(token: str, url: str, form: Mapping[str, str] | None = None) -> str:
    """X-Twilio-Signature of a request to a url, with this form."""
    signed = url + "".join(name + value for name, value in sorted((form or {}).items()))
    return base64.b64encode(hmac.digest(token.encode(), signed.encode(), "sha1")).decode()


@dataclass(frozen=True, slots=True)
class Document:
    """TwiML that came. url: base of its relative addresses."""

    url: str
    verbs: list[Verb]


class _NoAnswer(Exception):
    def __init__(self, code: int, text: str, status: int | None = None, *, again: bool = False) -> None:
        super().__init__(text)
        self.code, self.status, self.again = code, status, again


class Webhooks:
    """The requests of one call. form: what every one of them tells."""

    def __init__(
        self,
        line: CallerLine,
        client: httpx.AsyncClient,
        form: Mapping[str, str],
        *,
        auth_token: str | None = None,
        fallback: str | None = None,
        fallback_for_all: bool = True,
    ) -> None:
        self._line = line
        self._client = client
        self._form = dict(form)
        self._token = auth_token
        self._fallback = fallback
        self._fallback_for_all = fallback_for_all

    async def fetch(
        self, why: str, url: str, base: str = "", method: str = "POST", more: Mapping[str, str] | None = None
    ) -> Document | None:
        """The document at an address. None: there is none, nor a fallback; the error is in the result."""
        whole = urljoin(base, url)
        try:
            return await self._once(why, whole, method, more or {})
        except _NoAnswer as error:
            self.error(error.code, str(error))
            if self._fallback is None or not (self._fallback_for_all or why == "voice"):
                return None
            told = {"ErrorCode": str(error.code), "ErrorUrl": whole}
        try:
            return await self._once("fallback", self._fallback, "POST", told)
        except _NoAnswer as error:
            self.error(error.code, str(error))
            return None

    def error(self, code: int, text: str) -> None:
        """Twilio's debugger shows it."""
        self._line.result.errors.append(NetworkError(code, text, self._line.at_ms))

    async def _once(self, why: str, url: str, method: str, more: Mapping[str, str]) -> Document:
        """One request, with its tries. Raises _NoAnswer."""
        told = Webhook(why, url, self._line.at_ms, 0.0, None)
        self._line.result.webhooks.append(told)
        tries_left = _override(url, "rc", TRIES_MORE, 5)
        try:
            while True:
                try:
                    document = await self._try(url, method, {**self._form, **more}, told)
                except _NoAnswer as error:
                    told.status, told.error = error.status, error.code
                    if not error.again or not tries_left:
                        raise
                    tries_left -= 1
                    told.tries += 1
                else:
                    told.error = None
                    return document
        finally:
            told.took_ms = self._line.at_ms - told.at_ms

    async def _try(self, url: str, method: str, form: Mapping[str, str], told: Webhook) -> Document:
        policy = dict(parse_qsl(urlsplit(url).fragment)).get("rp", "ct").split(",")
        called = url.partition("#")[0]
        if urlsplit(called).scheme not in ("http", "https"):
            raise _NoAnswer(BAD_URL, f"{url!r} is no address")
        if method == "GET":
            called += ("&" if "?" in called else "?") + urlencode(form)
        headers = {}
        if self._token is not None:
            signed = signature(self._token, called, form if method == "POST" else None)
            headers["X-Twilio-Signature"] = signed
        read_s = _override(url, "rt", int(READ_MS), int(READ_MS)) / 1000
        timeout = httpx.Timeout(read_s, connect=_override(url, "ct", int(CONNECT_MS), 10_000) / 1000)
        data = dict(form) if method == "POST" else None
        try:
            answer = await self._client.request(
                method, called, data=data, headers=headers, timeout=timeout, follow_redirects=True
            )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            again = bool({"ct", "all"} & set(policy))
            raise _NoAnswer(NOT_CONNECTED, f"{url} cannot be reached: {type(error).__name__}", again=again) from None
        except httpx.TooManyRedirects:
            raise _NoAnswer(MANY_REDIRECTS, f"{url} leads on without end") from None
        except httpx.HTTPError as error:
            again = bool({"rt", "all"} & set(policy))
            raise _NoAnswer(FAILED, f"{url} gave no answer: {type(error).__name__}", again=again) from None
        told.status = answer.status_code
        if answer.status_code >= 300:
            again = bool({f"{answer.status_code // 100}xx", "all"} & set(policy))
            raise _NoAnswer(FAILED, f"{url} answered {answer.status_code}", answer.status_code, again=again)
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in XML_TYPES:
            raise _NoAnswer(BAD_TYPE, f"{url} answered with {kind or 'no type'}", answer.status_code)
        try:
            return Document(str(answer.url), read_twiml(answer.content))
        except TwimlRefused as error:
            raise _NoAnswer(error.code, f"{url}: {error}", answer.status_code) from None


def _override(url: str, name: str, default: int, most: int) -> int:
    """A number that stands behind the `#` of an address."""
    given = dict(parse_qsl(urlsplit(url).fragment)).get(name, "")
    return min(int(given), most) if given.isdigit() else default
