"""The pages of calls, as a browser asks for them. They hold no secret: what they ask for needs the server's token."""

from __future__ import annotations

from pathlib import Path

from fastapi.responses import FileResponse
from starlette.requests import Request

WEB = Path(__file__).parents[1] / "web"
_VARY = {"vary": "accept"}


def page_for(request: Request, name: str) -> FileResponse | None:
    """The page, where a browser goes to the address. None: a program asks, and gets JSON."""
    wanted = request.headers.get("accept", "")
    if "text/html" not in wanted or "application/json" in wanted:
        return None
    return FileResponse(WEB / name, headers=_VARY)
