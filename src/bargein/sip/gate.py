"""Who may call: addresses that are admitted, trunks that we are registered at, and users with a password."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bargein.clock import Clock
from bargein.sip.digest_server import DigestServer, Verdict
from bargein.sip.messages import SipRequest
from bargein.sip.settings import SipAdmission, SipLimits
from bargein.sip.stranger_rates import StrangerRates

SCANNERS = ("friendly-scanner", "sipvicious", "sipcli", "pplsip", "sip-scan", "sipsak", "vaxsipuseragent", "sundayddr")
"""Parts of the User-Agent of well-known scanners, which get no answer at all."""


@dataclass(frozen=True, slots=True)
class Admitted:
    user: str
    """"": the address alone was let in."""


@dataclass(frozen=True, slots=True)
class Challenged:
    """Answer 401 with these challenges."""

    challenges: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Forbidden:
    """Answer 403."""


class SipGate:
    """trunk_peers: addresses of the trunks that we are registered at."""

    def __init__(
        self, clock: Clock, limits: SipLimits, admission: SipAdmission, trunk_peers: Callable[[], frozenset[str]]
    ) -> None:
        self.rates = StrangerRates(clock, limits)
        self._admission = admission
        self._trunk_peers = trunk_peers
        self._digest = DigestServer(clock, admission.realm, admission.users, limits.nonce_s, admission.algorithms)

    def trusts(self, host: str) -> bool:
        """True: no password is asked for, and no rate bounds the address."""
        return self._admission.admits(host) or host in self._trunk_peers()

    def hears(self, request: SipRequest, host: str) -> bool:
        """False: a new request of a stranger is read over: a scanner, or more than a stranger may send."""
        if self.trusts(host):
            return True
        name = request.headers.get("user-agent").lower()
        return not any(each in name for each in SCANNERS) and self.rates.admits(host, request.method)

    def admit(self, request: SipRequest, host: str) -> Admitted | Challenged | Forbidden:
        if self.trusts(host):
            return Admitted("")
        if not self._admission.users or not self.rates.may_try(host):
            return Forbidden()
        lines = request.headers.raw("authorization")
        verdict, user = self._digest.verify(lines, request.method, host)
        if verdict is Verdict.RIGHT:
            return Admitted(user)
        if verdict is Verdict.WRONG:
            self.rates.wrong_password(host)
            if not self.rates.may_try(host):
                return Forbidden()
        return Challenged(tuple(self._digest.challenges(host, stale=verdict is Verdict.STALE)))
