"""Three servers as plain processes behind the shipped HAProxy, with Redis: what a caller hears when a node dies, when
its calls move, and without Redis. Each word of the agent is a tone of its own: the ear is read, not a log."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from bargein_bench.callers.caller_audio import PressKey, Step
from bargein_bench.callers.result import Result
from benchmarks.fleet_agent import STORY, TOOL_S, WORD_COUNT, plain
from benchmarks.fleet_ear import Continuity, HeardWord, continuity, joined, words_in
from benchmarks.fleet_nodes import ORDERS, PROMPTS, NodeFleet, eventually, node_fleet

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
GREETING = 16  # words, 200 ms each
SORRY = ["sorry", "i", "lost", "you", "for", "a", "moment", "as", "i", "was", "saying"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def three_nodes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NodeFleet]:
    environment = {WORD_COUNT: str(GREETING), TOOL_S: "0.8"}
    async with node_fleet(tmp_path_factory.mktemp("fleet"), env=environment) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def fleet(three_nodes: NodeFleet) -> NodeFleet:
    """All there, whatever the test before has left."""
    for name in (ORDERS, PROMPTS):
        (three_nodes.folder / name).unlink(missing_ok=True)
    if three_nodes.redis is None:
        await three_nodes.start_redis()
    await three_nodes.start(*(name for name, node in three_nodes.nodes.items() if node.service is None))
    return three_nodes


@dataclass
class Caller:
    """One telephone call that goes on while something happens to the nodes."""

    fleet: NodeFleet
    sid: str
    task: asyncio.Task[Result]

    @property
    def home(self) -> str:
        return self.fleet.home(self.sid)

    @property
    def heard(self) -> list[HeardWord]:
        """So far."""
        return words_in(self.result.telephone.signal())

    @property
    def result(self) -> Result:
        return self.task.result() if self.task.done() else self.fleet.network.calls[self.sid].result

    async def hears(self, words: int) -> None:
        """Wait until the ear has had so many words. (The telephone is in this process: its audio is looked at when a
        word's time has passed.)"""
        await self.until(lambda: sum(each.understood for each in self.heard) >= words)

    async def until(self, so: Callable[[], bool]) -> None:
        """Wait for something during the call."""

        async def now() -> bool:
            assert not self.task.done(), self.task.result()
            return so()

        await eventually(now, 20)


@asynccontextmanager
async def calling(fleet: NodeFleet, lasts_s: float, steps: Sequence[Step] = ()) -> AsyncIterator[Caller]:
    sid = "CA" + secrets.token_hex(16)
    call = fleet.network.call(fleet.webhook, steps, lasts_ms=lasts_s * 1000, sid=sid)
    caller = Caller(fleet, sid, asyncio.create_task(call, name=sid))
    await asyncio.sleep(0)  # the task has begun: the network knows the call
    try:
        yield caller
    finally:
        caller.task.cancel()
        await asyncio.wait([caller.task])


def keyed(key: str, at_ms: float) -> list[Step]:
    """A turn without words: a key, and `#`, which ends the digits."""
    return [PressKey(at_ms, key), PressKey(at_ms + 250, "#")]


def prompts(fleet: NodeFleet) -> list[list[list[str]]]:
    """What the models of all nodes were asked, in order."""
    return [json.loads(line) for line in lines(fleet.folder / PROMPTS)]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


async def test_a_caller_of_a_node_that_is_killed_hears_another_one_go_on_from_the_word(fleet: NodeFleet) -> None:
    async with calling(fleet, 30, keyed("5", 8_000)) as caller:
        await caller.hears(6)
        await fleet.kill(caller.home)
        await caller.until(lambda: bool(lines(fleet.folder / PROMPTS)))
        result = caller.result
        # The words up to the death, the sentence of the return, and the rest: none twice, none missing.
        assert continuity(caller.heard) == Continuity(twice=0, missing=0, bridges=1)
        heard = [each.word for each in caller.heard if each.understood]
        bridge = heard.index("sorry")
        assert heard[bridge : bridge + len(SORRY)] == SORRY
        assert set(heard) >= set(STORY[: GREETING - 1])
        assert len(result.legs) == 2
        assert [each.status for each in result.webhooks] == [200, 200]
        # The model is told what was heard, on the new node, and nothing else.
        agent = " ".join(text for kind, text in prompts(fleet)[0] if kind == "AgentSaid")
        assert list(dict.fromkeys(plain(word) for word in agent.split())) == list(dict.fromkeys(heard))


async def test_a_tool_that_was_begun_when_its_node_died_is_not_run_again(fleet: NodeFleet) -> None:
    async with calling(fleet, 30, keyed("5", 1_200)) as caller:
        await caller.until(lambda: bool(lines(fleet.folder / ORDERS)))
        await fleet.kill(caller.home)
        await caller.until(lambda: len(lines(fleet.folder / PROMPTS)) == 2)
        (told,) = [text for kind, text in prompts(fleet)[-1] if kind == "ToolResult"]
        assert "unknown" in told
        before = len(caller.heard)
        await caller.hears(before + 3)  # the model's answer to that
        assert len(lines(fleet.folder / ORDERS)) == 1


async def test_all_nodes_are_restarted_one_after_the_other_and_no_call_ends(fleet: NodeFleet) -> None:
    keys = [step for at in range(4_500, 90_000, 4_000) for step in keyed("5", at)]
    async with calling(fleet, 90, keys) as one, calling(fleet, 90, keys) as two, calling(fleet, 90, keys) as three:
        callers = (one, two, three)
        await asyncio.gather(*(caller.hears(3) for caller in callers))
        restarting: list[asyncio.Task[None]] = []
        for name in "abc":
            await asyncio.gather(*restarting)
            await fleet.move_away(name)
            await fleet.stop(name)
            restarting = [asyncio.create_task(fleet.start(name))]
        await asyncio.gather(*restarting)
        for caller in callers:
            assert not caller.task.done()
            assert len(caller.result.legs) > 1
            assert [each for each in caller.heard if each.word == "sorry"] == []  # nobody was lost


async def test_calls_go_on_without_redis_and_the_fleet_knows_them_again_when_it_is_back(fleet: NodeFleet) -> None:
    async with calling(fleet, 30) as caller:
        await caller.hears(3)
        await fleet.kill_redis()
        await caller.hears(8)
        for node in fleet.nodes:
            answer = await fleet.ask("GET", "/calls", node=node)
            assert answer.status_code == 200
            assert answer.json()["unknown"]
        await fleet.start_redis()
        other = next(name for name in fleet.nodes if name != caller.home)

        async def known_again() -> bool:
            return bool(await fleet.calls(node=other))

        await eventually(known_again, 5)
        await caller.hears(GREETING)
        assert [each.word for each in joined(caller.heard)][:GREETING] == STORY[:GREETING]
        assert len(caller.result.legs) == 1
