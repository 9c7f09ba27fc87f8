"""Any server that takes the calls of Asterisk's WebSocket channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bargein.clock import Clock
from bargein_bench.callers.asterisk_call import AsteriskCaller
from bargein_bench.callers.caller_audio import Echo, Step
from bargein_bench.callers.telephone import RATE
from bargein_bench.record import Record
from bargein_bench.targets.twilio import as_record


class AsteriskTarget:
    """Calls such a server; satisfies record.Target. parameters: of the address. headers: of the handshake."""

    protocol = "asterisk"
    rate = RATE

    def __init__(
        self,
        url: str,
        *,
        way_ms: float = 0.0,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        codec: str = "slin16",
        clock: Clock | None = None,
    ) -> None:
        self._url = url
        self._way_ms = way_ms
        self._parameters = dict(parameters or {})
        self._headers = dict(headers or {})
        self._codec = codec
        self._clock = clock

    async def call(self, steps: Sequence[Step], lasts_ms: float, *, echo: Echo | None = None, seed: int = 1) -> Record:
        """Make one call, to its end. Raises VendorRefused or VendorLost."""
        caller = AsteriskCaller(
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
            codec=self._codec,
        )
        return as_record(await caller.run())
