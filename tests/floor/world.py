"""What a watcher of a floor knows: the world as its events and actions tell it, and what the floor shows."""

from __future__ import annotations

from typing import NamedTuple

from bargein.floor import actions as do
from bargein.floor import events as ev
from bargein.floor.rules import Floor
from bargein.floor.speech import Evidence
from tests.floor.twins import twin

MOST_TICKS = 40
# Kinds of actions and of events.
CUTS = {do.Cut, do.DiscardReply}
SETTLED = CUTS | {do.Answer}
LOUD = CUTS | {do.Hold, do.Listen}
STOPS = {ev.KeyPressed, ev.UserTyped, ev.Interrupted}
GONE_ON = {ev.TurnResumed, ev.KeyPressed, ev.UserTyped}
NOTHING: frozenset[type] = frozenset()
LATE = {
    ev.ReplyStarted,
    ev.ReplyProtected,
    ev.ReplyEnded,
    ev.ReplyFailed,
    ev.ReplyStalled,
    ev.ToolsStarted,
    ev.ToolsEnded,
}


class Broken(AssertionError):
    """A promise of the design does not hold."""


class World(NamedTuple):
    """live: a reply is (ids are the floor's own, and only ever compared); answers: the turn it answers, 0 none."""

    live: bool = False
    sounding: bool = False
    held: bool = False
    protected: bool = False
    answers: int = 0  # 0: none; else how many turns ago, +1
    open: bool = False
    prepared: bool = False  # the open turn's reply is being made ahead
    accounted: bool = True  # the running onset has come to something that is on record
    asking: bool = False  # the live reply is a reprompt
    giving_up: bool = False  # it says that the agent cannot go on
    filler: bool = False  # it is a filler: another reply is being made behind it
    tools: bool = False  # it waits for tools
    fillers: int = 0  # said in the newest turn's replies
    lost: int = 0  # replies in a row, up to the policy's number
    left: bool = False  # the end of the call was ordered
    away: bool = False  # the client's connection is lost
    leaving: bool = False  # the call has to end
    over: bool = False
    hangs: bool = False  # the open turn was read since its last speech, and its words hang
    kept: bool = False  # the newest reply that sounded is over, and its client has not said so


class Seen(NamedTuple):
    """What a floor showed before an event."""

    state: str
    reply: int
    turn: int
    evidence: Evidence
    onset_ms: float
    now_ms: float
    guarded_until_ms: float
    carried_ms: float
    noticed_ms: float
    tools_until_ms: float
    silent_from_ms: float
    keys_until_ms: float
    due_ms: float | None
    turn_reading: int
    awaiting: bool
    spoken_until_ms: float
    talking: bool
    read: bool
    reading: int
    dismissed: bool
    hears_sound: bool
    look: int
    pending: bool
    asked_ms: float
    looked: bool
    empty: int
    worded: bool
    unsure: bool
    signs: int
    said: str

    @classmethod
    def of(cls, floor: Floor) -> Seen:
        return cls(
            floor.state.value, floor.reply.id, floor.turn.id, floor.speech.evidence, floor.speech.onset_ms,
            floor.now_ms,
            floor.reply.sounding_since_ms + floor.policy.echo.echo_guard_ms if floor.reply.sounding else -1.0,
            floor.onset.carried_ms, floor.speech.noticed_ms, floor.reply.tools_until_ms,
            floor.reply.silent_from_ms,
            floor.turn.keys_until_ms if floor.turn.open else -1.0,
            floor.deadline, floor.pause.reading, floor.pause.awaiting, floor.turn.spoken_until_ms, floor.talking,
            floor.pause_read,
            floor.onset.reading, floor.onset.dismissed, floor.hears_sound,
            floor.sound.look, floor.sound.pending, floor.sound.asked_ms, floor.sound.asked_until_ms > 0,
            floor.sound.empty, floor.sound.worded, floor.sound.unsure, floor.sound.signs, floor.sound.said,
        )  # fmt: skip


def liveness(floor: Floor, longest_ms: float) -> int:
    """From here, time alone (and a playout that ends what it plays) leads to rest. Returns how many steps it took.

    Raises Broken when a deadline stays due after its tick, or rest does not come in time or steps.
    """
    f = twin(floor)
    began = f.now_ms
    for n in range(MOST_TICKS):
        if f.over or (f.state == "idle" and f.deadline is None):
            return n
        due = f.deadline
        if due is None:
            if f.state != "speaking":
                raise Broken(f"(5) {f.state} waits for nothing")
            f.handle(ev.ReplyEnded(f.now_ms, f.reply.id))
            continue
        if due - began > longest_ms:
            raise Broken(f"(5) not at rest after {due - began} ms")
        before = (f.state, f.speech.evidence, f.reply.id, due)
        acted = f.handle(ev.Tick(due))
        if (f.state, f.speech.evidence, f.reply.id, f.deadline) == before and not acted:
            raise Broken(f"(5) the deadline {due} stays due in {f.state}")
    raise Broken(f"(5) {MOST_TICKS} ticks do not end {floor.state}")
