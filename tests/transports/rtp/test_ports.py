"""UDP ports: pairs from a range, given back, and no more than there are."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from bargein.errors import Unavailable
from bargein.transports.rtp.ports import RtpPorts


def free_range(pairs: int) -> tuple[int, int]:
    """A range of ports that are free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        first = probe.getsockname()[1] & ~1
    first = min(first, 65_000)
    return first, first + 2 * pairs


def test_a_range_gives_as_many_pairs_as_it_has_and_takes_them_back() -> None:
    ports = RtpPorts("127.0.0.1", *free_range(3))
    taken = []
    for _ in range(3):
        with contextlib.suppress(Unavailable):  # another process may have one
            taken.append(ports.take())
    with pytest.raises(Unavailable, match="No UDP port"):
        ports.take()
    assert all(port.port % 2 == 0 for port in taken)
    newest = taken[-1].port
    taken[-1].close()
    taken[-1].close()
    taken[-1] = ports.take()
    assert taken[-1].port == newest
    for port in taken:
        port.close()
    assert ports.taken == 0


def test_what_comes_to_the_port_is_told_until_it_is_closed() -> None:
    async def play() -> list[bytes]:
        ports = RtpPorts("127.0.0.1")
        one, two = ports.take(), ports.take()
        came: list[bytes] = []
        done = asyncio.Event()

        def note(data: bytes, _: object) -> None:
            came.append(data)
            done.set()

        two.on_rtp = two.on_rtcp = note
        await one.open()
        await two.open()
        one.send(b"audio", ("127.0.0.1", two.port))
        await asyncio.wait_for(done.wait(), 2)
        done.clear()
        one.send_rtcp(b"report", ("127.0.0.1", two.port + 1))
        await asyncio.wait_for(done.wait(), 2)
        one.close()
        two.close()
        one.send(b"late", ("127.0.0.1", two.port))
        assert ports.taken == 0
        return came

    assert asyncio.run(play()) == [b"audio", b"report"]
