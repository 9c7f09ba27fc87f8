"""Recorded calls in moved time."""

from __future__ import annotations

from pathlib import Path

import bargein.testing
from bargein import Agent, Greeting, Policy, tool
from bargein.recorder.journal import FileJournal
from bargein.recorder.redaction import NO_REDACTION, Redaction


@tool("read")
async def free_rooms(day: str) -> int:
    """How many rooms are free on a day."""
    return 3


def agent() -> Agent:
    """It greets, and answers with words that its caller may interrupt."""
    return Agent(
        name="guide",
        llm=bargein.testing.ScriptedLLM(
            "There are three rooms free on Friday and two of them have a view of the lake", "Which one do you like"
        ),
        tts=bargein.testing.ToneTTS(),
        stt=bargein.testing.ScriptedSTT(),
        greeting=Greeting("Good evening how may I help you today"),
        policy=Policy.balanced(),
    )


async def spoken_call(root: Path, redaction: Redaction = NO_REDACTION) -> Path:
    """A call with a backchannel, a turn, a cut and an end. Returns its folder."""
    speaker = agent()
    journal = FileJournal(root, "c1", agent="guide", policy=speaker.policy, language="en", redaction=redaction)
    async with bargein.testing.call(speaker, journal=journal) as call:
        await call.agent_says("Good evening how")
        await call.backchannel("mhm", over="may I")
        await call.agent_says("today")
        await call.user_says("have you got a room for Friday")
        await call.agent_says("There are three rooms")
        await call.user_says("wait stop that", over="free on")
        await call.agent_says("Which one")
        await call.hang_up()
    return root / "c1"
