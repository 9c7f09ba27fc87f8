"""Any server that speaks Twilio Media Streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bargein.audio.mulaw import from_mulaw
from bargein.audio.pcm import Samples
from bargein.clock import Clock
from bargein_bench.callers.caller import Caller
from bargein_bench.callers.caller_audio import Echo, Step
from bargein_bench.callers.result import Result
from bargein_bench.callers.telephone import RATE
from bargein_bench.record import RATE as RECORD_RATE
from bargein_bench.record import AudioSpan, ClearSent, Record, ServerNote

assert RATE == RECORD_RATE  # places are not scaled


class TwilioTarget:
    """Calls such a server; satisfies record.Target.

    url: ws://... way_ms: delay of the network, one way. parameters: the stream's customParameters. headers: of the
    handshake, such as a key.
    """

    protocol = "twilio"
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
        self._url = url
        self._way_ms = way_ms
        self._parameters = dict(parameters or {})
        self._headers = dict(headers or {})
        self._clock = clock

    async def call(self, steps: Sequence[Step], lasts_ms: float, *, echo: Echo | None = None, seed: int = 1) -> Record:
        """Make one call, to its end.

        Raises VendorRefused when the call is refused, VendorLost when no server answers.
        """
        caller = Caller(
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


def as_record(result: Result) -> Record:
    """The record of a call whose caller audio was kept (`keep`)."""
    telephone = result.telephone
    caller = np.concatenate(result.caller_frames or [np.zeros(0, np.int16)])
    lasted = min(result.lasted, len(telephone.heard), len(caller))
    agent: Samples = from_mulaw(telephone.heard[:lasted].tobytes())
    return Record(
        agent,
        caller[:lasted],
        tuple(result.spoken),
        tuple(AudioSpan(begin, min(end, lasted)) for begin, end in telephone.runs if begin < min(end, lasted)),
        tuple(ClearSent(at, from_mulaw(codes)) for at, codes in telephone.cleared),
        tuple(ServerNote(place, "clear") for place in result.clears),
        result.stream,
        telephone.frames,
        telephone.late,
        telephone.gap_ms,
        telephone.stale_ms,
        telephone.most_queued_ms,
        dict(result.faults),
        result.closed_by,
    )
