"""One node's part in the fleet: what it tells the others, what it knows of them, and how a call changes its node.

The fleet is control only. Media never waits for it, and while its store is away this node's calls go on; what cannot be
known then raises FleetAway. What was to be written is written when the store is back.

The store's own time decides what is old. A node's wall clock is never asked.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Container, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Any, Self

import msgspec

from bargein.clock import Clock, MonotonicClock
from bargein.errors import CommandRefused, FleetAway, NodeSilent, UsageError
from bargein.fleet.commands import Handler, NodeCommands
from bargein.fleet.directory import LOST, CallDirectory
from bargein.fleet.keys import (
    node_key,
)
from bargein.fleet.live_events import WATCH, LiveEvents
from bargein.fleet.nodes import Nodes
from bargein.fleet.own_calls import TOUCH_S, OwnCalls
from bargein.fleet.pulse import Positions, Pulse
from bargein.fleet.reach import SETTLE_MS, Reach
from bargein.fleet.records import CallRecord, Load, Memory, NodeRecord
from bargein.fleet.sealing import Seal
from bargein.fleet.spent import SpentTokens
from bargein.fleet.store import Delete, Match, Now, Store

log = logging.getLogger(__name__)

DEAD_MS = 250  # a node that does not answer for so long is dead
WRITE_S = 0.25  # that a call's begin and end wait for the store
PING, HOLDS = "fleet.ping", "fleet.holds"  # commands
IDLE = Load(calls=0, most=1, late_ms=0.0, used=0.0)


class Fleet:
    """Of one node (server process). An async context manager; its tasks end with the block.

    Round trips: find_call 1; find_by_network 2; nodes, place 2; claim 2; ask 1 and 1 of the answer; spend 1.
    """

    def __init__(
        self,
        store: Store,
        node: str,
        *,
        url: str | None = None,
        group: str | None = None,
        version: str = "",
        clock: Clock | None = None,
        seal: Seal | None = None,
        keep_s: float = 60,
        load: Callable[[], Load] = lambda: IDLE,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        """store: closed with the fleet. url, group, version: of the node's record. keep_s: how long a call may be
        claimed after its node's death. load, ready: of this node, asked at each heartbeat."""
        self.node = node
        self.instance = secrets.token_hex(4)
        self.lost: Callable[[str], None] = lambda _: None
        """Called with the id of a call of ours that another node has claimed."""
        self.leased: Callable[[str], None] = lambda _: None
        """Called with the topic of a call of ours that another node watches, at each renewal of its lease."""
        self.load, self.ready = load, ready
        self._url, self._group, self._version = url, group or node, version
        self._draining = False
        self._started_s = 0.0
        self._reach = Reach(store, clock or MonotonicClock())
        seal = seal or Seal()
        owner = f"{node}:{self.instance}"
        keep_ms = int(keep_s * 1000)
        self._nodes = Nodes(self._reach, self.record)
        self._calls = OwnCalls(self._reach, owner, seal, keep_ms)
        self._calls.lost = self._on_lost
        self._pulse = Pulse(self._reach, owner, keep_ms)
        self._owner, self._keep_ms = owner, keep_ms
        self._commands = NodeCommands(self._reach, node)
        self._directory = CallDirectory(self._reach, self._calls, seal)
        self._events = LiveEvents(self._reach, self.find_call, self._ask_soon)
        self._spent = SpentTokens(self._reach)
        self._exit = AsyncExitStack()
        self.answer(PING, self._pong)
        self.answer(HOLDS, self._holds)
        self.answer(LOST, self._told_lost)
        self.answer(WATCH, self._lease)

    async def __aenter__(self) -> Self:
        """Raises UsageError where another process that lives has this node's id."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._reach.store.aclose)
            try:
                (self._started_s,) = [ms / 1000 for ms in await self._reach.run([Now()])]
                await self._demand_own_id()
                await self._commands.begin()
                await self._nodes.beat()
            except FleetAway:
                pass  # it says so by itself, and the tasks go on from there
            chores = [self._nodes.run(), self._commands.run(), self._calls.run(), self._events.run(), self._touch()]
            if self.shared:
                chores.append(self._pulse.run())
            tasks = [asyncio.create_task(chore, name=f"fleet {number}") for number, chore in enumerate(chores)]
            stack.push_async_callback(self._leave, tasks)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exit.__aexit__(kind, error, trace)

    @property
    def shared(self) -> bool:
        """Other nodes may exist."""
        return self._reach.store.shared

    @property
    def away(self) -> str | None:
        """Why the store cannot be reached now, or why this node is not in its registry."""
        if self._reach.away is not None:
            return self._reach.away
        return self._nodes.displaced and f"another process runs as node {self.node}"

    async def back(self) -> None:
        """Until the store can be reached."""
        await self._reach.back()

    @property
    def positions(self) -> Positions:
        """Reply id and heard samples of each call whose reply sounds; asked every 50 ms."""
        return self._pulse.positions

    @positions.setter
    def positions(self, positions: Positions) -> None:
        self._pulse.positions = positions

    @property
    def dropped(self) -> int:
        """Fields of memories that were too large to be written."""
        return self._calls.dropped

    # The nodes

    def record(self) -> NodeRecord:
        """This node as it is now."""
        return NodeRecord(
            id=self.node,
            instance=self.instance,
            url=self._url,
            group=self._group,
            version=self._version,
            started_s=self._started_s,
            draining=self._draining,
            ready=self.ready(),
            load=self.load(),
        )

    @property
    def draining(self) -> bool:
        """No new call is placed here."""
        return self._draining

    def drain(self) -> None:
        """Place no new call here; the others know it at once."""
        self._draining = True
        self.tell()

    def undrain(self) -> None:
        """Place calls here again."""
        self._draining = False
        self.tell()

    def tell(self) -> None:
        """Let the others know this node as it is now, before its next heartbeat."""
        self._nodes.beat_now()

    async def nodes(self) -> list[NodeRecord]:
        """The nodes whose heartbeat is fresh. Raises FleetAway."""
        found = {record.id: record for record in await self._nodes.all()}
        if found.get(self.node, self.record()).instance == self.instance:
            found[self.node] = self.record()
        return sorted(found.values(), key=lambda record: record.id)

    async def forget(self, node: str) -> None:
        """The process of a node is over: the others need not wait for its heartbeat to grow old. Never raises."""
        await self._nodes.forget(node)

    async def place(self, *, but: Container[str] = ()) -> NodeRecord | None:
        """The node for a new call: the least loaded that takes calls. None: the fleet is full. Never raises."""
        return await self._nodes.place(but)

    async def alive(self, node: str) -> bool:
        """Whether a node answers. A node that was started again answers, too, and has none of its calls: see `holds`.
        Raises FleetAway."""
        try:
            await self.ask(node, PING, {}, within_ms=self._dead_ms)
        except NodeSilent:
            return False
        except CommandRefused:
            pass
        return True

    async def holds(self, record: CallRecord) -> bool:
        """Whether a call's node answers and still has the call. Raises FleetAway."""
        if not record.node:
            return False
        try:
            answer = await self.ask(record.node, HOLDS, {"call": record.id}, within_ms=self._dead_ms)
        except NodeSilent:
            return False
        except CommandRefused:
            return True
        return bool(answer["holds"])

    # The calls of this node

    async def add_call(self, record: CallRecord) -> None:
        """The call runs here. Returns when the others can find it, or after 250 ms."""
        self._calls.own(msgspec.structs.replace(record, node=self.node, moved=False))
        await self._within(self._calls.stored(record.id))

    async def remove_call(self, call_id: str) -> None:
        """The call is over. Returns when the others know it, or after 250 ms. A call that is not ours is left alone."""
        self._pulse.forget(call_id)
        self._events.end(call_id)
        if self._calls.end(call_id) is not None:
            await self._within(self._calls.ended(call_id))

    def remember(self, call_id: str, fields: Mapping[str, bytes | None]) -> None:
        """Have fields of a call's memory written; None removes one. Never waits, never raises. Bounds: bounds.py."""
        if self.shared:
            self._calls.remember(call_id, fields)

    async def remembered(self, call_id: str, *, within_ms: float = 250) -> bool:
        """Whether all that was to be remembered of a call is stored. False: the store is away or late."""
        try:
            async with asyncio.timeout(within_ms / 1000):
                await self._calls.stored(call_id)
        except TimeoutError:
            return False
        return True

    async def release(self, call_id: str) -> bool:
        """Let another node claim a call of ours, with all its memory. False: the call is not ours any more. Raises
        FleetAway: it stays ours."""
        released = await self._calls.release(call_id, self._pulse.of(call_id))
        if released:
            self._pulse.forget(call_id)
            self._events.end(call_id, moved=True)
        return released

    # The calls of all nodes

    async def find_call(self, call_id: str) -> CallRecord | None:
        """A call on any node. Raises FleetAway, unless it is this node's."""
        return await self._directory.find_call(call_id)

    async def find_ended(self, call_id: str) -> str | None:
        """The node that had a call last which ended in the last 10 minutes. None: none is known. Raises FleetAway."""
        return await self._directory.find_ended(call_id)

    async def find_by_network(self, network: str, network_id: str) -> CallRecord | None:
        """A call on any node, by its network's id. Raises FleetAway."""
        return await self._directory.find_by_network(network, network_id)

    async def calls(self) -> list[CallRecord]:
        """The calls of all nodes, oldest first. Raises FleetAway."""
        return await self._directory.calls()

    async def recall(self, record: CallRecord, field: str) -> bytes | None:
        """One field of the memory of a call on any node. None: there is none. Raises FleetAway, MemoryRefused."""
        return await self._directory.recall(record, field)

    async def claim(self, record: CallRecord) -> Memory | None:
        """Make a call this node's, if no other node did: one wins for each epoch. None: another has it, or it is gone.

        Raises FleetAway; MemoryRefused: the memory cannot be trusted, and the call is gone with it."""
        mine = msgspec.structs.replace(record, node=self.node, epoch=record.epoch + 1, moved=False)
        memory = await self._directory.claim(record, mine, self._owner, self._keep_ms)
        if memory is not None:
            self._calls.own(mine, memory.fields)
        return memory

    # Commands and events

    def answer(self, name: str, handler: Handler) -> None:
        """Have commands of this name to this node done by a function. It raises BargeinError to refuse."""
        self._commands.answer(name, handler)

    async def ask(self, node: str, name: str, arguments: dict[str, Any], *, within_ms: int = 2000) -> dict[str, Any]:
        """Have a node do something: at least once, and done once. Raises FleetAway, NodeSilent, CommandRefused."""
        return await self._commands.ask(node, name, arguments, within_ms=within_ms)

    def publish(self, topic: str, text: str) -> None:
        """What came of a call of ours, for those who watch it on other nodes. topic: the call's id, for its events; or
        `audio_of` it. Never waits."""
        self._events.publish(topic, text)

    def watched(self, topic: str) -> bool:
        """Another node watches this of a call of ours."""
        return self._events.watched(topic)

    def watch(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """What comes of a call of another node, until it is over. Entering it raises FleetAway, NodeSilent,
        CommandRefused."""
        return self._events.watch(topic)

    async def spend(self, token: str, ttl_s: float) -> bool:
        """Use a one-time token. False: it was used before. Store away: this node's own memory decides."""
        return await self._spent.spend(token, ttl_s)

    # Its own chores

    @property
    def _dead_ms(self) -> int:
        return DEAD_MS if self._reach.settled else SETTLE_MS

    async def _demand_own_id(self) -> None:
        """Raises UsageError, FleetAway."""
        there = await self._nodes.holder(self.node)
        if there is None:
            return
        queue = f"{self.node}:{self.instance}"
        if await self._commands.is_answered(queue, self.node, PING, DEAD_MS):
            advice = "Give every node an id of its own (BARGEIN_NODE), or stop the other process first"
            raise UsageError(f"Another process runs as node {self.node!r} already", advice=advice)
        await self._reach.one(Delete(node_key(self.node), Match("instance", there.encode())))

    async def _touch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(TOUCH_S):
                    await self._reach.returned()
            except TimeoutError:
                pass
            try:
                await self._calls.touch()
            except FleetAway:
                await self._reach.back()
            except Exception:
                log.exception("The calls of this node could not be kept in the store")

    async def _leave(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(error, Exception):
                log.error("A task of the fleet had failed", exc_info=error)
        try:
            async with asyncio.timeout(WRITE_S):
                await self._nodes.leave()
        except (FleetAway, TimeoutError):
            pass  # its record expires by itself

    async def _within(self, waiting: Any) -> None:
        try:
            async with asyncio.timeout(WRITE_S):
                await waiting
        except TimeoutError:
            pass

    async def _ask_soon(self, node: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return await self.ask(node, name, arguments)

    def _on_lost(self, call_id: str) -> None:
        self._pulse.forget(call_id)
        self._events.end(call_id, moved=True)
        self.lost(call_id)

    async def _pong(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"instance": self.instance}

    async def _holds(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"holds": arguments["call"] in self._calls}

    async def _told_lost(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self._calls.lose(arguments["call"], arguments["epoch"])
        return {}

    async def _lease(self, arguments: dict[str, Any]) -> dict[str, Any]:
        call_id = str(arguments["call"])
        if call_id not in self._calls:
            raise CommandRefused(409, "call_over", "That call is over", advice="Look at it with GET /calls/{id}")
        topic = str(arguments.get("topic", call_id))
        self._events.lease(topic)
        self.leased(topic)
        return {}
