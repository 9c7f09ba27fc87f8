"""A simulated Asterisk calls an application by AudioSocket: bare audio over TCP.

As res_audiosocket.c does it: the UUID first, then a frame each 20 ms. Each message of audio that comes is given to the
core at once, and the core plays them in order: what comes ahead of its time waits in the caller's jitter buffer.
"""

from __future__ import annotations

import asyncio
import struct
from binascii import a2b_base64
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID, uuid4

import numpy as np

from bargein.audio.mulaw import from_mulaw, to_mulaw
from bargein.audio.resample import HotResampler
from bargein.clock import Clock
from bargein.errors import VendorLost
from bargein_bench.callers.caller_audio import Echo, Step
from bargein_bench.callers.line import CallerLine
from bargein_bench.callers.result import Result
from bargein_bench.callers.telephone import RATE

HEADER = struct.Struct(">BH")
HANG_UP, ID, KEY = 0x00, 0x01, 0x03
KINDS = {8_000: 0x10, 16_000: 0x12, 24_000: 0x13}


class AudioSocketCaller:
    """Makes one call to host:port. lasts_ms, echo, seed, keep: as CallerLine. rate: of the channel."""

    def __init__(
        self,
        address: str,
        steps: Sequence[Step],
        lasts_ms: float,
        *,
        id_: UUID | None = None,
        rate: int = 8_000,
        echo: Echo | None = None,
        seed: int = 1,
        clock: Clock | None = None,
        keep: bool = False,
    ) -> None:
        self._address = address
        self._line = CallerLine(steps, lasts_ms, echo=echo, seed=seed, clock=clock, keep=keep)
        self._id = id_ or uuid4()
        self._kind = KINDS[rate]
        self._in, self._out = HotResampler(RATE, rate), HotResampler(rate, RATE)
        self._writer: asyncio.StreamWriter | None = None
        self.core = bytearray()
        """Audio that the core got, as it came from the application."""

    @property
    def result(self) -> Result:
        return self._line.result

    async def run(self) -> Result:
        """Make the call, to its end. Raises VendorLost when no server answers."""
        host, _, port = self._address.rpartition(":")
        try:
            reader, self._writer = await asyncio.open_connection(host, int(port))
        except OSError as error:
            what = f"No server answers at {self._address}: {error}"
            raise VendorLost(what, advice="Start the server first") from None
        line = self._line
        line.begin()
        self._send(ID, self._id.bytes)
        line.stream = self
        reading = asyncio.create_task(self._read(reader), name="AudioSocket")
        try:
            line.result.closed_by = await line.speak()
        finally:
            line.result.lasted = line.now
            self._writer.close()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            with suppress(OSError):
                await self._writer.wait_closed()
        return line.result

    def frame(self, place: int, payload: bytes) -> None:
        """20 ms of the caller. payload: base64 of mu-law."""
        audio = self._in.push_audio(from_mulaw(a2b_base64(payload)))
        self._send(self._kind, audio.astype("<i2").tobytes())

    def key(self, key: str) -> None:
        """The caller pressed a key."""
        self._send(KEY, key.encode())

    def _send(self, kind: int, payload: bytes) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._line.result.sent_bytes += len(payload)
            self._writer.write(HEADER.pack(kind, len(payload)) + payload)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Until the application hangs up, or breaks the protocol: Asterisk then ends the call."""
        result = self._line.result
        try:
            while True:
                kind, size = HEADER.unpack(await reader.readexactly(HEADER.size))
                payload = await reader.readexactly(size)
                result.got_bytes += size
                if kind == HANG_UP:
                    return
                if kind not in KINDS.values() or not size:
                    result.faults[f"kind {kind:#x} of {size} bytes"] += 1
                    return
                self._play(payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._line.over.set()

    def _play(self, payload: bytes) -> None:
        self.core += payload
        codes = to_mulaw(self._out.push_audio(np.frombuffer(payload, "<i2")))
        if codes:
            self._line.result.telephone.media(self._line.now, codes)
