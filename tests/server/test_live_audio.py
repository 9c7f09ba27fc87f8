"""An operator hears both sides of a running call, from whichever server has it."""

from __future__ import annotations

import asyncio
import json
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from bargein.server import live_audio
from tests.server.kit import TOKEN, Client, World, settings, tone_agent, world
from tests.server.two_nodes import node, shared_stores

LOUD = 1000


@dataclass
class Heard:
    """What one listener got."""

    socket: ClientConnection
    rate: int = 0
    first: int = -1
    """The first block's first sample."""
    blocks: list[np.ndarray] = field(default_factory=list)

    async def block(self) -> np.ndarray:
        """The next block, of shape (samples, 2)."""
        async with asyncio.timeout(5):
            data = await self.socket.recv()
        if isinstance(data, str):
            told = json.loads(data)
            assert told == {"type": "audio", "rate": told["rate"], "channels": ["user", "agent"]}
            self.rate = told["rate"]
            return await self.block()
        (first,) = struct.unpack_from("<Q", data)
        block = np.frombuffer(data, "<i2", offset=8).reshape(-1, 2)
        if self.first < 0:
            self.first = first
        assert first == self.first + sum(map(len, self.blocks)), "blocks follow one another"
        self.blocks.append(block)
        return block

    async def until_loud(self, side: int, *, loud: bool = True) -> None:
        """Until a side sounds, or is silent for a whole block."""
        for _ in range(60):
            if bool(np.abs((await self.block())[:, side].astype(int)).max() > LOUD) == loud:
                return
        raise AssertionError(f"side {side} is never {'loud' if loud else 'silent'}")

    async def closed(self) -> int | None:
        """Hear the rest; the code by which it was closed."""
        with suppress(ConnectionClosed):
            while True:
                await self.block()
        return self.socket.close_code


def listening(here: World, call_id: str, **options: object) -> connect:
    url = f"{here.url.replace('http', 'ws')}/calls/{call_id}/listen"
    return connect(url, subprotocols=[Subprotocol("bargein.listen")], **options)  # type: ignore[arg-type]


def id_of(client: Client) -> str:
    (welcome,) = [message for message in client.messages if message["type"] == "welcome"]
    return str(welcome["call_id"])


PLAYED = 4_800  # samples at 24 kHz: 200 ms of a reply were heard


async def silent_again(client: Client, reply: int) -> None:
    """The client has played some of a reply, and was interrupted there."""
    await client.send({"type": "played", "reply_id": reply, "played": 0, "playing": True})
    await asyncio.sleep(PLAYED / 24_000)  # so long does it play
    await client.send({"type": "interrupt", "reply_id": reply})
    await client.until("audio_interrupted")
    await client.send({"type": "flushed", "reply_id": reply, "played": PLAYED})


async def test_both_sides_are_heard_the_agent_s_as_far_as_the_caller_heard_it() -> None:
    async with world(settings(), tone_agent()) as here, here.client() as client:
        async with listening(here, id_of(client)) as socket:
            heard = Heard(socket)
            await heard.block()
            assert (heard.rate, heard.first % (heard.rate // 10)) == (16_000, 0)
            for _ in range(20):
                await client.audio(value=8_000)
            await heard.until_loud(0)
            reply = await client.speaking()
            await silent_again(client, reply)
            await heard.until_loud(1)
            await heard.until_loud(1, loud=False)
            agent = np.concatenate(heard.blocks)[:, 1].astype(int)
            sounded = np.flatnonzero(np.abs(agent) > LOUD)
            assert abs(sounded[-1] - sounded[0] - PLAYED * 16_000 // 24_000) < 160, "not a word that was not heard"
            here.hub.calls.call(id_of(client)).hang_up("done")
            assert await heard.closed() == 1000
        assert await here.nobody_left()


async def test_who_comes_and_goes_costs_the_call_nothing_and_too_many_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_audio, "LISTENERS", 1)
    async with world(settings(token=TOKEN), tone_agent()) as here:
        owner: dict[str, Any] = {"additional_headers": {"Authorization": f"Bearer {TOKEN}"}}
        async with here.client(**owner) as client:
            call_id = id_of(client)
            taps = here.hub.calls.call(call_id)._parts.audio_taps
            with pytest.raises(InvalidStatus, match="401"):
                await listening(here, call_id)
            with pytest.raises(InvalidStatus, match="404"):
                await listening(here, "none", **owner)
            async with listening(here, call_id, **owner) as socket:
                await Heard(socket).block()
                with pytest.raises(InvalidStatus, match="429"):
                    await listening(here, call_id, **owner)
            async with asyncio.timeout(5):
                while taps.used:  # noqa: ASYNC110  # its end comes by the network
                    await asyncio.sleep(0.01)
            async with listening(here, call_id, **owner) as socket:
                await Heard(socket).block()
            assert await client.still_there()


async def test_a_call_of_another_server_is_heard_too(monkeypatch: pytest.MonkeyPatch) -> None:
    shared_stores(monkeypatch)
    async with (
        node("a", tone_agent()) as a,
        node("b", tone_agent()) as b,
        a.client() as client,
        listening(b, id_of(client)) as socket,
    ):
        heard = Heard(socket)
        await heard.block()
        for _ in range(20):
            await client.audio(value=8_000)
        await heard.until_loud(0)
        a.hub.calls.call(id_of(client)).hang_up("done")
        assert await heard.closed() == 1000
