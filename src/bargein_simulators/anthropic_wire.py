"""The wire of Anthropic's Messages API: what a request may hold, and the server-sent events of an answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bargein_simulators.chat import ChatMessage
from bargein_simulators.chat_wire import ServedToolCall

NOTE = ("<note>", "</note>")
ARGUMENTS = 12  # characters in one delta of a tool's arguments


class AnthropicBlock(BaseModel):
    """One block of a message's content."""

    model_config = ConfigDict(extra="allow")
    type: Literal["text", "tool_use", "tool_result"]
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    content: str | list[dict[str, Any]] | None = None
    is_error: bool = False


class AnthropicTurn(BaseModel):
    """One message of a request."""

    model_config = ConfigDict(extra="forbid")
    role: Literal["user", "assistant"]
    content: str | list[AnthropicBlock]

    def blocks(self) -> list[AnthropicBlock]:
        return [AnthropicBlock(type="text", text=self.content)] if isinstance(self.content, str) else self.content


class AnthropicRequest(BaseModel):
    """A request. A field that the API does not have is refused."""

    model_config = ConfigDict(extra="forbid")
    model: str = Field(min_length=1)
    max_tokens: int = Field(ge=1)
    messages: list[AnthropicTurn] = Field(min_length=1)
    system: str | list[dict[str, Any]] | None = None
    stream: bool = False
    stop_sequences: list[str] = Field(default_factory=list, max_length=8_191)
    tools: list[dict[str, Any]] = Field(default_factory=list)
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    cache_control: dict[str, Any] | None = None

    def wrong(self) -> str | None:
        """What the API refuses though it has the right shape. None: nothing."""
        if self.messages[-1].role == "assistant":
            return "This model does not support prefill. The conversation must end with a user message."
        owed: set[str] = set()
        for number, turn in enumerate(self.messages):
            blocks = turn.blocks()
            if not blocks:
                return f"messages.{number}: content must not be empty"
            if any(block.type == "text" and not (block.text or "").strip() for block in blocks):
                return f"messages.{number}: text content blocks must contain non-whitespace text"
            answered = {str(block.tool_use_id) for block in blocks if block.type == "tool_result"}
            if owed - answered:
                missing = ", ".join(sorted(owed - answered))
                return f"messages.{number}: `tool_use` ids were found without `tool_result` blocks after: {missing}"
            if answered - owed:
                return f"messages.{number}: unexpected `tool_use_id` found in `tool_result` blocks"
            owed = {str(block.id) for block in blocks if block.type == "tool_use"}
        return None

    def as_chat(self) -> list[ChatMessage]:
        """The conversation as a simulated model reads it: notes are the system's."""
        parts = self.system if isinstance(self.system, list) else [{"text": self.system or ""}]
        read = [ChatMessage(role="system", content=" ".join(str(part.get("text") or "") for part in parts))]
        for turn in self.messages:
            for block in turn.blocks():
                text = block.text or ""
                if block.type == "tool_result":
                    read.append(ChatMessage(role="tool", content=str(block.content or "")))
                elif text.startswith(NOTE[0]):
                    read.append(ChatMessage(role="system", content=text.removeprefix(NOTE[0]).removesuffix(NOTE[1])))
                elif text:
                    read.append(ChatMessage(role=turn.role, content=text))
        return read


def events(
    model: str, tokens: Sequence[str], calls: Sequence[ServedToolCall], stop: str, number: int, read: int
) -> Iterator[tuple[str, str | None]]:
    """An answer as the text of its events, each with the token that is in it. read: tokens of the prompt."""
    usage = {"input_tokens": read, "output_tokens": 1, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    message: dict[str, object] = {
        "id": f"msg_{number:06}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    yield event("message_start", message=message), None
    index = 0
    if tokens:
        yield event("content_block_start", index=0, content_block={"type": "text", "text": ""}), None
        yield event("ping"), None
        for token in tokens:
            yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": token}), token
        yield event("content_block_stop", index=0), None
        index = 1
    for at, call in enumerate(calls, start=index):
        block = {"type": "tool_use", "id": f"toolu_{number:06}_{at}", "name": call.tool, "input": {}}
        yield event("content_block_start", index=at, content_block=block), None
        for begin in range(0, len(call.arguments), ARGUMENTS):
            delta = {"type": "input_json_delta", "partial_json": call.arguments[begin : begin + ARGUMENTS]}
            yield event("content_block_delta", index=at, delta=delta), None
        yield event("content_block_stop", index=at), None
    made = {"output_tokens": max(1, len(tokens) + len(calls))}
    yield event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage=made), None
    yield event("message_stop"), None


def event(kind: str, **fields: object) -> str:
    """One server-sent event."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"


def error_body(kind: str, message: str) -> Mapping[str, object]:
    """An error, in a response or in a stream."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_simulated"}
