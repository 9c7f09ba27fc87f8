"""What an operator does to a call, wherever it runs: this node does it, or asks the node that has the call.

While the fleet's store is away, calls of this node answer as ever; of others, nothing is known (503 `fleet_away`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bargein.errors import BargeinError, FleetAway, UsageError, VendorLost, VendorRefused
from bargein.fleet.records import NodeRecord
from bargein.floor import Policy
from bargein.protocols import MOVED
from bargein.server.hub import Hub
from bargein.server.records.deletion import delete_call
from bargein.server.refusals import Refusal

WITHIN_MS = 2_000  # for another node's answer
TRANSFER_MS = 50_000  # the vendor is asked, too, and a SIP phone calls the other number meanwhile
ASKED_AT_ONCE = 32  # nodes, for a listing of all calls
LISTING = "calls"
_PREFIX = "call."  # of the commands' names between nodes

Given = Mapping[str, Any]
Do = Callable[[Hub, str, Given], Awaitable[dict[str, Any]]]


async def command(hub: Hub, name: str, call_id: str, **given: object) -> dict[str, Any]:
    """Have it done by the node that has the call. Raises Refusal, FleetAway, NodeSilent, CommandRefused."""
    home = await home_of(hub, call_id)
    if home is None:
        return await _COMMANDS[name](hub, call_id, given)
    within_ms = TRANSFER_MS if name == "transfer" else WITHIN_MS
    return await hub.fleet.ask(home, _PREFIX + name, {"call": call_id, **given}, within_ms=within_ms)


async def everywhere(hub: Hub, name: str, call_id: str, **given: object) -> list[dict[str, Any]]:
    """Have it done by the node that has the call, and then by all others. Raises what `command` raises."""
    done = [await command(hub, name, call_id, **given)]
    if hub.fleet.shared:
        nodes = [node.id for node in await hub.fleet.nodes() if node.id != hub.fleet.node]
        asked = {"call": call_id, **given}
        done.append(await _COMMANDS[name](hub, call_id, given))
        done += await asyncio.gather(*(hub.fleet.ask(n, _PREFIX + name, asked, within_ms=WITHIN_MS) for n in nodes))
    return done


async def home_of(hub: Hub, call_id: str) -> str | None:
    """The other node that has a call, or had it last. None: this one has, or none is known. Raises FleetAway, and
    Refusal for a call between two nodes."""
    ended = hub.calls.ended(call_id)
    if not hub.fleet.shared or hub.calls.is_live(call_id) or (ended is not None and ended["over"] != MOVED):
        return None
    record = await hub.fleet.find_call(call_id)
    home = await hub.fleet.find_ended(call_id) if record is None else record.node
    if home == "":
        advice = "Ask again in a second"
        raise Refusal(503, "call_moving", "That call is on its way to another server", advice=advice)
    return None if home == hub.fleet.node else home


async def listing(hub: Hub) -> dict[str, Any]:
    """The calls of all nodes, newest first, each with its node. `unknown`: why some may be missing."""
    own = _listed_here(hub)
    if not hub.fleet.shared:
        return own
    try:
        nodes = [node for node in await hub.fleet.nodes() if node.id != hub.fleet.node]
    except FleetAway as error:
        return own | {"unknown": f"calls of other nodes. {error}"}
    at_once = asyncio.Semaphore(ASKED_AT_ONCE)

    async def of(node: NodeRecord) -> dict[str, Any] | str:
        try:
            async with at_once:
                return await hub.fleet.ask(node.id, LISTING, {}, within_ms=WITHIN_MS)
        except BargeinError as error:
            return error.message

    answers = await asyncio.gather(*(of(node) for node in nodes))
    lists = [own, *(each for each in answers if not isinstance(each, str))]
    found: dict[str, Any] = {
        kind: sorted((call for each in lists for call in each[kind]), key=_started, reverse=True)
        for kind in ("calls", "finished")
    }
    unknown = [each for each in answers if isinstance(each, str)]
    return found | ({"unknown": ". ".join(unknown)} if unknown else {})


def answer_commands(hub: Hub) -> None:
    """Let other nodes ask this one."""

    def handler(do: Do) -> Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]:
        async def handle(given: dict[str, Any]) -> dict[str, Any]:
            return await do(hub, str(given["call"]), given)

        return handle

    async def listed(_: dict[str, Any]) -> dict[str, Any]:
        return _listed_here(hub)

    for name, do in _COMMANDS.items():
        hub.fleet.answer(_PREFIX + name, handler(do))
    hub.fleet.answer(LISTING, listed)


def _listed_here(hub: Hub) -> dict[str, Any]:
    own = hub.calls.listing()
    if not hub.fleet.shared:
        return dict(own)
    return {kind: [{**call, "node": hub.fleet.node} for call in calls] for kind, calls in own.items()}


def _started(call: Mapping[str, Any]) -> float:
    return float(call["started_s"])


async def _status(hub: Hub, call_id: str, _: Given) -> dict[str, Any]:
    status = hub.calls.status(call_id)
    return {**status, "node": hub.fleet.node} if hub.fleet.shared else status


async def _interrupt(hub: Hub, call_id: str, _: Given) -> dict[str, Any]:
    return {"interrupted": hub.calls.call(call_id).interrupt("operator")}


async def _say(hub: Hub, call_id: str, given: Given) -> dict[str, Any]:
    hub.calls.call(call_id).say(str(given["text"]), interruptible=bool(given["interruptible"]))
    return {"accepted": True}


async def _hang_up(hub: Hub, call_id: str, _: Given) -> dict[str, Any]:
    if hub.sip.door is not None and hub.sip.door.cancel(call_id):
        return {"hung_up": True}  # it rang
    if call_id in hub.ringing and hub.ringing[call_id].cancel("the operator hung up"):
        return {"hung_up": True}
    hub.calls.call(call_id).hang_up("the operator hung up")
    return {"hung_up": True}


async def _told(hub: Hub, call_id: str, given: Given) -> dict[str, Any]:
    """A telephone network says how a call of ours goes, which rings."""
    if call_id in hub.ringing:
        hub.ringing[call_id].told(str(given["status"]), str(given["code"]))
    return {}


async def _transfer(hub: Hub, call_id: str, given: Given) -> dict[str, Any]:
    try:
        await hub.calls.call(call_id).transfer(str(given["to"]))
    except VendorRefused as error:
        raise Refusal(502, "vendor_refused", error.message, advice=error.advice) from None
    except VendorLost as error:
        raise Refusal(503, "vendor_lost", error.message, advice=error.advice) from None
    return {"transferred": True}


async def _keys(hub: Hub, call_id: str, given: Given) -> dict[str, Any]:
    hub.calls.call(call_id).send_keys(str(given["keys"]))
    return {"sent": True}


async def _recording(hub: Hub, call_id: str, given: Given) -> dict[str, Any]:
    call = hub.calls.call(call_id)
    changed = call.record_audio(on=bool(given["on"]))
    return {"recording": call.status().recording, "changed": changed}


async def _delete(hub: Hub, call_id: str, _: Given) -> dict[str, Any]:
    return {"deleted": await delete_call(hub, call_id)}


async def _policy(hub: Hub, call_id: str, given: Given) -> dict[str, Any]:
    call = hub.calls.call(call_id)
    preset, numbers = given.get("policy"), given.get("settings") or {}
    base = call.floor.policy if preset is None else Policy.named(str(preset))
    if preset is None and not numbers:
        raise UsageError("Nothing is to be changed", advice="Send `policy`, `settings`, or both")
    return {"policy": call.change_policy(base.with_(numbers))}


_COMMANDS: dict[str, Do] = {
    "status": _status,
    "interrupt": _interrupt,
    "say": _say,
    "hangup": _hang_up,
    "told": _told,
    "transfer": _transfer,
    "keys": _keys,
    "policy": _policy,
    "recording": _recording,
    "delete": _delete,
}
