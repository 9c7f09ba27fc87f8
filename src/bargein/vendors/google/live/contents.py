"""The conversation in Gemini's contents: for a session that has to be made anew, and the notes in one that goes on.

Gemini Live has two roles, user and model, and no message of the system in mid-session. So a note stands in brackets, as
the user's. A note is never sent alone: Gemini may answer any text of the user.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

from bargein.protocols import AgentSaid, ConversationItem, ToolResult, UserBackchannel, UserSaid
from bargein.vendors.common.openai_realtime.prompts import backchannel_note, cut_note, last_words, over_note, wording

Json = dict[str, Any]
STILL_RUNS = "It still runs. You are told when it is done; do not call it again for this."
GO_ON = "Answer the caller now."
NOT_HEARD = "(the caller spoke; the words could not be made out)"


def note(text: str) -> str:
    """A text that is about the call and none of the caller's words."""
    return f"[{text.strip()}]"


def cut(said: AgentSaid, language: str) -> str:
    """What was heard of a reply that was cut, as a note. Empty: the reply had no words."""
    text = cut_note(said, language)
    return note(text) if text else ""


def spoken_for(said: AgentSaid, language: str) -> str:
    """What the fallback TTS said in the model's place, as a note."""
    heard = said.text.strip()
    told = f'Your words were said by another voice: "{heard}"' if heard else ""
    where = cut_note(said, language) if said.ended == "cut" else ""
    return note(" ".join(part for part in (told, where) if part)) if told or where else ""


def heard(said: AgentSaid, language: str, *, by_fallback: bool) -> str:
    """What was heard of a reply, as a note. Empty: what the model believes is so."""
    if by_fallback:
        return spoken_for(said, language)
    return "" if said.ended == "completed" else cut(said, language)


def unanswered(text: str) -> str:
    """The request for the rest of a reply that broke off. text: what came of the reply."""
    if not text.strip():
        return note(GO_ON)
    return note(f'The connection broke. Go on right after your words "{last_words(text)}", and repeat none of them.')


def backchannel(said: UserBackchannel, language: str) -> str:
    """A "mm-hmm" that was no turn, as a note."""
    return note(backchannel_note(said.text, language))


def late(used: ToolResult, language: str) -> str:
    """The result of a tool whose call was answered, or cancelled, before."""
    return note(wording(language).late_tool.format(tool=used.tool, result=result_of(used)))


def result_of(used: ToolResult) -> str:
    """The result as text."""
    result = STILL_RUNS if used.result is None else used.result
    return f"Error: {result}" if used.error else result


def content(role: str, *texts: str) -> Json:
    """One turn of the conversation."""
    return {"role": role, "parts": [{"text": text} for text in texts if text]}


def client_content(contents: Sequence[Json], *, complete: bool) -> Json:
    """The message with turns as text. complete: the model answers at once, and stops what it generates."""
    return {"clientContent": {"turns": list(contents), "turnComplete": complete}}


def as_contents(items: Sequence[ConversationItem], language: str) -> list[Json]:
    """The conversation so far: the agent's words that were heard, the user's that are known, and the notes.

    Neighbours of one role are one content."""
    made: list[Json] = []
    for item in items:
        for role, text in _texts(item, language):
            if made and made[-1]["role"] == role:
                made[-1]["parts"].append({"text": text})
            else:
                made.append(content(role, text))
    return made


def history(items: Sequence[ConversationItem], language: str, *, again: bool) -> list[Json]:
    """The same for a new session. again: the last turn's audio goes up once more, so its words are left out."""
    kept = list(items)
    while again and kept and isinstance(kept[-1], UserSaid):
        kept.pop()
    return as_contents(kept, language)


def recap(items: Sequence[ConversationItem], language: str) -> str:
    """The same as one note, for a session that has all but the newest turns. Empty: nothing was said."""
    names = {"user": "The caller", "model": "You"}
    told = [
        text if text.startswith("[") else f'{names[role]}: "{text}"'
        for item in items
        for role, text in _texts(item, language)
    ]
    return note("Said last: " + " ".join(told)) if told else ""


def _texts(item: ConversationItem, language: str) -> list[tuple[str, str]]:
    texts: list[tuple[str, str]] = []
    match item:
        case AgentSaid():
            heard = item.text.strip()
            if item.ended == "sounding":  # a cut of it is told by `Response.truncate`
                heard = f"{heard} {item.unheard.strip()}".strip()
            texts.append(("model", heard))
            if item.ended == "cut":
                texts.append(("user", cut(item, language)))
        case UserSaid():
            texts.append(("user", (item.text or "").strip() or NOT_HEARD))
            if item.over is not None and item.over.text.strip():
                texts.append(("user", note(over_note(item.over, language))))
        case UserBackchannel():
            texts.append(("user", backchannel(item, language)))
        case ToolResult():  # a call in the history would need an id that the new session has never given
            texts.append(("user", note(f"You called {item.tool}({item.arguments}). Result: {result_of(item)}")))
        case _:
            assert_never(item)
    return [(role, text) for role, text in texts if text]
