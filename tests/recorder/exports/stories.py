"""Stories of calls, made by hand."""

from __future__ import annotations

from typing import Any, Literal

from bargein.recorder.story.call_story import (
    CallStory,
    StoryBackchannel,
    StoryHold,
    StoryMeasures,
    StoryReply,
    StoryTool,
    StoryTurn,
    StoryVendorCall,
    StoryWord,
)


def words(text: str, from_ms: float, *, heard: int | None = None, each_ms: float = 200.0) -> tuple[StoryWord, ...]:
    parts = [f"{part} " for part in text.split()]
    return tuple(
        StoryWord(part, from_ms + n * each_ms, from_ms + (n + 1) * each_ms, heard is None or n < heard)
        for n, part in enumerate(parts)
    )


def turn(number: int, text: str | None, from_ms: float, **facts: Any) -> StoryTurn:
    said = words(text or "", from_ms)
    known: dict[str, Any] = {
        "turn": number, "from_ms": from_ms, "until_ms": from_ms + 200 * max(len(said), 1), "decided_ms": None,
        "text": text, "words": said, "over": None, "typed": False, "keys": "", "reply": None, "closed": None,
        "why": "", "stt": None, "stt_ms": None,
    }  # fmt: skip
    return StoryTurn(**(known | facts))


def reply(number: int, text: str, from_ms: float, *, unheard: str = "", **facts: Any) -> StoryReply:
    heard = len(text.split())
    said = words(f"{text} {unheard}", from_ms, heard=heard)
    known: dict[str, Any] = {
        "reply": number, "kind": "reply", "turn": None, "why": "", "asked_ms": from_ms - 300, "started_ms": from_ms,
        "ended_ms": from_ms + 200 * heard, "ended": "cut" if unheard else "completed", "ended_why": "", "text": text,
        "unheard": unheard, "exact": True, "words": said, "timed": True, "response_ms": None, "holds": (),
    }  # fmt: skip
    return StoryReply(**(known | facts))


def hold(number: int, at_ms: float, until_ms: float) -> StoryHold:
    return StoryHold(
        reply=number, onset_ms=at_ms - 40, at_ms=at_ms, until_ms=until_ms, source="speech", why="", verdict="resume",
        verdict_why="", text="",
    )  # fmt: skip


def tool(call: str, name: str, of: int | None, began_ms: float | None, **facts: Any) -> StoryTool:
    known: dict[str, Any] = {
        "id": call, "tool": name, "reply": of, "arguments": "{}", "began_ms": began_ms,
        "ended_ms": None if began_ms is None else began_ms + 100, "result": "done", "error": False,
    }  # fmt: skip
    return StoryTool(**(known | facts))


def vendor(part: Literal["llm", "tts"], of: int, asked_ms: float, first_ms: float | None) -> StoryVendorCall:
    return StoryVendorCall(
        part=part, name=part, reply=of, asked_ms=asked_ms, first_ms=first_ms, ended_ms=asked_ms, chars=0, fault=None
    )


def noise(text: str, from_ms: float) -> StoryBackchannel:
    return StoryBackchannel(from_ms=from_ms, until_ms=from_ms + 300, text=text, why="")


def story(**facts: Any) -> CallStory:
    measures = StoryMeasures(
        turns=0, replies=0, holds=0, resumes=0, cuts=0, tools=0, faults=0, user_spoke_ms=0, agent_spoke_ms=0,
        response_ms=(), onset_to_hold_ms=(), hold_ms=(), words_made=0, words_heard=0,
    )  # fmt: skip
    known: dict[str, Any] = {
        "call": "c1", "agent": "guide", "language": "en", "preset": "balanced", "policy": {}, "started_s": 1.79e9,
        "lasted_ms": 9000.0, "ended_why": "the client hung up", "live": False, "facts": {}, "missing": (),
        "recording": None, "turns": (), "replies": (), "backchannels": (), "decisions": (), "tools": (),
        "vendor_calls": (), "faults": (), "events": (), "speech": (), "measures": measures,
    }  # fmt: skip
    return CallStory(**(known | facts))
