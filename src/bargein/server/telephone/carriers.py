"""Telephone vendors whose stream is all that we see of them: WS /telnyx/media, /vonage/media and /plivo/media.

None of them signs its socket, so the server's own token must tell who calls: as `Authorization: Bearer`, or, since a
vendor is told nothing but an address, as `?token=` in it. (It is written down at the vendor's; our logs never show it.)
Or a short-lived token for telephones: `POST /token?audience=phone`. A page's token opens no telephone's socket, and no
page may open one. Without a token of the server only this machine may call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from starlette.datastructures import Headers

from bargein.fleet.fleet import Fleet
from bargein.protocols import CallControl
from bargein.server.auth import Gate
from bargein.server.refusals import Refusal
from bargein.server.telephone.serve import SocketRequest, TelephoneVendor, demand_no_page, is_this_machine
from bargein.transports.telephone.dialect import Started, TelephoneDialect
from bargein.transports.telephone.plivo import PlivoDialect
from bargein.transports.telephone.telnyx import TelnyxDialect
from bargein.transports.telephone.vonage import VonageDialect

CARRIERS: Mapping[str, Callable[[], TelephoneDialect]] = {
    "/telnyx/media": TelnyxDialect,
    "/vonage/media": VonageDialect,
    "/plivo/media": PlivoDialect,
}


class Carrier:
    """A TelephoneVendor by shape. name: for what it says to those it refuses."""

    def __init__(self, dialect: Callable[[], TelephoneDialect], gate: Gate, name: str) -> None:
        self._dialect = dialect
        self._gate = gate
        self._name = name

    def dialect(self, caller: SocketRequest) -> TelephoneDialect:
        return self._dialect()

    def admit(self, caller: SocketRequest) -> None:
        """Raises Refusal for a caller without a token, or, where none is demanded, from elsewhere."""
        demand_no_page(caller)
        if self._gate.open:
            if not is_this_machine(caller):
                raise Refusal(
                    403,
                    "no_token_set",
                    f"{self._name} calls from elsewhere need the server's token",
                    advice="Set BARGEIN_TOKEN, and add ?token= with it to the address that the vendor is told",
                )
            return
        query = parse_qs(caller.path.partition("?")[2])
        self._gate.demand_phone(Headers(dict(caller.headers)), query.get("token", ()), caller.host)

    async def verify(self, caller: SocketRequest, started: Started, fleet: Fleet) -> None:
        """A caller that was admitted may stream."""

    def hops(self, started: Started) -> int | None:
        """None: the vendor asks nothing when a stream is closed."""
        return None

    def exchange(self, started: Started) -> CallControl | None:
        """Hanging up is closing the socket, and there is no transfer."""
        return None


def carriers(gate: Gate) -> dict[str, TelephoneVendor]:
    """By path, all there are."""
    return {path: Carrier(dialect, gate, path.split("/")[1].title()) for path, dialect in CARRIERS.items()}
