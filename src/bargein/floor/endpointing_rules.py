"""The rules on the end of the user's turn: how much quiet ends it.

After `end_look_ms` of quiet the words of the turn so far are read, once in each pause. By their evidence the turn ends
after `end_sure_ms` (surely whole), `end_likely_ms` (it may be whole), `end_of_turn_ms` (nothing is known) or
`end_hang_ms` (surely hanging), or between two of these; a user who has paused in mid-turn before is given as much
again. While the pause lasts the reply is made ahead, unless the words hang. It sounds when the turn is over.
"""

from __future__ import annotations

from bargein.floor import actions as do
from bargein.floor import events as ev
from bargein.floor.actions import Action
from bargein.floor.completeness import OPEN, PARTS, SENTENCE, SURE, completeness
from bargein.floor.moves import discard_prepared, extend_turn, learn_pause, prepare
from bargein.floor.pause import UNREAD
from bargein.floor.state import FloorState, State

PROSODY = 0.3  # of a score, at most half of it up or down: prosody is a prior, and no gate
SHOWN = 60  # characters of a turn, in a line that says why


def owed(floor: FloorState) -> bool:
    """A trusted STT owes the end of the turn. No STT ends a turn in which a key came last."""
    turn = floor.turn
    keyed = turn.keys_until_ms >= turn.spoken_until_ms
    return floor.stt_turns and floor.policy.verdict.trust_transcriber_turns and not keyed


def quiet_ms(floor: FloorState) -> float:
    """So much quiet ends the turn."""
    p, pause = floor.policy.endpointing, floor.pause
    if owed(floor):
        return p.turn_grace_ms
    if pause.score == UNREAD or not floor.pause_read:
        return p.end_of_turn_ms
    hang_ms, open_ms = max(p.end_hang_ms, p.end_of_turn_ms), p.end_of_turn_ms
    likely_ms = min(p.end_likely_ms, open_ms)
    sure_ms = min(p.end_sure_ms, likely_ms)
    score = pause.score
    if score >= SENTENCE:
        quiet = likely_ms + (sure_ms - likely_ms) * (score - SENTENCE) / (SURE - SENTENCE)
    elif score >= OPEN:
        quiet = open_ms + (likely_ms - open_ms) * (score - OPEN) / (SENTENCE - OPEN)
    else:
        quiet = hang_ms + (open_ms - hang_ms) * score / OPEN
    return quiet if score >= SURE else max(quiet, min(pause.own_ms * p.own_pause_share, hang_ms))


def may_look(floor: FloorState) -> bool:
    """The words of the turn so far may be read: a user has the floor, and they were not read in this pause."""
    if floor.state is not State.LISTENING or floor.pause_read or not floor.reads_turns:
        return False
    return not (floor.mute or floor.turn.keys_until_ms or owed(floor))


def hear_pause(floor: FloorState, w: ev.SpeechWindow, out: list[Action]) -> None:
    """A window came: where it makes `end_look_ms` of quiet, the words of the turn so far are read. The quiet is heard,
    and not only waited for: a window that is late on its way may be speech."""
    if w.until_ms - floor.turn.spoken_until_ms >= floor.policy.endpointing.end_look_ms and may_look(floor):
        look_at_turn(floor, out)


def look_due_ms(floor: FloorState) -> float | None:
    """When the words are read although no window comes: many lines send nothing in silence. None: not at all."""
    if not may_look(floor):
        return None
    heard_ms = max(floor.turn.spoken_until_ms, floor.speech.noticed_ms)
    return heard_ms + floor.policy.endpointing.end_look_ms


def look_at_turn(floor: FloorState, out: list[Action]) -> None:
    """Quiet for `end_look_ms`, or no audio for as long: ask for the words of the turn so far."""
    pause = floor.pause
    pause.reading += 1
    pause.awaiting = True
    pause.asked_until_ms = floor.turn.spoken_until_ms
    pause.score, pause.why = UNREAD, ""
    why = f"quiet for {floor.policy.endpointing.end_look_ms:g} ms: is the turn over?"
    out.append(do.ReadTurn(pause.reading, floor.turn.id, why))


def on_turn_read(floor: FloorState, e: ev.TurnRead, out: list[Action]) -> None:
    """The words of the turn so far were read. A reading that later speech has made old changes nothing."""
    turn, pause = floor.turn, floor.pause
    here = floor.state is State.LISTENING and turn.open and e.turn == turn.id and not floor.mute
    if not here or e.reading != pause.reading or not floor.pause_read or not pause.awaiting:
        return
    pause.awaiting = False
    if e.text is None and e.prosody is None:
        return
    found = completeness(e.text or "", floor.language, e.expects, e.digits)
    pause.score, said = found.score, " ".join((e.text or "").split())
    shown = said if len(said) <= SHOWN else f"...{said[-SHOWN:]}"
    pause.why = f"{shown!r} {found.why}" if said else found.why
    if e.prosody is not None and PARTS <= found.score < SURE:
        pause.score = min(max(found.score + PROSODY * (e.prosody - 0.5), 0.0), SURE)
        pause.why += f", prosody {e.prosody:.2f}"
    p = floor.policy.endpointing
    quiet = quiet_ms(floor)
    if quiet > p.end_of_turn_ms:
        out.append(do.Ignore("quiet", f"{quiet:.0f} ms of it end this turn: {why_now(floor)}"))
    if said and p.make_ahead and not turn.prepared and pause.score >= PARTS:
        prepare(floor, f"the turn may be over: {pause.why}", out)
        pause.made = True


def why_now(floor: FloorState) -> str:
    """The evidence that the running pause is judged by. "": none."""
    pause, share = floor.pause, floor.policy.endpointing.own_pause_share
    if pause.score == UNREAD or not floor.pause_read or owed(floor):
        return ""
    own = pause.score < SURE and pause.own_ms * share >= quiet_ms(floor)
    return pause.why + (f", and this caller has paused for {pause.own_ms:.0f} ms" if own else "")


def hear_turn(floor: FloorState, out: list[Action]) -> None:
    """Clear speech runs in an open turn: where it goes further than the turn did, the turn goes on."""
    if floor.speech.until_ms <= floor.turn.spoken_until_ms:
        return
    if floor.pause.made:
        floor.pause.made = False
        discard_prepared(floor, "the user goes on", out)
    if floor.pause_read and floor.speech.onset_ms > floor.turn.spoken_until_ms:
        learn_pause(floor, floor.speech.onset_ms)
    extend_turn(floor)


def forget_pause(floor: FloorState) -> None:
    """A turn is answered: its pauses count half as much for the next."""
    pause = floor.pause
    pause.made = False
    half_ms = pause.own_ms / 2
    pause.own_ms = half_ms if half_ms > floor.policy.endpointing.end_look_ms else 0.0
