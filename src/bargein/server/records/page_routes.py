"""The pages of finished and running calls, and what those pages ask for."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from bargein.recorder.reading import read
from bargein.recorder.story.replayed import replayed
from bargein.recorder.story.telling import tell
from bargein.server.access import LISTEN_COOKIE, of_owner
from bargein.server.fleet_routes import PolicyChange
from bargein.server.hub import Hub
from bargein.server.records.folders import folder_of
from bargein.server.records.kept_records import RecordFilter
from bargein.server.records.one_file import peaks_of

SMALL = 2_000  # bytes that are not worth packing

router = APIRouter()


@router.get("/records")
async def records(
    request: Request,
    search: str = "",
    agent: str = "",
    door: str = "",
    day: str = "",
    ended: str = "",
    cuts: bool = False,
    faults: bool = False,
    page: int = 0,
    hub: Hub = of_owner,
) -> Response:
    """The calls whose records are kept on this machine, newest first, 50 a page."""
    if hub.records is None:
        return _answer(request, {"calls": [], "found": 0, "unread": 0, "agents": [], "doors": [], "kept": False})
    wanted = RecordFilter(search[:200], agent, door, day, ended[:200], cuts, faults)
    listed = await hub.records.page(wanted, max(0, page))
    # What was said is for the search: the list does not show it.
    calls = [msgspec.structs.replace(call, text="") for call in listed.calls]
    told = {"found": listed.found, "unread": listed.unread, "agents": listed.agents, "doors": listed.doors}
    return _answer(request, {"calls": calls, **told, "kept": True})


@router.get("/calls/{call_id}/story")
async def story(request: Request, call_id: str, hub: Hub = of_owner) -> Response:
    """All that the call's record tells: see recorder/story/call_story.py."""
    folder = folder_of(hub, call_id)
    answer = await _told(request, hub, partial(tell, folder))
    if not hub.gate.open:
        # A browser's player sends no Authorization. Without a path the cookie goes to this call's addresses alone.
        answer.set_cookie(
            LISTEN_COOKIE,
            hub.gate.page_token("operator"),
            max_age=hub.gate.page_token_s,
            path=None,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
    return answer


@router.get("/calls/{call_id}/peaks")
async def peaks(request: Request, call_id: str, hub: Hub = of_owner) -> Response:
    """How loud the caller and the agent are, a byte for each peak (base64). No lanes: there is no sound."""
    folder = folder_of(hub, call_id)
    return await _told(request, hub, lambda: peaks_of(folder) or {"per_s": 1, "lanes": []})


@router.post("/calls/{call_id}/replay")
async def replay(request: Request, call_id: str, this: PolicyChange, hub: Hub = of_owner) -> Response:
    """What another policy would have decided in the call: a preset, single numbers, or both."""
    folder = folder_of(hub, call_id)
    return await _told(request, hub, lambda: replayed(read(folder), this.policy, this.settings))


async def _told(request: Request, hub: Hub, job: Callable[[], object]) -> Response:
    """The answer that a job reads from the disk, in a thread."""
    assert hub.records is not None  # there is a folder
    return await hub.records.read(lambda: _answer(request, job()))


def _answer(request: Request, told: object) -> Response:
    """As JSON, packed where that is worth it."""
    body, headers = msgspec.json.encode(told), {}
    if len(body) > SMALL and "gzip" in request.headers.get("accept-encoding", ""):
        body, headers = gzip.compress(body, 4), {"content-encoding": "gzip", "vary": "accept-encoding"}
    return Response(body, media_type="application/json", headers=headers)
