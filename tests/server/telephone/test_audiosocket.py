"""Whole AudioSocket calls; who may make them; strangers' bytes at the port."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from bargein.errors import UsageError
from bargein.server.refusals import Refusal
from bargein.server.settings import Settings
from bargein.server.telephone.audiosocket import AudioSocketDoor, audiosocket_calls, ids_of
from bargein_bench.callers.audiosocket_call import AudioSocketCaller
from bargein_bench.callers.caller_audio import EndCallStep
from bargein_bench.callers.yielding import score
from benchmarks import unique_agent
from tests.server.kit import settings, world
from tests.server.recorded import lanes, loud_ms
from tests.server.telephone.test_asterisk import records
from tests.server.telephone.test_phone_call import at, spoken

ID = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def without_silence(core: bytes) -> tuple[bytes, int]:
    """The frames that are no silence, and the number of those that are."""
    pieces = [core[i : i + 320] for i in range(0, len(core), 320)]
    loud = [piece for piece in pieces if any(piece)]
    return b"".join(loud), len(pieces) - len(loud)


async def test_callers_are_greeted_held_cut_and_hang_up_and_strangers_disturb_none(tmp_path: Path) -> None:
    address = free_address()
    chosen = settings(tmp_path, audiosocket=address, audiosocket_ids=f"{ID}", record_audio="on")
    async with world(chosen, unique_agent.AGENT) as here:
        quiet = AudioSocketCaller(address, (), 2_300, id_=ID)
        coughs = AudioSocketCaller(address, (at(900, spoken("cough-3.wav")),), 2_300, id_=ID)
        words = (at(900, spoken("interruption-1.wav")), EndCallStep(2_300))
        cuts = AudioSocketCaller(address, words, 2_400, id_=ID, rate=16_000)
        stranger = AudioSocketCaller(address, (), 1_000)

        async def nonsense() -> None:
            reader, writer = await asyncio.open_connection(*address.split(":"))
            writer.write(b"GET / HTTP/1.1\r\n\r\n" * 50)
            await reader.read()
            writer.close()

        async with asyncio.timeout(10):
            await asyncio.gather(*(each.run() for each in (quiet, coughs, cuts, stranger)), nonsense())
        assert await here.nobody_left()
    for each in (quiet, coughs, cuts, stranger):
        assert not each.result.faults
    assert not stranger.core
    # Without frames of silence (the hold's, and those of a machine that was late) both replies are the same: no sample
    # was lost or played twice.
    whole, quiet_frames = without_silence(bytes(quiet.core))
    held, held_frames = without_silence(bytes(coughs.core))
    assert held_frames > quiet_frames
    size = min(len(held), len(whole))
    assert size > 12_000
    assert held[:size] == whole[:size]
    (told,) = score(cuts.result).yields
    assert told.stop_ms is not None
    facts = records(tmp_path)
    assert len(facts) == 3
    # The recordings have the agent as it was heard: as much of it as came out of the sockets.
    callers = ((quiet, 8_000), (coughs, 8_000), (cuts, 16_000))
    came = sorted(loud_ms(np.frombuffer(bytes(each.core), "<i2"), rate) for each, rate in callers)
    found = sorted(loud_ms(*lanes(folder)[1:]) for folder in tmp_path.iterdir())  # noqa: ASYNC240
    assert found == pytest.approx(came, abs=150)
    assert not any(str(ID) in text for text in facts)  # it is a secret


def test_only_this_machine_may_call_without_ids_and_ids_must_be_uuids() -> None:
    class Somewhere:
        def __init__(self, settings: Settings) -> None:
            self.settings = settings

    unlocked = AudioSocketDoor(Somewhere(settings()))  # type: ignore[arg-type]
    unlocked.admit("127.0.0.1")
    with pytest.raises(Refusal):
        unlocked.admit("10.1.1.1")
    locked = AudioSocketDoor(Somewhere(settings(audiosocket_ids=f"{ID}, {ID}")))  # type: ignore[arg-type]
    locked.admit("10.1.1.1")
    with pytest.raises(UsageError) as error:
        ids_of(settings(audiosocket_ids=f"{ID},not-an-id"))
    assert "Entry 2" in str(error.value)
    assert "not-an-id" not in str(error.value)


async def test_a_port_that_is_taken_is_a_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        chosen = settings(audiosocket=f"127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(UsageError, match="Cannot listen on"):
            await start(chosen)


async def start(chosen: Settings) -> None:
    class NoHub:
        settings = chosen

    async with audiosocket_calls(NoHub()):  # type: ignore[arg-type]
        pass
