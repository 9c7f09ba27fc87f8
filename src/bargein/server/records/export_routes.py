"""A recorded call in the formats that other programs read."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from fastapi import APIRouter, Query
from fastapi.responses import Response

from bargein.recorder.exports.formats import ExportFormat, format_named
from bargein.recorder.story.telling import tell
from bargein.server.access import of_owner
from bargein.server.hub import Hub
from bargein.server.records.folders import folder_of

router = APIRouter()


@router.get("/calls/{call_id}/export")
async def export(call_id: str, wanted: str = Query("jsonl", alias="as"), hub: Hub = of_owner) -> Response:
    """as: jsonl, vtt, srt, messages or csv."""
    form, folder = format_named(wanted), folder_of(hub, call_id)
    assert hub.records is not None  # there is a folder
    text = await hub.records.read(partial(_exported, folder, form))
    headers = {"content-disposition": f'attachment; filename="{call_id}{form.suffix}"'}
    return Response(text, media_type=form.media_type, headers=headers)


def _exported(folder: Path, form: ExportFormat) -> str:
    return form.write(tell(folder))
