"""The rules on a client that is away: its connection is lost, and it may come back.

Nothing is said into a lost connection, and no timer of the conversation runs: the user cannot hear, and is not heard.
What the user has said stays the user's turn. The one timer that runs ends the call.
"""

from __future__ import annotations

from bargein.floor import actions as do
from bargein.floor import events as ev
from bargein.floor.actions import Action, Source
from bargein.floor.moves import begin_reply, discard_prepared, end_reply, extend_turn, held_for_speech, open_turn
from bargein.floor.pause import UNREAD
from bargein.floor.speech import Evidence
from bargein.floor.state import FloorState, State

LOST = "the connection to the client is lost"


def on_client_away(floor: FloorState, e: ev.ClientAway, out: list[Action]) -> None:
    """The live reply ends where the client was last known to be; the user's turn stays open."""
    if floor.away:
        return
    floor.away, floor.away_until_ms = True, e.at_ms + e.keep_ms
    turn, speech = floor.turn, floor.speech
    spoken = floor.talking or held_for_speech(floor)
    discard_prepared(floor, LOST, out)
    reopened = _end_live_reply(floor, out) if floor.live else 0
    if reopened and not turn.open:
        # The turn was answered, and the answer was not heard: it is the open turn again, and is answered later.
        open_turn(floor, turn.since_ms, LOST, out, reopened=reopened)
    elif spoken and not turn.open:
        open_turn(floor, speech.onset_ms, "the user was speaking when the connection was lost", out)
        extend_turn(floor)
    elif speech.evidence is not Evidence.SILENT and not turn.open:
        out.append(do.Ignore("speech", LOST))
    speech.end()
    floor.state = State.LISTENING if turn.open else State.IDLE


def _end_live_reply(floor: FloorState, out: list[Action]) -> int:
    """Returns the turn that the reply was to answer, and that nothing has answered; 0: there is none."""
    reply, turn = floor.reply, floor.turn
    signal = do.BargeIn(reply.id, floor.now_ms, floor.now_ms, Source.LOST, 1.0, LOST)
    if reply.sounding:
        out.append(do.Cut(reply.id, signal))
        if not reply.reprompting and not reply.filler:
            floor.failures = 0  # the model and the TTS work
        if not reply.filler:
            end_reply(floor)
            return 0
    # Nothing has answered the turn (behind a filler no answer has sounded). Words that were kept over a protected
    # beginning are a later turn, and have the floor.
    reopened = reply.turn if reply.turn == turn.id and not turn.open else 0
    if not reply.sounding:
        out.append(do.DiscardReply(reply.id, reopened, signal))
    if reply.turn and not reopened:
        out.append(do.CloseTurn(reply.turn, f"not answered: {LOST}"))
    end_reply(floor)
    return reopened


def on_client_back(floor: FloorState, e: ev.ClientBack, out: list[Action]) -> None:
    """The user hears and is heard again: the open turn goes on, or the agent says that the line was cut."""
    if not floor.away:
        return
    floor.away = False
    floor.left = False  # where the call was to end, it goes on after all
    turn, p = floor.turn, floor.policy.endpointing
    floor.speech.end()  # what ran has ended with the old connection
    floor.quiet_since_ms = floor.now_ms
    if turn.open and (turn.spoken_ms >= p.min_turn_ms or floor.stt_words):
        # The user is given `end_of_turn_ms` to go on, also where an STT owes the end: it has not heard the rest.
        owed = floor.stt_turns and floor.policy.verdict.trust_transcriber_turns
        turn.spoken_until_ms = floor.now_ms - (max(0.0, p.turn_grace_ms - p.end_of_turn_ms) if owed else 0.0)
        turn.since_ms = floor.now_ms
        # Its words do not shorten that.
        floor.pause.asked_until_ms, floor.pause.score, floor.pause.awaiting = turn.spoken_until_ms, UNREAD, False
        floor.state = State.LISTENING
        out.append(do.Ignore("silence", "the client is back: the turn that was open goes on"))
        return
    if turn.open:
        turn.open = False
        out.append(do.CloseTurn(turn.id, f"{turn.spoken_ms:.0f} ms of sound is no turn"))
    if floor.says_waiting and e.cause != "back":
        # What waits is the model's own word on it.
        floor.says_waiting -= 1
        begin_reply(floor, 0)
        out.append(do.Say(floor.reply.id, "the client is back"))
        return
    begin_reply(floor, 0, reprompting=True)
    out.append(do.Reprompt(floor.reply.id, e.cause, "the client is back"))


def on_call_restored(floor: FloorState, e: ev.CallRestored, out: list[Action]) -> None:
    """The first thing that a floor learns of a call that another server had: the ids go on, and the agent says that it
    was away."""
    if floor.reply.id or floor.turn.id:
        return
    floor.speech.end()  # what ran began with the new connection: the agent speaks first
    floor.reply.id, floor.turn.id = e.reply, e.turn
    floor.quiet_since_ms = floor.now_ms
    if e.cause == "moved" or floor.mute:
        return
    begin_reply(floor, 0, reprompting=True)
    out.append(do.Reprompt(floor.reply.id, e.cause, "the call goes on after the loss of its server"))


def client_gone(floor: FloorState, out: list[Action]) -> None:
    """The client did not come back within its time: end the call."""
    if floor.turn.open:
        floor.turn.open = False
        out.append(do.CloseTurn(floor.turn.id, "the client did not come back"))
    end_reply(floor)
    floor.says_waiting = 0
    floor.left = floor.over = True
    out.append(do.EndCall("the connection was lost, and the client did not come back", gone=True))
