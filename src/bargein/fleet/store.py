"""What a fleet stands on: one place that all nodes reach, with few and small operations on bytes.

Keys hold fields (a hash) and may expire. Indices hold names in order of a score. Queues keep their items in order for
the one node that reads them. Channels pass a message to those that listen now, and keep nothing. Time is the store's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, Protocol, TypeVar

import msgspec

R_co = TypeVar("R_co", covariant=True)
QUEUE_ITEMS = 4096  # of one queue; then the oldest is dropped


class StoreAway(Exception):
    """The store cannot be reached, or refuses to work. why: in plain words, without a secret."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Match(msgspec.Struct, frozen=True, array_like=True):
    """A condition on one field of a key."""

    name: str
    value: bytes | None
    """What the field must be. None: absent."""
    or_absent: bool = False
    """The field may be absent, too."""

    def holds(self, fields: dict[str, bytes]) -> bool:
        found = fields.get(self.name)
        return found == self.value or (self.or_absent and found is None)


class Operation(msgspec.Struct, Generic[R_co], frozen=True, array_like=True, tag=True):
    """One step, atomic by itself. R_co: what it answers."""


class Put(Operation[bool], frozen=True, array_like=True, tag="put"):
    """Set fields of a key; None removes one. False: the condition did not hold, and nothing was changed."""

    key: str
    fields: dict[str, bytes | None]
    ttl_ms: int | None = None
    """The key's time to live from now on. None: as it was."""
    only_if: Match | None = None


class Read(Operation[dict[str, bytes]], frozen=True, array_like=True, tag="read"):
    """Fields of a key; {} for a key that is not there."""

    key: str
    names: tuple[str, ...] | None = None
    """None: all."""


class Touch(Operation[bool], frozen=True, array_like=True, tag="touch"):
    """Let a key live so long from now on. False: it is not there."""

    key: str
    ttl_ms: int


class Delete(Operation[bool], frozen=True, array_like=True, tag="delete"):
    """Remove a key. False: it was not there, or the condition did not hold."""

    key: str
    only_if: Match | None = None


class Rank(Operation[None], frozen=True, array_like=True, tag="rank"):
    """Put a name into an index, or give it another score."""

    index: str
    name: str
    score: float


class Unrank(Operation[None], frozen=True, array_like=True, tag="unrank"):
    """Take a name out of an index."""

    index: str
    name: str


class Lowest(Operation[list[str]], frozen=True, array_like=True, tag="lowest"):
    """Names of an index, lowest score first."""

    index: str
    most: int


class Push(Operation[None], frozen=True, array_like=True, tag="push"):
    """Append an item to a queue. The queue is gone when nothing was pushed for the time to live."""

    queue: str
    item: bytes
    ttl_ms: int


class QueueTail(Operation[str], frozen=True, array_like=True, tag="tail"):
    """Position of a queue's newest item: where a reader begins that wants only what comes later."""

    queue: str


class Publish(Operation[None], frozen=True, array_like=True, tag="publish"):
    """Pass a message to those that listen to the channel now."""

    channel: str
    message: bytes


class Now(Operation[int], frozen=True, array_like=True, tag="now"):
    """The store's time, in ms since 1970."""


Step = Put | Read | Touch | Delete | Rank | Unrank | Lowest | Push | QueueTail | Publish | Now


class QueueItem(msgspec.Struct, frozen=True, array_like=True):
    """An item of a queue."""

    position: str
    """To read on from."""
    pushed_ms: int
    """Store's time of the push, in ms since 1970."""
    body: bytes


class Store(Protocol):
    """Every method raises StoreAway."""

    shared: bool
    """Other nodes may use it, too."""

    async def run(self, steps: Sequence[Operation[Any]]) -> list[Any]:
        """The answers, in order. One round trip; each step is atomic, all together are not."""
        ...

    async def pull(self, queue: str, after: str, wait_ms: int) -> list[QueueItem]:
        """The items that came after a position, oldest first; waits for the first. []: none came in time."""
        ...

    def listen(self, channel: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The messages of a channel from now on, over all breaks of the connection. What comes during a break is
        missed, and so is what a slow listener does not take."""
        ...

    async def aclose(self) -> None:
        """Close this node's way to it."""
        ...


R = TypeVar("R")


async def one(store: Store, step: Operation[R]) -> R:
    """The answer of one step."""
    (answer,) = await store.run([step])
    found: R = answer
    return found
