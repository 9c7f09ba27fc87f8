"""A conversation as Voxtral's template takes it, wherever that runs."""

from __future__ import annotations

from collections.abc import Sequence

from bargein.vendors.common.messages import Message

VOXTRAL_MODEL = "mistralai/Voxtral-Mini-3B-2507"  # the weights, as vLLM and transformers name them
BETWEEN = {"user": "\n\n", "assistant": " "}  # texts of one turn
SAYS_NOTHING = "(The user says nothing. Speak.)"


def as_turns(messages: Sequence[Message]) -> list[Message]:
    """Chat messages as Voxtral's template takes them: turns of the user and the assistant, one after the other, the
    user's first and last; each {"role", "content"}, content of the user's being a list of chunks.

    Its tokenizer refuses a system message beside sound (mistral-common below v13), so what the system says stands as
    text in the user's turn that it comes before, or, at the end, after. Tools are told in the same way.
    """
    turns: list[Message] = []

    def say(role: str, chunks: Sequence[Message]) -> None:
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": []})
        content = turns[-1]["content"]
        for chunk in chunks:
            if content and content[-1]["type"] == chunk["type"] == "text":
                content[-1] = _text(content[-1]["text"] + BETWEEN[role] + chunk["text"])
            else:
                content.append(dict(chunk))

    for index, message in enumerate(messages):
        role, content = message["role"], message["content"]
        match role:
            case "user":
                say("user", content if isinstance(content, list) else [_text(content)])
            case "assistant" if not message.get("tool_calls"):
                if not turns:
                    say("user", [_text(SAYS_NOTHING)])
                say("assistant", [_text(content)])
            case "assistant":
                for call in message["tool_calls"]:
                    asked = call["function"]
                    say("user", [_note(f"You used {asked['name']} with {asked['arguments']}.")])
            case "tool":
                say("user", [_note(f"It gave: {content}")])
            case _:
                say("user", [_text(content) if index == 0 else _note(content)])
    if not turns or turns[-1]["role"] == "assistant":
        say("user", [_text(SAYS_NOTHING)])
    return [turn if turn["role"] == "user" else {**turn, "content": _joined(turn["content"])} for turn in turns]


def _text(text: str) -> Message:
    return {"type": "text", "text": text}


def _note(text: str) -> Message:
    return _text(f"(Note from the system, not said by the user: {text})")


def _joined(chunks: Sequence[Message]) -> str:
    return "".join(chunk["text"] for chunk in chunks)
