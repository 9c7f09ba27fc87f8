"""Commands from node to node: at least once, done once, and answered.

Every node reads one queue, with commands to it and the answers to its own. After a break the reader begins again at the
queue's head: what it has done is known by its id and is only answered again. A command whose sender has given up is
not done.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from bargein.errors import BargeinError, CommandRefused, FleetAway, NodeSilent
from bargein.fleet.keys import INSTANCE, QUEUE_TTL_MS, control_queue, node_key
from bargein.fleet.reach import Reach, pause_s
from bargein.fleet.store import QUEUE_ITEMS, Push, QueueItem, QueueTail, Read, StoreAway

log = logging.getLogger(__name__)

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]

PULL_MS = 1_000  # one look at the queue
AT_ONCE = 256  # commands that a node works on
SILENT_ADVICE = "Whether it did as it was asked is unknown: look at the call (GET /calls/{id}), then ask again"


class NodeCommand(msgspec.Struct, frozen=True, array_like=True, tag="ask"):
    """A command. answer_to: a queue. within_ms: after that, its sender waits no more."""

    id: str
    answer_to: str
    name: str
    arguments: dict[str, Any]
    within_ms: int


class CommandAnswer(msgspec.Struct, frozen=True, array_like=True, tag="answer"):
    """To a command. refused: status, code, message, advice."""

    id: str
    result: dict[str, Any] | None = None
    refused: tuple[int, str, str, str] | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(NodeCommand | CommandAnswer).decode


class NodeCommands:
    """Of one node. A command costs two commands of the store to send, and two to answer."""

    def __init__(self, reach: Reach, node: str) -> None:
        self.node = node
        self._reach = reach
        self._queue = control_queue(node)
        self._handlers: dict[str, Handler] = {}
        self._waiting: dict[str, asyncio.Future[CommandAnswer]] = {}
        self._known: OrderedDict[str, CommandAnswer | None] = OrderedDict()  # None: it is being done
        self._places = asyncio.Semaphore(AT_ONCE)
        self._start: str | None = None

    def answer(self, name: str, handler: Handler) -> None:
        """Have commands of this name done by a function. It raises BargeinError to refuse."""
        self._handlers[name] = handler

    async def begin(self) -> None:
        """Only what comes from now on is read. Raises FleetAway."""
        self._start = await self._reach.one(QueueTail(self._queue))

    async def ask(self, node: str, name: str, arguments: dict[str, Any], *, within_ms: int) -> dict[str, Any]:
        """Have another node do something; its answer. Raises FleetAway, NodeSilent, CommandRefused."""
        if node == self.node:
            return _result(await self._do(name, arguments))
        loop = asyncio.get_running_loop()
        ask = NodeCommand(secrets.token_hex(8), self._queue, name, arguments, within_ms)
        future: asyncio.Future[CommandAnswer] = loop.create_future()
        self._waiting[ask.id] = future
        try:
            return _result(await self._send(ask, node, future, loop.time() + within_ms / 1000))
        finally:
            del self._waiting[ask.id]

    async def is_answered(self, answer_to: str, node: str, name: str, within_ms: int) -> bool:
        """Whether a node answers a command, to a queue that no task reads. Raises FleetAway."""
        ask = NodeCommand(secrets.token_hex(8), answer_to, name, {}, within_ms)
        _, after = await self._reach.run([Push(control_queue(node), _encode(ask), QUEUE_TTL_MS), QueueTail(answer_to)])
        try:
            return bool(await self._reach.store.pull(answer_to, after, within_ms))
        except StoreAway as error:
            self._reach.lose(error.why)
            raise self._reach.error() from None

    async def _send(
        self, ask: NodeCommand, node: str, future: asyncio.Future[CommandAnswer], until_s: float
    ) -> CommandAnswer:
        """Push until there is an answer: again after half of the time, for a store that lost the first."""
        loop = asyncio.get_running_loop()
        steps = [Push(control_queue(node), _encode(ask), QUEUE_TTL_MS), Read(node_key(node), (INSTANCE,))]
        failures, sent = 0, False
        while (left_s := until_s - loop.time()) > 0.001:
            try:
                _, there = await self._reach.run(steps, within_ms=max(left_s * 1000, 250))
            except FleetAway:
                failures += 1
                wait_s = min(pause_s(failures), left_s)
            else:
                if not there and self._reach.settled:
                    raise NodeSilent(f"Node {node!r} is gone", advice=SILENT_ADVICE)
                wait_s = left_s if sent else left_s / 2
                sent = True
            await asyncio.wait([future], timeout=wait_s)
            if future.done():
                return future.result()
        if not sent:
            raise self._reach.error()
        raise NodeSilent(f"Node {node!r} did not answer {ask.name!r} within {ask.within_ms} ms", advice=SILENT_ADVICE)

    async def run(self) -> None:
        """Read the queue and do what it asks, until cancelled."""
        failures, position = 0, self._start
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    if position is None:
                        position = await self._reach.one(QueueTail(self._queue))
                    items = await self._reach.store.pull(self._queue, position, PULL_MS)
                    failures = 0
                except (StoreAway, FleetAway) as error:
                    if isinstance(error, StoreAway):
                        self._reach.lose(error.why)
                    failures += 1
                    position = position and "0"  # what came during the break, and what a restarted store numbers anew
                    await asyncio.sleep(pause_s(failures))
                    continue
                for item in items:
                    position = item.position
                    await self._take(item, group)

    async def _take(self, item: QueueItem, group: asyncio.TaskGroup) -> None:
        try:
            message = _decode(item.body)
        except msgspec.MsgspecError:
            log.warning("A command that cannot be read was skipped: is another version of Bargein in the fleet?")
            return
        if isinstance(message, CommandAnswer):
            future = self._waiting.get(message.id)
            if future is not None and not future.done():
                future.set_result(message)
            return
        if item.pushed_ms + message.within_ms < self._reach.now_ms:  # its sender waits no more
            if message.id not in self._known:
                log.info("Command %s came too late, and was not done", message.name)
            return
        if message.id in self._known:
            if (known := self._known[message.id]) is not None:
                group.create_task(self._tell(message, known), name="answer again")
            return
        self._known[message.id] = None
        if len(self._known) > QUEUE_ITEMS:
            self._known.popitem(last=False)
        await self._places.acquire()
        group.create_task(self._obey(message), name=f"command {message.name}")

    async def _obey(self, ask: NodeCommand) -> None:
        try:
            answer = await self._do(ask.name, ask.arguments)
            answer = CommandAnswer(ask.id, answer.result, answer.refused)
            if ask.id in self._known:
                self._known[ask.id] = answer
            await self._tell(ask, answer)
        finally:
            self._places.release()

    async def _do(self, name: str, arguments: dict[str, Any]) -> CommandAnswer:
        handler = self._handlers.get(name)
        if handler is None:
            advice = "Run one version of Bargein on every node"
            return CommandAnswer("", refused=(501, "unknown_command", f"The node knows no command {name!r}", advice))
        try:
            return CommandAnswer("", await handler(arguments))
        except CommandRefused as error:
            return CommandAnswer("", refused=(error.status, error.code, error.message, error.advice))
        except BargeinError as error:
            status, code = getattr(error, "status", 422), getattr(error, "code", "bad_request")
            return CommandAnswer("", refused=(status, code, error.message, error.advice))
        except Exception as error:
            log.exception("The command %s failed", name)
            advice = f"See the log of node {self.node}"
            return CommandAnswer("", refused=(500, "failed", f"{type(error).__name__} in {name!r}", advice))

    async def _tell(self, ask: NodeCommand, answer: CommandAnswer) -> None:
        """Push the answer, as long as it is waited for."""
        if not ask.answer_to:
            return
        loop = asyncio.get_running_loop()
        until_s, failures = loop.time() + ask.within_ms / 1000, 0
        push = Push(ask.answer_to, _encode(answer), QUEUE_TTL_MS)
        while True:
            try:
                await self._reach.one(push)
            except FleetAway:
                failures += 1
                if loop.time() > until_s:
                    return
                await asyncio.sleep(pause_s(failures))
            else:
                return


def told(name: str, arguments: dict[str, Any], *, within_ms: int) -> bytes:
    """A command that wants no answer, as an item of a queue."""
    return _encode(NodeCommand(secrets.token_hex(8), "", name, arguments, within_ms))


def _result(answer: CommandAnswer) -> dict[str, Any]:
    """Raises CommandRefused."""
    if answer.refused is not None:
        status, code, message, advice = answer.refused
        raise CommandRefused(status, code, message, advice=advice)
    return answer.result or {}
