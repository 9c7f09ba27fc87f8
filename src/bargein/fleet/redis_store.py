"""The store of many nodes: Redis 6.2 or newer, or Valkey.

Commands of Redis for each step, in one pipeline for each `run`:

    Put                             HSET, and PEXPIRE with a time to live; with a condition or a removal one EVALSHA
    Read, Lowest, Rank, Unrank      HGETALL or HMGET, ZRANGE, ZADD, ZREM
    Touch, Delete, Now, Publish     PEXPIRE, DEL (with a condition EVALSHA), TIME, PUBLISH
    Push                            XADD and PEXPIRE
    QueueTail, `pull`               XREVRANGE, XREAD

Keys begin with `bargein:`. Nothing here tries again by itself: a step that fails raises StoreAway, and the next `run`
connects anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from bargein.errors import UsageError
from bargein.fleet.listener import Listener
from bargein.fleet.reach import pause_s
from bargein.fleet.store import (
    QUEUE_ITEMS,
    Delete,
    Lowest,
    Match,
    Now,
    Operation,
    Publish,
    Push,
    Put,
    QueueItem,
    QueueTail,
    Rank,
    Read,
    StoreAway,
    Touch,
    Unrank,
)
from bargein.foreign import printable

log = logging.getLogger(__name__)

PREFIX = "bargein:"
CONNECT_S = 1.0
ANSWER_S = 5.0  # the fleet waits for less; this bounds what goes on behind a cancelled wait
CONNECTIONS = 8  # for steps; further ones wait for a free one
PULL_ITEMS = 256
BODY = b"b"
REFUSED = ("WRONGPASS", "NOAUTH", "invalid username-password", "invalid password", "without any password configured")

CONDITION = """
local function holds(name, kind, value)
  if kind == '' then return true end
  local found = redis.call('HGET', KEYS[1], name)
  if kind == 'absent' then return not found end
  return found == value or (kind == 'or_absent' and not found)
end
"""
# ARGV: name, kind and value of the condition; time to live or ''; count of fields to set; names and values; removals
PUT = (
    CONDITION
    + """
if not holds(ARGV[1], ARGV[2], ARGV[3]) then return 0 end
local after = 5 + 2 * tonumber(ARGV[5])
for i = 6, after, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
for i = after + 1, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
if ARGV[4] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return 1
"""
)
DELETE = CONDITION + "if not holds(ARGV[1], ARGV[2], ARGV[3]) then return 0 end return redis.call('DEL', KEYS[1])"


class RedisStore:
    """One node's way to Redis: a few connections for steps, one for its queue, and one for each channel."""

    shared = True

    def __init__(self, url: str) -> None:
        """url: `redis://`, `rediss://` or `unix://`. Raises UsageError, which does not show it."""
        try:
            self._client = _client(url, CONNECTIONS, ANSWER_S)
            self._reader = _client(url, 2, ANSWER_S)
            self._listener = _client(url, 1024, None)
        except (ValueError, TypeError):
            advice = "Write BARGEIN_REDIS_URL as redis://user:password@host:6379/0, rediss://... or unix:///path"
            raise UsageError("The address of Redis cannot be read", advice=advice) from None
        settings = self._client.connection_pool.connection_kwargs
        self._where = str(settings.get("path") or f"{settings.get('host', 'localhost')}:{settings.get('port', 6379)}")
        self._put = self._client.register_script(PUT)
        self._delete = self._client.register_script(DELETE)

    async def run(self, steps: Sequence[Operation[Any]]) -> list[Any]:
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                counts = [self._add(pipeline, step) for step in steps]
                answers = await pipeline.execute(raise_on_error=False)
            found: list[Any] = []
            for step, count in zip(steps, counts, strict=True):
                first, *more = answers[:count]
                del answers[:count]
                if isinstance(first, NoScriptError):
                    first = await self._load_and_run(step)
                for each in (first, *more):
                    if isinstance(each, Exception):
                        raise each
                found.append(_read(step, first))
        except (RedisError, OSError) as error:
            raise StoreAway(self._plain(error)) from None
        return found

    async def pull(self, queue: str, after: str, wait_ms: int) -> list[QueueItem]:
        try:
            streams: Any = await self._reader.xread({PREFIX + queue: after}, count=PULL_ITEMS, block=max(1, wait_ms))
        except (RedisError, OSError) as error:
            raise StoreAway(self._plain(error)) from None
        reader = asyncio.current_task()
        if reader is not None and reader.cancelling():  # the client took the cancellation for the end of its own wait
            raise asyncio.CancelledError
        return [_item(position, fields) for _, items in streams or () for position, fields in items]

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[AsyncIterator[bytes]]:
        listener = Listener()
        listening: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._listen(channel, listener, listening), name=f"listen to {channel}")
        try:
            await asyncio.wait([listening, task], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            yield listener.messages()
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def aclose(self) -> None:
        for client in (self._client, self._reader, self._listener):
            await client.aclose(close_connection_pool=True)

    async def _listen(self, channel: str, listener: Listener, listening: asyncio.Future[None]) -> None:
        """Over all breaks of the connection. Raises StoreAway where the first attempt fails."""
        failures = 0
        while True:
            pubsub = self._listener.pubsub(ignore_subscribe_messages=False)
            try:
                await pubsub.subscribe(PREFIX + channel)
                while True:
                    message = await pubsub.get_message(timeout=None)
                    if message is None:
                        continue
                    if message["type"] == "subscribe":
                        failures = 0
                        if not listening.done():
                            listening.set_result(None)
                    elif message["type"] == "message":
                        listener.give(message["data"])
            except (RedisError, OSError) as error:
                if not listening.done():
                    raise StoreAway(self._plain(error)) from None
                failures += 1
            finally:
                await pubsub.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(pause_s(failures))

    def _add(self, pipeline: Any, step: Operation[Any]) -> int:
        """Queue a step's commands; how many there are."""
        match step:
            case Put(key, fields, ttl_ms, only_if):
                given = {name: value for name, value in fields.items() if value is not None}
                if only_if is not None or len(given) < len(fields):
                    pipeline.execute_command("EVALSHA", self._put.sha, 1, PREFIX + key, *_put_arguments(step))
                    return 1
                pipeline.hset(PREFIX + key, mapping=given)
                if ttl_ms is not None:
                    pipeline.pexpire(PREFIX + key, ttl_ms)
                    return 2
            case Read(key, None):
                pipeline.hgetall(PREFIX + key)
            case Read(key, names):
                pipeline.hmget(PREFIX + key, names)
            case Touch(key, ttl_ms):
                pipeline.pexpire(PREFIX + key, ttl_ms)
            case Delete(key, None):
                pipeline.delete(PREFIX + key)
            case Delete(key, only_if):
                pipeline.execute_command("EVALSHA", self._delete.sha, 1, PREFIX + key, *_condition(only_if))
            case Rank(index, name, score):
                pipeline.zadd(PREFIX + index, {name: score})
            case Unrank(index, name):
                pipeline.zrem(PREFIX + index, name)
            case Lowest(index, most):
                pipeline.zrange(PREFIX + index, 0, most - 1)
            case Push(queue, item, ttl_ms):
                pipeline.xadd(PREFIX + queue, {BODY: item}, maxlen=QUEUE_ITEMS, approximate=True)
                pipeline.pexpire(PREFIX + queue, ttl_ms)
                return 2
            case QueueTail(queue):
                pipeline.xrevrange(PREFIX + queue, count=1)
            case Publish(channel, message):
                pipeline.publish(PREFIX + channel, message)
            case Now():
                pipeline.time()
            case _:
                raise TypeError(type(step).__name__)
        return 1

    async def _load_and_run(self, step: Operation[Any]) -> Any:
        """Redis was started again, or its scripts were flushed: this step did nothing yet."""
        for script in (PUT, DELETE):
            await self._client.script_load(script)
        async with self._client.pipeline(transaction=False) as pipeline:
            self._add(pipeline, step)
            (answer,) = await pipeline.execute()
        return answer

    def _plain(self, error: Exception) -> str:
        """What is wrong with Redis, in plain words; its address, but no password."""
        match error:
            case AuthenticationError() | AuthorizationError():
                what = "refuses the user or the password"
            case NoPermissionError():
                what = "does not let its user do this"
            case OutOfMemoryError():
                what = "has no memory left (maxmemory)"
            case ReadOnlyError():
                what = "is a replica, which can only be read"
            case BusyLoadingError():
                what = "is loading its data"
            case RedisError() if any(each in str(error) for each in REFUSED):
                what = "refuses the user or the password"
            case RedisTimeoutError():
                what = "does not answer"
            case RedisConnectionError() | OSError():
                what = "cannot be reached"
            case ResponseError() if str(error).startswith("OOM"):
                what = "has no memory left (maxmemory)"
            case _:
                what = f"refuses: {printable(error, 120)}"
        return f"Redis at {printable(self._where, 120)} {what}"


def _client(url: str, connections: int, answer_s: float | None) -> Redis:
    pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=CONNECT_S,
        protocol=2,
        socket_connect_timeout=CONNECT_S,
        socket_timeout=answer_s,
        **({} if url.startswith("unix:") else {"socket_keepalive": True}),
        retry=Retry(NoBackoff(), 0),
        client_name="bargein",
    )
    return Redis.from_pool(pool)


def _condition(only_if: Match | None) -> tuple[str, str, bytes]:
    if only_if is None:
        return "", "", b""
    kind = "absent" if only_if.value is None else "or_absent" if only_if.or_absent else "equal"
    return only_if.name, kind, only_if.value or b""


def _put_arguments(put: Put) -> list[str | bytes | int]:
    given = {name: value for name, value in put.fields.items() if value is not None}
    ttl = "" if put.ttl_ms is None else put.ttl_ms
    arguments: list[str | bytes | int] = [*_condition(put.only_if), ttl, len(given)]
    for name, value in given.items():
        arguments += [name, value]
    return arguments + [name for name, value in put.fields.items() if value is None]


def _read(step: Operation[Any], answer: Any) -> Any:
    """A step's answer, as the store gives it."""
    match step:
        case Put(_, _, _, only_if):
            return bool(answer) if only_if is not None else True
        case Read(_, None):
            return {name.decode(): value for name, value in answer.items()}
        case Read(_, names):
            return {name: value for name, value in zip(names or (), answer, strict=True) if value is not None}
        case Touch() | Delete():
            return bool(answer)
        case Lowest():
            return [name.decode() for name in answer]
        case QueueTail():
            return answer[0][0].decode() if answer else "0-0"
        case Now():
            return answer[0] * 1000 + answer[1] // 1000
        case _:
            return None


def _item(position: bytes, fields: dict[bytes, bytes]) -> QueueItem:
    text = position.decode()
    return QueueItem(text, int(text.partition("-")[0]), fields[BODY])
