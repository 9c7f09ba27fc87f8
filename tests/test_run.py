"""serve, create_app and run_call as a user's script calls them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from bargein import Agent, Policy, UsageError, run_call, serve
from bargein.call.runtime import Runtime
from bargein.call.ticker import Ticker
from bargein.clock import ManualClock
from bargein.floor import Action, Event
from bargein.notices import Notice, ReplyBegins, StateChanged
from bargein.protocols import AudioIn, ClientHangUp, Inbound
from bargein.standalone_call import NoMeter
from bargein.testing import ScriptedLLM, ScriptedVAD, SimulatedClient, ToneTTS

GREETING = "Hello there"


def agent(**more: object) -> Agent:
    return Agent(stt=None, llm=ScriptedLLM("Yes."), tts=ToneTTS(), greeting=GREETING, **more)  # type: ignore[arg-type]  # by name


class Playing(SimulatedClient):
    """A client whose loudspeaker plays at the pace of the machine's clock, and that hangs up when `done` says so."""

    def __init__(self, *, hang_up_on: str) -> None:
        super().__init__()
        self._hang_up_on = hang_up_on
        self.begun = asyncio.Event()

    async def receive(self) -> AsyncIterator[Inbound]:
        sent = 0
        async with asyncio.timeout(20):
            while self.closed is None:
                try:
                    yield await asyncio.wait_for(self.inbox.get(), 0.02)
                except TimeoutError:
                    self.play(20)
                    yield AudioIn(np.zeros(320, np.int16), sent)
                    sent += 320

    def notify(self, notice: Notice) -> None:
        super().notify(notice)
        if isinstance(notice, ReplyBegins):
            self.begun.set()
        if getattr(notice, "text", None) is not None and type(notice).__name__ == self._hang_up_on:
            self.inbox.put_nowait(ClientHangUp("heard it"))


class Notes:
    """A Journal by shape."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.notes: list[str] = []
        self.closed = False

    def event(self, event: Event) -> None:
        self.events.append(event)

    def action(self, at_ms: float, action: Action) -> None: ...

    def note(self, at_ms: float, kind: str, **facts: object) -> None:
        self.notes.append(kind)

    def close(self) -> None:
        self.closed = True


async def test_a_call_on_a_transport_of_ones_own_starts_what_it_needs_and_says_what_was_heard() -> None:
    before = asyncio.all_tasks()
    client, journal, watched = Playing(hang_up_on="Transcript"), Notes(), list[Notice]()
    status = await run_call(
        agent(), client, journal=journal, policy=Policy.instant(), watch=watched.append, facts={"room": "7"}
    )
    assert client.violations == []
    assert status.over == "heard it"
    assert status.conversation[0]["text"] == GREETING
    assert status.policy["preset"] == "instant"
    assert status.facts == {"room": "7"}
    assert journal.closed
    assert "call" in journal.notes
    assert watched == client.notices
    assert any(isinstance(notice, StateChanged) for notice in watched)
    assert asyncio.all_tasks() == before


async def test_calls_share_a_runtime_that_is_given() -> None:
    clock = ManualClock()
    runtime = Runtime(clock, Ticker(clock), ScriptedVAD(), NoMeter())
    clients = [SimulatedClient(), SimulatedClient()]
    running = [asyncio.create_task(run_call(agent(), client, runtime=runtime)) for client in clients]
    for _ in range(50):
        clock.advance(20)
        for client in clients:
            client.play(20)
        runtime.ticker.tick(clock.now_ms())
        for _ in range(40):
            await asyncio.sleep(0)
    assert [client.replies[1].heard for client in clients] == [GREETING, GREETING]
    for client in clients:
        client.inbox.put_nowait(ClientHangUp("over"))
    assert [(await each).conversation[0]["text"] for each in running] == [GREETING, GREETING]


async def test_what_is_no_agent_or_no_transport_is_refused_before_anything_starts() -> None:
    with pytest.raises(UsageError, match=r"run_call\(\) needs an Agent, and was given a str"):
        await run_call("agent", SimulatedClient())  # type: ignore[arg-type]  # a user's mistake
    with pytest.raises(UsageError, match=r"run_call\(\): a str is no transport"):
        await run_call(agent(), "line")  # type: ignore[arg-type]  # a user's mistake


async def test_a_cancelled_call_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    client = Playing(hang_up_on="never")
    running = asyncio.create_task(run_call(agent(), client))
    async with asyncio.timeout(20):
        await client.begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert client.closed is not None
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, r"serve\(\) needs an Agent, and was given a NoneType"),
        ([], r"serve\(\) was given no agent"),
        (Agent, r"serve\(\) needs an Agent, and was given a type"),
    ],
)
def test_serving_no_agent_is_refused(given: object, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        serve(given)  # type: ignore[arg-type]  # a user's mistake


async def test_serving_inside_an_event_loop_is_refused_with_the_way_out() -> None:
    with pytest.raises(UsageError, match="use create_app"):
        serve(agent())


def test_serving_where_it_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BARGEIN_TOKEN", raising=False)
    (tmp_path / "calls").write_text("a file")
    for options, says in (
        ({"host": "0.0.0.0"}, "no token is set"),
        ({"port": 70_000}, "Setting port"),
        ({"policy": "eager"}, "There is no policy 'eager'"),
        ({"record": tmp_path / "calls"}, "cannot be recorded"),
    ):
        with pytest.raises(UsageError, match=says):
            serve(agent(), **options)


def test_a_part_that_fails_at_its_start_raises_its_own_error() -> None:
    class Broken(ToneTTS):
        async def start(self) -> None:
            raise UsageError("The voice is not there", advice="Choose another")

    broken = Agent(stt=None, llm=ScriptedLLM(), tts=Broken())
    with pytest.raises(UsageError, match="The voice is not there"):
        serve(broken, port=0)
