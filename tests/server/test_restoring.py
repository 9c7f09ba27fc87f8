"""A client comes to a server with a call that another one has, or had."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import cast

import pytest

from bargein.agent import Agent
from bargein.call.memory.fields import About, StateNow, encode
from bargein.call.memory.restored import RestoredCall
from bargein.clock import ManualClock
from bargein.errors import UsageError
from bargein.fleet.fleet import Fleet
from bargein.fleet.memory import MemoryStore
from bargein.fleet.records import CallRecord, Load
from bargein.fleet.sealing import Seal
from bargein.floor import Policy
from bargein.server.catalogue import Catalogue
from bargein.server.hub import Hub
from bargein.server.kept_calls import BROWSER, PageSecret
from bargein.server.restoring import PAGE, Home, agent_of, give_up, policy_of, resuming, returning
from tests.call.kit import ScriptedLLM
from tests.call.phone_kit import NoiseTTS

PHONE = CallRecord("c1", "", "front", "twilio AC1", "CA1", 100.0)
PAGE_CALL = CallRecord("c2", "", "front", BROWSER, "c2", 100.0)


class Nodes:
    """Some nodes of one fleet, of which one can die."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock, shared=True, wall_s=lambda: 1_000_000.0)
        self.stacks: dict[str, AsyncExitStack] = {}

    async def begin(self, name: str, url: str | None = None, key: str | None = None) -> Hub:
        stack = AsyncExitStack()
        fleet = Fleet(self.store, name, url=url, clock=self.clock, seal=Seal(key), load=lambda: Load(0, 4, 0.0, 0.0))
        self.stacks[name] = stack
        agent = Agent(name="front", llm=ScriptedLLM(), tts=NoiseTTS(), stt=None)
        catalogue = Catalogue({"front": agent}, ())
        return cast("Hub", SimpleNamespace(fleet=await stack.enter_async_context(fleet), catalogue=catalogue))

    async def die(self, name: str) -> None:
        await self.stacks.pop(name).aclose()


@asynccontextmanager
async def nodes() -> AsyncIterator[Nodes]:
    made = Nodes()
    try:
        yield made
    finally:
        for name in list(made.stacks):
            await made.die(name)


async def remember(hub: Hub, record: CallRecord, **others: bytes) -> None:
    """The node has the call, and remembers it."""
    policy = Policy.patient().with_({"max_call_ms": 600_000})
    about = About(1, "front", "de", dict(policy.numbers()), 100.0, {"from": "+4930"})
    state = StateNow(3, 2, "idle", False, 4_000.0, 0, [])
    await hub.fleet.add_call(record)
    hub.fleet.remember(record.id, {"about": encode(about), "state": encode(state), **others})
    assert await hub.fleet.remembered(record.id)


async def test_a_stream_finds_its_call_at_the_node_that_has_it() -> None:
    async with nodes() as n:
        a, b = await n.begin("a", "https://a.example"), await n.begin("b")
        await remember(a, PHONE)
        assert await returning(b, network="twilio AC1", network_id="CA1") == Home("a", "https://a.example")
        assert await returning(b, network="twilio AC1", network_id="CA2") is None
        assert await returning(b, network="twilio AC2", network_id="CA1") is None
        assert await returning(b, network="twilio AC1", network_id="") is None


async def test_the_call_of_a_dead_node_is_restored_once_as_it_was() -> None:
    async with nodes() as n:
        a, b, c = await n.begin("a"), await n.begin("b"), await n.begin("c")
        await remember(a, PHONE)
        await n.die("a")
        restored = await returning(b, network="twilio AC1", network_id="CA1")
        assert isinstance(restored, RestoredCall)
        assert (restored.call_id, restored.epoch, restored.moved, restored.agent) == ("c1", 1, False, "front")
        agent, policy = agent_of(b, restored)
        assert (agent.name, agent.language) == ("front", "de")
        assert (policy.preset, policy.verdict.min_words) == ("patient", 2)
        assert policy.idle.max_call_ms == 596_000  # the time before counts
        assert await returning(c, network="twilio AC1", network_id="CA1") == Home("b", None)


async def test_a_node_that_was_started_again_has_none_of_its_calls() -> None:
    async with nodes() as n:
        await remember(await n.begin("a"), PHONE)
        await n.die("a")
        again = await n.begin("a")
        restored = await returning(again, network="twilio AC1", network_id="CA1")
        assert isinstance(restored, RestoredCall)


async def test_a_call_that_moved_is_taken_by_whichever_node_its_client_reaches() -> None:
    async with nodes() as n:
        a, b = await n.begin("a"), await n.begin("b")
        await remember(a, PHONE)
        assert await a.fleet.release("c1")
        restored = await returning(b, network="twilio AC1", network_id="CA1")
        assert isinstance(restored, RestoredCall)
        assert restored.moved
        await give_up(b, restored)
        assert await returning(a, network="twilio AC1", network_id="CA1") is None


async def test_a_page_needs_the_secret_of_its_call() -> None:
    async with nodes() as n:
        a, b = await n.begin("a"), await n.begin("b")
        secret = PageSecret()
        await remember(a, PAGE_CALL, **{PAGE: secret.memory()})
        assert await resuming(b, "c2", "anything") == Home("a", None)  # node a judges the secret
        assert await resuming(b, "c3", secret.text) is None
        await n.die("a")
        assert await resuming(b, "c2", "anything") is None
        assert await resuming(b, "c2", "") is None
        restored = await resuming(b, "c2", secret.text)
        assert isinstance(restored, RestoredCall)
        assert PageSecret.from_memory(restored.others[PAGE]).claim(secret.text)


async def test_a_telephones_call_is_no_pages() -> None:
    async with nodes() as n:
        a, b = await n.begin("a"), await n.begin("b")
        await remember(a, PHONE)
        await n.die("a")
        assert await resuming(b, "c1", "") is None


@pytest.mark.parametrize("fault", ["damaged", "another key", "no memory"])
async def test_a_memory_that_cannot_be_used_is_gone_and_the_caller_is_greeted_anew(
    fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with nodes() as n:
        key = "a key of 32 characters, at least!" if fault == "another key" else None
        a, b = await n.begin("a"), await n.begin("b", key=key)
        if fault == "no memory":
            await a.fleet.add_call(PHONE)
        else:
            await remember(a, PHONE, **({"state": b"\x01"} if fault == "damaged" else {}))
        await n.die("a")
        assert await returning(b, network="twilio AC1", network_id="CA1") is None
        assert "cannot be restored" in caplog.text
        assert await b.fleet.find_by_network("twilio AC1", "CA1") is None


async def test_an_agent_that_is_not_here_is_said() -> None:
    async with nodes() as n:
        a, b = await n.begin("a"), await n.begin("b")
        await remember(a, PHONE)
        await n.die("a")
        restored = await returning(b, network="twilio AC1", network_id="CA1")
        assert isinstance(restored, RestoredCall)
        del b.catalogue.agents["front"]  # type: ignore[attr-defined]
        with pytest.raises(UsageError):
            agent_of(b, restored)


def test_a_policy_of_another_version_loses_only_what_is_unknown() -> None:
    policy = policy_of({"preset": "instant", "confirm_ms": 123, "no_such_number": 5, "max_call_ms": 5_000}, 9_000)
    assert (policy.preset, policy.verdict.confirm_ms, policy.idle.max_call_ms) == ("instant", 123, 1_000)
    assert policy_of({"preset": "of the future"}, 0) == Policy()
    assert policy_of({"preset": "patient", "confirm_ms": -1}, 0).preset == "patient"
