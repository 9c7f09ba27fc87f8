"""The fields of OpenAI Realtime's events that the bench reads."""

from __future__ import annotations

import msgspec


class Delta(msgspec.Struct):
    item_id: str
    delta: bytes  # base64 on the wire
    response_id: str = ""
    content_index: int = 0


class TranscriptDelta(msgspec.Struct):
    item_id: str
    delta: str


class Item(msgspec.Struct):
    item_id: str


class Error(msgspec.Struct):
    type: str | None = None
    code: str | None = None
    param: str | None = None

    @property
    def name(self) -> str:
        return self.code or self.type or "without a code"


class RealtimeProblem(msgspec.Struct):
    error: Error


class Details(msgspec.Struct):
    reason: str | None = None
    error: Error | None = None


class ResponseStatus(msgspec.Struct):
    status: str
    status_details: Details | None = None


class Done(msgspec.Struct):
    response: ResponseStatus
