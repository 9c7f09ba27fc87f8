"""A UDP relay between a page and a WebRTC peer: it loses, delays and reorders packets, on both ways.

relay = LossyRelay(loss=0.05, jitter_ms=60)
answer = await peer(without_candidates(offer))  # the peer finds the page through the relay alone
answer = await relay.through(answer)            # and so does the page the peer
relay.close()
"""

from __future__ import annotations

import asyncio
import random
import re

CANDIDATE = re.compile(r"a=candidate:\S+ \d+ udp \d+ (\S+) (\d+) typ host.*", re.IGNORECASE)
Address = tuple[str, int]


def without_candidates(sdp: str) -> str:
    return "".join(line for line in sdp.splitlines(keepends=True) if not line.startswith("a=candidate:"))


class _Side(asyncio.DatagramProtocol):
    """One socket. other: where its packets go on. far: who is behind it (not pinned: the newest sender)."""

    def __init__(self, relay: LossyRelay) -> None:
        self.relay = relay
        self.pinned = False
        self.transport: asyncio.DatagramTransport | None = None
        self.far: Address | None = None
        self.other: _Side | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if not self.pinned:
            self.far = addr
        if self.other is not None:
            self.relay.carry(data, self.other)

    def send(self, data: bytes) -> None:
        if self.transport is not None and self.far is not None and not self.transport.is_closing():
            self.transport.sendto(data, self.far)


class LossyRelay:
    """loss: share of the packets; jitter_ms: the most that one is late by, each for itself. seed: of both."""

    def __init__(self, *, loss: float = 0.0, jitter_ms: float = 0.0, seed: int = 1) -> None:
        self.loss = loss
        self.jitter_ms = jitter_ms
        self.dead = False
        """Nothing passes any more."""
        self.passed = self.lost = 0
        self._random = random.Random(seed)  # noqa: S311  # the same losses in each run
        self._sides: list[_Side] = []
        self._late: set[asyncio.TimerHandle] = set()

    def close(self) -> None:
        """Nothing passes any more, and the ports are free."""
        for timer in self._late:
            timer.cancel()
        for side in self._sides:
            if side.transport is not None:
                side.transport.close()

    async def through(self, answer: str) -> str:
        """The answer, with the first of its addresses replaced by one of the relay, and without the others."""
        found = next((m for line in answer.splitlines() if (m := CANDIDATE.match(line)) and ":" not in m[1]), None)
        assert found is not None, "the answer has no IPv4 candidate"
        front, back = await self._side(), await self._side()
        front.other, back.other = back, front
        back.far, back.pinned = (found[1], int(found[2])), True
        assert front.transport is not None
        port = front.transport.get_extra_info("sockname")[1]
        ours = f"a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host\r\n"
        lines = without_candidates(answer).splitlines(keepends=True)
        at = next(i for i, line in enumerate(lines) if line.startswith("a=ice-ufrag:"))
        return "".join([*lines[:at], ours, *lines[at:]])

    async def _side(self) -> _Side:
        loop = asyncio.get_running_loop()
        _, side = await loop.create_datagram_endpoint(lambda: _Side(self), local_addr=("127.0.0.1", 0))
        self._sides.append(side)
        return side

    def carry(self, data: bytes, to: _Side) -> None:
        """Send a packet on, or lose it."""
        if self.dead or self._random.random() < self.loss:
            self.lost += 1
            return
        self.passed += 1
        if not self.jitter_ms:
            to.send(data)
            return

        def arrive() -> None:
            self._late.discard(timer)
            to.send(data)

        timer = asyncio.get_running_loop().call_later(self._random.uniform(0, self.jitter_ms) / 1000, arrive)
        self._late.add(timer)
