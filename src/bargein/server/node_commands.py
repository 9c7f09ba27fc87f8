"""What an operator does to a node: this one does it, or asks the one that is meant."""

from __future__ import annotations

import asyncio
from typing import Any

from bargein.errors import FleetAway
from bargein.server.hub import Hub

DRAIN, UNDRAIN = "drain", "undrain"


async def drain_nodes(hub: Hub, node: str | None, *, move: bool) -> list[dict[str, Any]]:
    """node: None: this server, with all its workers. Raises FleetAway, NodeSilent, CommandRefused."""
    return await _all(hub, DRAIN, node, {"move": move})


async def undrain_nodes(hub: Hub, node: str | None) -> list[dict[str, Any]]:
    """node: None: this server, with all its workers. Raises FleetAway, NodeSilent, CommandRefused."""
    return await _all(hub, UNDRAIN, node, {})


def answer_nodes(hub: Hub) -> None:
    """Let other nodes ask this one."""

    async def drain(given: dict[str, Any]) -> dict[str, Any]:
        hub.drain.begin(move=bool(given["move"]))
        return {"node": hub.fleet.node, "draining": True, "calls": len(hub.calls.ids)}

    async def undrain(_: dict[str, Any]) -> dict[str, Any]:
        await hub.drain.stop()
        return {"node": hub.fleet.node, "draining": hub.calls.closing, "calls": len(hub.calls.ids)}

    hub.fleet.answer(DRAIN, drain)
    hub.fleet.answer(UNDRAIN, undrain)


async def _all(hub: Hub, name: str, node: str | None, given: dict[str, Any]) -> list[dict[str, Any]]:
    ids = [node] if node is not None else await _of_this_server(hub)
    return list(await asyncio.gather(*(hub.fleet.ask(each, name, given) for each in ids)))


async def _of_this_server(hub: Hub) -> list[str]:
    """Its workers, or the one node that it is."""
    group = hub.fleet.record().group
    if group == hub.fleet.node:
        return [hub.fleet.node]
    try:
        return [record.id for record in await hub.fleet.nodes() if record.group == group]
    except FleetAway:
        return [hub.fleet.node]
