"""The conversation as any chat model takes it: instructions, then turns of user and assistant that alternate.

A framework stands between us and a model that we do not know. So the turns hold what every model takes: the first turn
and the last are the user's, no role follows itself, and notes about the hearing stand in the user's turns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bargein.protocols import Prompt
from bargein.vendors.common.messages import CALL_BEGINS, MARKED_NOTES, YOUR_TURN, Message, as_messages, marked

Role = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class HeardTurn:
    """What one side said, as the other heard it."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class HeardConversation:
    """A prompt without anything that only some models take."""

    instructions: str
    turns: tuple[HeardTurn, ...]
    """At least one. The first and the last are the user's."""


def heard_conversation(prompt: Prompt) -> HeardConversation:
    """The prompt, for a framework."""
    first, *rest = as_messages(prompt)
    turns: list[HeardTurn] = []
    for message in rest:
        role, text = _turn(message)
        if turns and turns[-1].role == role:
            turns[-1] = HeardTurn(role, f"{turns[-1].text}\n{text}")
        else:
            turns.append(HeardTurn(role, text))
    if not turns or turns[0].role == "assistant":
        turns.insert(0, HeardTurn("user", CALL_BEGINS))
    if turns[-1].role == "assistant":
        turns.append(HeardTurn("user", YOUR_TURN))
    return HeardConversation(f"{first['content']}{MARKED_NOTES}", tuple(turns))


def _turn(message: Message) -> tuple[Role, str]:
    """A message's side, and its text. Tools of the agent that the framework did not call itself are told of."""
    content = str(message["content"] or "")
    match message["role"]:
        case "assistant" if message.get("tool_calls"):
            called = [f"{call['function']['name']}({call['function']['arguments']})" for call in message["tool_calls"]]
            return "user", marked(f"You called {', '.join(called)}.")
        case "assistant":
            return "assistant", content
        case "tool":
            return "user", marked(f"The result: {content}")
        case "system":
            return "user", marked(content)
        case _:
            return "user", content
