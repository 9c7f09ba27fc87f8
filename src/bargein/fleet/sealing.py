"""Encrypts and authenticates what is remembered of a call, field by field.

A sealed field: one byte of version, then by version

    0  plain: SHA-256 (first 16 bytes) of call id, field's name and value; the value
    1  AES-256-GCM: a nonce of 12 bytes; the encrypted value with its tag of 16 bytes

The associated data of both is the call's id and the field's name, so that a field opens in its own place only. The key
is derived from BARGEIN_FLEET_KEY by HKDF-SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable

from bargein.errors import MemoryRefused, Unavailable, UsageError

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    INSTALLED = True
except ImportError:
    INSTALLED = False

PLAIN, ENCRYPTED = b"\x00", b"\x01"
DIGEST_BYTES, NONCE_BYTES = 16, 12
KEY_CHARS = 16  # of a fleet key, at least
_ANEW = "The caller is greeted anew"


class Seal:
    """Of one fleet key. None: fields are plain, with a digest against damage."""

    def __init__(self, key: str | None = None, *, nonce: Callable[[int], bytes] = os.urandom) -> None:
        """Raises UsageError for a key that is too short, Unavailable where `cryptography` is not installed."""
        self._nonce = nonce
        self._cipher: AESGCM | None = None
        if key is None:
            return
        if len(key) < KEY_CHARS:
            advice = f"Set BARGEIN_FLEET_KEY to {KEY_CHARS} characters or more, the same on every node"
            raise UsageError("The fleet key is too short", advice=advice)
        if not INSTALLED:
            raise Unavailable("A fleet key is set, and `cryptography` is missing", advice="pip install bargein[fleet]")
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"bargein memory 1").derive(key.encode())
        self._cipher = AESGCM(derived)

    def close(self, call_id: str, name: str, value: bytes) -> bytes:
        """The sealed field."""
        place = _place(call_id, name)
        if self._cipher is None:
            return PLAIN + _digest(place, value) + value
        nonce = self._nonce(NONCE_BYTES)
        return ENCRYPTED + nonce + self._cipher.encrypt(nonce, value, place)

    def open(self, call_id: str, name: str, sealed: bytes) -> bytes:
        """The value. Raises MemoryRefused for a field that was changed, or is of another key, call, name or version."""
        version, rest, place = sealed[:1], sealed[1:], _place(call_id, name)
        if version == PLAIN:
            if self._cipher is not None:
                advice = f"Give every node the same BARGEIN_FLEET_KEY. {_ANEW}"
                raise MemoryRefused(f"Call {call_id}: {name!r} is not encrypted, and a fleet key is set", advice=advice)
            digest, value = rest[:DIGEST_BYTES], rest[DIGEST_BYTES:]
            if not hmac.compare_digest(digest, _digest(place, value)):
                advice = f"Find out what else writes to the fleet's store, and set BARGEIN_FLEET_KEY. {_ANEW}"
                raise MemoryRefused(f"Call {call_id}: {name!r} was changed or damaged", advice=advice)
            return value
        if version == ENCRYPTED:
            if self._cipher is None:
                advice = f"Give every node the same BARGEIN_FLEET_KEY. {_ANEW}"
                raise MemoryRefused(f"Call {call_id}: {name!r} is encrypted, and no fleet key is set", advice=advice)
            try:
                return self._cipher.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], place)
            except (InvalidTag, ValueError):
                advice = f"Give every node the same BARGEIN_FLEET_KEY; else a stranger changed it. {_ANEW}"
                message = f"Call {call_id}: {name!r} was changed, or sealed by another key or for another call"
                raise MemoryRefused(message, advice=advice) from None
        advice = f"Run one version of Bargein on every node. {_ANEW}"
        raise MemoryRefused(f"Call {call_id}: {name!r} was sealed by another version", advice=advice)


def _place(call_id: str, name: str) -> bytes:
    return f"{len(call_id)}:{call_id}:{name}".encode()


def _digest(place: bytes, value: bytes) -> bytes:
    return hashlib.sha256(len(place).to_bytes(4, "big") + place + value).digest()[:DIGEST_BYTES]
