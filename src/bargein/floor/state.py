"""What the floor knows, and its moves: hold, resume, cut, open a turn, begin a reply, be free.

A move changes the state and says what is to be done; which move is made when is the rules' business (machine.py).
"""

from __future__ import annotations

from enum import StrEnum

from bargein.floor import actions as do
from bargein.floor.actions import Action, Source
from bargein.floor.policy import Policy
from bargein.floor.speech import Evidence, UserSpeech

SOFTER_DB = 6.0  # a turn


class State(StrEnum):
    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"
    BARGE_IN = "barge_in"


class FloorState:
    """State and moves. state: who has the floor; reply: the live reply (0: none yet); turn: the user's newest turn."""

    __slots__ = (
        "_aside",
        "_asked_ms",
        "_carried_ms",
        "_carried_until_ms",
        "_doubt",
        "_doubt_text",
        "_ears_turns",
        "_ears_words",
        "_echo_said",
        "_excused",
        "_failures",
        "_false_holds",
        "_far_said",
        "_held_ms",
        "_left",
        "_look",
        "_looking",
        "_over",
        "_own_db",
        "_policy",
        "_prepared",
        "_protected",
        "_quiet_since_ms",
        "_reply_due_ms",
        "_reply_since_ms",
        "_reply_turn",
        "_reprompting",
        "_reprompts",
        "_says",
        "_settled",
        "_sounding",
        "_sounding_since_ms",
        "_spoke_ms",
        "_turn_db",
        "_turn_open",
        "_turn_since_ms",
        "_turn_spoken_ms",
        "_unread",
        "now_ms",
        "reply",
        "speech",
        "state",
        "turn",
    )

    def __init__(self, policy: Policy | None = None) -> None:
        self._policy = policy or Policy.balanced()
        self.state = State.IDLE
        self.now_ms = 0.0
        self.speech = UserSpeech()
        self.reply = 0  # ids only grow: whatever names an older one is late, and changes nothing
        self.turn = 0
        # the live reply
        self._reply_turn = 0  # the turn it answers; 0: none
        self._reply_since_ms = 0.0  # when it was asked for: words from before belong to an earlier turn
        self._reply_due_ms = 0.0  # the same, later by the holds since
        self._sounding = False
        self._sounding_since_ms = 0.0
        self._protected = False
        self._reprompting = False
        self._held_ms = 0.0
        self._false_holds = 0
        # the running onset
        self._settled = False  # decided about: the rest of it changes nothing
        self._aside = False  # put down to somebody else, while it stays so soft
        self._excused = False  # its being passed over has been said, once
        self._look = 0
        self._looking = False
        self._asked_ms = 0.0  # how far the last look reached
        self._doubt = ""  # what it read as, when that was no reason to cut: "" not read yet
        self._doubt_text = ""
        self._unread = False  # nobody could read it
        self._carried_ms = 0.0  # speech before the last pause, which went on too shortly before this to be another
        self._carried_until_ms = 0.0
        # the user's turn
        self._turn_open = False
        self._turn_since_ms = 0.0
        self._prepared = False  # its reply is being made, though it may go on
        self._turn_spoken_ms = 0.0  # how much speech it holds, so far
        self._spoke_ms = 0.0  # where its last firm speech ended
        self._turn_db: float | None = None  # its loudest window
        self._own_db: float | None = None  # the same of the caller's turns so far
        # the rest
        self._ears_words = False
        self._ears_turns = False
        self._says = 0
        self._failures = 0
        self._reprompts = 0
        self._quiet_since_ms = 0.0
        self._echo_said = False  # that our own sound comes back has been said of this reply
        self._far_said = False  # it was held for somebody else's speech: once is enough
        self._left = False  # we have asked for the end of the call
        self._over = False

    @property
    def policy(self) -> Policy:
        return self._policy

    @property
    def protected(self) -> bool:
        """Whether speech may not interrupt the live reply now."""
        return self.reply != 0 and self._protected

    @property
    def live(self) -> bool:
        """Whether a reply is being made, sounds or is held."""
        return self.state in (State.THINKING, State.SPEAKING, State.BARGE_IN)

    @property
    def sounding(self) -> bool:
        """Whether the live reply has begun to sound: from its first sample until it ends, holds included."""
        return self._sounding

    @property
    def over(self) -> bool:
        """Whether the far end has hung up."""
        return self._over

    def _new_onset(self) -> None:
        self._settled = self._excused = self._looking = self._aside = False
        self._asked_ms = 0.0
        self._doubt = self._doubt_text = ""
        self._unread = False
        if self.speech.onset_ms - self._carried_until_ms > self._policy.join_ms:
            self._carried_ms = 0.0

    def _spoken(self) -> None:
        """The open turn has speech as far as the running onset reaches."""
        until = self.speech.until_ms
        self._turn_spoken_ms += max(0.0, until - max(self.speech.onset_ms, self._spoke_ms))
        self._spoke_ms = max(self._spoke_ms, until)
        level = self.speech.level_db
        if level is not None and (self._turn_db is None or level > self._turn_db):
            self._turn_db = level

    @property
    def _far(self) -> bool:
        """The running speech is much softer than what this caller's turns have been."""
        level, own = self.speech.level_db, self._own_db
        return level is not None and own is not None and level < own - self._policy.far_db

    def _learn_level(self) -> None:
        """A turn is over: its caller speaks so loud. Softer turns are believed in steps, so that a television that was
        answered once does not set the measure, and somebody who has stepped back does before long."""
        if self._turn_db is not None:
            own = self._own_db
            self._own_db = self._turn_db if own is None else max(self._turn_db, own - SOFTER_DB)
            self._turn_db = None

    def _cut_by_speech(self, why: str, out: list[Action]) -> None:
        self._cut(Source.SPEECH, self.speech.onset_ms, self.speech.peak, f"speech {why}", out)

    def _ask(self, why: str, out: list[Action]) -> None:
        self._look += 1
        self._looking = True
        self._asked_ms = self.speech.until_ms
        out.append(do.ReadWords(self._look, self.speech.onset_ms - self._policy.pre_roll_ms, why))

    def _hold(self, source: Source, onset_ms: float, why: str, out: list[Action]) -> None:
        if source is not Source.SPEECH and self.speech.voice is Evidence.SILENT:
            self._new_onset()
            self.speech.onset_ms = self.speech.until_ms = onset_ms
        self._settled = False
        self._held_ms = self.now_ms
        self.state = State.BARGE_IN
        out.append(do.Hold(self.reply, onset_ms, source, why))

    def _resume(self, why: str, text: str, out: list[Action]) -> None:
        self._false_holds += 1
        self.state = State.SPEAKING if self._sounding else State.THINKING
        self._reply_due_ms += self.now_ms - self._held_ms
        self._settle(text, why, out)
        out.append(do.Resume(self.reply, why))

    def _settle(self, text: str, why: str, out: list[Action]) -> None:
        out.append(do.Dismiss(self.speech.onset_ms, self.speech.until_ms, text, why))

    def _cut(self, source: Source, onset_ms: float, confidence: float, why: str, out: list[Action]) -> None:
        """End the live reply; the floor is the user's if it was the user who interrupted."""
        signal = do.BargeIn(self.reply, onset_ms, self.now_ms, source, min(max(confidence, 0.0), 1.0), why)
        by_hand = source in (Source.BUTTON, Source.OPERATOR)
        # The turn that goes on; where a later one is open already (kept), that one has the floor.
        newest = self._reply_turn if self._reply_turn == self.turn else 0
        again = 0 if self._sounding or by_hand else newest
        if self._sounding:
            out.append(do.Cut(self.reply, signal))
        else:
            out.append(do.DiscardReply(self.reply, again, signal))
            if self._reply_turn and not again:
                out.append(do.CloseTurn(self._reply_turn, f"stopped before it was answered: {why}"))
        self._rest()
        if by_hand:
            if self._turn_open or self._talking:
                self._yield_to_user(f"after {why}", out)
            return
        if not self._turn_open:
            # The onset that is known by its sound is the earlier, and the truer one.
            heard = self.speech.voice is not Evidence.SILENT or self.speech.until_ms >= onset_ms
            self._open_turn(min(onset_ms, self.speech.onset_ms) if heard else onset_ms, why, out, again=again)
        self._turn_spoken_ms = max(self._turn_spoken_ms, self._policy.min_turn_ms)  # decided: it is a turn
        self._spoke_ms = max(self._spoke_ms, onset_ms, self.speech.until_ms)
        self.state = State.LISTENING

    @property
    def _confirm_ms(self) -> float:
        """So long must firm speech last to cut. A reply that does not sound yet is given up sooner: nobody hears it."""
        p = self._policy
        return max(p.confirm_ms, p.alone_ms) if self._by_length else p.confirm_ms

    @property
    def _by_length(self) -> bool:
        """Nobody reads words, and a reply sounds."""
        return self._sounding and not self._ears_words and self._policy.alone_ms > self._policy.confirm_ms

    @property
    def _patience_ms(self) -> float:
        """How long, after a phrase that did not decide, another is waited for."""
        p = self._policy
        return max(p.speech_gap_ms, min(p.verdict_timeout_ms, self.speech.lasted_ms * p.go_on_share))

    def _carry(self) -> None:
        """A phrase is over that was too short to decide; another may follow at once."""
        if self._by_length:
            self._carried_ms += self.speech.lasted_ms
            self._carried_until_ms = self.speech.until_ms

    def _guarded(self) -> bool:
        return self._sounding and self.now_ms - self._sounding_since_ms < self._policy.echo_guard_ms

    def _before_reply(self, at_ms: float) -> bool:
        return at_ms < self._reply_since_ms

    @property
    def _talking(self) -> bool:
        """Clear speech is on that nothing was decided about yet."""
        return self.speech.voice is Evidence.FIRM and not self._settled

    def _excuse(self, what: str, why: str, out: list[Action]) -> None:
        if not self._excused:
            self._excused = True
            out.append(do.Ignore(what, why))

    def _open_turn(self, onset_ms: float, why: str, out: list[Action], *, again: int = 0) -> None:
        if not again:
            self.turn += 1
            self._turn_spoken_ms = 0.0
            self._turn_db = None
            self._spoke_ms = onset_ms
        self._turn_open = True
        self._turn_since_ms = onset_ms
        self._reprompts = 0
        out.append(do.Listen(self.turn, onset_ms - self._policy.pre_roll_ms, why))

    def _yield_to_user(self, why: str, out: list[Action]) -> None:
        if not self._turn_open:
            self._open_turn(self.speech.onset_ms, why, out)
            self._spoken()
        self.state = State.LISTENING

    def _begin(self, turn: int, *, reprompting: bool = False) -> None:
        self.reply += 1
        self._reply_turn = turn
        self._reply_since_ms = self._reply_due_ms = self.now_ms
        self._sounding = self._protected = False
        self._reprompting = reprompting
        self._echo_said = self._far_said = False
        self._false_holds = 0
        self.state = State.THINKING

    def _answer(self, why: str, out: list[Action]) -> None:
        self._turn_open = self._prepared = False
        self._learn_level()
        self._begin(self.turn)
        out.append(do.Answer(self.reply, self.turn, why))

    def _prepare(self, why: str, out: list[Action]) -> None:
        self._forget("another guess was made", out)
        self._prepared = True
        out.append(do.Prepare(self.turn, why))

    def _forget(self, why: str, out: list[Action]) -> None:
        if self._prepared:
            self._prepared = False
            out.append(do.DiscardPrepared(self.turn, why))

    def _rest(self) -> None:
        """The live reply is over."""
        self._carried_ms = 0.0
        self._sounding = self._protected = self._looking = False
        self._reply_turn = 0
        self.state = State.IDLE
        self._quiet_since_ms = self.now_ms

    def _free(self, out: list[Action]) -> None:
        """The live reply is over and nobody took the floor: who waits for it?"""
        held = self.state is State.BARGE_IN
        undecided = held and not self._settled and self._firm_peak
        self._rest()
        if self._turn_open or self._talking or undecided:
            self._yield_to_user("the reply is over, the user has spoken", out)
            return
        if held:
            out.append(do.Ignore("hold", "the reply was over before a verdict"))
        if self._says:
            self._says -= 1
            self._begin(0)
            out.append(do.Say(self.reply, "its turn in the line"))

    @property
    def _firm_peak(self) -> bool:
        return self.speech.peak >= self._policy.decide_threshold and self.speech.lasted_ms > 0

    def _fail(self, cause: str, why: str, out: list[Action]) -> None:
        """The live reply is lost. Say so once; if that is lost too, or the user talks, record it."""
        turn, answering = self._reply_turn, self._reply_turn != 0
        if answering and not self._reprompting and not self._failures and not self._turn_open and not self._talking:
            self._failures += 1
            self._begin(turn, reprompting=True)
            out.append(do.Reprompt(self.reply, cause, why))
            return
        self._failures = 0
        out.append(do.CloseTurn(turn, f"no reply: {why}"))
        self._free(out)
