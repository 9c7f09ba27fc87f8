"""The audio of a call, and the end of all that is kept of a call."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.responses import StreamingResponse

from bargein.recorder.audio_reading import RecordedAudio, read_audio, read_bytes
from bargein.server.access import of_listener, of_owner
from bargein.server.call_commands import everywhere
from bargein.server.hub import Hub
from bargein.server.records.folders import folder_of
from bargein.server.refusals import Refusal

CHUNK = 256 * 1024  # bytes that are read at once
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")

router = APIRouter()


@router.get("/calls/{call_id}/audio")
async def audio(request: Request, call_id: str, hub: Hub = of_listener) -> Response:
    """FLAC, stereo: left the caller as he sounded, right the agent as it was heard. Also of a call that goes on, as far
    as it is written. Takes a Range."""
    folder = folder_of(hub, call_id)
    found = await asyncio.to_thread(read_audio, folder)
    if found is None:
        advice = "Record with --record-audio on, or with the caller's consent (docs/recording.md)"
        raise Refusal(404, "no_audio", "The audio of that call was not recorded", advice=advice)
    if not found.readable:
        why = found.fault or "nothing is written yet"
        raise Refusal(
            409, "audio_unreadable", f"The audio of that call cannot be read: {why}", advice="Read its journal"
        )
    headers = {
        "accept-ranges": "bytes",
        "cache-control": "no-store",
        "content-disposition": f'inline; filename="{call_id}.flac"',
    }
    wanted = _wanted(request.headers.get("range"), found.size)
    if wanted is None:
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{found.size}"})
    first, end = wanted
    whole = (first, end) == (0, found.size) and "range" not in request.headers
    headers["content-length"] = str(end - first)
    if not whole:
        headers["content-range"] = f"bytes {first}-{end - 1}/{found.size}"
    body = _body(found, first, end)
    return StreamingResponse(body, 200 if whole else 206, headers, media_type="audio/flac")


@router.delete("/calls/{call_id}")
async def delete(call_id: str, hub: Hub = of_owner) -> dict[str, Any]:
    """Remove all that any node keeps of a call: journal, audio, summary and last status. To do so again is no error.
    Copies that have left (exports, traces, webhooks, backups) stay where they are."""
    done = await everywhere(hub, "delete", call_id)
    return {"deleted": any(each["deleted"] for each in done)}


def _wanted(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte, and the one after the last. None: there are no such bytes. What is no single range means all."""
    found = _RANGE.fullmatch((header or "").strip())
    if found is None or not any(found.groups()):
        return 0, size
    first, last = found.groups()
    if not first:
        return (max(0, size - int(last)), size) if int(last) else None
    if int(first) >= size or (last and int(last) < int(first)):
        return None
    return int(first), min(size, int(last) + 1) if last else size


async def _body(found: RecordedAudio, first: int, end: int) -> AsyncIterator[bytes]:
    while first < end:
        part = await asyncio.to_thread(partial(read_bytes, found, first, min(CHUNK, end - first)))
        if not part:
            return  # it was removed meanwhile
        first += len(part)
        yield part
