"""Telephone numbers that this server may call: its owner pays for a stranger's call to an expensive number."""

from __future__ import annotations

import re

from bargein.errors import UsageError
from bargein.foreign import printable
from bargein.server.hub import Hub
from bargein.server.refusals import Refusal

EVERY = "*"
_PUNCTUATION = re.compile(r"[\s().\-/]+")
_E164 = re.compile(r"\+[1-9]\d{6,14}")


def number_of(text: str) -> str:
    """A number without what people write between its digits."""
    return _PUNCTUATION.sub("", text)


def e164(text: str) -> str:
    """A number as networks of many countries take it. Raises UsageError."""
    number = number_of(text)
    if not _E164.fullmatch(number):
        raise UsageError(
            f"{printable(text, 40)!r} cannot be called",
            advice="Write the number with its country, such as +4930123456, or call sip:user@host",
        )
    return number


def demand_allowed(hub: Hub, number: str) -> None:
    """Raises Refusal for a telephone number that this server may not call."""
    allowed = hub.settings.call_allow
    if not allowed and not hub.gate.open:
        return  # only the owner of the token gets here
    plain = number_of(number)
    if EVERY in allowed or any(plain.startswith(number_of(beginning)) for beginning in allowed):
        return
    if not allowed:
        raise Refusal(
            403,
            "numbers_not_allowed",
            "This server has no token, so that it calls no telephone numbers",
            advice="Set BARGEIN_TOKEN, or BARGEIN_CALL_ALLOW to the beginnings that may be called, such as +49",
        )
    raise Refusal(
        403,
        "number_not_allowed",
        f"Numbers such as {printable(plain[:6], 6)}... may not be called from here",
        advice=f"Call a number that begins with {', '.join(allowed)}, or add its beginning to BARGEIN_CALL_ALLOW",
    )
