"""Digest (RFC 2617, 7616, 8760): the arithmetic, and the side that answers a challenge."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bargein.sip.errors import SipRefused
from bargein.sip.settings import SipCredentials

ALGORITHMS = {"SHA-256": "sha256", "SHA-512-256": "sha512_256", "MD5": "md5"}
"""Names of the wire, the strongest first."""

_PAIR = re.compile(r'([A-Za-z-]{1,40})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))')


@dataclass(frozen=True, slots=True)
class DigestInput:
    """All that a digest's response is made of. qop: "auth" or ""."""

    algorithm: str
    user: str
    password: str
    realm: str
    method: str
    uri: str
    nonce: str
    qop: str = ""
    cnonce: str = ""
    nc: str = ""
    session: bool = False
    """The algorithm's `-sess` form."""


def digest_response(data: DigestInput) -> str:
    def hashed(text: str) -> str:
        return hashlib.new(ALGORITHMS[data.algorithm], text.encode(), usedforsecurity=False).hexdigest()

    secret = hashed(f"{data.user}:{data.realm}:{data.password}")
    if data.session:
        secret = hashed(f"{secret}:{data.nonce}:{data.cnonce}")
    action = hashed(f"{data.method}:{data.uri}")
    if data.qop:
        return hashed(f"{secret}:{data.nonce}:{data.nc}:{data.cnonce}:{data.qop}:{action}")
    return hashed(f"{secret}:{data.nonce}:{action}")


def read_digest(header: str) -> dict[str, str]:
    """Parameters of a challenge or of credentials, names in small letters. {}: the scheme is not Digest."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "digest":
        return {}
    found: dict[str, str] = {}
    for pair in _PAIR.finditer(rest[:4000]):
        quoted, plain = pair[2], pair[3]
        value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        found.setdefault(pair[1].lower(), value)
    return found


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class DigestClient:
    """Answers the challenges of one server, counting how often each nonce was used."""

    def __init__(self, credentials: SipCredentials) -> None:
        self.credentials = credentials
        self._challenge: Mapping[str, str] = {}
        self._header = ""
        self._algorithm = ""
        self._count = 0
        self._refused: set[str] = set()

    def challenged(self, status: int, headers: Iterable[str]) -> None:
        """Take the challenge of a 401 or 407. SipRefused: the server does not take our password, or no algorithm fits."""
        found = {}
        for header in headers:
            challenge = read_digest(header)
            algorithm = challenge.get("algorithm", "MD5").upper().removesuffix("-SESS")
            qop = {each.strip().lower() for each in challenge.get("qop", "auth").split(",")}
            if challenge.get("nonce") and "realm" in challenge and algorithm in ALGORITHMS and "auth" in qop:
                found.setdefault(algorithm, challenge)
        best = next((each for each in ALGORITHMS if each in found), None)
        if best is None:
            raise SipRefused(
                status, "Unauthorized", advice="The server offers no digest that Bargein knows: ask for MD5 or SHA-256"
            )
        challenge = found[best]
        stale = challenge.get("stale", "").lower() == "true"
        if self._challenge and self._count and not stale and challenge["realm"] == self._challenge["realm"]:
            key = challenge["realm"]
            if key in self._refused:
                raise SipRefused(status, "Unauthorized", advice="Check the SIP user and its password")
            self._refused.add(key)
        self._challenge, self._algorithm, self._count = challenge, best, 0
        self._header = "authorization" if status == 401 else "proxy-authorization"

    def accepted(self) -> None:
        """The server took the last answer."""
        self._refused.clear()

    def line(self, method: str, uri: str) -> tuple[str, str] | None:
        """Header and value for the next request. None: there was no challenge yet."""
        if not self._challenge:
            return None
        self._count += 1
        challenge, name = self._challenge, self.credentials.user
        count, cnonce = f"{self._count:08x}", secrets.token_hex(8)
        qop = "auth" if "qop" in challenge else ""
        session = challenge.get("algorithm", "").upper().endswith("-SESS")
        response = digest_response(
            DigestInput(
                self._algorithm, name, self.credentials.password, challenge["realm"], method, uri,
                challenge["nonce"], qop, cnonce, count, session,
            )
        )  # fmt: skip
        parts = [
            f"username={quoted(name)}",
            f"realm={quoted(challenge['realm'])}",
            f"nonce={quoted(challenge['nonce'])}",
            f"uri={quoted(uri)}",
            f'response="{response}"',
        ]
        if "algorithm" in challenge:
            parts.append(f"algorithm={challenge['algorithm']}")
        if qop:
            parts += ["qop=auth", f"nc={count}"]
        if qop or session:
            parts.append(f'cnonce="{cnonce}"')
        if "opaque" in challenge:
            parts.append(f"opaque={quoted(challenge['opaque'])}")
        return self._header, f"Digest {', '.join(parts)}"
