"""What goes wrong in a LiveKit session with our floor, and what is refused at its start."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from beside import beside
from kit import LONG, LONG_MS, VOICE_RATE, WORD_S, Ear, Mic, ScriptedLLM, ScriptedSTT, scene, sound, tell
from livekit.agents import Agent, AgentSession
from livekit.agents.llm import RealtimeCapabilities, RealtimeModel

from bargein.errors import UsageError
from bargein.integrations.livekit import BargeinFloor, attach, turn_handling
from bargein.integrations.livekit.checks import check_model, check_version


async def foreign_interruption() -> None:
    """The application interrupts during a hold."""
    async with scene(LONG, "Again.") as call:
        call.session.generate_reply()
        await call.sounds(1_000)
        call.mic.play(sound("cough"))
        await call.until(lambda: call.floor.held)
        await call.session.interrupt()
        first = len(call.ear.samples)
        text = call.messages("assistant")[0].text_content
        await asyncio.sleep(1)
        more = len(call.ear.samples) - first
        call.session.generate_reply()
        await call.until(lambda: len(call.messages("assistant")) == 2)
        tell("foreign_interruption", text=text, heard_words=int(first / VOICE_RATE / WORD_S), more=more)


async def closed_in_a_hold() -> None:
    async with scene(LONG) as call:
        call.session.generate_reply()
        await call.sounds(1_000)
        call.mic.play(sound("cough"))
        await call.until(lambda: call.floor.held)
        async with asyncio.timeout(3):
            await call.session.aclose()
            await call.attached.aclose()
        tell("closed_in_a_hold", text=call.messages("assistant")[0].text_content, whole=call.whole())


async def drained_in_a_hold() -> None:
    """A session that ends when all is said waits for the rest of a reply that is held."""
    async with scene(LONG) as call:
        call.session.generate_reply()
        await call.sounds(1_000)
        call.mic.play(sound("cough"))
        await call.until(lambda: call.floor.held)
        await call.session.drain()
        tell("drained_in_a_hold", whole=call.whole(), heard=len(call.ear.samples) / VOICE_RATE)


async def undecided() -> None:
    """A hold whose floor is gone ends by itself."""
    policy = {"hold_max_ms": 300}
    async with scene(LONG) as call:
        call.floor.floor.policy = call.floor.floor.policy.with_(policy)
        call.session.generate_reply()
        await call.sounds(1_000)
        call.attached.output.hold()
        await call.sounds(LONG_MS)
        tell("undecided", whole=call.whole())


async def broken_floor() -> None:
    """An error of ours: the reply goes on, and LiveKit decides from there on."""
    async with scene(LONG) as call:
        call.session.generate_reply()
        await call.sounds(1_000)

        def fail(_: str) -> None:
            raise RuntimeError("a fault of the floor")

        call.attached.hold = fail  # type: ignore[method-assign]
        call.mic.play(sound("cough"))
        await call.sounds(LONG_MS)
        tell("broken_floor", whole=call.whole(), broken=call.floor.broken, detection=str(call.session.turn_detection))


async def broken_output() -> None:
    """An error in our output: what is left is played by LiveKit's."""
    async with scene(LONG, "Again and again.") as call:
        call.session.generate_reply()
        await call.sounds(1_000)
        output: Any = call.attached.output

        async def fail(_: object) -> None:
            raise RuntimeError("a fault of the output")

        output._play = fail
        call.mic.play(sound("cough"))
        await call.sounds(LONG_MS)
        await call.until(lambda: call.messages("assistant"))
        whole = call.whole()
        call.session.generate_reply()
        await call.until(lambda: len(call.messages("assistant")) == 2)
        tell("broken_output", whole=whole, again=len(call.ear.samples) / VOICE_RATE - LONG_MS / 1000)


class Stubborn(RealtimeModel):
    """Interrupts itself, and cannot be told not to."""

    def __init__(self) -> None:
        super().__init__(
            capabilities=RealtimeCapabilities(
                message_truncation=True,
                turn_detection=True,
                user_transcription=True,
                auto_tool_reply_generation=False,
                audio_output=True,
                manual_function_calls=True,
            )
        )

    def session(self, **_: Any) -> Any:
        raise NotImplementedError

    async def aclose(self) -> None:
        pass


async def refused(why: str, **options: Any) -> None:
    session: AgentSession[Any] = AgentSession(stt=ScriptedSTT(), llm=ScriptedLLM(), **options)
    session.input.audio, session.output.audio = Mic(), Ear()
    try:
        await attach(BargeinFloor(), session)
    except UsageError as error:
        tell("refused", why=why, text=str(error))


async def refusals() -> None:
    await refused("two decide")
    await refused("two resume", turn_handling={"turn_detection": "manual"})
    async with scene(LONG) as call:
        try:
            await attach(BargeinFloor(), call.session)
        except UsageError as error:
            tell("refused", why="two floors", text=str(error))
    session: AgentSession[Any] = AgentSession(turn_handling=turn_handling())
    try:
        await attach(BargeinFloor(), session)
    except UsageError as error:
        tell("refused", why="no output", text=str(error))
    for why, check in (
        ("old", lambda: check_version("1.7.9")),
        ("stubborn", lambda: check_model(Stubborn())),
        ("taken", lambda: turn_handling(turn_detection="vad")),
    ):
        try:
            check()
        except UsageError as error:
            tell("refused", why=why, text=str(error))
    mic, ear = Mic(), Ear()
    session = AgentSession(stt=ScriptedSTT(), llm=ScriptedLLM(), vad=None, turn_handling=turn_handling())
    session.input.audio, session.output.audio = mic, ear
    await session.start(Agent(instructions="", turn_detection="stt"))
    try:
        await attach(BargeinFloor(), session)
    except UsageError as error:
        tell("refused", why="agent", text=str(error))
    await session.aclose()


async def main() -> None:
    logging.basicConfig(level=logging.CRITICAL)
    await asyncio.gather(
        foreign_interruption(),
        closed_in_a_hold(),
        drained_in_a_hold(),
        undecided(),
        broken_floor(),
        broken_output(),
        refusals(),
        *beside(),
    )


asyncio.run(main())
