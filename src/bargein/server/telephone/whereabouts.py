"""Where a telephone call is, when its network asks what follows a stream: here, on another node, nowhere, or over.

The network's question may land on any node. This node's own knowledge comes first and needs no store. Then the fleet's
registry tells the call's node, and that node is asked.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from bargein.errors import CommandRefused, FleetAway, NodeSilent
from bargein.server.hub import Hub
from bargein.server.telephone.recent_calls import CallState

log = logging.getLogger(__name__)

ASK_MS = 1_000
GIVE_UP_MS = 500  # for a quiet moment: the caller waits elsewhere
STATE, HAND_OVER = "telephone.state", "telephone.hand_over"  # commands


@dataclass(frozen=True, slots=True)
class Transferred:
    """How a transfer went. why: None: the other number has answered; else why it has not, for the model."""

    why: str | None


@dataclass(frozen=True, slots=True)
class Whereabouts:
    state: CallState
    node: str = ""
    """Of a live call."""


async def whereabouts(hub: Hub, network: str, id_: str, transferred: Transferred | None = None) -> Whereabouts:
    """Where a call is. transferred: told to the call first, wherever it is."""
    fleet = hub.fleet
    here = state_here(hub, network, id_, transferred)
    if here is not None:
        return Whereabouts(here, fleet.node)
    try:
        record = await fleet.find_by_network(network, id_)
        if record is None:
            return Whereabouts(CallState.OVER)
        if record.moved or record.node in ("", fleet.node):
            return Whereabouts(CallState.HOMELESS)
        if not await fleet.alive(record.node):
            # Its other callers wait for it no more, and no new call is placed there. A node that lives after all is
            # back with its next heartbeat.
            await fleet.forget(record.node)
            return Whereabouts(CallState.HOMELESS)
        asked: dict[str, object] = {"network": network, "id": id_}
        if transferred is not None:
            asked["transferred"] = transferred.why or ""
        told = await fleet.ask(record.node, STATE, asked, within_ms=ASK_MS)
        state = CallState(told["state"])
    except NodeSilent:
        return Whereabouts(CallState.HOMELESS)
    except FleetAway as error:
        log.warning("Call %s of %s: its node is unknown: %s", id_, network, error)
        return Whereabouts(CallState.UNKNOWN)
    except (CommandRefused, KeyError, ValueError):
        log.exception("Call %s of %s: its node gave no state", id_, network)
        return Whereabouts(CallState.HOMELESS)
    return Whereabouts(state, record.node if state is CallState.LIVE else "")


def state_here(hub: Hub, network: str, id_: str, transferred: Transferred | None) -> CallState | None:
    """What this node knows of a call. None: nothing."""
    kept = hub.kept.find(network, id_)
    if kept is None:
        return hub.recent_calls.state(network, id_)
    if transferred is not None and transferred.why is None:
        kept.call.transferred()
    elif transferred is not None:
        kept.call.not_transferred(transferred.why or "")
    return CallState.LIVE if kept.live else CallState.OVER


async def hand_over(hub: Hub, node: str, network: str, id_: str) -> bool:
    """Have another node give a call up, whose caller is here. False: it does not."""
    try:
        told = await hub.fleet.ask(node, HAND_OVER, {"network": network, "id": id_}, within_ms=ASK_MS)
    except (FleetAway, NodeSilent, CommandRefused) as error:
        log.warning("Call %s of %s stays on node %s: %s", id_, network, node, error)
        return False
    return bool(told.get("moved"))


def answer_for_telephones(hub: Hub) -> None:
    """This node's answers to the other nodes."""

    async def state(given: dict[str, object]) -> dict[str, object]:
        why = given.get("transferred")
        transferred = None if why is None else Transferred(str(why) or None)
        found = state_here(hub, str(given["network"]), str(given["id"]), transferred)
        return {"state": str(found or CallState.HOMELESS)}

    async def give_up(given: dict[str, object]) -> dict[str, object]:
        kept = hub.kept.find(str(given["network"]), str(given["id"]))
        if kept is None:
            return {"moved": False}
        return {"moved": await kept.call.move("its caller is on another server", GIVE_UP_MS)}

    hub.fleet.answer(STATE, state)
    hub.fleet.answer(HAND_OVER, give_up)
