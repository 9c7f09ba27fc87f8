"""What became of the telephone calls of this node, for a network that asks what follows a stream."""

from __future__ import annotations

from collections import OrderedDict
from enum import StrEnum

TAKEN_OVER = "another server has taken the call over"  # why a call ended, whose node was thought dead
KNOWN = 2_000  # calls whose end is remembered: a network asks at once


class CallState(StrEnum):
    """Of a call, for the network that asks what comes next."""

    LIVE = "live"
    """A node has the call, and waits for a stream."""
    OVER = "over"
    """The call has ended on purpose, or there never was one."""
    TURNED_AWAY = "turned_away"
    """A node had no place for the caller."""
    HOMELESS = "homeless"
    """The call's node is gone, or has given the call up: another node takes it."""
    UNKNOWN = "unknown"
    """The registry cannot be reached."""


class RecentCalls:
    """What became of telephone calls of this node, by network and the network's id. Bounded: the oldest go first."""

    def __init__(self) -> None:
        self._states: OrderedDict[tuple[str, str], CallState] = OrderedDict()

    def note(self, network: str, id_: str, state: CallState) -> None:
        if not id_:
            return
        self._states[network, id_] = state
        self._states.move_to_end((network, id_))
        while len(self._states) > KNOWN:
            self._states.popitem(last=False)

    def forget(self, network: str, id_: str) -> None:
        """The call begins here."""
        self._states.pop((network, id_), None)

    def state(self, network: str, id_: str) -> CallState | None:
        return self._states.get((network, id_))
