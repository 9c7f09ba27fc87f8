"""Calls that a simulated Twilio makes for an application: POST Calls.json, and what its status callback is told."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import httpx

from bargein_bench.callers.result import Result
from bargein_bench.callers.twilio_call import Answered, NetworkManners
from bargein_bench.callers.webhooks import signature

BAD_NUMBER, NO_NUMBER, NO_CALLER, BAD_CALLER, NO_URL = 21211, 21201, 21213, 21212, 21205  # Twilio's numbers
EVENTS = {"queued": "initiated", "ringing": "ringing", "in-progress": "answered"}  # the rest is "completed"
LONGEST_S = 600
_NUMBER = re.compile(r"\+[1-9]\d{6,14}")

Talk = Callable[[str, str, str, str], Awaitable[Result]]
"""The call's life once it is answered: of the webhook's address, the call's id, the caller and the number called."""


class OrderRefused(Exception):
    """code: Twilio's number."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass
class OrderedCall:
    """One call that the network makes."""

    sid: str
    to: str
    caller: str
    url: str
    callback: str | None
    events: tuple[str, ...]
    ring_s: int
    status: str = "queued"
    told: list[str] = field(default_factory=list)
    """The states that the status callback was told, and took."""
    result: Result | None = None
    """What the callee heard and said, once the call is over."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)


def read_order(form: Mapping[str, list[str]]) -> OrderedCall:
    """Raises OrderRefused for what Twilio refuses."""

    def one(name: str) -> str:
        return (form.get(name) or [""])[-1]

    to, caller, url = one("To"), one("From"), one("Url")
    if not to:
        raise OrderRefused(NO_NUMBER, "No 'To' number is specified")
    if not caller:
        raise OrderRefused(NO_CALLER, "No 'From' number is specified")
    if not _NUMBER.fullmatch(to):
        raise OrderRefused(BAD_NUMBER, f"The phone number you are attempting to call, {to}, is not valid.")
    if not _NUMBER.fullmatch(caller):
        raise OrderRefused(BAD_CALLER, f"The source phone number provided, {caller}, is not valid.")
    if not url.startswith(("http://", "https://")):
        raise OrderRefused(NO_URL, "Url parameter is required.")
    timeout = one("Timeout")
    ring_s = min(int(timeout), LONGEST_S) if timeout.isdecimal() else 60
    events = tuple(form.get("StatusCallbackEvent") or ["completed"])
    return OrderedCall("CA" + secrets.token_hex(16), to, caller, url, one("StatusCallback") or None, events, ring_s)


async def make_call(
    order: OrderedCall, manners: NetworkManners, client: httpx.AsyncClient, talk: Talk, *, s: float = 1.0
) -> None:
    """To the end of the call. s: how long a second of ringing lasts."""
    found = (manners.numbers or {}).get(order.to, Answered("no-answer"))
    try:
        await _tell(order, "queued", manners, client)
        if found.status not in ("busy", "failed"):
            await _tell(order, "ringing", manners, client)
        rings_s = order.ring_s * s if found.status == "no-answer" else found.after_ms / 1000
        try:
            await asyncio.wait_for(order.cancelled.wait(), rings_s)
        except TimeoutError:
            pass
        else:
            await _tell(order, "canceled", manners, client)
            return
        if found.status == "completed":
            await _tell(order, "in-progress", manners, client)
            order.result = await talk(order.url, order.sid, order.caller, order.to)
        await _tell(order, found.status, manners, client)
    finally:
        order.ended.set()


async def _tell(order: OrderedCall, status: str, manners: NetworkManners, client: httpx.AsyncClient) -> None:
    order.status = status
    if order.callback is None or EVENTS.get(status, "completed") not in order.events:
        return
    form = {
        "CallSid": order.sid,
        "AccountSid": manners.account,
        "From": order.caller,
        "To": order.to,
        "CallStatus": "initiated" if status == "queued" else status,
        "Direction": "outbound-api",
    }
    headers = {}
    if manners.auth_token is not None:
        headers["X-Twilio-Signature"] = signature(manners.auth_token, order.callback, form)
    try:
        answer = await client.post(order.callback, data=form, headers=headers)
    except httpx.HTTPError:
        return
    if answer.is_success:
        order.told.append(form["CallStatus"])
