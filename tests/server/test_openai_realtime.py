"""OpenAI Realtime over the telephone, with every fault that it can have; and its calls over WebRTC, refused or not."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI

from bargein.agent import Agent, Greeting
from bargein.floor import Policy
from bargein.protocols import SessionConfig
from bargein.recorder.reading import Noted, read
from bargein.server.settings import Settings
from bargein.vendors.openai.realtime import OpenAICall, OpenAIRealtime
from bargein_bench.callers.caller import Caller
from bargein_bench.callers.caller_audio import EndCallStep, Step
from bargein_bench.callers.result import Result
from bargein_bench.callers.yielding import score
from bargein_simulators.openai_realtime import RealtimeSimulator, add_realtime
from bargein_simulators.realtime_session import ServerItem
from bargein_simulators.speech import SimulatedSpeech
from tests.call.scripted_realtime import ScriptedRealtime
from tests.server.kit import TOKEN, ToneVoice, settings, tone_agent, world
from tests.server.test_cascade import Story, line, story_of
from tests.simulators.serving import serving

GREETING = "Hello, and welcome to the harbour hotel. There is a lot to tell about our rooms, our breakfast and the sea."
FIRST, SECOND = "what is the first", "and what is the second"
STEPS: list[Step] = [line("interruption-1.wav", 1_500), line("interruption-4.wav", 9_000), EndCallStep(13_500)]
OFFER = {"content": "v=0\r\n", "headers": {"content-type": "application/sdp"}}
WELL = "nothing fails"
FAULTS: dict[str, str] = {
    "the connection drops in the middle of a reply": "drop",
    "the connection drops as the user begins to speak": "drop_speech",
    "it is over its limit": "rate_limit",
    "it fails": "fail",
    "it is late": "slow",
    "it never answers": "mute",
    "it sends what is no event": "garbage",
    "the session has lasted an hour": "expire",
    "nobody writes down the words": "no_transcript",
    "it is down at first": "500",
    "the key is wrong": "401",
}


def answer(said: str, items: Sequence[ServerItem]) -> str:
    number = "second" if "second" in said else "first"
    return f"This answers the {number} question, in a sentence of a dozen words or so. And here is one more."


def simulator(speech: SimulatedSpeech) -> RealtimeSimulator:
    return RealtimeSimulator(respond=answer, script=deque([FIRST, SECOND]), first_audio_ms=60, speech=speech)


def agent_of(name: str, url: str) -> Agent:
    return Agent(
        name=name,
        realtime=OpenAIRealtime(api_key="k", base_url=f"{url}/v1"),
        fallback_tts=ToneVoice(),
        instructions="Be short.",
        greeting=Greeting(GREETING),
        policy=Policy.balanced().with_({"answer_timeout_ms": 3000}),
    )


async def calls(sims: Mapping[str, RealtimeSimulator], folder: Path) -> tuple[dict[str, Story], dict[str, Result]]:
    """A call to each, at once, in one server."""
    results: dict[str, Result] = {}
    async with AsyncExitStack() as stack:
        agents = []
        for name, sim in sims.items():
            app = FastAPI()
            add_realtime(app, sim)
            agents.append(agent_of(name, await stack.enter_async_context(serving(app, ws=True))))
            stack.push_async_callback(agents[-1].realtime.aclose)  # type: ignore[union-attr]
        here = await stack.enter_async_context(world(settings(folder, max_calls=len(agents)), *agents, alone=False))
        url = here.url.replace("http", "ws") + "/twilio/media"

        async def one(name: str) -> None:
            results[name] = await Caller(url, STEPS, 15_000, parameters={"agent": name}).run()

        async with asyncio.TaskGroup() as group:
            for name in sims:
                group.create_task(one(name))
    stories: dict[str, Story] = {}
    for record in folder.iterdir():  # noqa: ASYNC240  # a test's own folder
        recording = read(record)
        entries = [e for e in recording.entries if not (isinstance(e, Noted) and e.facts.get("text", "") is None)]
        stories[recording.header.agent] = story_of(entries)
    return stories, results


async def test_a_telephone_call_goes_on_whatever_fails_and_the_four_checks_hold_where_nothing_does(
    tmp_path: Path,
) -> None:
    speech = SimulatedSpeech()
    sims = {name: simulator(speech) for name in (WELL, *FAULTS)}
    for name, fault in FAULTS.items():
        sims[name].faults.append(fault)  # type: ignore[arg-type]
        if fault == "401":
            sims[name].api_key = "another"
    stories, results = await calls(sims, tmp_path)
    await speech.aclose()
    assert stories.keys() == sims.keys()
    assert {name: story for name, story in stories.items() if not recovered(story, name)} == {}
    # Each met its fault; a key is refused before one is looked for.
    assert {name for name, sim in sims.items() if sim.faults} <= {"the key is wrong"}

    story, told = stories[WELL], score(results[WELL])
    assert told.faults == {}
    assert told.stale_ms == 0, "earlier audio is gone"
    assert told.yields
    assert all(y.stop_ms is not None and y.stop_ms < 250 for y in told.yields), "it stops at once"
    assert told.most_queued_ms <= 3_000
    assert FIRST in story.users
    assert SECOND in story.users
    (greeting, ended), (first, _), (second, _) = story.said
    assert ended == "cut"
    assert GREETING.startswith(greeting)
    assert greeting
    assert first.startswith("This answers the first question")
    assert second.startswith("This answers the second"), "the answer is about the latest words"

    session = sims[WELL].sessions[-1]
    truncated = [item for item in session.items.values() if item.truncated_ms is not None]
    assert abs(len(truncated[0].heard().split()) - len(greeting.split())) <= 1
    assert not [event for _, event in session.sent if event["type"] == "error"]
    notes = [item.text for item in session.items.values() if item.wire.get("role") == "system"]
    assert any(greeting.split()[-1] in note for note in notes), "it was told what was heard"


def recovered(story: Story, name: str) -> bool:
    """After the first turn came an answer, or the reason why there is none; and the same after the second."""
    told = [text for text, _ in story.said if text and not GREETING.startswith(text)]
    if name == "the key is wrong":
        return any(text.startswith("Sorry") for text in told)
    first = any(text.startswith(("Sorry", "This answers the first")) for text in told[:2])
    return first and any(text.startswith("This answers the second") for text in told[1:])


# ------------------------------------------------------------------------------------------------------- WebRTC


@asynccontextmanager
async def able(url: str) -> AsyncIterator[Agent]:
    """An agent that has WebRTC."""
    agent = agent_of("rt", url)
    yield agent
    assert isinstance(agent.realtime, OpenAIRealtime)
    await agent.realtime.aclose()


@pytest.mark.parametrize(
    ("agent", "body", "kind", "status", "code"),
    [
        ("tone", "v=0\r\n", "application/sdp", 409, "not_direct"),
        ("nobody", "v=0\r\n", "application/sdp", 404, "unknown_agent"),
        ("rt", "hello", "application/sdp", 422, "bad_offer"),
        ("rt", "v=0\r\n", "text/plain", 415, "not_sdp"),
        ("rt", "v=0\r\nnonsense", "application/sdp", 502, "vendor_refused"),
    ],
)
async def test_what_is_no_offer_is_refused_with_advice(
    agent: str, body: str, kind: str, status: int, code: str
) -> None:
    sim = RealtimeSimulator()
    app = FastAPI()
    add_realtime(app, sim)
    async with (
        serving(app, ws=True) as url,
        able(url) as rt,
        world(Settings(port=0, record=None), tone_agent(), rt) as here,
    ):
        refused = await here.http.post(f"/openai/calls?agent={agent}", content=body, headers={"content-type": kind})
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert refused.json()["error"]["advice"]


async def test_a_wrong_key_is_refused_without_naming_it_and_a_stranger_may_not_ask() -> None:
    sim = RealtimeSimulator(api_key="another")
    app = FastAPI()
    add_realtime(app, sim)
    async with serving(app, ws=True) as url, able(url) as rt:
        async with world(Settings(port=0, record=None), rt) as here:
            refused = await here.http.post("/openai/calls", **OFFER)  # type: ignore[arg-type]
        assert refused.status_code == 502
        assert "OPENAI_API_KEY" in refused.json()["error"]["advice"]
        async with world(Settings(port=0, record=None, token=TOKEN), rt) as here:  # type: ignore[arg-type]
            refused = await here.http.post("/openai/calls", **OFFER)  # type: ignore[arg-type]
        assert refused.status_code == 401


class Direct(ScriptedRealtime):
    """A model that pages can talk with by themselves. opened: lets a call be made."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = asyncio.Event()
        self.hung_up: list[str] = []

    async def create_call(self, offer: str, brief: SessionConfig) -> OpenAICall:
        await self.opened.wait()
        return OpenAICall("rtc_1", "v=0\r\n")

    async def hang_up(self, call_id: str) -> None:
        self.hung_up.append(call_id)
        raise RuntimeError("a fault of the model's own")

    def joined(self, call_id: str) -> Direct:
        return self


async def test_a_hello_that_was_refused_may_be_said_better_and_claims_the_call_then() -> None:
    model = Direct()
    model.opened.set()
    agent = Agent(name="direct", realtime=model)
    async with world(Settings(port=0, record=None), agent) as here:
        made = await here.http.post("/openai/calls", **OFFER)  # type: ignore[arg-type]
        name = made.headers["location"].rsplit("/", 1)[1]
        async with here.client({}) as client:
            hello = {"type": "hello", "protocol": "bargein.v1", "direct": name}
            await client.send(hello | {"settings": {"confirm_ms": -1}})
            assert await client.error() == "bad_settings"
            assert model.hung_up == []
            await client.send(hello)
            await client.until("welcome")
        assert await here.nobody_left()
        assert model.hung_up == ["rtc_1"]
        assert (await here.http.get("/healthz")).status_code == 200, "its fault in hanging up is nobody else's"


async def test_calls_that_are_asked_for_at_once_are_no_more_than_may_be() -> None:
    model = Direct()
    async with world(Settings(port=0, record=None, max_calls=2), Agent(name="direct", realtime=model)) as here:
        asked = [asyncio.create_task(here.http.post("/openai/calls", **OFFER)) for _ in range(5)]  # type: ignore[arg-type]
        done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 3:
            more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            done |= more
        assert {task.result().status_code for task in done} == {503}
        model.opened.set()
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [201, 201]


async def test_a_name_that_no_call_has_is_told_in_the_hello() -> None:
    async with world(Settings(port=0, record=None), tone_agent()) as here, here.client({}) as client:
        await client.send({"type": "hello", "protocol": "bargein.v1", "direct": "nobody"})
        assert "POST /openai/calls" in str((await client.until("error"))["advice"])
