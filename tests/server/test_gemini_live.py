"""Gemini Live over the telephone, in one server, with every fault that it can have."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from bargein.agent import Agent, Greeting
from bargein.floor import Policy
from bargein.recorder.reading import Noted, read
from bargein.tools import tool
from bargein.vendors.google.live.model import GeminiLive
from bargein_bench.callers.caller import Caller
from bargein_bench.callers.caller_audio import EndCallStep, Step
from bargein_bench.callers.result import Result
from bargein_bench.callers.yielding import score
from bargein_simulators.chat_wire import ServedToolCall
from bargein_simulators.gemini_live import gemini_live_app
from bargein_simulators.gemini_live_behavior import GeminiLiveSimulator, LiveTurn
from bargein_simulators.speech import SimulatedSpeech
from tests.server.kit import ToneVoice, settings, world
from tests.server.test_cascade import Story, line, story_of
from tests.simulators.serving import serving

GREETING = "Hello, and welcome to the harbour hotel. There is a lot to tell about our rooms, our breakfast and the sea."
FIRST, SECOND = "what is the first", "and what is the second"
STEPS: list[Step] = [line("interruption-1.wav", 1_000), line("interruption-4.wav", 5_000), EndCallStep(9_500)]
WELL, TOOL, KEY = "nothing fails", "a tool is called", "the key is wrong"
FAULTS: dict[str, str] = {
    "the connection drops in the middle of a reply": "drop",
    "it interrupts itself": "phantom",
    "it stalls in the middle of a reply": "stall",
    "it never says that a cut reply is over": "no_end",
    "it must go in a reply": "go_away",
    "nobody writes down the words": "no_transcript",
    "it sends what is no message": "garbage",
    KEY: "401",
}


@tool("read")
async def rooms() -> int:
    """How many rooms are free."""
    return 3


def answer(said: str, turns: Sequence[LiveTurn]) -> str:
    if said.startswith("Result: "):
        return f"There are {said.removeprefix('Result: ')} rooms."
    number = "second" if "second" in said else "first"
    return f"This answers the {number} question, in a sentence of a dozen words or so. And here is one more."


async def calls(sims: dict[str, GeminiLiveSimulator], folder: Path) -> tuple[dict[str, Story], dict[str, Result]]:
    """A call to each, at once, in one server."""
    results: dict[str, Result] = {}
    async with AsyncExitStack() as stack:
        agents = []
        for name, sim in sims.items():
            url = await stack.enter_async_context(serving(gemini_live_app(sim), ws=True))
            agents.append(
                Agent(
                    name=name,
                    realtime=GeminiLive(api_key="k", base_url=url),
                    fallback_tts=ToneVoice(),
                    instructions="Be short.",
                    greeting=Greeting(GREETING),
                    tools=[rooms],
                    policy=Policy.balanced().with_({"answer_timeout_ms": 2500}),
                )
            )
        here = await stack.enter_async_context(world(settings(folder, max_calls=len(agents)), *agents, alone=False))
        url = here.url.replace("http", "ws") + "/twilio/media"

        async def one(name: str) -> None:
            results[name] = await Caller(url, STEPS, 10_500, parameters={"agent": name}).run()

        async with asyncio.TaskGroup() as group:
            for name in sims:
                group.create_task(one(name))
    stories: dict[str, Story] = {}
    for record in folder.iterdir():  # noqa: ASYNC240  # a test's own folder
        recording = read(record)
        entries = [e for e in recording.entries if not (isinstance(e, Noted) and e.facts.get("text", "") is None)]
        stories[recording.header.agent] = story_of(entries)
    return stories, results


async def test_it_converses_is_interrupted_and_goes_on_whatever_fails(tmp_path: Path) -> None:
    speech = SimulatedSpeech()
    sims = {
        name: GeminiLiveSimulator(
            respond=answer, script=deque([FIRST, SECOND]), first_audio_ms=60, speech=speech, go_away_ms=500
        )
        for name in (WELL, TOOL, *FAULTS)
    }
    for name, fault in FAULTS.items():
        sims[name].faults.append(fault)  # type: ignore[arg-type]
        sims[name].speed = 1.5 if fault == "no_end" else 8  # a cut must find it generating
        if fault == "401":
            sims[name].api_key = "another"
    sims[TOOL].tool_calls.append(ServedToolCall("rooms"))
    stories, results = await calls(sims, tmp_path)
    await speech.aclose()

    story, told = stories[WELL], score(results[WELL])
    assert told.faults == {}
    assert told.stale_ms == 0, "earlier audio is gone"
    assert told.yields
    assert all(y.stop_ms is not None and y.stop_ms < 250 for y in told.yields), "it stops at once"
    assert FIRST in story.users
    assert SECOND in story.users
    (greeting, ended), (first, _), (second, _) = story.said
    assert ended == "cut"
    assert greeting
    assert GREETING.startswith(greeting)
    assert first.startswith("This answers the first")
    assert second.startswith("This answers the second"), "the answer is about the latest words"
    notes = [note for turn in sims[WELL].sessions[-1].turns for note in turn.notes]
    assert any(greeting.split()[-1] in note for note in notes), "it was told what was heard"
    assert len(sims[WELL].sessions) == 1

    assert any("There are 3 rooms" in text for text, _ in stories[TOOL].said)
    assert {name: story for name, story in stories.items() if not recovered(story, name)} == {}
    assert {name for name, sim in sims.items() if sim.faults} <= {KEY}


def recovered(story: Story, name: str) -> bool:
    """After the turns came answers, or the reason why there is none."""
    told = [text for text, _ in story.said if text and not GREETING.startswith(text)]
    if name == KEY:
        return any(text.startswith("Sorry") for text in told)
    first = "There are 3 rooms" if name == TOOL else "This answers the first"
    return any(text.startswith((first, "Sorry")) for text in told) and any(
        text.startswith("This answers the second") for text in told
    )
