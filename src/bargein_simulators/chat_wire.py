"""The chat's wire: a streamed answer, a whole one, usage, errors, and how OpenAI, Groq and Mistral differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fastapi.responses import JSONResponse

from bargein_simulators.faults import SimulatedDisconnect

VendorName = Literal["openai", "groq", "mistral"]
Json = dict[str, Any]

MISTRAL_MODELS = ("mistral", "ministral", "magistral", "voxtral", "codestral", "devstral", "pixtral")


@dataclass(frozen=True, slots=True)
class ServedToolCall:
    """A tool call of the simulated model."""

    tool: str
    arguments: str = "{}"
    """JSON."""


def vendor_of(path: str, model: str) -> VendorName:
    """Whose server is asked. Groq has paths of its own, Mistral models of its own."""
    if path.startswith("/openai/"):
        return "groq"
    return "mistral" if model.startswith(MISTRAL_MODELS) else "openai"


def forced_tool(choice: object, tools: Sequence[Mapping[str, Any]] | None) -> str | None:
    """The tool that the model must call by a request's tool_choice. None: it may answer as it likes."""
    names = [str((tool.get("function") or {}).get("name")) for tool in tools or ()]
    if choice in ("required", "any"):  # Mistral's word is "any"
        return names[0] if names else None
    if isinstance(choice, Mapping):
        return str((choice.get("function") or {}).get("name") or "") or None
    return None


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """An answer of the simulated model, on the wire of one vendor."""

    vendor: VendorName
    model: str
    tokens: Sequence[str]
    calls: Sequence[ServedToolCall]
    prompt_tokens: int
    finish: Literal["stop", "length", "tool_calls"]
    include_usage: bool = False
    """Whether the client asked for a last chunk with the usage."""
    whole_calls: bool = False
    """Whether a tool call is sent in one delta."""
    call_ids: bool = True
    """Whether tool calls have ids."""
    number: int = 0
    """Number of the request, for the ids of its tool calls."""

    def usage(self) -> Json:
        """A word is a token; so is each tool call."""
        made = len(self.tokens) + len(self.calls)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": made,
            "total_tokens": self.prompt_tokens + made,
        }

    def first(self) -> str:
        """The event before the first token."""
        chunk = self._chunk({"role": "assistant", "content": ""})
        return event(chunk | {"x_groq": {"id": "req_simulated"}} if self.vendor == "groq" else chunk)

    def delta(self, **fields: object) -> str:
        """The event of a delta."""
        return event(self._chunk(fields))

    def last(self) -> list[str]:
        """The events that end the answer."""
        chunk = self._chunk({}, finish=self.finish)
        if self.vendor == "groq":
            chunk["x_groq"] = {"id": "req_simulated", "usage": self.usage()}
        if self.vendor == "mistral":  # unasked, in the last chunk
            chunk["usage"] = self.usage()
        events = [event(chunk)]
        if self.include_usage and self.vendor != "mistral":
            events.append(event({**self._chunk({}), "choices": [], "usage": self.usage()}))
        return [*events, "data: [DONE]\n\n"]

    def call_deltas(self, index: int) -> list[Json]:
        """A tool call as the vendor streams it.

        Its id and name come first, then its arguments in two deltas. With whole_calls, all of it is one delta.
        """
        call = self.calls[index]
        begins: Json = {
            "index": index,
            "type": "function",
            "function": {"name": call.tool, "arguments": call.arguments if self.whole_calls else ""},
        }
        if self.call_ids:
            begins["id"] = f"call_{self.number}_{index}"
        if self.whole_calls:
            return [begins]
        middle = len(call.arguments) // 2
        rest = [call.arguments[:middle], call.arguments[middle:]]
        return [begins, *({"index": index, "function": {"arguments": delta}} for delta in rest if delta)]

    def whole(self) -> Json:
        """The answer in one piece."""
        text = "".join(self.tokens)
        message: Json = {"role": "assistant", "content": text or (None if self.calls else ""), "refusal": None}
        if self.calls:
            message["tool_calls"] = [
                {"id": f"call_{n}", "type": "function", "function": {"name": call.tool, "arguments": call.arguments}}
                for n, call in enumerate(self.calls)
            ]
        return {
            "id": "chatcmpl-simulated",
            "object": "chat.completion",
            "created": 0,
            "model": self.model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish}],
            "usage": self.usage(),
        }

    def _chunk(self, delta: Mapping[str, object], finish: str | None = None) -> Json:
        chunk: Json = {
            "id": "chatcmpl-simulated",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": self.model,
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
        }
        return chunk | {"usage": None} if self.include_usage and self.vendor == "openai" else chunk


def event(data: Mapping[str, object]) -> str:
    """A server-sent event."""
    return f"data: {json.dumps(data)}\n\n"


def broken_event(fault: str) -> str:
    """What breaks a streamed answer. Raises SimulatedDisconnect for the fault "drop"."""
    match fault:
        case "malformed":
            return 'data: {"id": "chatcmpl-simulated", "choi\n\n'
        case "groq_error":
            failed = {"id": "req_1", "error": "The server had an error"}
            return event(
                {"id": "chatcmpl-simulated", "object": "chat.completion.chunk", "choices": [], "x_groq": failed}
            )
        case "error_chunk":
            return event({"error": {"message": "The server had an error", "type": "server_error", "code": None}})
        case _:
            raise SimulatedDisconnect


def invalid_request(first: Mapping[str, Any]) -> JSONResponse:
    """The refusal of a parameter. first: the first of pydantic's errors."""
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return wrong_request(f"Missing required parameter: '{where}'.", where, "missing_required_parameter")
    return wrong_request(f"Invalid type for '{where}': {first['msg']}", where, "invalid_type")


def wrong_request(message: str, param: str | None, code: str | None) -> JSONResponse:
    """The refusal of a request that is wrong."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return JSONResponse({"error": error}, 400)
