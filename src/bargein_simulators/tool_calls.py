"""Tool calls on demand: a simulated model's next answers, from the command line or over the wire."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from bargein.errors import UsageError
from bargein_simulators.chat_wire import ServedToolCall


class ToolCallsBody(BaseModel):
    """The body of a request that adds tool calls."""

    calls: list[str]
    """Each a tool's name, and its arguments as a JSON object: 'weather {"city": "Oslo"}'."""


def read_tool_calls(given: Sequence[str] | None) -> list[ServedToolCall]:
    """The tool calls of texts such as 'weather {"city": "Oslo"}'. Raises UsageError."""
    calls = []
    for text in given or ():
        name, _, arguments = text.strip().partition(" ")
        try:
            valid = bool(name) and isinstance(json.loads(arguments or "{}"), dict)
        except ValueError:
            valid = False
        if not valid:
            advice = 'Give the tool\'s name and its arguments as a JSON object: \'weather {"city": "Oslo"}\''
            raise UsageError(f"{text[:80]!r} is no tool call", advice=advice)
        calls.append(ServedToolCall(name, arguments.strip() or "{}"))
    return calls


def add_tool_call_route(app: FastAPI, queues: Mapping[str, deque[ServedToolCall]]) -> None:
    """Give a server POST /simulator/{name}/tool-calls. queues: by the simulator's name."""

    @app.post("/simulator/{name}/tool-calls")
    async def add_calls(name: str, body: ToolCallsBody) -> dict[str, int]:
        if name not in queues:
            raise HTTPException(404, f"No simulated model {name!r}: there are {', '.join(queues)}")
        try:
            calls = read_tool_calls(body.calls)
        except UsageError as error:
            raise HTTPException(422, str(error)) from None
        queues[name].extend(calls)
        return {"waiting": len(queues[name])}
