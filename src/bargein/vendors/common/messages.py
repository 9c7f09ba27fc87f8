"""The conversation as a chat model reads it: only what was heard, who was interrupted where, and over which words.

A model that reads its own unheard words as said, or a "mm-hmm" as an answer, talks past its caller. So the assistant's
messages hold heard words and nothing else; everything about the hearing stands in notes of the role "system".
"""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from bargein.audio.pcm import Pcm
from bargein.protocols import (
    AgentSaid,
    ConversationItem,
    Prompt,
    SaidOver,
    ToolResult,
    ToolSpec,
    UserBackchannel,
    UserSaid,
)
from bargein.units import last_units, spans

Message = dict[str, Any]

INTERRUPTION = """\
# Being interrupted
You speak aloud, and you can be interrupted. Your messages below hold only the words that the user really heard.
Notes from the system say where you were interrupted, which of your words were not heard, and over which of your
words the user spoke: an answer spoken over some words answers those words, and not a later question.
Never repeat what was heard. Do not take up again what was interrupted, unless the user asks for it.
A backchannel ("mm-hmm") means that the user listens: it is no answer and needs none."""

LEFT_OUT = "# Before\nThe conversation began earlier: its first part is left out below."
NOT_MADE_OUT = "(the user spoke; the words could not be made out)"

# For models that take no note of the role "system" after the first message: the note stands in the user's turn.
MARKED_NOTES = "\nNotes from the system stand between <note> and </note> in the user's messages. Never read them aloud."
CALL_BEGINS = "<note>The call begins. Speak first.</note>"
YOUR_TURN = "<note>The user says nothing. It is your turn to speak.</note>"

QUOTED_WORDS = 8  # the end of a reply, as far as needed to find the place again
STILL_RUNS = "It still runs. You are told when it is done; do not call it again for this."
SHORT_ANSWER_WORDS = 4  # "yes, please do that": means nothing without what it was said over


def as_messages(prompt: Prompt) -> list[Message]:
    """The prompt as OpenAI's chat format has it: dicts of "role" (system, user, assistant) and "content".

    The first message is the system's: the agent's instructions and what the notes mean. The rest is in the order of
    `prompt.items`. A reply of which nothing was heard gives a note and no assistant message.
    """
    parts = [prompt.instructions.strip(), INTERRUPTION]
    if prompt.left_out:
        parts.append(f"{LEFT_OUT} {prompt.summary.strip()}".strip())
    if prompt.language != "en":
        parts.append(f'Answer in the language with the code "{prompt.language}".')
    messages: list[Message] = [{"role": "system", "content": "\n\n".join(part for part in parts if part)}]
    for index, item in enumerate(prompt.items):
        match item:
            case AgentSaid():
                messages.extend(_agent(item))
            case UserSaid():
                messages.append({"role": "user", "content": _user(item, prompt.items[:index])})
            case UserBackchannel():
                messages.append(_note(_backchannel(item)))
            case ToolResult():
                messages.extend(_tool(item))
            case _:
                assert_never(item)
    return messages


def with_sound(messages: list[Message], chunk: Mapping[str, object]) -> list[Message]:
    """The same, for a model that hears: the user's last message is the sound itself, in the server's own shape (chunk).
    Words that were read of it are left out, since the sound says more; notes and typed words stay."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index]["role"] == "user":
            written = str(messages[index]["content"])
            note = written.partition("\n")[2]
            parts: list[Mapping[str, object]] = [chunk, *([{"type": "text", "text": note}] if note else [])]
            return [*messages[:index], {"role": "user", "content": parts}, *messages[index + 1 :]]
    return [*messages, {"role": "user", "content": [chunk]}]


def as_tools(specs: Sequence[ToolSpec]) -> list[Message]:
    """Tools as OpenAI's chat format offers them; Mistral's is the same."""
    return [
        {
            "type": "function",
            "function": {"name": spec.name, "description": spec.description, "parameters": dict(spec.parameters)},
        }
        for spec in specs
    ]


def wav(pcm: Pcm) -> bytes:
    """Sound as a WAV file, which every server reads."""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(pcm.rate)
        file.writeframes(pcm.to_bytes())
    return data.getvalue()


def last_words(text: str, count: int = QUOTED_WORDS) -> str:
    """The last `count` words of a text, with an ellipsis in front when there were more."""
    return ("…" if len(spans(text)) > count else "") + last_units(text, count)


def marked(note: str) -> str:
    """A note as it stands in the user's turn."""
    return f"<note>{note}</note>"


def _tool(used: ToolResult) -> list[Message]:
    """A call and its answer always go together: servers refuse the one without the other."""
    function = {"name": used.tool, "arguments": used.arguments}
    call = {"id": used.id, "type": "function", "function": function}
    result = STILL_RUNS if used.result is None else used.result
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": used.id, "content": f"Error: {result}" if used.error else result},
    ]


def _note(content: str) -> Message:
    return {"role": "system", "content": content}


def _agent(said: AgentSaid) -> list[Message]:
    heard, unheard = said.text.strip(), said.unheard.strip()
    messages: list[Message] = [{"role": "assistant", "content": heard}] if heard else []
    if said.ended == "cut" and (heard or unheard):
        messages.append(_note(_where("The user interrupted you", said, heard, unheard)))
    elif said.ended == "failed" and (heard or unheard):
        messages.append(_note(_where("A fault, not the user, broke off your speech", said, heard, unheard)))
    return messages


def _where(what: str, said: AgentSaid, heard: str, unheard: str) -> str:
    if not heard:
        note = f"{what} before any of your words were heard."
        return f"{note} They did not hear: '{unheard}'"
    place, about, surely = ("here", "", "") if said.exact else ("about here", "about ", "probably ")
    note = f"{what} {place}. They heard your words up to {about}'{last_words(heard)}'."
    return f"{note} They {surely}did not hear: '{unheard}'" if unheard else note


def _user(said: UserSaid, before: Sequence[ConversationItem]) -> str:
    content = said.text.strip() if said.text else ""
    content = content or NOT_MADE_OUT
    if said.over is not None and said.over.text.strip() and _matters(content, said.over, before):
        content = f'{content}\n(said over your words "... {said.over.text.strip()}")'
    return content


def _matters(content: str, over: SaidOver, before: Sequence[ConversationItem]) -> bool:
    """Whether the words spoken over are worth a note: not for a sentence that stands alone and comes right after a
    note of the cut which ends in the very same words."""
    last = before[-1] if before else None
    told = (
        isinstance(last, AgentSaid)
        and last.ended == "cut"
        and last.reply == over.reply
        and last.text.strip().endswith(over.text.strip())
    )
    return not told or len(spans(content)) <= SHORT_ANSWER_WORDS or content == NOT_MADE_OUT


def _backchannel(said: UserBackchannel) -> str:
    over = f' over your words "... {said.over.text.strip()}"' if said.over and said.over.text.strip() else ""
    return f'The user said "{said.text.strip()}"{over}, only to show that they listen. It answers nothing.'
