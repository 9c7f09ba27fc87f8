"""The rules on replies: what is asked to be said, a reply's first and last sample, its protection, its loss; and what
changes for the whole call: the STT, the policy, a hang-up."""

from __future__ import annotations

from bargein.floor import actions as do
from bargein.floor import events as ev
from bargein.floor.actions import Action, Source
from bargein.floor.moves import (
    begin_reply,
    cut,
    discard_prepared,
    end_filler,
    end_reply,
    free_floor,
    lose_reply,
    open_turn,
    resume,
)
from bargein.floor.speech import Evidence
from bargein.floor.speech_rules import consider, weigh
from bargein.floor.state import FloorState, State


def on_say(floor: FloorState, out: list[Action]) -> None:
    """The agent is to say something unasked: now, or when the floor is free."""
    if floor.state is State.IDLE and not floor.says_waiting and not floor.mute:
        begin_reply(floor, 0)
        out.append(do.Say(floor.reply.id, "the floor is free"))
    elif floor.leaving:
        out.append(do.Ignore("say", "the call has to end: it is refused"))
    elif floor.says_waiting < floor.policy.idle.max_waiting:
        floor.says_waiting += 1
        out.append(do.Ignore("say", f"the floor is not free ({'away' if floor.away else floor.state}): it waits"))
    else:
        out.append(do.Ignore("say", "too many wait already: it is refused"))


def on_reply_started(floor: FloorState, e: ev.ReplyStarted) -> None:
    """The reply's first sample sounds."""
    reply = floor.reply
    if e.reply != reply.id or not floor.live or reply.sounding:
        return
    reply.sounding = True
    reply.sounding_since_ms = e.at_ms
    floor.unconfirmed = 0
    if floor.state is State.THINKING:
        floor.state = State.SPEAKING


def on_reply_protected(floor: FloorState, e: ev.ReplyProtected, out: list[Action]) -> None:
    """A protected part of the reply begins or ends. What was said over it may then have the floor."""
    reply, turn, speech = floor.reply, floor.turn, floor.speech
    if e.reply != reply.id or not floor.live or e.protected == reply.protected:
        return
    reply.protected = e.protected
    if e.protected:
        if floor.state is State.BARGE_IN:
            if floor.talking:
                open_turn(floor, speech.onset_ms, "said over a protected reply, kept", out)
            resume(floor, "this reply is protected from here on", "", out)
    elif turn.open and turn.spoken_ms >= floor.policy.verdict.confirm_ms:
        cut(floor, Source.SPEECH, turn.since_ms, speech.peak, "said over the protected part, which is over", out)
    elif speech.evidence is not Evidence.SILENT:
        consider(floor, out)


def on_reply_ended(floor: FloorState, e: ev.ReplyEnded, out: list[Action]) -> None:
    """The reply's last sample has been heard."""
    if e.reply != floor.reply.id or not floor.live:
        return
    reply = floor.reply
    if reply.sounding:
        floor.unconfirmed = 0 if e.confirmed else e.reply
    if reply.filler:
        end_filler(floor, "the filler is over", out)
        return
    if not reply.sounding:
        out.append(do.CloseTurn(floor.reply.turn, "there was nothing to say"))
    elif not floor.reply.reprompting:
        floor.failures = 0
    free_floor(floor, out)


def on_reply_stalled(floor: FloorState, e: ev.ReplyStalled, out: list[Action]) -> None:
    """The client has stopped playing the reply: the reply is over, and so is one behind a filler. The floor is free."""
    if e.reply != floor.reply.id or not floor.live:
        return
    out.append(do.CutStalledReply(e.reply, e.why))
    if floor.reply.filler or not floor.reply.sounding:
        out.append(do.CloseTurn(floor.reply.turn, f"not played: {e.why}"))
    floor.unconfirmed = e.reply
    free_floor(floor, out)


def on_reply_failed(floor: FloorState, e: ev.ReplyFailed, out: list[Action]) -> None:
    """The reply's LLM or TTS is lost. A filler that is lost costs nothing."""
    if e.reply != floor.reply.id or not floor.live:
        return
    if floor.reply.sounding:
        floor.unconfirmed = 0 if e.confirmed else e.reply
    if floor.reply.filler:
        end_filler(floor, f"the filler was lost: {e.why}", out, last=True)
    else:
        lose_reply(floor, "failed", e.why, out)


def on_tools_started(floor: FloorState, e: ev.ToolsStarted) -> None:
    """The live reply waits for tools: that excuses its silence, for as long as the tools may take."""
    reply = floor.reply
    if e.reply != reply.id or not floor.live or reply.filler or reply.reprompting:
        return
    reply.tools_until_ms = max(e.until_ms, e.at_ms)


def on_tools_ended(floor: FloorState, e: ev.ToolsEnded) -> None:
    """The live reply has the results of its tools: it may take `answer_timeout_ms` from here."""
    reply = floor.reply
    if e.reply == reply.id and floor.live and reply.tools_until_ms:
        reply.tools_until_ms = 0.0
        reply.due_from_ms = max(reply.due_from_ms, e.at_ms)


# ---------------------------------------------------------------------------------------------------- the whole call


def on_stt_changed(floor: FloorState, e: ev.STTChanged, out: list[Action]) -> None:
    """The STT came, went or changed. Words that were asked for do not come from one that reads none."""
    floor.stt_words, floor.stt_turns, floor.stt_small = e.words, e.turns, e.small
    floor.reads_turns = e.reads_turns
    floor.onset.awaiting_words = floor.onset.awaiting_words and e.words
    weigh(floor, out)


def on_policy_changed(floor: FloorState, e: ev.PolicyChanged, out: list[Action]) -> None:
    """Other numbers: the running hold is weighed anew."""
    floor.policy = e.policy
    weigh(floor, out)


def on_hung_up(floor: FloorState, e: ev.HungUp, out: list[Action]) -> None:
    """The call is over: everything ends, on record."""
    reply, turn = floor.reply, floor.turn
    if floor.live:
        signal = do.BargeIn(reply.id, floor.now_ms, floor.now_ms, Source.HANG_UP, 1.0, e.reason)
        out.append(do.Cut(reply.id, signal) if reply.sounding else do.DiscardReply(reply.id, 0, signal))
        if reply.turn and (reply.filler or not reply.sounding):
            out.append(do.CloseTurn(reply.turn, "the call ended before it was answered"))
    discard_prepared(floor, "the call ended", out)
    if turn.open:
        out.append(do.CloseTurn(turn.id, "the call ended before the turn was over"))
    turn.open = False
    floor.says_waiting = 0
    floor.speech.end()
    end_reply(floor)
    floor.over = True
