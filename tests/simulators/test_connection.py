"""What the simulators of streaming STT share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bargein.audio.alaw import to_alaw
from bargein.audio.mulaw import to_mulaw
from bargein_simulators.connection import SendQueue, SimulatedConnection, samples_of


class Socket:
    """Notes what is done to it."""

    def __init__(self) -> None:
        self.did: list[Any] = []

    async def send_text(self, text: str) -> None:
        self.did.append(text)

    async def close(self, code: int, reason: str) -> None:
        self.did.append((code, reason))


async def test_what_was_queued_leaves_before_the_close_and_only_messages_are_recorded() -> None:
    socket, sent = Socket(), list[Any]()
    queue = SendQueue(socket, sent.append)  # type: ignore[arg-type]
    async with queue.sending():
        queue.send({"type": "late"}, delay_ms=20)
        queue.send_raw('{"type"')
        queue.close(1011, "why")
    assert socket.did == ['{"type": "late"}', '{"type"', (1011, "why")]
    assert sent == [{"type": "late"}]


async def test_an_error_stops_the_sending_at_once() -> None:
    socket = Socket()
    queue = SendQueue(socket)  # type: ignore[arg-type]

    async def fails() -> None:
        async with queue.sending():
            queue.send({"type": "late"}, delay_ms=60_000)
            raise LookupError

    with pytest.raises(ExceptionGroup) as raised:
        await fails()
    assert raised.group_contains(LookupError)
    assert socket.did == []


def test_how_a_connection_ended_first_is_kept() -> None:
    connection = SimulatedConnection()
    connection.end("faulty")
    connection.end("disconnected")
    assert connection.ended == "faulty"
    assert connection.over.is_set()


def test_half_a_sample_is_discarded_and_mu_law_is_read() -> None:
    samples = samples_of(b"\x01\x00\xff\xff\x07")
    assert samples.tolist() == [1, -1]
    assert len(samples_of(to_mulaw(samples), "mulaw")) == 2


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("s32le", np.array([2**30, -(2**30)], "<i4").tobytes()),
        ("f32le", np.array([0.5, -0.5], "<f4").tobytes()),
        ("f16le", np.array([0.5, -0.5], "<f2").tobytes()),
        ("alaw", to_alaw(np.array([16_384, -16_384], np.int16))),
    ],
)
def test_every_encoding_is_the_same_audio(encoding: str, data: bytes) -> None:
    assert samples_of(data, encoding).tolist() == pytest.approx([16_384, -16_384], abs=600)
    assert len(samples_of(data + b"\x00", encoding)) == len(samples_of(data, encoding)) + (encoding == "alaw")
