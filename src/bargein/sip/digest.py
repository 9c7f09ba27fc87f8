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


@dataclass(slots=True)
class _Challenge:
    parameters: Mapping[str, str]
    algorithm: str
    count: int = 0
    """Requests that used the nonce."""
    proven: bool = False
    """The server took an answer to this challenge: a later refusal is the nonce's age."""


class DigestClient:
    """Answers the challenges of one server and of a proxy before it, counting how often each nonce was used."""

    def __init__(self, credentials: SipCredentials) -> None:
        self.credentials = credentials
        self._challenges: dict[str, _Challenge] = {}

    def challenged(self, status: int, headers: Iterable[str]) -> None:
        """Take the challenge of a 401 or 407. SipRefused: our password is not taken, or no algorithm fits."""
        name = "authorization" if status == 401 else "proxy-authorization"
        parameters, algorithm = _best(status, headers)
        before = self._challenges.get(name)
        stale = parameters.get("stale", "").lower() == "true"
        same_realm = before is not None and before.parameters["realm"] == parameters["realm"]
        if before is not None and same_realm and before.count and not (stale or before.proven):
            raise SipRefused(status, "Unauthorized", advice="Check the SIP user and its password")
        if before is not None and stale and before.parameters["nonce"] == parameters["nonce"]:
            raise SipRefused(status, "Unauthorized", advice="The server calls its newest nonce stale: ask its operator")
        self._challenges[name] = _Challenge(parameters, algorithm)

    def accepted(self) -> None:
        """The server took the last answers."""
        for challenge in self._challenges.values():
            challenge.proven = challenge.proven or challenge.count > 0

    def lines(self, method: str, uri: str) -> list[tuple[str, str]]:
        """Headers and values for the next request. []: there was no challenge yet."""
        return [(name, self._line(challenge, method, uri)) for name, challenge in self._challenges.items()]

    def _line(self, challenge: _Challenge, method: str, uri: str) -> str:
        challenge.count += 1
        asked, name = challenge.parameters, self.credentials.user
        count, cnonce = f"{challenge.count:08x}", secrets.token_hex(8)
        qop = "auth" if "qop" in asked else ""
        session = asked.get("algorithm", "").upper().endswith("-SESS")
        response = digest_response(
            DigestInput(
                challenge.algorithm,
                name,
                self.credentials.password,
                asked["realm"],
                method,
                uri,
                asked["nonce"],
                qop,
                cnonce,
                count,
                session,
            )
        )
        parts = [
            f"username={quoted(name)}",
            f"realm={quoted(asked['realm'])}",
            f"nonce={quoted(asked['nonce'])}",
            f"uri={quoted(uri)}",
            f'response="{response}"',
        ]
        if "algorithm" in asked:
            parts.append(f"algorithm={asked['algorithm']}")
        if qop:
            parts += ["qop=auth", f"nc={count}"]
        if qop or session:
            parts.append(f'cnonce="{cnonce}"')
        if "opaque" in asked:
            parts.append(f"opaque={quoted(asked['opaque'])}")
        return f"Digest {', '.join(parts)}"


def _best(status: int, headers: Iterable[str]) -> tuple[dict[str, str], str]:
    """(parameters, algorithm) of the strongest challenge that can be answered."""
    found: dict[str, dict[str, str]] = {}
    for header in headers:
        challenge = read_digest(header)
        algorithm = challenge.get("algorithm", "MD5").upper().removesuffix("-SESS")
        qop = {each.strip().lower() for each in challenge.get("qop", "auth").split(",")}
        if challenge.get("nonce") and "realm" in challenge and algorithm in ALGORITHMS and "auth" in qop:
            found.setdefault(algorithm, challenge)
    best = next((each for each in ALGORITHMS if each in found), None)
    if best is None:
        advice = "The server offers no digest that Bargein knows: let it offer MD5 or SHA-256"
        raise SipRefused(status, "Unauthorized", advice=advice)
    return found[best], best
