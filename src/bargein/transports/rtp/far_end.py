"""Where a stream's packets come from: only the first that prove themselves are believed."""

from __future__ import annotations

from bargein.transports.rtp.ports import Address

PROOFS = 2  # packets of one source in sequence, from an address that was not announced


class FarEnd:
    """announced: the address in the session description. Behind a NAT the packets come from another one."""

    def __init__(self, announced: Address, quiet_ms: float) -> None:
        self.address = announced
        """Where to send to."""
        self.foreign = 0
        """Packets of others, which were dropped."""
        self._quiet_ms = quiet_ms
        self._announced = announced
        self._locked: tuple[Address, int] | None = None  # with its SSRC
        self._heard_ms = 0.0
        self._candidate: tuple[Address, int, int] | None = None  # address, SSRC, sequence number
        self._proofs = 0

    def announce(self, address: Address) -> None:
        """A new session description. If its address is another one, the source must prove itself again."""
        if address != self._announced:
            self._announced = self.address = address
            self._locked = None

    def admit(self, now_ms: float, address: Address, source: int, sequence: int) -> bool:
        """Whether a packet belongs to the stream."""
        if self._locked is not None:
            known, known_source = self._locked
            if address == known and (source == known_source or self._proven(address, source, sequence)):
                self._locked = (known, source)
                self._heard_ms = now_ms
                return True
            if not self._renewed(now_ms):
                self.foreign += 1
                return False
        if address == self._announced or self._proven(address, source, sequence):
            self._locked, self.address = (address, source), address
            self._heard_ms = now_ms
            self._candidate = None
            return True
        self.foreign += 1
        return False

    def _renewed(self, now_ms: float) -> bool:
        """The stream was quiet for so long that it may have moved."""
        return now_ms - self._heard_ms > self._quiet_ms

    def _proven(self, address: Address, source: int, sequence: int) -> bool:
        before = self._candidate
        in_order = before is not None and before[:2] == (address, source) and (sequence - before[2]) % 65_536 == 1
        self._proofs = self._proofs + 1 if in_order else 1
        self._candidate = (address, source, sequence)
        return self._proofs >= PROOFS
