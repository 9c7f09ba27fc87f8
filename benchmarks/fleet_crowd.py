"""Many callers of a fleet at once, each with its own digits, and what each of them heard, word by word."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bargein.clock import MonotonicClock
from bargein_bench.callers.caller_audio import PressKey, Step
from bargein_bench.callers.result import Result
from bargein_bench.callers.telephone import RATE
from benchmarks.fleet_agent import STORY
from benchmarks.fleet_ear import HeardWord, words_in
from benchmarks.fleet_nodes import ORDERS, PROMPTS, NodeFleet

APART_S = 0.083  # between the begins of two calls: no multiple of a frame


@dataclass
class FleetCaller:
    """One call."""

    fleet: NodeFleet
    digits: str
    """That the caller keys: by them its orders and its model's prompts are known."""
    sid: str
    task: asyncio.Task[Result]
    begun: Result | None = None

    @property
    def live(self) -> bool:
        return not self.task.done()

    @property
    def result(self) -> Result:
        if self.task.done():
            return self.task.result()
        return self.fleet.network.calls[self.sid].result

    @property
    def home(self) -> str:
        """The node that has the call."""
        return self.fleet.home(self.sid)

    def heard(self) -> list[HeardWord]:
        return words_in(self.result.telephone.signal())

    def place_ms(self, at_ms: float) -> float:
        """A time of the process's clock on the telephone's own."""
        return at_ms - self.result.began_ms

    def late_after(self, at_ms: float) -> int:
        """How often the agent's audio broke off in the middle of speech after a place: pauses longer than a frame and
        shorter than half a second."""
        runs = [run for run in self.result.telephone.runs if run[1] >= at_ms * RATE / 1000]
        gaps = [after[0] - before[1] for before, after in itertools.pairwise(runs)]
        return sum(160 < gap < RATE // 2 for gap in gaps)


def keyed(digits: str, at_ms: float) -> list[Step]:
    """The caller keys digits, and `#`, which ends them."""
    return [PressKey(at_ms + 200 * n, digit) for n, digit in enumerate(f"{digits}#")]


@dataclass
class FleetCrowd:
    """Callers that are on the phone together."""

    fleet: NodeFleet
    callers: list[FleetCaller] = field(default_factory=list)

    @property
    def live(self) -> int:
        return sum(caller.live for caller in self.callers)

    async def all_over(self) -> list[Result]:
        return await asyncio.gather(*(caller.task for caller in self.callers))

    async def until(self, at_ms: float) -> None:
        """Until a time of the process's clock."""
        await asyncio.sleep(max(0.0, at_ms - MonotonicClock().now_ms()) / 1000)

    def orders(self) -> list[str]:
        """What the tool with effect `commit` did, in all calls."""
        path = self.fleet.folder / ORDERS
        return path.read_text().splitlines() if path.exists() else []

    def prompts(self) -> dict[str, list[list[str]]]:
        """The newest prompt of each call, by its digits: the conversation as the model was told it."""
        path: Path = self.fleet.folder / PROMPTS
        found = {}
        for line in path.read_text().splitlines() if path.exists() else []:
            items = json.loads(line)
            said = [text for kind, text in items if kind == "UserSaid"]
            if said:
                found["".join(c for c in said[0] if c.isdigit())] = items
        return found


@contextlib.asynccontextmanager
async def crowd(
    fleet: NodeFleet, number: int, lasts_s: float, script: Callable[[int, str], Sequence[Step]]
) -> AsyncIterator[FleetCrowd]:
    """Callers who call one after the other, APART_S apart, and talk for lasts_s. script: steps by number and digits.
    Yields when all have a stream."""
    made = FleetCrowd(fleet)
    for name in (ORDERS, PROMPTS):
        (fleet.folder / name).unlink(missing_ok=True)
    try:
        for n in range(number):
            digits, sid = f"{100 + n}", "CA" + secrets.token_hex(16)
            call = fleet.network.call(
                fleet.webhook, script(n, digits), lasts_ms=lasts_s * 1000, sid=sid, seed=n + 1, caller=f"+49301{digits}"
            )
            made.callers.append(FleetCaller(fleet, digits, sid, asyncio.create_task(call, name=sid)))
            await asyncio.sleep(APART_S)
        yield made
    finally:
        for caller in made.callers:
            caller.task.cancel()
        await asyncio.gather(*(caller.task for caller in made.callers), return_exceptions=True)


def chains(heard: Sequence[HeardWord]) -> list[list[int]]:
    """The replies that were heard: each a chain of places in STORY, one after the other."""
    found: list[list[int]] = []
    for each in heard:
        if not each.understood or each.of_bridge or each.word not in STORY:
            continue
        place = STORY.index(each.word)
        if found and place == (found[-1][-1] + 1) % len(STORY):
            found[-1].append(place)
        else:
            found.append([place])
    return found


def told_of(items: Sequence[Sequence[str]]) -> list[str]:
    """The agent's words in a prompt, in the order of the conversation."""
    texts = [text for kind, text in items if kind == "AgentSaid"]
    return [word.strip(".,").lower() for text in texts for word in text.split()]
