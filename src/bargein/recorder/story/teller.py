"""Follows a record, entry by entry, and remembers what a story tells of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bargein.floor import (
    Action,
    Answer,
    CallRestored,
    CloseTurn,
    ContinueReply,
    Cut,
    CutStalledReply,
    DiscardLateReply,
    DiscardReply,
    Dismiss,
    EndCall,
    EndingAsked,
    Event,
    GiveUp,
    Hold,
    Interrupted,
    KeyPressed,
    Listen,
    PolicyChanged,
    ReplyEnded,
    ReplyFailed,
    ReplyStarted,
    Reprompt,
    Resume,
    Say,
    SayFiller,
    SpeechWindow,
    UserTyped,
)
from bargein.recorder.reading import Entry, Happened, Noted, Ordered
from bargein.recorder.story.call_story import StoryBackchannel, StoryDecision, StoryEvent, StoryFault
from bargein.recorder.story.drafts import HoldDraft, ReplyDraft, TurnDraft
from bargein.recorder.story.noted import NotesTeller
from bargein.recorder.story.word_times import SpeechStretches, Stretch

MAJOR = (
    *(Hold, Resume, Cut, DiscardReply, DiscardLateReply, CutStalledReply, Answer, Say, Reprompt, SayFiller),
    *(ContinueReply, CloseTurn, EndCall, GiveUp),
)
SPEECH = 0.5  # a window that holds speech more surely than not
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


class Teller:
    """Everything here grows with what was said and decided, and not with the call's length in silence."""

    def __init__(self) -> None:
        self.turns: dict[int, TurnDraft] = {}
        self.replies: dict[int, ReplyDraft] = {}
        self.backchannels: list[StoryBackchannel] = []
        self.decisions: list[StoryDecision] = []
        self.speech = SpeechStretches()
        self.last_ms = 0.0
        """How far the record has come."""
        self.gaps: list[Stretch] = []
        """Where lines of the record could not be read, by the lines around them."""
        self.events: list[StoryEvent] = []
        self.faults: list[StoryFault] = []
        self.notes = NotesTeller(self.replies, self.turns, self.events, self.faults)
        self._keys: list[tuple[float, str | None]] = []  # None: typed
        self._behind: ReplyDraft | None = None  # goes on, unheard, while a filler sounds
        self._live = 0

    def feed(self, entry: Entry) -> None:
        """The next entry of the record."""
        match entry:
            case Happened(at_ms, event):
                self._happened(at_ms, event)
            case Ordered(at_ms, action):
                self.last_ms = max(self.last_ms, at_ms)
                self._decided(at_ms, action)
                self._ordered(at_ms, action)
            case Noted(at_ms, kind, facts):
                self.last_ms = max(self.last_ms, at_ms)
                self.notes.note(at_ms, kind, facts)

    @property
    def told(self) -> bool:
        """Anything of a call was read."""
        return bool(self.turns or self.replies or self.decisions or self.notes.call or self.notes.ended_why)

    def place_keys(self) -> None:
        """Keys and typed words belong to the turn that was open when they came."""
        turns = list(self.turns.values())
        for at_ms, key in self._keys:
            open_then = [t for t in turns if t.decided_ms is None or t.decided_ms >= at_ms]
            turn = open_then[0] if open_then else None
            if turn is None:
                continue
            if key is None:
                turn.typed = True
            else:
                turn.keys += key

    # --------------------------------------------------------------------------------------------------- events

    def _happened(self, at_ms: float, event: Event) -> None:
        if isinstance(event, SpeechWindow):
            self.last_ms = max(self.last_ms, event.until_ms)
            if event.speech >= SPEECH and event.echo < SPEECH:
                self.speech.add(event.at_ms, event.until_ms)
            return
        self.last_ms = max(self.last_ms, at_ms)
        match event:
            case ReplyStarted(reply=reply):
                self._reply(reply, at_ms).started_ms = at_ms
            case ReplyEnded(reply=reply):
                draft = self._reply(reply, at_ms)
                sounded = draft.started_ms is not None
                draft.end(at_ms, "completed" if sounded else "discarded", "" if sounded else "nothing to say")
            case ReplyFailed(reply=reply, why=why):
                self._reply(reply, at_ms).end(at_ms, "failed", why)
                self.notes.reply_failed(at_ms, why)
            case KeyPressed(key=key):
                self._keys.append((at_ms, key))
            case UserTyped():
                self._keys.append((at_ms, None))
            case Interrupted(by=by):
                self._tell(at_ms, "interrupt", f"stopped by hand ({by})")
            case PolicyChanged(policy=policy):
                self._tell(at_ms, "policy", f"the policy is {policy.preset or 'another'} from now on")
            case CallRestored():
                self._tell(at_ms, "restored", "the call goes on from what another server knew of it")
            case EndingAsked(why=why):
                self._tell(at_ms, "ending", why)
            case _:
                pass

    def _tell(self, at_ms: float, kind: str, text: str) -> None:
        self.events.append(StoryEvent(at_ms=at_ms, kind=kind, text=text))

    def _reply(self, reply: int, at_ms: float) -> ReplyDraft:
        """The reply; one that the record does not introduce is known by its number alone."""
        if reply not in self.replies:
            self.replies[reply] = ReplyDraft(reply, None, None, "", at_ms)
        return self.replies[reply]

    # -------------------------------------------------------------------------------------------------- actions

    def _decided(self, at_ms: float, action: Action) -> None:
        raw: Mapping[str, Any] = {name: getattr(action, name, None) for name in ("reply", "turn", "onset_ms", "source")}
        barge_in = getattr(action, "barge_in", None)
        if barge_in is not None:
            raw = {**raw, "onset_ms": barge_in.onset_ms, "source": barge_in.source}
        self.decisions.append(
            StoryDecision(
                at_ms=at_ms,
                kind=snake(type(action)),
                reply=raw["reply"],
                turn=raw["turn"],
                onset_ms=raw["onset_ms"],
                source=None if raw["source"] is None else str(raw["source"]),
                why=action.why,
                major=isinstance(action, MAJOR),
            )
        )

    def _ordered(self, at_ms: float, action: Action) -> None:
        match action:
            case Listen(turn=turn, from_ms=from_ms):
                if turn not in self.turns:
                    # The pre-roll may reach into the turn before.
                    before = next(reversed(self.turns.values()), None)
                    ended_ms = from_ms if before is None or before.decided_ms is None else before.decided_ms
                    self.turns[turn] = TurnDraft(turn, max(from_ms, ended_ms))
                self.turns[turn].decided_ms = None  # it goes on
            case Answer(reply=reply, turn=turn, why=why):
                draft = self.turns.setdefault(turn, TurnDraft(turn, at_ms))
                draft.decided_ms, draft.reply, draft.why = at_ms, reply, why
                self._begin(ReplyDraft(reply, "reply", turn, why, at_ms))
            case CloseTurn(turn=turn, why=why):
                draft = self.turns.setdefault(turn, TurnDraft(turn, at_ms))
                draft.decided_ms, draft.closed = at_ms, why
            case Say(reply=reply, why=why):
                self._begin(ReplyDraft(reply, "say", None, why, at_ms))
            case Reprompt(reply=reply, why=why):
                self._begin(ReplyDraft(reply, "reprompt", None, why, at_ms))
            case SayFiller(reply=reply, why=why):
                self._behind = self.replies.get(self._live)
                self._begin(ReplyDraft(reply, "filler", None, why, at_ms))
            case ContinueReply(reply=reply):
                self._continue(at_ms, reply)
            case _:
                self._verdict(at_ms, action)

    def _begin(self, draft: ReplyDraft) -> None:
        self._live = draft.reply
        self.replies[draft.reply] = draft

    def _continue(self, at_ms: float, reply: int) -> None:
        """The reply behind the filler has another number from now on."""
        draft, self._behind = self._behind, None
        if draft is None:
            draft = ReplyDraft(reply, None, None, "", at_ms)
        self.replies.pop(draft.reply, None)
        self.notes.renumbered(draft.reply, reply)
        draft.reply = reply
        if draft.turn is not None and draft.turn in self.turns:
            self.turns[draft.turn].reply = reply
        self._begin(draft)

    def _verdict(self, at_ms: float, action: Action) -> None:
        match action:
            case Hold(reply=reply, onset_ms=onset_ms, source=source, why=why):
                draft = self._reply(reply, at_ms)
                if draft.hold is None:
                    draft.hold = HoldDraft(reply, onset_ms, at_ms, str(source), why)
            case Resume(reply=reply, why=why):
                self._reply(reply, at_ms).close_hold(at_ms, "resume", why, self._said_since(reply, at_ms))
            case Cut(reply=reply, barge_in=barge_in):
                self._reply(reply, at_ms).end(at_ms, "cut", barge_in.why)
            case CutStalledReply(reply=reply, why=why):
                self._reply(reply, at_ms).end(at_ms, "failed", why)
            case DiscardReply(reply=reply, barge_in=barge_in, turn=turn):
                self._reply(reply, at_ms).end(at_ms, "discarded", barge_in.why)
                if turn in self.turns:
                    self.turns[turn].decided_ms = self.turns[turn].reply = None
            case DiscardLateReply(reply=reply, why=why):
                self._reply(reply, at_ms).end(at_ms, "discarded", why)
            case Dismiss(onset_ms=onset_ms, until_ms=until_ms, text=text, why=why):
                told = StoryBackchannel(from_ms=onset_ms, until_ms=until_ms, text=text, why=why)
                self.backchannels.append(told)
            case _:
                pass

    def _said_since(self, reply: int, at_ms: float) -> str:
        """What was said in the reply's hold, and was no turn."""
        hold = self.replies[reply].hold
        newest = self.backchannels[-1] if self.backchannels else None
        if hold is None or newest is None or newest.until_ms < hold.onset_ms:
            return ""
        return newest.text


def snake(kind: type[object]) -> str:
    """An action's name, as the page and the exports write it."""
    return _CAPITAL.sub("_", kind.__name__).lower()
