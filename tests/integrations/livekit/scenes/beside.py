"""What LiveKit's users do while a reply is held or cut: hand over, mute, switch off, call tools; and our own STT."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from kit import LONG, VOICE_RATE, Ear, Scene, ScriptedLLM, scene, sound, tell
from livekit.agents import Agent, function_tool, llm

from bargein.audio.pcm import Pcm
from bargein.protocols.stt import BatchTranscript


async def held(call: Scene) -> None:
    """A reply that is held by a cough."""
    call.session.generate_reply()
    await call.sounds(1_000)
    call.mic.play(sound("cough"))
    await call.until(lambda: call.floor.held)


def told(call: Scene, name: str, **more: object) -> None:
    tell(
        name,
        heard=round(len(call.ear.samples) / VOICE_RATE, 2),
        counts=call.floor.counts,
        interrupted=[message.interrupted for message in call.messages("assistant")],
        **more,
    )


class Another(Agent):
    entered = False

    async def on_enter(self) -> None:
        self.entered = True


async def handed_over() -> None:
    """Another agent takes the session in a hold, and is held itself."""
    async with scene(LONG, "Again and again.") as call:
        await held(call)
        other = Another(instructions="Another.")
        call.session.update_agent(other)
        await call.until(lambda: other.entered)
        whole = call.whole()
        second = call.session.generate_reply()
        await asyncio.sleep(0.4)
        call.mic.play(sound("cough"))
        await second
        told(call, "handed_over", whole=whole)


async def said_in_a_hold() -> None:
    async with scene(LONG) as call:
        await held(call)
        await call.session.say("One two three.")
        told(call, "said_in_a_hold")


async def muted_in_a_hold() -> None:
    """No audio comes any more: the floor's clock goes on."""
    async with scene(LONG) as call:
        await held(call)
        call.session.input.set_audio_enabled(False)
        await call.until(lambda: call.messages("assistant"))
        told(call, "muted_in_a_hold", whole=call.whole())


async def switched_off_in_a_hold() -> None:
    """LiveKit gives the next reply to no output, and the one after that to ours."""
    async with scene(LONG, "Again and again.") as call:
        await held(call)
        call.session.output.set_audio_enabled(False)
        await call.until(lambda: call.messages("assistant"))
        call.session.output.set_audio_enabled(True)
        await call.session.generate_reply()
        told(call, "switched_off_in_a_hold")


class Clerk(Agent):
    @function_tool
    async def look(self) -> str:
        """Look something up."""
        await asyncio.sleep(1.5)
        return "found"


class CallingLLM(ScriptedLLM):
    """Calls the tool beside its first answer."""

    def chunks(self, answer: str) -> list[llm.ChoiceDelta]:
        calls = [llm.FunctionToolCall(name="look", arguments="{}", call_id="1")] if len(self.asked) == 1 else []
        return [*super().chunks(answer), llm.ChoiceDelta(role="assistant", tool_calls=calls)]


async def tool() -> None:
    """A tool runs while its reply is held, and while the user coughs between two replies."""
    async with scene("Let me look that up.", LONG, agent=Clerk, model=CallingLLM) as call:
        call.session.generate_reply()
        await call.sounds(600)
        call.mic.play(sound("cough"))
        await call.until(lambda: len(call.messages("assistant")) == 1)
        call.mic.play(sound("cough"))
        await call.until(lambda: len(call.messages("assistant")) == 2)
        told(call, "tool")


async def broken_then_words() -> None:
    """After an error of ours, LiveKit interrupts by the STT's words, and answers them."""
    async with scene(LONG, "Oslo is far.") as call:

        def fail(_: str) -> None:
            raise RuntimeError("a fault of the floor")

        call.attached.hold = fail  # type: ignore[method-assign]
        call.session.generate_reply()
        await call.sounds(1_000)
        call.mic.play(sound("cough"))
        await call.until(lambda: call.floor.broken)
        call.stt.read("what about Oslo")
        call.stt.read("What about Oslo?", final=True)
        await call.until(lambda: len(call.messages("assistant")) == 2)
        told(call, "broken_then_words", delay=call.session.options.endpointing["min_delay"])


async def taken_away() -> None:
    """Another output takes the place of ours, as an avatar does that starts late."""
    async with scene(LONG, "Again and again.") as call:
        call.session.generate_reply()
        await call.sounds(500)
        other = Ear()
        call.session.output.audio = other
        await call.session.generate_reply()
        told(call, "taken_away", other=round(len(other.samples) / VOICE_RATE, 2))


class ReadsLong:
    """A BatchSTT: what lasts was words."""

    name, rate = "reads", 16_000

    def __init__(self, words: str) -> None:
        self.words, self.read_ms = words, [0.0]

    async def read(self, pcm: Pcm, *, deadline_ms: float) -> BatchTranscript:
        self.read_ms.append(pcm.ms)
        return BatchTranscript(self.words)

    async def aclose(self) -> None:
        pass


async def own_stt(words: str, reply: str) -> None:
    """An STT of ours reads for the verdict, and the call is recorded."""
    reads = ReadsLong(words)
    more: dict[str, Any] = {"stt": reads, "record": Path(sys.argv[1]) / "records"}
    async with scene(LONG, "Oslo is far.", floor=more) as call:
        call.session.generate_reply()
        await call.sounds(1_000)
        call.mic.play(sound("interruption" if reply == "cuts" else "hum"))
        await call.until(lambda: call.floor.counts["cuts"] or call.floor.counts["resumes"])
        if reply == "cuts":
            call.stt.read("What about Oslo?", final=True)
            await call.until(lambda: len(call.messages("assistant")) == 2)
        else:
            await call.until(lambda: call.messages("assistant"))
        told(call, "own_stt", words=words, reasons=list(call.floor.reasons), read=len(reads.read_ms) - 1)


def beside() -> list[Any]:
    """All scenes."""
    return [
        handed_over(),
        said_in_a_hold(),
        muted_in_a_hold(),
        switched_off_in_a_hold(),
        tool(),
        broken_then_words(),
        taken_away(),
        own_stt("what about Oslo", "cuts"),
        own_stt("mm-hmm", "resumes"),
    ]
