"""Keys (DTMF) in the body of SIP INFO: the two forms that telephones send."""

from __future__ import annotations

import re

from bargein.errors import UsageError

KEY_TYPES = ("application/dtmf-relay", "application/dtmf")
KEYS = "0123456789*#ABCD"
USUAL_MS = 160

_SIGNAL = re.compile(r"^\s*signal\s*=\s*(\S+)\s*$", re.IGNORECASE | re.MULTILINE)
_DURATION = re.compile(r"^\s*duration\s*=\s*([0-9]{1,5})\s*$", re.IGNORECASE | re.MULTILINE)
_BY_NUMBER = {"10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D"}


def read_key(content_type: str, body: bytes) -> tuple[str, int] | None:
    """(key, duration_ms). None: the body names no key."""
    text = body[:500].decode("latin-1").replace("\r\n", "\n")
    duration = USUAL_MS
    if content_type == "application/dtmf-relay":
        found = _SIGNAL.search(text)
        text = found[1] if found else ""
        lasting = _DURATION.search(body[:500].decode("latin-1").replace("\r\n", "\n"))
        duration = min(int(lasting[1]), 10_000) if lasting else USUAL_MS
    text = text.strip().upper()
    key = _BY_NUMBER.get(text, text)
    return (key, duration) if len(key) == 1 and key in KEYS else None


def key_body(key: str, duration_ms: int) -> bytes:
    if len(key) != 1 or key.upper() not in KEYS:
        raise UsageError(f"{key!r} is no key of a telephone", advice=f"Send one of {KEYS}")
    return f"Signal={key.upper()}\r\nDuration={duration_ms}\r\n".encode()
