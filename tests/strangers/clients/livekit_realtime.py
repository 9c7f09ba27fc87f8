"""LiveKit Agents: an AgentSession with the RealtimeModel of livekit-plugins-openai, and a loudspeaker in real time."""

from __future__ import annotations

import asyncio
import time

from livekit import rtc
from livekit.agents import Agent, AgentSession, function_tool
from livekit.agents.voice import io
from livekit.plugins import openai
from told import INSTRUCTIONS, RATE, UNTIL_INTERRUPTED_S, address, frames, speech, tell


class Microphone(io.AudioInput):
    def __init__(self) -> None:
        super().__init__(label="microphone")
        self._frames: asyncio.Queue[bytes] = asyncio.Queue()

    async def say(self) -> None:
        async for frame in frames(speech()):
            self._frames.put_nowait(frame)

    async def __anext__(self) -> rtc.AudioFrame:
        data = await self._frames.get()
        return rtc.AudioFrame(data, RATE, 1, len(data) // 2)


class Loudspeaker(io.AudioOutput):
    def __init__(self, began: asyncio.Event) -> None:
        super().__init__(label="loudspeaker", capabilities=io.AudioOutputCapabilities(pause=False), sample_rate=RATE)
        self._began = began
        self._from: float | None = None
        self._pushed_s = 0.0
        self._ending: asyncio.Task[None] | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if self._from is None:
            self._from = time.monotonic()
            self.on_playback_started(created_at=time.time())
            self._began.set()
        self._pushed_s += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._from is not None and self._ending is None:
            self._ending = asyncio.create_task(self._end())

    async def _end(self) -> None:
        await asyncio.sleep(max(0.0, (self._from or 0.0) + self._pushed_s - time.monotonic()))
        self._finished(self._pushed_s, interrupted=False)

    def clear_buffer(self) -> None:
        if self._from is not None:
            if self._ending is not None:
                self._ending.cancel()
            self._finished(min(self._pushed_s, time.monotonic() - self._from), interrupted=True)

    def _finished(self, position: float, *, interrupted: bool) -> None:
        self._from, self._pushed_s, self._ending = None, 0.0, None
        tell("played", ms=position * 1000, interrupted=interrupted)
        self.on_playback_finished(playback_position=position, interrupted=interrupted)


class Storyteller(Agent):
    def __init__(self) -> None:
        super().__init__(instructions=INSTRUCTIONS)

    @function_tool
    async def weather(self, city: str) -> str:
        """The weather in a city."""
        tell("called", arguments={"city": city})
        return "sunny"


async def main() -> None:
    microphone, began, over = Microphone(), asyncio.Event(), asyncio.Event()
    model = openai.realtime.RealtimeModel(
        model="gpt-realtime-2.1", voice="marin", base_url=f"{address()}/v1", api_key="k"
    )
    session: AgentSession = AgentSession(llm=model, aec_warmup_duration=None)  # the microphone is open from the start

    def added(event: object) -> None:
        item = event.item  # type: ignore[attr-defined]
        if item.type == "message":
            tell("item", role=item.role, text=item.text_content, interrupted=item.interrupted)
            if item.role == "assistant" and (item.text_content or "").endswith("sunny."):
                over.set()

    session.on("conversation_item_added", added)
    session.on("error", lambda event: tell("error", message=str(event.error)))
    session.on("user_state_changed", lambda event: tell("user", state=event.new_state))
    session.on(
        "function_tools_executed",
        lambda event: [tell("tool", output=output.output) for output in event.function_call_outputs],
    )
    session.input.audio = microphone
    session.output.audio = Loudspeaker(began)
    await session.start(Storyteller())
    await microphone.say()
    await began.wait()
    await asyncio.sleep(UNTIL_INTERRUPTED_S)
    await microphone.say()
    await over.wait()
    await session.aclose()


asyncio.run(main())
