"""What nodes know of each other and of their calls. Every record crosses the store as msgpack."""

from __future__ import annotations

import msgspec

CALM_CALLS = 8  # from here on a node that runs too late takes no more
TOO_LATE_MS = 100.0


class Load(msgspec.Struct, frozen=True, array_like=True):
    """How much of a node's capacity is taken."""

    calls: int
    """Calls that run now."""
    most: int
    """Calls that the node takes at a time."""
    late_ms: float
    """How late the node's ticks and VAD windows come."""
    used: float
    """Share of the capacity that is taken: 0 is idle; from 1 on the promises to callers begin to break, and another
    node is better."""

    @property
    def has_room(self) -> bool:
        """The node can take one more call. A call that is answered a little late is better than one that is refused.
        With few calls lateness is not of their making: to refuse one more would help none."""
        return self.calls < self.most and (self.late_ms < TOO_LATE_MS or self.calls < CALM_CALLS)


class NodeRecord(msgspec.Struct, frozen=True, array_like=True):
    """A node (one server process), as its newest heartbeat described it."""

    id: str
    instance: str
    """Another one for each start of the process."""
    url: str | None
    """The node's own address for vendors and pages. None: {public address}/n/{id}."""
    group: str
    """The machine's or the supervisor's name, shared by the workers of one server."""
    version: str
    started_s: float
    """Store's time of the start, in s since 1970."""
    draining: bool
    ready: bool
    load: Load

    @property
    def takes_calls(self) -> bool:
        """A new call may be placed here."""
        return self.ready and not self.draining and self.load.has_room


class CallRecord(msgspec.Struct, frozen=True, array_like=True):
    """A call, and the node that runs it."""

    id: str
    node: str
    """"": the call left its node and waits for another."""
    agent: str
    network: str
    network_id: str
    """The network's own id of the call. "": it has none."""
    started_s: float
    epoch: int = 0
    """How many nodes ran the call before this one. Two nodes that claim one epoch: one of them gets it."""
    moved: bool = False
    """The call left its node as planned, and was not lost."""


class Memory(msgspec.Struct, frozen=True):
    """What a claimed call's former node remembered of it."""

    record: CallRecord
    """As it is after the claim: this node's."""
    fields: dict[str, bytes]
    position: tuple[int, int] | None
    """Reply id, and its samples that were heard, as the newest pulse told. None: no pulse named the call."""
    position_age_ms: float
    """Age of the position at the claim, by the store's clock."""
