"""The state machine: who may speak. The theory stands here; the rules stand in the files that it names, in the order
in which they are best read.

- state.py: the records of what the floor knows. moves.py: what can be done about it.
- speech_rules.py: the user's speech, window by window. evidence_rules.py: words, the STT's turns, a judge, keys.
- sound_rules.py: looks at the sound itself: are there words in it, and are they the caller's?
- reply_rules.py: the agent's replies, and the call as a whole. client_rules.py: a client whose connection is lost.
- endpointing_rules.py: the end of the user's turn. ending_rules.py: a call that has to end.
- timers.py: all that time alone decides.

Two steps. Any onset over a reply holds it at once: nothing is lost, so this may be quick and wrong. Then the first
good evidence decides. In the order in which the rules are asked:

0. A window of speech that is the agent's own sound come back is none; if it already held, it resumes at once.
1. The hard-stop lane (stop phrase, key, typed words, button, operator) cuts, whatever the policy, the echo guard,
   a protection or a judge say.
2. A protected reply is not held: what is said over it is kept as a turn, and answered after it.
3. Within the echo guard, and once this reply was held in vain `wary_after` times, only firm evidence holds.
4. Held: a judge's word, a trusted start of turn, or a reading with `min_words` words decides at once. Without any,
   firm speech of `confirm_ms` cuts (of `alone_ms` where no part reads words); where words were asked for it waits
   `words_wait_ms` for them, and where they read as a backchannel or as nothing it must last `doubt_ms`. Speech much
   softer than the caller's own turns is another person's: it resumes after `far_ms`, and holds this reply no more,
   until it becomes as loud as the caller. Waiting costs nothing here: the agent is silent already, and the answer
   begins only when the user's turn ends.
   A look at the sound finds words in it, or none, and may find signs that it is not the caller's. While the newest look
   found no words, neither length nor a short reading cuts. Two such looks, or two signs, resume. No look cuts.
5. Speech that ended undecided resumes: at once if it cannot be read, else after the reading or
   `verdict_timeout_ms`.

A reply is over when its client says so. A client that stops playing loses the reply (`ReplyStalled`), and the hard-stop
lane also empties a client that may still hold audio of a reply which is over (`FlushClient`).

An STT's guess that the turn is over makes its reply (`Prepare`), which sounds only when the turn is answered.
A hold of a reply that does not sound yet (the user goes on while we think) is the same hold; its cut is a
`DiscardReply`, and the turn goes on. No state waits for ever: see timers.py.

A reply that the caller waits for, because its answer or a tool takes long, may have a filler said before it. The filler
is a reply like any other, and takes the other's place until it is over: then the other goes on under a new id, held if
the filler was. A cut of the filler is a cut of both.

A reply that is lost is never passed over in silence: the agent says so, each time, unless the user talks. When
`max_failures` were lost in a row, the agent says that it cannot go on, and the call is given up.
"""

from __future__ import annotations

from typing import assert_never

from bargein.floor import events as ev
from bargein.floor.actions import Action, Source
from bargein.floor.client_rules import on_call_restored, on_client_away, on_client_back
from bargein.floor.ending_rules import leave, on_ending
from bargein.floor.endpointing_rules import hear_pause, on_turn_read
from bargein.floor.evidence_rules import (
    on_input,
    on_interrupted,
    on_judged,
    on_key,
    on_level,
    on_turn_ended,
    on_turn_ending,
    on_turn_resumed,
    on_turn_started,
    on_words,
)
from bargein.floor.reply_rules import (
    on_hung_up,
    on_policy_changed,
    on_reply_ended,
    on_reply_failed,
    on_reply_protected,
    on_reply_stalled,
    on_reply_started,
    on_say,
    on_stt_changed,
    on_tools_ended,
    on_tools_started,
)
from bargein.floor.sound_rules import on_line_known, on_sound_changed, on_sound_judged
from bargein.floor.speech_rules import on_window
from bargein.floor.state import FloorState
from bargein.floor.timers import on_tick, timers


class Floor(FloorState):
    """Takes events in order, returns what must be done now; does nothing itself."""

    __slots__ = ()

    @property
    def deadline(self) -> float | None:
        """Hand in `Tick(deadline)` when that time has come, ms on the call's clock. None: no wake-up is needed."""
        due = [at_ms for at_ms, _ in timers(self)]
        return min(due) if due else None

    def handle(self, event: ev.Event) -> list[Action]:
        """Take one event; the actions are to be done in their order, now. Never raises for a late or odd event."""
        out: list[Action] = []
        if self.over:
            return out
        self.now_ms = max(self.now_ms, event.noticed_ms if isinstance(event, ev.SpeechWindow) else event.at_ms)
        match event:
            case ev.SpeechWindow():
                on_window(self, event, out)
                hear_pause(self, event, out)
            case ev.Tick():
                on_tick(self, event.at_ms, out)
            case ev.LevelOnset():
                on_level(self, event, out)
            case ev.Words():
                on_words(self, event, out)
            case ev.TurnStarted():
                on_turn_started(self, event, out)
            case ev.TurnEnded():
                on_turn_ended(self, event, out)
            case ev.TurnEnding():
                on_turn_ending(self, event, out)
            case ev.TurnResumed():
                on_turn_resumed(self, event, out)
            case ev.Judged():
                on_judged(self, event, out)
            case ev.SoundJudged():
                on_sound_judged(self, event, out)
            case ev.LineKnown():
                on_line_known(self, event)
            case ev.SoundChanged():
                on_sound_changed(self, event, out)
            case ev.KeyPressed():
                on_key(self, event, out)
            case ev.UserTyped():
                on_input(self, event.at_ms, Source.TYPED, "the user typed", out)
            case ev.Interrupted():
                on_interrupted(self, event, out)
            case ev.SayRequested():
                on_say(self, out)
            case ev.ReplyStarted():
                on_reply_started(self, event)
            case ev.ReplyProtected():
                on_reply_protected(self, event, out)
            case ev.ReplyEnded():
                on_reply_ended(self, event, out)
            case ev.ReplyStalled():
                on_reply_stalled(self, event, out)
            case ev.ReplyFailed():
                on_reply_failed(self, event, out)
            case ev.ToolsStarted():
                on_tools_started(self, event)
            case ev.ToolsEnded():
                on_tools_ended(self, event)
            case ev.STTChanged():
                on_stt_changed(self, event, out)
            case ev.PolicyChanged():
                on_policy_changed(self, event, out)
            case ev.ClientAway():
                on_client_away(self, event, out)
            case ev.ClientBack():
                on_client_back(self, event, out)
            case ev.CallRestored():
                on_call_restored(self, event, out)
            case ev.EndingAsked():
                on_ending(self, event, out)
            case ev.HungUp():
                on_hung_up(self, event, out)
            case ev.TurnRead():
                on_turn_read(self, event, out)
            case _:
                assert_never(event)
        if self.leaving and not self.live and not self.over:
            leave(self, out)
        return out
