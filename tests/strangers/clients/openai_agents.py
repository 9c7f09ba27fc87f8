"""OpenAI's Agents SDK: its RealtimeRunner, with its own WebSocket model, tool and history."""

from __future__ import annotations

import asyncio

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner
from told import INSTRUCTIONS, UNTIL_INTERRUPTED_S, address, frames, speech, tell


@function_tool
def weather(city: str) -> str:
    """The weather in a city."""
    tell("called", arguments={"city": city})
    return "sunny"


async def main() -> None:
    agent = RealtimeAgent(name="storyteller", instructions=INSTRUCTIONS, tools=[weather])
    settings = {
        "model_name": "gpt-realtime-2.1",
        "voice": "marin",
        "audio": {"input": {"transcription": {"model": "gpt-transcribe"}, "turn_detection": {"type": "server_vad"}}},
    }
    runner = RealtimeRunner(agent, config={"model_settings": settings})
    url = address().replace("http", "ws") + "/v1/realtime?model=gpt-realtime-2.1"
    async with await runner.run(model_config={"url": url, "api_key": "k"}) as session:
        await say(session)
        interrupting: asyncio.Task[None] | None = None
        heard = 0
        async for event in session:
            match event.type:
                case "audio":
                    heard += len(event.audio.data)
                    if interrupting is None:
                        interrupting = asyncio.create_task(interrupt(session))
                case "audio_interrupted":
                    tell("interrupted", heard_ms=heard / 48)
                case "tool_end":
                    tell("tool", output=event.output)
                case "error":
                    tell("error", message=str(event.error))
                case "history_updated":
                    said = [
                        part.transcript or getattr(part, "text", "") or ""
                        for item in event.history
                        if item.type == "message" and item.role == "assistant"
                        for part in item.content
                    ]
                    if said and said[-1].endswith("sunny."):
                        tell("history", said=said, user=transcripts(event.history))
                        return
                case _:
                    pass


def transcripts(history: list) -> list[str]:
    return [
        part.transcript or ""
        for item in history
        if item.type == "message" and item.role == "user"
        for part in item.content
        if part.type == "input_audio"
    ]


async def say(session: object) -> None:
    async for frame in frames(speech()):
        await session.send_audio(frame)  # type: ignore[attr-defined]


async def interrupt(session: object) -> None:
    await asyncio.sleep(UNTIL_INTERRUPTED_S)
    await say(session)


asyncio.run(main())
