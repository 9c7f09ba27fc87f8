"""Faults on demand: each simulator has a queue of them, and takes the next one for its next connection or request."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

F = TypeVar("F")


class FaultsBody(BaseModel):
    """The body of a request that adds faults."""

    faults: list[str]
    """Names, in the order in which they happen; one for each connection or request."""


class SimulatedDisconnect(Exception):
    """Raised inside a streamed HTTP response: the server then closes the socket in the middle of the body."""


def take_fault(faults: deque[F]) -> F | None:
    """The fault of the connection or request that begins. None: it has none."""
    return faults.popleft() if faults else None


def add_fault_route(app: FastAPI, faults: deque[Any], known: Collection[str]) -> None:
    """Give a server with one simulator POST /simulator/faults. A fault that is not among known is refused with 422."""

    @app.post("/simulator/faults")
    async def add_faults(body: FaultsBody) -> dict[str, int]:
        if unknown := [fault for fault in body.faults if fault not in known]:
            raise HTTPException(422, f"No fault {unknown[0]!r}: the simulator has {', '.join(known)}")
        faults.extend(body.faults)
        return {"waiting": len(faults)}


def add_fault_routes(app: FastAPI, queues: Mapping[str, deque[Any]], known: Mapping[str, Collection[str]]) -> FastAPI:
    """Give a server with several simulators POST /simulator/{name}/faults.

    queues, known: by the simulator's name. A fault that is not among the known ones would wait for ever, and every
    later one behind it: it is refused with 422.
    """

    @app.post("/simulator/{name}/faults")
    async def add_faults(name: str, body: FaultsBody) -> dict[str, int]:
        if name not in queues:
            raise HTTPException(404, f"No simulator {name!r}: there are {', '.join(queues)}")
        if unknown := [fault for fault in body.faults if fault not in known[name]]:
            raise HTTPException(422, f"No fault {unknown[0]!r}: the simulator has {', '.join(known[name])}")
        queues[name].extend(body.faults)
        return {"waiting": len(queues[name])}

    return app
