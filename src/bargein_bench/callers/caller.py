"""One caller on Twilio's side of a bare media stream: speaks a script, plays the agent's audio, and keeps the protocol.

The caller works with every server that speaks Media Streams. What the server does wrong is counted in `faults`. A whole
call, with the network's webhooks, is made by twilio_network.py.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from bargein.clock import Clock
from bargein.errors import VendorLost, VendorRefused
from bargein_bench.callers.caller_audio import Echo, Step
from bargein_bench.callers.line import CallerLine
from bargein_bench.callers.result import Result
from bargein_bench.callers.stream import MediaStream, StreamFailed


class Caller:
    """Makes one call.

    lasts_ms: length of the call, unless one side ends it before. way_ms: delay of the network, one way. keep: keep the
    caller's audio for the record.
    """

    def __init__(
        self,
        url: str,
        steps: Sequence[Step],
        lasts_ms: float,
        *,
        echo: Echo | None = None,
        way_ms: float = 0.0,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        seed: int = 1,
        clock: Clock | None = None,
        keep: bool = False,
    ) -> None:
        self._line = CallerLine(steps, lasts_ms, echo=echo, way_ms=way_ms, seed=seed, clock=clock, keep=keep)
        given = dict(parameters or {})
        self._call = given.pop("CallSid", "CA" + secrets.token_hex(16))
        account = "AC" + secrets.token_hex(16)
        over = self._line.over  # the call is over with its stream
        self._stream = MediaStream(
            self._line, url, account=account, call=self._call, parameters=given, headers=headers, ended=over
        )

    @property
    def result(self) -> Result:
        return self._line.result

    async def run(self) -> Result:
        """Make the call, to its end.

        Raises VendorRefused when the server refuses it, VendorLost when no server answers.
        """
        line, stream, result = self._line, self._stream, self._line.result
        began = line.clock.now_ms()
        try:
            await stream.open()
        except StreamFailed as error:
            if error.refused:
                advice = "Look at the address, and at what the server demands"
                raise VendorRefused(str(error), advice=advice) from None
            raise VendorLost(str(error), advice="Start the server first") from None
        line.begin()
        result.call_sid = self._call
        result.connected_ms = result.began_ms - began
        try:
            stream.greet()
            line.stream = stream
            await line.speak()
        finally:
            result.lasted = line.now
            await stream.close()
            result.closed_by = stream.leg.closed_by
        return result
