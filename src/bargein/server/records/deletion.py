"""The end of all that this server keeps of a call."""

from __future__ import annotations

from pathlib import Path

from bargein.recorder.retention import is_going_on, parts_of, remove
from bargein.server.hub import Hub
from bargein.server.records.folders import NAME
from bargein.server.refusals import Refusal
from bargein.server.webhook.spool import WebhookSpool

WITHIN_S = 5.0  # for what is on its way to the disk


async def delete_call(hub: Hub, call_id: str) -> bool:
    """Remove the records of a call from this machine, and forget its status. False: there was nothing. Raises Refusal
    for a call that goes on, and where the disk does not let go."""
    _demand_over(going_on=hub.calls.is_live(call_id))
    forgotten = hub.calls.forget(call_id)
    root = hub.settings.record
    if root is None or not NAME.fullmatch(call_id):
        return forgotten
    # What was written last may still be on its way, and would make the folder anew.
    if not (await hub.audio_disk.reached(WITHIN_S) and await hub.disk.reached(WITHIN_S)):
        raise Refusal(503, "disk_busy", "The disk does not answer", advice="Try again a little later")

    if hub.webhook is not None:
        await hub.webhook.forget(call_id)

    def work() -> tuple[list[Path], list[bool]] | None:
        WebhookSpool(root).forget_call(call_id)  # an earlier server's, too
        parts = parts_of(root, call_id)
        if any(is_going_on(folder) for folder in parts):
            return None
        return parts, [remove(folder) for folder in parts]

    done = await hub.disk.run(work)
    if done is None:
        _demand_over(going_on=True)
        return False
    parts, removed = done
    if not all(removed):
        advice = "Look at the server's log, and at who owns the folder"
        raise Refusal(500, "not_removed", "Something of the call's record cannot be removed", advice=advice)
    return forgotten or bool(parts)


def _demand_over(*, going_on: bool) -> None:
    if going_on:
        advice = "End the call first: POST /calls/{id}/hangup"
        raise Refusal(409, "call_runs", "That call goes on", advice=advice)
