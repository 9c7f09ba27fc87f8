"""LiveKit's plugin of OpenAI Realtime, on our simulator."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import aiohttp
from kit import Ear, Mic, Scene, ScriptedLLM, ScriptedSTT, sound, tell
from livekit.agents import Agent, AgentSession
from livekit.plugins.openai import realtime
from openai.types.realtime.realtime_audio_input_turn_detection import ServerVad

from bargein.errors import UsageError
from bargein.integrations.livekit import BargeinFloor, attach, turn_handling


async def realtime_scene(url: str, http: aiohttp.ClientSession, name: str, **options: Any) -> None:
    """name: of the sound over the greeting."""
    model = realtime.RealtimeModel(base_url=f"{url}/v1", api_key="any", http_session=http, **options)
    session: AgentSession[Any] = AgentSession(
        llm=model, vad=None, aec_warmup_duration=None, turn_handling=turn_handling()
    )
    mic, ear, floor = Mic(), Ear(), BargeinFloor("balanced")
    session.input.audio, session.output.audio = mic, ear
    await session.start(Agent(instructions="Answer."))
    call = Scene(session, mic, ear, ScriptedSTT(), ScriptedLLM())
    try:
        call.attached = await attach(floor, session)
        sent: Counter[str] = Counter()
        truncated: list[int] = []

        def note(event: Any) -> None:
            fields = event if isinstance(event, dict) else event.model_dump()
            sent[fields["type"]] += 1
            if fields["type"] == "conversation.item.truncate":
                truncated.append(fields["audio_end_ms"])

        own: Any = session.current_agent.realtime_llm_session
        own.on("openai_client_event_queued", note)
        session.generate_reply()
        await call.sounds(1_000)
        mic.play(sound(name)[:24_000])
        heard = 0
        if name == "cough":
            await call.until(lambda: call.messages("assistant"))
        else:
            await call.until(lambda: truncated)
            heard = len(ear.samples)
            await call.sounds(heard / 24 + 1_500, 15)  # the answer, which its question's late transcript does not end
        tell(
            "realtime",
            sound=name,
            own_turns=not options,
            counts=floor.counts,
            interrupted=[message.interrupted for message in call.messages("assistant")],
            truncated=truncated,
            heard_ms=heard / 24,
            commits=sent["input_audio_buffer.commit"],
        )
    finally:
        await session.aclose()
        await floor.aclose()


async def refused(url: str, http: aiohttp.ClientSession, why: str, **options: Any) -> None:
    try:
        turns = ServerVad(type="server_vad", **options)
        await realtime_scene(url, http, "cough", turn_detection=turns)
    except UsageError as error:
        tell("refused", why=why, text=str(error))


async def realtime_scenes(url: str, http: aiohttp.ClientSession) -> None:
    await asyncio.gather(
        realtime_scene(url, http, "cough", turn_detection=None),
        realtime_scene(url, http, "speech", turn_detection=None),
        realtime_scene(url, http, "cough"),  # the model's own turns, which LiveKit turns off
        refused(url, http, "own turns"),
        refused(url, http, "own interruptions", create_response=False),
    )
