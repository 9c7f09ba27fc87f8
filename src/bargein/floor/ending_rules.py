"""The rules on a call that has to end: a bound is reached, or the server stops. The agent says goodbye, and no more."""

from __future__ import annotations

from bargein.floor import actions as do
from bargein.floor import events as ev
from bargein.floor.actions import Action, Source
from bargein.floor.moves import begin_reply, discard_prepared, end_reply
from bargein.floor.state import FloorState


def on_ending(floor: FloorState, e: ev.EndingAsked, out: list[Action]) -> None:
    """Whatever runs is over. The goodbye is protected: speech does not interrupt it, and it is not answered."""
    if floor.leaving:
        return
    floor.leaving, floor.leave_by_ms, floor.leave_why = True, e.at_ms + e.within_ms, e.why
    stop_all(floor, e.why, out)
    if floor.away:
        return
    begin_reply(floor, 0, reprompting=True)
    floor.reply.protected = True
    out.append(do.Reprompt(floor.reply.id, e.cause, e.why))


def stop_all(floor: FloorState, why: str, out: list[Action]) -> None:
    """The live reply and the open turn are over, and nothing waits to be said."""
    reply, turn = floor.reply, floor.turn
    if floor.live:
        signal = do.BargeIn(reply.id, floor.now_ms, floor.now_ms, Source.ENDING, 1.0, why)
        out.append(do.Cut(reply.id, signal) if reply.sounding else do.DiscardReply(reply.id, 0, signal))
        if reply.turn and (reply.filler or not reply.sounding):
            out.append(do.CloseTurn(reply.turn, f"not answered: {why}"))
    discard_prepared(floor, why, out)
    if turn.open:
        turn.open = False
        out.append(do.CloseTurn(turn.id, why))
    floor.says_waiting = 0
    floor.speech.end()
    end_reply(floor)


def leave(floor: FloorState, out: list[Action]) -> None:
    """The goodbye is over, or its time is: the call ends."""
    stop_all(floor, floor.leave_why, out)
    floor.left = floor.over = True
    out.append(do.EndCall(floor.leave_why))


def call_too_long(floor: FloorState, out: list[Action]) -> None:
    """The call has lasted `max_call_ms`: say goodbye, and end it."""
    limit_ms = floor.policy.idle.max_call_ms
    on_ending(floor, ev.EndingAsked(floor.now_ms, f"the call has lasted {limit_ms:g} ms"), out)
