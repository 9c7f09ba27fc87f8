"""From the floor's actions to what is done. Every action is done at once: a hold waits for nothing."""

from __future__ import annotations

from typing import assert_never

from bargein import floor as f
from bargein.call.context import CallContext
from bargein.call.ending import CallEnding
from bargein.call.input.sound_watch import SoundWatch
from bargein.call.reply_control import ReplyControl
from bargein.call.reply_starter import ReplyStarter
from bargein.call.turn_control import TurnControl


class ActionRunner:
    """Knows who does what."""

    def __init__(
        self,
        context: CallContext,
        reply_control: ReplyControl,
        reply_starter: ReplyStarter,
        turn_control: TurnControl,
        sound_watch: SoundWatch,
        ending: CallEnding,
    ) -> None:
        self._context = context
        self._reply_control = reply_control
        self._reply_starter = reply_starter
        self._turn_control = turn_control
        self._sound_watch = sound_watch
        self._ending = ending

    def run(self, action: f.Action, now_ms: float) -> None:
        """Do one action of the floor."""
        match action:
            case f.JudgeSound():
                self._sound_watch.look(action)
            case f.Hold():
                self._reply_control.hold(action, now_ms)
            case f.Resume():
                self._reply_control.resume(action, now_ms)
            case f.Cut():
                self._reply_control.cut(action, now_ms)
            case f.DiscardReply():
                self._turn_control.keep_unanswered(action)
                self._reply_control.discard(action, now_ms)
            case f.DiscardLateReply():
                self._reply_control.discard_late(action, now_ms)
            case f.CutStalledReply():
                reply = self._reply_control.cut_stalled(action, now_ms)
                if reply is not None:
                    self._ending.reply_stalled(reply)
            case f.FlushClient():
                self._reply_control.flush_client(action, now_ms)
            case f.Prepare(turn, why):
                self._reply_starter.prepare(turn, why)
            case f.DiscardPrepared(_, why):
                self._reply_starter.discard_prepared(why)
            case f.Answer(reply, turn, why):
                self._reply_starter.answer(reply, turn, why)
            case f.Say(reply, why):
                self._reply_starter.say(reply, why)
            case f.Reprompt(reply, cause, why):
                self._reply_starter.reprompt(reply, cause, why)
            case f.SayFiller(reply, why):
                self._reply_starter.filler(reply, why)
            case f.ContinueReply(reply, why):
                self._reply_starter.continue_behind(reply, why)
            case f.Listen():
                self._turn_control.listen(action)
            case f.ReadWords():
                self._turn_control.read_words(action)
            case f.ReadTurn():
                self._turn_control.read_turn(action)
            case f.Dismiss():
                self._turn_control.dismiss(action)
            case f.CloseTurn(_, why):
                self._context.decided("close", why)
            case f.EndCall(why, gone):
                self._context.decided("leave", why)
                self._ending.leave(why, gone=gone)
            case f.GiveUp(why):
                self._context.decided("give_up", why)
                self._ending.give_up(why)
            case f.Ignore(what, why):
                self._context.decided("ignore", f"{what}: {why}")
            case _:
                assert_never(action)
