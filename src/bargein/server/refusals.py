"""Answers of the server that are no: one shape for every one of them, `{"error": {"code", "message", "advice"}}`."""

from __future__ import annotations

from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from bargein.errors import BargeinError, CommandRefused, FleetAway, NodeSilent, UsageError

ELSEWHERE = (
    "See docs/protocol.md for what there is; behind a proxy that answers for one path, set --root-path to that path"
)
_HEADERS = {
    401: {"WWW-Authenticate": "Bearer"},
    408: {"Connection": "close"},
    429: {"Retry-After": "60"},
}


class Refusal(BargeinError):
    """A request that is answered no. status: of HTTP; code: stable, machine-readable."""

    def __init__(self, status: int, code: str, message: str, *, advice: str) -> None:
        super().__init__(message, advice=advice)
        self.status = status
        self.code = code

    def response(self) -> JSONResponse:
        body = {"error": {"code": self.code, "message": self.message, "advice": self.advice}}
        headers = _HEADERS.get(self.status)
        return JSONResponse(body, self.status, headers)


def install(app: FastAPI) -> None:
    """Every error that a route can raise, in the one shape."""
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(UsageError, _any_error)
    for kind in (FleetAway, NodeSilent, CommandRefused):
        app.add_exception_handler(kind, _any_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def _refusal(_: Request, error: Exception) -> JSONResponse:
    return cast("Refusal", error).response()


def refusal_for(error: BargeinError) -> Refusal:
    """An error of a route, as the answer to its request."""
    match error:
        case Refusal():
            return error
        case CommandRefused(status=status, code=code):
            return Refusal(status, code, error.message, advice=error.advice)
        case FleetAway():
            return Refusal(503, "fleet_away", error.message, advice=error.advice)
        case NodeSilent():
            return Refusal(503, "node_silent", error.message, advice=error.advice)
        case _:
            return Refusal(422, "bad_request", error.message, advice=error.advice)


def _any_error(_: Request, error: Exception) -> JSONResponse:
    return refusal_for(cast("BargeinError", error)).response()


def _invalid(_: Request, error: Exception) -> JSONResponse:
    first = cast("RequestValidationError", error).errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    message = f"{where}: {first['msg']}"
    return Refusal(
        422, "bad_request", message, advice="Send JSON with the fields that docs/protocol.md names"
    ).response()


def _http(_: Request, error: Exception) -> JSONResponse:
    status = cast("HTTPException", error).status_code
    code, message = {
        404: ("not_found", "There is nothing here"),
        405: ("wrong_method", "This is not done with that method"),
    }.get(status, ("refused", f"The request was refused with {status}"))
    return Refusal(status, code, message, advice=ELSEWHERE).response()
