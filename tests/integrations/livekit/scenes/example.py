"""The example's session, with a microphone and an ear in place of a room, and simulators behind LiveKit's plugins;
and LiveKit's plugin of a realtime model."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

for part in ("STT", "LLM", "TTS"):
    os.environ[f"SIMULATED_{part}"] = sys.argv[2]
sys.path.insert(0, str(Path(__file__).parents[4] / "examples" / "frameworks"))

import aiohttp  # noqa: E402  # the example reads its addresses when it is imported
import livekit_agent  # noqa: E402
from kit import Ear, Mic, sound, tell  # noqa: E402
from livekit.agents import Agent, ConversationItemAddedEvent, llm  # noqa: E402
from realtime import realtime_scenes  # noqa: E402

from bargein.integrations.livekit import BargeinFloor, attach  # noqa: E402


async def example(http: aiohttp.ClientSession) -> None:
    session = livekit_agent.make_session(http_session=http)
    mic, ear, floor = Mic(), Ear(), BargeinFloor("balanced")
    session.input.audio, session.output.audio = mic, ear
    said: asyncio.Queue[llm.ChatMessage] = asyncio.Queue()

    def note(event: ConversationItemAddedEvent) -> None:
        if isinstance(event.item, llm.ChatMessage):
            said.put_nowait(event.item)

    session.on("conversation_item_added", note)
    await session.start(Agent(instructions="Answer in one sentence."))
    attached = await attach(floor, session)
    mic.play(sound("interruption"))
    async with asyncio.timeout(15):
        question, answer = await said.get(), await said.get()
    tell(
        "example",
        roles=[question.role, answer.role],
        texts=[question.text_content, answer.text_content],
        heard_ms=len(ear.samples) / 24,
        interrupted=answer.interrupted,
    )
    await session.aclose()
    await attached.aclose()


async def main() -> None:
    logging.basicConfig(level=logging.ERROR)
    async with aiohttp.ClientSession() as http:
        await asyncio.gather(example(http), realtime_scenes(sys.argv[2], http))


asyncio.run(main())
