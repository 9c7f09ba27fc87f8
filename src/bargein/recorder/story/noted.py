"""What the notes of a record add to its story."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from bargein.recorder.story.call_story import (
    Ended,
    StoryEvent,
    StoryFault,
    StoryOver,
    StoryTool,
    StoryVendorCall,
)
from bargein.recorder.story.drafts import ReplyDraft, TurnDraft

NOT_FACTS = frozenset({"id", "agent", "began_ms"})
EVENTS = {
    "away": "the connection is lost: {reason}",
    "back": "the client is back",
    "transfer": "the caller is handed on to {to}",
    "not_transferred": "{to} was not reached: {why}",
    "machine": "a machine has picked up: {why}",
    "not_answered": "the call was not answered: {why}",
    "recording": "the recording begins",
    "recording_paused": "the recording pauses: {why}",
    "recording_resumed": "the recording goes on",
    "recording_lost": "the recording has silence from here on: {why}",
    "recording_again": "the recording has sound again",
    "key": "the key {key} was passed over: {why}",
}
ASKED = {"say": "the agent was asked to say: {text}", "keys": "keys are sent: {text}", "transfer": "a transfer to {to}"}


class NotesTeller:
    """Fills in what it is given, and keeps the rest."""

    def __init__(
        self,
        replies: dict[int, ReplyDraft],
        turns: dict[int, TurnDraft],
        events: list[StoryEvent],
        faults: list[StoryFault],
    ) -> None:
        self._replies = replies
        self._turns = turns
        self._events = events
        self._faults = faults
        self.tools: dict[str, StoryTool] = {}
        self.vendor_calls: list[StoryVendorCall] = []
        self.facts: dict[str, str] = {}
        self.call = self.agent = ""
        self.ended_why: str | None = None
        self.lost = 0
        """Lines that never reached the file."""
        self.full = False
        self.words_noted = False

    def note(self, at_ms: float, kind: str, facts: Mapping[str, object]) -> None:
        """A note of the record. One that is of another shape than ours is passed over."""
        tell = getattr(self, f"_{kind}", None) if kind.isidentifier() else None
        try:
            if kind in HANDLED and tell is not None:
                tell(at_ms, cast("Mapping[str, Any]", facts))
            elif kind in EVENTS:
                text = EVENTS[kind].format_map(_Known(facts))
                self._events.append(StoryEvent(at_ms=at_ms, kind=kind, text=text))
        except (KeyError, TypeError, ValueError, msgspec.ValidationError):
            return

    def renumbered(self, was: int, now: int) -> None:
        """A reply has another number from now on."""
        self.vendor_calls = [
            msgspec.structs.replace(call, reply=now) if call.reply == was else call for call in self.vendor_calls
        ]
        for id_, tool in self.tools.items():
            if tool.reply == was:
                self.tools[id_] = msgspec.structs.replace(tool, reply=now)

    def reply_failed(self, at_ms: float, why: str) -> None:
        """A failure that is no vendor's outage is one of its own."""
        if not any(fault.until_ms is None and fault.at_ms <= at_ms for fault in self._faults):
            self._faults.append(StoryFault(at_ms=at_ms, until_ms=None, code="reply_failed", why=why))

    # ------------------------------------------------------------------------------------------------- the call

    def _call(self, at_ms: float, facts: Mapping[str, Any]) -> None:
        self.call, self.agent = str(facts.get("id", "")), str(facts.get("agent", ""))
        self.facts |= {name: str(value) for name, value in facts.items() if name not in NOT_FACTS and value != ""}

    def _bye(self, at_ms: float, facts: Mapping[str, Any]) -> None:
        self.ended_why = str(facts.get("reason", ""))

    def _lost(self, at_ms: float, facts: Mapping[str, Any]) -> None:
        self.lost += int(facts["lines"])

    def _full(self, at_ms: float, facts: Mapping[str, Any]) -> None:
        self.full = True

    def _asked(self, at_ms: float, facts: Mapping[str, Any]) -> None:
        what = str(facts["what"])
        text = ASKED.get(what, what).format_map(_Known(facts))
        self._events.append(StoryEvent(at_ms=at_ms, kind=f"asked_{what}", text=text))

    # --------------------------------------------------------------------------------------- turns and replies

    def _user(self, at_ms: float, facts: Mapping[str, Any]) -> None:
        turn = self._turns.setdefault(int(facts["turn"]), TurnDraft(int(facts["turn"]), at_ms))
        turn.text = facts["text"]
        over = facts.get("over")
        if over:
            # Version 1 and the notes of a realtime model name the words alone.
            reply, text = (over.get("reply", 0), over.get("text", "")) if isinstance(over, dict) else (0, str(over))
            turn.over = StoryOver(int(reply) or self._sounded_before(turn.from_ms), str(text))
        if turn.stt is not None and turn.stt_ms is None and turn.decided_ms is not None:
            turn.stt_ms = max(0.0, at_ms - turn.decided_ms)

    def _sounded_before(self, at_ms: float) -> int:
        sounded = [r.reply for r in self._replies.values() if r.started_ms is not None and r.started_ms <= at_ms]
        return sounded[-1] if sounded else 0

    def _sounds(self, at_ms: float, facts: Mapping[str, Any]) -> None:
        self._draft(facts, at_ms).kind = str(facts["reply_kind"])

    def _words(self, at_ms: float, facts: Mapping[str, Any]) -> None:
        draft = self._draft(facts, at_ms)
        draft.heard = int(facts["heard"])
        self.words_noted = True
        if "text" in facts:
            first = int(facts.get("first", 0))
            lost = max(0, first - len(draft.texts))  # in a line that is not there
            draft.texts[first:] = [""] * lost + [str(text) for text in facts["text"]]
            draft.times[2 * first :] = [0.0] * 2 * lost + [float(ms) for ms in facts["times"]]
            draft.timed = bool(facts["timed"])
            draft.kind = str(facts["reply_kind"])

    def _heard(self, at_ms: float, facts: Mapping[str, Any]) -> None:
        draft = self._draft(facts, at_ms)
        draft.text, draft.unheard = str(facts["text"]), str(facts.get("unheard", ""))
        draft.exact = bool(facts.get("exact", False))
        ended = str(facts.get("ended", ""))
        if draft.ended is None and ended in ("completed", "cut", "failed"):
            draft.end(at_ms, cast("Ended", ended), "")

    def _draft(self, facts: Mapping[str, Any], at_ms: float) -> ReplyDraft:
        reply = int(facts["reply"])
        if reply not in self._replies:
            self._replies[reply] = ReplyDraft(reply, None, None, "", at_ms)
        return self._replies[reply]

    # --------------------------------------------------------------------------------------- vendors and tools

    def _vendor(self, at_ms: float, facts: Mapping[str, Any]) -> None:
        told = {"fault": facts.get("why"), "ended_ms": at_ms, "reply": facts.get("reply", 0)}
        call = msgspec.convert({"first_ms": None, **facts, **told}, StoryVendorCall)
        self.vendor_calls.append(call)
        if call.part == "stt":
            waiting = [turn for turn in self._turns.values() if turn.decided_ms is not None and turn.text is None]
            if waiting:
                waiting[-1].stt = call.name

    def _released(self, at_ms: float, facts: Mapping[str, Any]) -> None:
        """What was prepared belongs to the reply that the floor has asked for."""
        turn = self._turns.get(int(facts["turn"]))
        if turn is None or turn.reply is None:
            return
        for at, call in enumerate(self.vendor_calls):
            if call.reply == 0 and call.part != "stt" and call.asked_ms >= turn.from_ms:
                self.vendor_calls[at] = msgspec.structs.replace(call, reply=turn.reply)

    def _tool_began(self, at_ms: float, facts: Mapping[str, Any]) -> None:
        self._tool_is(facts, began_ms=at_ms)

    def _tool(self, at_ms: float, facts: Mapping[str, Any]) -> None:
        result = facts.get("result")
        told = {"result": result, "error": bool(facts.get("error"))}
        if result is not None:
            told["ended_ms"] = at_ms
        self._tool_is(facts, **told)

    def _tool_is(self, facts: Mapping[str, Any], **told: object) -> None:
        id_ = str(facts["id"])
        known = self.tools.get(id_) or StoryTool(
            id=id_,
            tool=str(facts["tool"]),
            reply=None,
            arguments=None,
            began_ms=None,
            ended_ms=None,
            result=None,
            error=False,
        )
        for name in ("reply", "arguments"):
            if facts.get(name) is not None:
                told[name] = facts[name]
        self.tools[id_] = msgspec.structs.replace(known, **told)

    # --------------------------------------------------------------------------------------------------- faults

    def _outage(self, at_ms: float, facts: Mapping[str, Any]) -> None:
        code = str(facts["code"])
        if not facts.get("over"):
            self._faults.append(StoryFault(at_ms=at_ms, until_ms=None, code=code, why=str(facts.get("why", ""))))
            return
        for at in range(len(self._faults) - 1, -1, -1):
            if self._faults[at].code == code and self._faults[at].until_ms is None:
                self._faults[at] = msgspec.structs.replace(self._faults[at], until_ms=at_ms)
                return

    def _fault(self, at_ms: float, facts: Mapping[str, Any]) -> None:
        told = StoryFault(at_ms=at_ms, until_ms=at_ms, code=str(facts["code"]), why=str(facts.get("message", "")))
        self._faults.append(told)


HANDLED = frozenset(
    {"call", "bye", "lost", "full", "asked", "user", "sounds", "words", "heard"}
    | {"vendor", "released", "tool_began", "tool", "outage", "fault"}
)


class _Known(dict[str, Any]):
    """The facts of a note, with a dash for what an older record lacks."""

    def __missing__(self, key: str) -> str:
        return "-"
