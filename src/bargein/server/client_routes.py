"""The client module, at addresses that a page of any site can import: `import { BargeinCall } from ".../client.js"`."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

router = APIRouter(include_in_schema=False)

_TYPE = "text/javascript"


@router.get("/client.js")
async def _client() -> Response:
    return Response('export * from "./web/client/index.js";\n', media_type=_TYPE)


@router.get("/client/element.js")
async def _element() -> Response:
    return Response('export * from "../web/client/element.js";\n', media_type=_TYPE)


@router.get("/client/react.js")
async def _react() -> Response:
    """Of use where the page's import map says what "react" is."""
    return Response('export * from "../web/client/react.js";\n', media_type=_TYPE)
