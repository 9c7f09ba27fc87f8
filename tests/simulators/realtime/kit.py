"""The simulated OpenAI Realtime, spoken to with the vendor's own SDK."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pytest
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from websockets.exceptions import ConnectionClosed

from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from bargein_simulators.openai_realtime import RealtimeSimulator
from bargein_simulators.realtime_config import AUDIO_FORMATS
from bargein_simulators.realtime_output import encoded
from tests.sounds import load

Json = dict[str, Any]

MODEL = "gpt-realtime-2.1"
WORDS = "One two three four five."
LONG = "This is a long answer, which goes on and on, so that anybody can interrupt it in the middle of any word."
DELTAS = ("response.output_audio.delta", "response.output_audio_transcript.delta")
SPOKEN_ANSWER = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "deltas",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
READ = "conversation.item.input_audio_transcription"


class Connection:
    """A connection of the SDK, and what has come over it."""

    def __init__(self, wire: AsyncRealtimeConnection) -> None:
        self.wire = wire

    async def until(self, kind: str) -> list[Json]:
        """The next events, up to the first of that type, and with it."""
        got: list[Json] = []
        async with asyncio.timeout(5):
            while not got or got[-1]["type"] != kind:
                got.append((await self.wire.recv()).to_dict())
        return got

    async def next(self, kind: str) -> Json:
        """The next of that type; what comes before it is passed over."""
        return (await self.until(kind))[-1]

    async def closed(self) -> tuple[list[str], int]:
        """What still came before the connection ended, and the code with which it did."""
        got: list[str] = []

        async def read() -> None:
            async with asyncio.timeout(5):
                while True:
                    got.append((await self.wire.recv()).type)

        with pytest.raises(ConnectionClosed) as over:
            await read()
        assert over.value.rcvd is not None
        return got, over.value.rcvd.code

    async def configure(self, **audio_input: object) -> Json:
        """Change how the user's sound is taken; the session that follows."""
        await self.send({"type": "session.update", "session": {"type": "realtime", "audio": {"input": audio_input}}})
        return dict((await self.next("session.updated"))["session"])

    async def send(self, event: Json) -> None:
        """As it is, be it right or wrong."""
        await self.wire.send_raw(json.dumps(event))

    async def feed(self, data: bytes, chunk_bytes: int | None = None) -> None:
        """The user's sound, as fast as it goes; piece: bytes in one message."""
        for at in range(0, len(data), chunk_bytes or len(data)):
            await self.wire.input_audio_buffer.append(
                audio=base64.b64encode(data[at : at + (chunk_bytes or len(data))]).decode()
            )

    async def type(self, text: str) -> None:
        """A turn of the user in writing, and what confirms it."""
        await self.wire.conversation.item.create(
            item={
                "id": "item_typed",
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": text}],
            }
        )
        await self.next("conversation.item.done")

    async def answer(self, **response: object) -> list[Json]:
        """All events of the answer that is asked for now. response: the parameters of its response.create."""
        await self.send({"type": "response.create", "response": response})
        return await self.until("rate_limits.updated")

    async def refused(self, event: Json) -> Json:
        """The error that answers an event."""
        await self.send({"event_id": "mine", **event})
        error = dict((await self.next("error"))["error"])
        assert error["event_id"] == "mine"
        return error


def recorded(name: str, kind: str = "audio/pcm") -> bytes:
    """A recorded sound and a second of silence behind it, as the wire carries it."""
    clip = load(name)
    with_silence = np.concatenate((clip.samples, np.zeros(clip.rate, np.int16)))
    samples = resample(Pcm(with_silence, clip.rate), AUDIO_FORMATS[kind]).samples
    return encoded(samples, kind)


def order(events: Sequence[Json]) -> list[str]:
    """The types in their order; a stretch of sound and its text is one "deltas"."""
    return [kind for kind, _ in groupby("deltas" if e["type"] in DELTAS else e["type"] for e in events)]


def of(events: Sequence[Json], kind: str) -> list[Json]:
    return [event for event in events if event["type"] == kind]


def audio(events: Sequence[Json]) -> bytes:
    return b"".join(base64.b64decode(event["delta"]) for event in of(events, DELTAS[0]))


def text(events: Sequence[Json]) -> str:
    return "".join(event["delta"] for event in of(events, DELTAS[1]))


async def speaking(connection: Connection, sim: RealtimeSimulator) -> list[Json]:
    """A long answer, under way: what has come of it."""
    sim.respond, sim.speed = (lambda said, items: LONG), 1
    await connection.wire.response.create()
    return await connection.until("response.output_audio.delta")
