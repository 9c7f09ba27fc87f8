"""The side that challenges: nonces that cost no memory until a right password used them, and refused replays."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum

from bargein.clock import Clock
from bargein.sip.digest import DigestInput, digest_response, quoted, read_digest

MOST_NONCES = 4096


class Verdict(Enum):
    RIGHT = "right"
    ABSENT = "absent"
    """No credentials for this realm: challenge."""
    STALE = "stale"
    """An old nonce, or one used before: challenge with stale=true, and the user types nothing again."""
    WRONG = "wrong"


class DigestServer:
    """A nonce is its time under a seal, bound to the peer's address: a flood of challenges fills no table."""

    def __init__(
        self,
        clock: Clock,
        realm: str,
        users: Mapping[str, str],
        nonce_s: float = 60.0,
        algorithms: Sequence[str] = ("MD5",),
    ) -> None:
        self._clock = clock
        self._realm = realm
        self._users = users
        self._algorithms = tuple(algorithms)
        self._nonce_ms = nonce_s * 1000
        self._secret = secrets.token_bytes(32)
        self._decoy = secrets.token_hex(16)
        self._used: OrderedDict[str, int] = OrderedDict()
        """Highest count of each nonce that a right password used."""
        self._forgotten_ms = -1
        """Nonces of this time and before are stale, since their counts may be forgotten."""

    def challenges(self, host: str, *, stale: bool = False) -> list[str]:
        nonce = self._nonce(int(self._clock.now_ms()), host)
        end = ", stale=true" if stale else ""
        return [
            f'Digest realm={quoted(self._realm)}, nonce="{nonce}", algorithm={algorithm}, qop="auth"{end}'
            for algorithm in self._algorithms
        ]

    def verify(self, lines: Iterable[str], method: str, host: str) -> tuple[Verdict, str]:
        """(verdict, user). lines: the Authorization lines of the request.

        The URI under the digest may be another than the request's (RFC 3261, 22.4): proxies and sipp write it anew. A
        nonce's count, which is good for one request, stands against replays."""
        for line in lines:
            data = read_digest(line)
            if data.get("realm") == self._realm:
                return self._verify(data, method, host), data.get("username", "")
        return Verdict.ABSENT, ""

    def _verify(self, data: Mapping[str, str], method: str, host: str) -> Verdict:
        algorithm = data.get("algorithm", "MD5").upper()
        qop, nonce, name = data.get("qop", "").lower(), data.get("nonce", ""), data.get("username", "")
        if algorithm not in self._algorithms or qop not in ("", "auth"):
            return Verdict.WRONG
        count = _count(data.get("nc", "")) if qop else 1
        if count < 1 or (qop and not data.get("cnonce")):
            return Verdict.WRONG
        at_ms = self._time_of(nonce, host)
        password = self._users.get(name, self._decoy)  # an unknown user costs the same time as a wrong password
        cnonce, nc = data.get("cnonce", ""), data.get("nc", "")
        right = digest_response(
            DigestInput(algorithm, name, password, self._realm, method, data.get("uri", ""), nonce, qop, cnonce, nc)
        )
        same = hmac.compare_digest(right.encode(), data.get("response", "").lower().encode())
        if at_ms is None or at_ms <= self._forgotten_ms or self._clock.now_ms() - at_ms > self._nonce_ms:
            return Verdict.STALE
        if not same or name not in self._users:
            return Verdict.WRONG
        if count <= self._used.get(nonce, 0):
            return Verdict.STALE
        self._remember(nonce, count)
        return Verdict.RIGHT

    def _remember(self, nonce: str, count: int) -> None:
        self._used[nonce] = count
        self._used.move_to_end(nonce)
        while len(self._used) > MOST_NONCES:
            old, _ = self._used.popitem(last=False)
            self._forgotten_ms = max(self._forgotten_ms, _time(old))

    def _nonce(self, at_ms: int, host: str) -> str:
        time = at_ms.to_bytes(8, "big", signed=True)
        salt = secrets.token_bytes(6)
        return base64.urlsafe_b64encode(time + salt + self._seal(time + salt, host)).decode()

    def _seal(self, data: bytes, host: str) -> bytes:
        return hmac.new(self._secret, data + host.encode(), hashlib.sha256).digest()[:16]

    def _time_of(self, nonce: str, host: str) -> int | None:
        """None: the nonce is not ours, or was given to another address."""
        try:
            data = base64.urlsafe_b64decode(nonce)
        except (binascii.Error, ValueError):
            return None
        if len(data) != 30 or not hmac.compare_digest(data[14:], self._seal(data[:14], host)):
            return None
        return _time(nonce)


def _time(nonce: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(nonce)[:8], "big", signed=True)


def _count(text: str) -> int:
    try:
        return int(text, 16) if len(text) == 8 else 0
    except ValueError:
        return 0
