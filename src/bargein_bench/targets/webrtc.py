"""Any server that takes a WebRTC offer by HTTP: WHIP, POST /webrtc/offer, and what is like them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bargein.clock import Clock
from bargein_bench.callers.caller_audio import Echo, Step
from bargein_bench.callers.telephone import RATE
from bargein_bench.callers.webrtc_call import WebRTCCaller
from bargein_bench.record import Record
from bargein_bench.targets.twilio import as_record


class WebRTCTarget:
    """Calls such a server; satisfies record.Target. parameters: of the query. headers: such as a key's."""

    protocol = "webrtc"
    rate = RATE

    def __init__(
        self,
        url: str,
        *,
        way_ms: float = 0.0,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._url, self._way_ms, self._clock = url, way_ms, clock
        self._parameters, self._headers = dict(parameters or {}), dict(headers or {})

    async def call(self, steps: Sequence[Step], lasts_ms: float, *, echo: Echo | None = None, seed: int = 1) -> Record:
        """Make one call, to its end. Raises VendorRefused or VendorLost."""
        caller = WebRTCCaller(
            self._url,
            steps,
            lasts_ms,
            echo=echo,
            way_ms=self._way_ms,
            parameters=self._parameters,
            headers=self._headers,
            seed=seed,
            clock=self._clock,
            keep=True,
        )
        return as_record(await caller.run())
