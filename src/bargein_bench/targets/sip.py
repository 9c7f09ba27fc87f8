"""Any agent that a phone reaches by SIP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bargein.clock import Clock
from bargein.sip.addresses import NameAddr
from bargein_bench.callers.caller_audio import Echo, Step
from bargein_bench.callers.sip_call import SipCaller, credentials_of, sip_uri
from bargein_bench.callers.telephone import RATE
from bargein_bench.record import Record
from bargein_bench.targets.twilio import as_record


class SipTarget:
    """Calls such an agent; satisfies record.Target.

    uri: sip:user@host[:port]. key: "user:password" of the digest. way_ms: delay of the network, one way. headers: of
    the INVITE. caller: who calls, as sip:user@host.
    """

    protocol = "sip"
    rate = RATE

    def __init__(
        self,
        uri: str,
        *,
        key: str = "",
        way_ms: float = 0.0,
        headers: Mapping[str, str] | None = None,
        caller: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Raises UsageError."""
        self._uri = sip_uri(uri)
        self._credentials = credentials_of(key)
        self._way_ms = way_ms
        self._headers = dict(headers or {})
        self._caller = NameAddr(sip_uri(caller)) if caller else None
        self._clock = clock

    async def call(self, steps: Sequence[Step], lasts_ms: float, *, echo: Echo | None = None, seed: int = 1) -> Record:
        """Make one call, to its end.

        Raises VendorRefused when the call is refused, VendorLost when there is no answer.
        """
        caller = SipCaller(
            self._uri,
            steps,
            lasts_ms,
            credentials=self._credentials,
            headers=self._headers,
            caller=self._caller,
            echo=echo,
            way_ms=self._way_ms,
            seed=seed,
            clock=self._clock,
            keep=True,
        )
        return as_record(await caller.run())
