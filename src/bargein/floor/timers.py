"""The only place where the passing of time is a reason: what falls due in a state, when, and what is done then.

No state waits for ever. While the client is away, only the end of the call falls due.
IDLE may wait for the user; the end of SPEAKING is owed by the playout; every other state has a
timer of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from bargein.floor import actions as do
from bargein.floor.actions import Action
from bargein.floor.client_rules import client_gone
from bargein.floor.ending_rules import call_too_long, leave
from bargein.floor.endpointing_rules import forget_pause, look_at_turn, look_due_ms, quiet_ms, why_now
from bargein.floor.moves import (
    answer,
    begin_filler,
    begin_reply,
    cut_by_speech,
    discard_prepared,
    end_filler,
    free_floor,
    lose_reply,
    resume,
)
from bargein.floor.sound_rules import count_said, sound_late
from bargein.floor.speech import Evidence
from bargein.floor.speech_rules import end_speech
from bargein.floor.state import FloorState, State

Timer = tuple[float, Callable[[FloorState, list[Action]], None]]


def timers(floor: FloorState) -> list[Timer]:
    """Everything that the mere passing of time decides: when, and what."""
    p, speech, turn, reply = floor.policy, floor.speech, floor.turn, floor.reply
    due: list[Timer] = []
    if floor.over:
        return due
    if floor.leaving:
        due.append((floor.leave_by_ms, leave))
    elif p.idle.max_call_ms is not None:
        due.append((p.idle.max_call_ms, call_too_long))
    if floor.away:
        return [*due, (floor.away_until_ms, client_gone)]
    if speech.evidence is not Evidence.SILENT:
        due.append((speech.noticed_ms + p.endpointing.deaf_ms, audio_lost))
    if floor.sound.pending:
        due.append((floor.sound.asked_ms + p.verdict.sound_wait_ms, sound_late))
    match floor.state:
        case State.IDLE:
            silence_ms = p.idle.user_silence_ms
            if silence_ms is not None and floor.reprompts < p.idle.max_reprompts:
                due.append((floor.quiet_since_ms + silence_ms, user_silent))
            elif silence_ms is not None and p.idle.hang_up_on_silence and not floor.left:
                due.append((floor.quiet_since_ms + silence_ms, user_gone))
        case State.LISTENING:
            if not floor.talking:
                due.append((max(turn.spoken_until_ms + quiet_ms(floor), turn.keys_until_ms), turn_over))
            if (look_ms := look_due_ms(floor)) is not None:
                due.append((look_ms, look_at_turn))
            due.append((turn.since_ms + p.endpointing.max_turn_ms, turn_too_long))
        case State.THINKING:
            due.append((max(reply.due_from_ms + _patience_ms(floor), reply.tools_until_ms), reply_late))
            if (filler_ms := _filler_ms(floor)) is not None:
                due.append((reply.silent_from_ms + filler_ms, answer_slow))
        case State.BARGE_IN:
            due.append((reply.held_since_ms + p.hold.hold_max_ms, hold_too_long))
            if speech.evidence is Evidence.SILENT:
                if speech.lasted_ms > 0:
                    wait_ms = floor.patience_ms if floor.by_length else p.verdict.verdict_timeout_ms
                    due.append((speech.until_ms + wait_ms, no_verdict))
                else:
                    due.append((reply.held_since_ms + p.hold.level_hold_ms, not_confirmed))
        case State.SPEAKING:
            pass
        case _:
            assert_never(floor.state)
    return due


def _patience_ms(floor: FloorState) -> float:
    """How long a reply may take to sound. A filler that takes as long as the wait before it fills nothing."""
    idle = floor.policy.idle
    if floor.reply.filler and idle.filler_ms is not None:
        return min(idle.filler_ms, idle.answer_timeout_ms)
    return idle.answer_timeout_ms


def _filler_ms(floor: FloorState) -> float | None:
    """How long the caller waits in silence before the next filler. None: no filler is said."""
    idle, reply = floor.policy.idle, floor.reply
    if idle.filler_ms is None or reply.filler or reply.protected or reply.fillers >= idle.max_fillers:
        return None
    owed = reply.tools_until_ms or (reply.turn and not reply.reprompting)
    if not owed or floor.turn.open or floor.speech.evidence is not Evidence.SILENT:
        return None
    return idle.filler_again_ms if reply.fillers else idle.filler_ms


def on_tick(floor: FloorState, at_ms: float, out: list[Action]) -> None:
    """Time has come for the first of the timers that are due."""
    due = [timer for timer in timers(floor) if timer[0] <= at_ms]
    if due:
        min(due, key=lambda timer: timer[0])[1](floor, out)


def audio_lost(floor: FloorState, out: list[Action]) -> None:
    """No window came for `deaf_ms`: the microphone is gone, the speech is over."""
    out.append(do.Ignore("speech", f"no audio for {floor.policy.endpointing.deaf_ms:g} ms: taken as its end"))
    end_speech(floor, out)


def user_silent(floor: FloorState, out: list[Action]) -> None:
    """The user has said nothing for `user_silence_ms`: ask whether they are there."""
    floor.reprompts += 1
    begin_reply(floor, 0, reprompting=True)
    out.append(do.Reprompt(floor.reply.id, "silence", f"no word for {floor.policy.idle.user_silence_ms:g} ms"))


def user_gone(floor: FloorState, out: list[Action]) -> None:
    """The user was asked `max_reprompts` times in vain, and as much quiet has passed again: end the call."""
    floor.left = True
    out.append(do.EndCall(f"no word after {floor.reprompts} times of asking"))


def turn_over(floor: FloorState, out: list[Action]) -> None:
    """Quiet for as long as the evidence asks (`end_sure_ms` to `end_hang_ms`), or for `turn_grace_ms` while the STT
    owes the end of the turn: answer the turn, or close it where it was too short to be one."""
    turn, p = floor.turn, floor.policy.endpointing
    if turn.spoken_ms < p.min_turn_ms and not floor.stt_words:
        discard_prepared(floor, "it was no turn", out)
        turn.open = False
        out.append(do.CloseTurn(turn.id, f"{turn.spoken_ms:.0f} ms of sound is no turn"))
        free_floor(floor, out)
    else:
        because = why_now(floor)
        answer(floor, f"quiet for {quiet_ms(floor):.0f} ms" + (f": {because}" if because else ""), out)
        forget_pause(floor)


def turn_too_long(floor: FloorState, out: list[Action]) -> None:
    """The turn has lasted `max_turn_ms`: answer it all the same."""
    floor.onset.dismissed = True  # or a noise that never ends would discard its own answer
    answer(floor, f"the turn lasts longer than {floor.policy.endpointing.max_turn_ms:g} ms", out)


def reply_late(floor: FloorState, out: list[Action]) -> None:
    """The reply has not begun to sound within `answer_timeout_ms`, nor within the time of its tools: give it up."""
    if floor.reply.filler:
        end_filler(floor, "the filler is late", out, last=True)
        return
    why = f"no sound for {floor.policy.idle.answer_timeout_ms:g} ms"
    out.append(do.DiscardLateReply(floor.reply.id, why))
    lose_reply(floor, "late", why, out)


def answer_slow(floor: FloorState, out: list[Action]) -> None:
    """The caller has waited for `filler_ms` (`filler_again_ms` since the last filler) for an answer or a tool: fill the
    time."""
    reply = floor.reply
    for_what = "a tool" if reply.tools_until_ms else "the answer"
    begin_filler(floor, f"{for_what} takes {floor.now_ms - reply.silent_from_ms:.0f} ms", out)


def hold_too_long(floor: FloorState, out: list[Action]) -> None:
    """No hold outlives `hold_max_ms`: cut if the user still speaks, else resume."""
    if floor.talking:
        cut_by_speech(floor, f"is still on after a hold of {floor.policy.hold.hold_max_ms:g} ms", out)
    else:
        floor.onset.dismissed = True
        resume(floor, f"undecided after {floor.policy.hold.hold_max_ms:g} ms", "", out)


def no_verdict(floor: FloorState, out: list[Action]) -> None:
    """The speech is over, and neither words nor more speech came within `verdict_timeout_ms`: resume."""
    if floor.by_length:
        resume(floor, f"speech ended after {floor.onset.carried_ms or floor.speech.lasted_ms:.0f} ms", "", out)
        return
    if floor.sound.said:
        count_said(floor, out)  # a word must be missed by two looks to be lost
        return
    resume(floor, f"no words came within {floor.policy.verdict.verdict_timeout_ms:g} ms of its end", "", out)


def not_confirmed(floor: FloorState, out: list[Action]) -> None:
    """The page held the reply, and no window of speech followed within `level_hold_ms`: resume."""
    resume(floor, f"no speech followed within {floor.policy.hold.level_hold_ms:g} ms", "", out)
