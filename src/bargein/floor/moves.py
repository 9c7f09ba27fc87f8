"""The floor's moves: hold, resume, cut, open a turn, begin a reply, free the floor.

A move changes the state and says what is to be done. Which move is made, and when, is the business of the rules.
"""

from __future__ import annotations

from bargein.floor import actions as do
from bargein.floor.actions import Action, Source
from bargein.floor.completeness import OPEN
from bargein.floor.speech import Evidence
from bargein.floor.state import FloorState, State

SOFTER_DB = 6.0  # a turn: so much softer than before a caller is believed to be at once

# ------------------------------------------------------------------------------------------------------- the onset


def begin_onset(floor: FloorState) -> None:
    """A new onset: nothing is known about it yet."""
    onset = floor.onset
    onset.dismissed = onset.excused = onset.awaiting_words = onset.aside = False
    onset.asked_until_ms = 0.0
    onset.doubt = onset.doubt_text = ""
    onset.unreadable = False
    sound = floor.sound
    joined = floor.speech.onset_ms - sound.judged_until_ms <= floor.policy.verdict.join_ms
    sound.empty = min(sound.empty, 1) if joined else 0
    sound.pending = sound.worded = sound.unsure = sound.aside = False
    sound.asked_until_ms = 0.0
    sound.signs = 0
    sound.said = ""
    if floor.speech.onset_ms - onset.carried_until_ms > floor.policy.verdict.join_ms:
        onset.carried_ms = 0.0


def carry(floor: FloorState) -> None:
    """A phrase is over that was too short to decide; another may follow at once."""
    if floor.by_length:
        floor.onset.carried_ms += floor.speech.lasted_ms
        floor.onset.carried_until_ms = floor.speech.until_ms


def read_words(floor: FloorState, why: str, out: list[Action]) -> None:
    """Ask for the words of the running onset."""
    onset = floor.onset
    onset.reading += 1
    onset.awaiting_words = True
    onset.asked_until_ms = floor.speech.until_ms
    out.append(do.ReadWords(onset.reading, floor.speech.onset_ms - floor.policy.endpointing.pre_roll_ms, why))


def judge_sound(floor: FloorState, why: str, out: list[Action]) -> None:
    """Ask for a look at the sound of the running onset."""
    sound, speech = floor.sound, floor.speech
    sound.look += 1
    sound.pending = True
    sound.asked_ms = floor.now_ms
    sound.asked_until_ms = speech.until_ms
    out.append(do.JudgeSound(sound.look, speech.onset_ms, speech.until_ms, why))


def excuse(floor: FloorState, what: str, why: str, out: list[Action]) -> None:
    """Say, once for each onset, why it holds nothing."""
    if not floor.onset.excused:
        floor.onset.excused = True
        out.append(do.Ignore(what, why))


def dismiss(floor: FloorState, text: str, why: str, out: list[Action]) -> None:
    """The running onset is no turn."""
    out.append(do.Dismiss(floor.speech.onset_ms, floor.speech.until_ms, text, why))


# ------------------------------------------------------------------------------------------------ hold, resume, cut


def hold(floor: FloorState, source: Source, onset_ms: float, why: str, out: list[Action]) -> None:
    """Silence the live reply until the verdict."""
    if source is not Source.SPEECH and floor.speech.evidence is Evidence.SILENT:
        begin_onset(floor)
        floor.speech.onset_ms = floor.speech.until_ms = onset_ms
    floor.onset.dismissed = False
    floor.reply.held_since_ms = floor.now_ms
    floor.state = State.BARGE_IN
    out.append(do.Hold(floor.reply.id, onset_ms, source, why))


def resume(floor: FloorState, why: str, text: str, out: list[Action]) -> None:
    """The verdict: the held reply goes on. text: the backchannel that held it, or "" for a noise."""
    reply = floor.reply
    reply.false_holds += 1
    floor.sound.pending = False
    floor.sound.said = ""
    floor.state = State.SPEAKING if reply.sounding else State.THINKING
    reply.due_from_ms += floor.now_ms - reply.held_since_ms
    reply.silent_from_ms += floor.now_ms - reply.held_since_ms
    dismiss(floor, text, why, out)
    out.append(do.Resume(reply.id, why))


def cut(floor: FloorState, source: Source, onset_ms: float, confidence: float, why: str, out: list[Action]) -> None:
    """End the live reply; the floor is the user's if it was the user who interrupted."""
    reply, turn, speech = floor.reply, floor.turn, floor.speech
    signal = do.BargeIn(reply.id, onset_ms, floor.now_ms, source, min(max(confidence, 0.0), 1.0), why)
    by_hand = source in (Source.BUTTON, Source.OPERATOR, Source.MACHINE)
    # The turn that goes on; where a later one is open already (kept), that one has the floor.
    newest = reply.turn if reply.turn == turn.id else 0
    if newest and not by_hand:
        learn_pause(floor, onset_ms)  # the answer came too soon
    reopened = 0 if reply.sounding or by_hand else newest
    if reply.sounding:
        out.append(do.Cut(reply.id, signal))
        if not reply.reprompting and not reply.filler:
            floor.failures = 0
    else:
        out.append(do.DiscardReply(reply.id, reopened, signal))
    if reply.turn and not reopened and (reply.filler or not reply.sounding):
        out.append(do.CloseTurn(reply.turn, f"stopped before it was answered: {why}"))
    end_reply(floor)
    if by_hand:
        if turn.open or floor.talking:
            yield_to_user(floor, f"after {why}", out)
        return
    if not turn.open:
        # The onset that is known by its sound is the earlier, and the truer one.
        by_sound = speech.evidence is not Evidence.SILENT or speech.until_ms >= onset_ms
        open_turn(floor, min(onset_ms, speech.onset_ms) if by_sound else onset_ms, why, out, reopened=reopened)
    turn.spoken_ms = max(turn.spoken_ms, floor.policy.endpointing.min_turn_ms)  # decided: it is a turn
    turn.spoken_until_ms = max(turn.spoken_until_ms, onset_ms, speech.until_ms)
    floor.state = State.LISTENING


def cut_by_speech(floor: FloorState, why: str, out: list[Action]) -> None:
    """The speech itself is evidence enough."""
    cut(floor, Source.SPEECH, floor.speech.onset_ms, floor.speech.peak, f"speech {why}", out)


def flush_client(floor: FloorState, why: str, out: list[Action]) -> None:
    """Empty a client that may still hold audio of a reply which is over."""
    if floor.unconfirmed:
        out.append(do.FlushClient(floor.unconfirmed, why))
        floor.unconfirmed = 0


# -------------------------------------------------------------------------------------------------- the user's turn


def open_turn(floor: FloorState, onset_ms: float, why: str, out: list[Action], *, reopened: int = 0) -> None:
    """The user takes a turn. reopened: the turn that goes on; 0: a new one."""
    turn = floor.turn
    if not reopened:
        turn.id += 1
        turn.spoken_ms = 0.0
        turn.level_db = None
        turn.spoken_until_ms = onset_ms
        turn.keys_until_ms = 0.0
        turn.fillers = 0
    turn.open = True
    turn.since_ms = onset_ms
    floor.reprompts = 0
    out.append(do.Listen(turn.id, onset_ms - floor.policy.endpointing.pre_roll_ms, why))


def extend_turn(floor: FloorState) -> None:
    """The open turn has speech as far as the running onset reaches."""
    turn, speech = floor.turn, floor.speech
    turn.spoken_ms += max(0.0, speech.until_ms - max(speech.onset_ms, turn.spoken_until_ms))
    turn.spoken_until_ms = max(turn.spoken_until_ms, speech.until_ms)
    level = speech.level_db
    if level is not None and (turn.level_db is None or level > turn.level_db):
        turn.level_db = level


def learn_pause(floor: FloorState, onset_ms: float) -> None:
    """The user goes on with a turn that may have been over: this user pauses so long. Words that hang say so by
    themselves."""
    p, pause = floor.policy.endpointing, floor.pause
    paused_ms = onset_ms - floor.turn.spoken_until_ms
    longest_ms = max(p.end_hang_ms, p.end_of_turn_ms)
    if p.own_pause_share and floor.pause_read and pause.score >= OPEN and p.end_look_ms <= paused_ms <= longest_ms:
        pause.own_ms = max(pause.own_ms, paused_ms + p.end_look_ms)


def yield_to_user(floor: FloorState, why: str, out: list[Action]) -> None:
    """The floor is the user's, in the turn that is open or in a new one."""
    if not floor.turn.open:
        open_turn(floor, floor.speech.onset_ms, why, out)
        extend_turn(floor)
    floor.state = State.LISTENING


def learn_level(floor: FloorState) -> None:
    """A turn is over: its caller speaks so loud. Softer turns are believed in steps, so that a television that was
    answered once does not set the measure, and a caller who has stepped back does before long."""
    turn = floor.turn
    if turn.level_db is not None:
        own = turn.own_level_db
        turn.own_level_db = turn.level_db if own is None else max(turn.level_db, own - SOFTER_DB)
        turn.level_db = None


# --------------------------------------------------------------------------------------------------------- the reply


def begin_reply(floor: FloorState, turn: int, *, reprompting: bool = False) -> None:
    """A reply is asked for. turn: the one that it answers; 0: none."""
    reply = floor.reply
    reply.id += 1
    reply.turn = turn
    reply.asked_ms = reply.due_from_ms = reply.silent_from_ms = floor.now_ms
    reply.sounding = reply.protected = reply.giving_up = reply.filler = False
    reply.reprompting = reprompting
    reply.fillers = floor.turn.fillers if turn and turn == floor.turn.id else 0
    reply.tools_until_ms = reply.behind_ms = 0.0
    reply.echo_reported = reply.far_reported = False
    reply.false_holds = 0
    floor.state = State.THINKING


def answer(floor: FloorState, why: str, out: list[Action]) -> None:
    """The open turn is over: its reply begins."""
    floor.turn.open = floor.turn.prepared = floor.pause.made = False
    floor.turn.keys_until_ms = 0.0
    learn_level(floor)
    begin_reply(floor, floor.turn.id)
    out.append(do.Answer(floor.reply.id, floor.turn.id, why))


def prepare(floor: FloorState, why: str, out: list[Action]) -> None:
    """The open turn is probably over: its reply is made ahead, if the policy wants that."""
    if not floor.policy.endpointing.make_ahead:
        return
    floor.pause.made = False
    discard_prepared(floor, "another guess was made", out)
    floor.turn.prepared = True
    out.append(do.Prepare(floor.turn.id, why))


def discard_prepared(floor: FloorState, why: str, out: list[Action]) -> None:
    """What was made ahead is not wanted."""
    if floor.turn.prepared:
        floor.turn.prepared = False
        out.append(do.DiscardPrepared(floor.turn.id, why))


def end_reply(floor: FloorState) -> None:
    """The live reply is over."""
    floor.onset.carried_ms = 0.0
    floor.sound.pending = False
    floor.sound.said = ""
    floor.reply.sounding = floor.reply.protected = floor.onset.awaiting_words = False
    floor.reply.turn = 0
    floor.reply.giving_up = floor.reply.filler = False
    floor.state = State.IDLE
    floor.quiet_since_ms = floor.now_ms


def begin_filler(floor: FloorState, why: str, out: list[Action]) -> None:
    """A filler is said in place of the reply that is waited for, and in that reply's turn."""
    reply, turn = floor.reply, floor.turn
    asked_ms, fillers, waited_ms = reply.asked_ms, reply.fillers + 1, floor.now_ms - reply.due_from_ms
    if reply.turn and reply.turn == turn.id:
        turn.fillers = fillers
    begin_reply(floor, reply.turn)
    reply.asked_ms, reply.fillers, reply.filler, reply.behind_ms = asked_ms, fillers, True, waited_ms
    out.append(do.SayFiller(reply.id, why))


def end_filler(floor: FloorState, why: str, out: list[Action], *, last: bool = False) -> None:
    """The filler is over: the reply behind it goes on, and so does a hold. last: no filler follows."""
    reply = floor.reply
    held = floor.state is State.BARGE_IN
    asked_ms, fillers, waited_ms = reply.asked_ms, reply.fillers, reply.behind_ms
    if not reply.sounding:  # it filled no time
        waited_ms += floor.now_ms - reply.due_from_ms
    begin_reply(floor, reply.turn)
    reply.asked_ms, reply.fillers = asked_ms, floor.policy.idle.max_fillers if last else fillers
    reply.due_from_ms = floor.now_ms - waited_ms  # the time in which a filler sounds is no time of waiting
    out.append(do.ContinueReply(reply.id, why))
    if held:
        floor.state = State.BARGE_IN
        reply.held_since_ms = floor.now_ms
        held_by = "held, as the filler was"
        out.append(do.Hold(reply.id, floor.speech.onset_ms, Source.SPEECH, held_by))


def held_for_speech(floor: FloorState) -> bool:
    """The reply is held for firm speech that awaits its verdict."""
    return floor.state is State.BARGE_IN and not floor.onset.dismissed and floor.firm_peak


def free_floor(floor: FloorState, out: list[Action]) -> None:
    """The live reply is over, and no party took the floor: it goes to the one that waits for it."""
    held, undecided = floor.state is State.BARGE_IN, held_for_speech(floor)
    giving_up = floor.reply.giving_up
    end_reply(floor)
    if floor.turn.open or floor.talking or undecided:
        yield_to_user(floor, "the reply is over, the user has spoken", out)
        return
    if held:
        out.append(do.Ignore("hold", "the reply was over before a verdict"))
    if giving_up:
        floor.left = True
        out.append(do.GiveUp(f"{floor.failures} replies in a row were lost"))
        return
    if floor.says_waiting:
        floor.says_waiting -= 1
        begin_reply(floor, 0)
        out.append(do.Say(floor.reply.id, "its turn in the line"))


def lose_reply(floor: FloorState, cause: str, why: str, out: list[Action]) -> None:
    """The live reply is lost: say so, or say that the agent cannot go on. A reprompt that is lost too, and a loss while
    the user talks, are recorded."""
    reply, turn = floor.reply, floor.reply.turn
    most = floor.policy.idle.max_failures
    floor.failures = min(floor.failures + 1, most)
    spoken_to = floor.turn.open or floor.talking or held_for_speech(floor)
    enough = most > 0 and floor.failures == most and not reply.giving_up
    if (enough or not reply.reprompting) and not spoken_to and not floor.left and not floor.leaving:
        begin_reply(floor, turn, reprompting=True)
        reply.giving_up = enough
        out.append(do.Reprompt(reply.id, "gave_up" if enough else cause, why))
        return
    out.append(do.CloseTurn(turn, f"no reply: {why}"))
    free_floor(floor, out)
