"""Signatures as Standard Webhooks has them (https://www.standardwebhooks.com), so that its libraries check them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64


def keys_of(secret: str) -> tuple[bytes, ...]:
    """The keys in a setting: one, or several separated by commas, while one replaces another. Raises ValueError, which
    does not quote the secret."""
    keys = tuple(_key(part.strip()) for part in secret.split(","))
    if not keys:
        raise ValueError("it is empty")
    return keys


def signed(keys: Sequence[bytes], webhook_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The headers of one attempt, with a signature for each key."""
    said = f"{webhook_id}.{timestamp_s}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(key, said, hashlib.sha256)).decode() for key in keys]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        msg = f"write {PREFIX} and {LEAST_BYTES} to {MOST_BYTES} random bytes in base64: openssl rand -base64 32"
        raise ValueError(msg)
    return key
