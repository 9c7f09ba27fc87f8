"""Which node takes a page's call: the one that it has reached, or one with more room.

A page is sent elsewhere once for each call, before the call begins:

- this node has no room, runs late or drains, and another has room;
- or this node's capacity is more taken than the other's by AWAY_BY: less is not worth another connection, and a node's
  load is known to the others a second late.

A client that does not follow is taken here while there is room.
"""

from __future__ import annotations

from bargein.fleet.records import CALM_CALLS, Load
from bargein.server.hub import Hub
from bargein.transports.browser.wire import Hello

AWAY_BY = 0.25  # of a node's capacity


def address_of(node: str, url: str | None) -> str:
    """Where a client reaches a node: its own address, or a path before every path of ours."""
    return url or f"/n/{node}"


async def better_node(hub: Hub, hello: Hello) -> tuple[str, str] | None:
    """Where a hello that begins a call should go instead, and why. None: this node takes it, or refuses it."""
    if not hub.fleet.shared or not hello.follows or hello.direct is not None:  # a direct call waits on this node
        return None
    node = await hub.fleet.place()
    if node is None or node.id == hub.fleet.node:
        return None
    if not (has_room(hub) and hub.fleet.load().has_room):
        return address_of(node.id, node.url), "this server takes no more calls"
    if _taken(hub.fleet.load()) - _taken(node.load) >= AWAY_BY:
        return address_of(node.id, node.url), "another server has more room"
    return None


def _taken(load: Load) -> float:
    """Share of a node's capacity. How late a node with few calls runs is not of their making."""
    return load.used if load.calls >= CALM_CALLS else load.calls / max(load.most, 1)


def has_room(hub: Hub) -> bool:
    """This node has a place, and keeps its calls. A node that runs late has room for a call that was lost: what it is
    owed is an answer at once."""
    full = hub.calls.taken >= hub.settings.max_calls
    return not (full or hub.calls.closing or hub.fleet.draining)


async def next_home(hub: Hub) -> str | None:
    """Where a call that leaves this node should go on. None: any node may take it."""
    node = await hub.fleet.place(but={hub.fleet.node})
    return None if node is None else address_of(node.id, node.url)
