"""LiveKit's automatic mode with our speech detection and our filter of transcripts, and without the filter."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable
from typing import Any

from kit import LONG, Ear, RoomEar, scene, sound, tell
from livekit.agents import Agent
from livekit.agents.voice import io

from bargein.errors import UsageError
from bargein.integrations.livekit import FloorVAD, quick_interruptions, without_backchannels

AUTOMATIC = {"turn_detection": "vad", **quick_interruptions()}


class Filtered(Agent):
    async def stt_node(self, audio: Any, model_settings: Any) -> AsyncIterable[Any]:
        async for event in without_backchannels(
            Agent.default.stt_node(self, audio, model_settings), self.session, "en"
        ):
            yield event


class PausingEar(Ear):
    """An output that LiveKit can pause: it keeps what it has."""

    def __init__(self) -> None:
        super().__init__()
        self.paused = False
        self._capabilities = io.AudioOutputCapabilities(pause=True)

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


async def hum(*, filtered: bool) -> None:
    agent = Filtered if filtered else Agent
    vad = FloorVAD()
    options = {"vad": vad, "aec_warmup_duration": None, "turn_handling": AUTOMATIC}
    async with scene(LONG, "Again.", own=False, ear=PausingEar(), agent=agent, **options) as call:
        call.session.generate_reply()
        await call.sounds(1_000)
        resumed: list[bool] = []
        call.session.on("agent_false_interruption", lambda event: resumed.append(event.resumed))
        call.mic.play(sound("hum"))
        await call.until(lambda: call.ear.paused)
        await asyncio.sleep(0.3)
        call.stt.read("Mm-hmm.", final=True)
        await call.until(lambda: resumed or call.messages("assistant"))
        await call.until(lambda: call.messages("assistant"))
        first = call.messages("assistant")[0]
        tell("automatic", filtered=filtered, resumed=resumed, interrupted=first.interrupted)


async def in_a_room(name: str, text: str) -> None:
    """LiveKit's own room output, which drops what it has in each pause."""
    ear = RoomEar()
    options = {"vad": FloorVAD(), "aec_warmup_duration": None, "turn_handling": AUTOMATIC}
    async with scene(LONG, "Oslo is far.", own=False, ear=ear, agent=Filtered, **options) as call:
        call.session.generate_reply()
        await call.sounds(1_000)
        resumed: list[bool] = []
        call.session.on("agent_false_interruption", lambda event: resumed.append(event.resumed))
        call.mic.play(sound(name))
        await asyncio.sleep(0.35)
        if text:
            call.stt.read(text, final=True)
        await call.until(lambda: len(call.messages("assistant")) == (2 if name == "interruption" else 1))
        tell(
            "automatic_room",
            sound=name,
            text=text,
            resumed=resumed,
            interrupted=call.messages("assistant")[0].interrupted,
        )
    await ear.aclose()


async def main() -> None:
    logging.basicConfig(level=logging.ERROR)
    await asyncio.gather(
        hum(filtered=True),
        hum(filtered=False),
        in_a_room("hum", "Ha ha ha."),
        in_a_room("cough", ""),
        in_a_room("interruption", "What about Oslo?"),
    )
    try:
        FloorVAD("hasty")
    except UsageError as error:
        tell("refused_vad", text=str(error))


asyncio.run(main())
