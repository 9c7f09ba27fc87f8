"""The state machine: who may speak.

Two steps. Any onset over a reply holds it at once: nothing is lost, so this may be quick and wrong. Then the first
good evidence decides. In the order in which the rules are asked:

0. A window of speech that is the agent's own sound come back is none; if it already held, it resumes at once.
1. The hard-stop lane (stop phrase, key, typed words, button, operator) cuts, whatever the policy, the echo guard,
   a protection or a judge say.
2. A protected reply is not held: what is said over it is kept as a turn, and answered after it.
3. Within the echo guard, and once this reply was held in vain `wary_after` times, only firm evidence holds.
4. Held: a judge's word, a trusted start of turn, or a reading with `min_words` words decides at once. Without any,
   firm speech of `confirm_ms` cuts (of `alone_ms` where nobody reads words); where words were asked for it waits
   `words_wait_ms` for them, and where they read as a backchannel or as nothing it must last `doubt_ms`. Speech much
   softer than the caller's own turns is somebody else's: it resumes after `far_ms`, and holds this reply no more,
   until it becomes as loud as the caller. Waiting costs nothing here: the agent is silent
   already, and the answer begins only when the user's turn ends.
5. Speech that ended undecided resumes: at once if nobody can read it, else after the reading or
   `verdict_timeout_ms`.

A transcriber's guess that the turn is over makes its reply (`Prepare`), which sounds only when the turn is answered.
A hold of a reply that does not sound yet (the user goes on while we think) is the same hold; its cut is a `Drop`,
and the turn goes on. No state waits for ever: see `_timers`, the only place where the passing of time is a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from bargein.floor import actions as do
from bargein.floor import events as ev
from bargein.floor.actions import Action, Source
from bargein.floor.lexicon import Lexicon, WordClass
from bargein.floor.speech import Evidence
from bargein.floor.state import FloorState, State


class Floor(FloorState):
    """Takes events in order, returns what must be done now; does nothing itself.

    state: who has the floor; reply: the live reply (0: none); turn: the newest turn of the user;
    deadline: hand in `Tick(deadline)` when that time has come (None: no wake-up is needed).
    """

    __slots__ = ()

    @property
    def deadline(self) -> float | None:
        due = [at for at, _ in self._timers()]
        return min(due) if due else None

    # ------------------------------------------------------------------------------------------------- events

    def handle(self, event: ev.Event) -> list[Action]:
        """Take one event; the actions are to be done in their order, now. Never raises for a late or odd event."""
        out: list[Action] = []
        if self._over:
            return out
        self.now_ms = max(self.now_ms, event.until_ms if isinstance(event, ev.SpeechWindow) else event.at_ms)
        match event:
            case ev.SpeechWindow():
                self._on_window(event, out)
            case ev.Tick():
                self._on_tick(event.at_ms, out)
            case ev.LevelOnset():
                self._on_level(event, out)
            case ev.Words():
                self._on_words(event, out)
            case ev.TurnStarted():
                self._on_turn_started(event, out)
            case ev.TurnEnded():
                self._on_turn_ended(event, out)
            case ev.TurnEnding():
                self._on_turn_ending(event, out)
            case ev.TurnResumed():
                self._forget("the turn goes on", out)
            case ev.Judged():
                self._on_judged(event, out)
            case ev.KeyPressed():
                self._on_input(event.at_ms, Source.KEY, f"key {event.key} pressed", out)
            case ev.UserTyped():
                self._on_input(event.at_ms, Source.TYPED, "the user typed", out)
            case ev.Interrupted():
                source = Source.BUTTON if event.by == "button" else Source.OPERATOR
                self._on_interrupted(event.at_ms, source, out)
            case ev.SayRequested():
                self._on_say(out)
            case ev.ReplyStarted():
                self._on_started(event, out)
            case ev.ReplyProtected():
                self._on_protected(event, out)
            case ev.ReplyEnded():
                self._on_ended(event, out)
            case ev.ReplyFailed():
                self._on_failed(event, out)
            case ev.STTChanged(words=words, turns=turns):
                self._ears_words, self._ears_turns = words, turns
                self._looking = self._looking and words
                self._weigh(out)
            case ev.PolicyChanged(policy=policy):
                self._policy = policy
                self._weigh(out)
            case ev.HungUp():
                self._on_hung_up(out)
            case _:
                assert_never(event)
        return out

    # ------------------------------------------------------------------------------------------------- speech

    def _on_window(self, w: ev.SpeechWindow, out: list[Action]) -> None:
        if w.echo >= self._policy.echo_threshold and w.speech >= min(
            self._policy.hold_threshold, self._policy.loud_threshold
        ):
            self._on_own_sound(w, out)
            return
        before = self.speech.voice
        if self.speech.window(w, self._policy):
            self._speech_over(out)
            return
        voice = self.speech.voice
        if voice is Evidence.SILENT:
            return
        if before is Evidence.SILENT:
            self._new_onset()
        elif self._aside and not self._far:
            self.speech.onset_ms = w.at_ms  # here the caller joins in
            self._new_onset()
        self._consider(out)
        self._weigh(out)
        if self.speech.voice is Evidence.FIRM and self._turn_open:
            self._spoken()

    def _on_own_sound(self, w: ev.SpeechWindow, out: list[Action]) -> None:
        s, p = self.speech, self._policy
        surely = "" if w.echo > p.echo_threshold else "perhaps "
        why = f"{surely}the agent's own sound, come back ({w.echo:.2f} of it)"
        if self.state is State.BARGE_IN and not self._settled and s.voice is not Evidence.SILENT:
            if s.lasted_ms <= p.echo_doubt_ms:
                s.over()
                self._settled = True
                self._resume(why, "", out)
                return
        elif not self._echo_said:
            self._echo_said = True
            out.append(do.Ignore("onset", why))
        if s.window(replace(w, speech=0.0), p):
            self._speech_over(out)

    def _consider(self, out: list[Action]) -> None:
        """Speech is on: does it hold the reply, or open a turn?"""
        voice, p = self.speech.voice, self._policy
        if self._settled:
            return
        if self.state is State.IDLE:
            if voice is Evidence.FIRM:
                self._open_turn(self.speech.onset_ms, "the user speaks", out)
                self.state = State.LISTENING
        elif self.state in (State.THINKING, State.SPEAKING):
            if self._protected:
                if voice is Evidence.FIRM and not self._turn_open:
                    self._open_turn(self.speech.onset_ms, "said over a protected reply, kept", out)
                self._excuse("onset", "this reply is protected: what is said over it is kept", out)
                self._maybe_look(out)
            elif voice is not Evidence.FIRM and self._before_reply(self.speech.onset_ms):
                self._excuse("onset", "faint, and older than this reply", out)
            elif voice is not Evidence.FIRM and self._guarded():
                self._excuse("onset", f"faint, within {p.echo_guard_ms:g} ms of the agent's first sound", out)
            elif voice is not Evidence.FIRM and 0 < p.wary_after <= self._false_holds:
                self._excuse("onset", f"faint, after {self._false_holds} false holds in this reply", out)
            elif self._far and self._far_said:
                self._aside = True
                self._excuse("onset", self._how_far(), out)
            elif p.confirm_ms == 0:
                self._cut(Source.ONSET, self.speech.onset_ms, self.speech.peak, "policy: on the onset", out)
            else:
                self._hold(Source.SPEECH, self.speech.onset_ms, f"speech {self.speech.peak:.2f}", out)

    def _weigh(self, out: list[Action]) -> None:
        """Held, and the user speaks: is it enough to cut?"""
        if self.state is not State.BARGE_IN or self._settled or self.speech.voice is Evidence.SILENT:
            return
        p, lasted = self._policy, self.speech.lasted_ms + self._carried_ms
        if self._far and self.speech.lasted_ms >= p.far_ms:
            self._aside = self._far_said = True
            self._resume(self._how_far(), "", out)
            return
        self._maybe_look(out)
        confirm = self._confirm_ms
        if self.speech.voice is not Evidence.FIRM or lasted < confirm:
            return
        if self._doubt or self.speech.peak < p.sure_threshold:
            if lasted >= max(p.doubt_ms, confirm):
                doubt = f"read as {self._doubt}" if self._doubt else f"reached only {self.speech.peak:.2f}"
                self._cut_by_speech(f"lasted {lasted:.0f} ms, though it {doubt}", out)
        elif self._ears_words and not self._unread and lasted < max(p.confirm_ms, p.look_ms) + p.words_wait_ms:
            return
        else:
            self._cut_by_speech(f"lasted {lasted:.0f} ms", out)

    def _how_far(self) -> str:
        below = (self._own_db or 0.0) - (self.speech.level_db or 0.0)
        return f"{below:.0f} dB softer than the caller's turns: somebody else's speech"

    def _maybe_look(self, out: list[Action]) -> None:
        """Ask for the words once the speech is long enough to hold one, and again when as much has come since."""
        s = self.speech
        if not self._ears_words or self._looking or s.voice is not Evidence.FIRM:
            return
        if s.until_ms - max(s.onset_ms, self._asked_ms) >= self._policy.look_ms:
            self._ask(f"{s.lasted_ms:.0f} ms of speech, undecided", out)

    def _speech_over(self, out: list[Action]) -> None:
        was = self.speech.voice
        self.speech.over()
        firm = was is Evidence.FIRM
        if self.state is State.BARGE_IN and not self._settled:
            if not firm:
                self._resume(f"{self.speech.lasted_ms:.0f} ms of sound, never clear speech", "", out)
            elif self._by_length and self._patience_ms > self._policy.speech_gap_ms:
                self._carry()  # the longer a phrase was, the likelier it goes on
            elif not self._ears_words or self._unread:
                self._carry()
                self._resume(f"speech ended after {self.speech.lasted_ms:.0f} ms", "", out)
            elif self._doubt and not self._looking and self.speech.until_ms - self._asked_ms < self._policy.look_ms / 2:
                self._resume(f"it read as {self._doubt}", self._doubt_text, out)
            elif not self._looking or self._asked_ms < self.speech.until_ms:
                self._ask("the speech is over, undecided", out)
        elif self.state in (State.THINKING, State.SPEAKING) and firm and self._ears_words:
            if self._settled or self._aside:
                return
            self._ask("speech over a reply that was not held", out)

    # ------------------------------------------------------------------------------------------------ evidence

    def _on_level(self, e: ev.LevelOnset, out: list[Action]) -> None:
        if self.state is State.BARGE_IN and e.reply == self.reply:
            return
        if self.state is not State.SPEAKING or e.reply != self.reply:
            why = "that reply does not sound"
        elif self._protected:
            why = "this reply is protected"
        elif self._settled and self.speech.voice is not Evidence.SILENT:
            why = "this sound was decided about already"
        elif self._guarded() and self.speech.voice is not Evidence.FIRM:
            why = f"loudness alone, within {self._policy.echo_guard_ms:g} ms of the agent's first sound"
        elif 0 < self._policy.wary_after <= self._false_holds and self.speech.voice is not Evidence.FIRM:
            why = f"loudness alone, after {self._false_holds} false holds in this reply"
        else:
            self._hold(Source.PAGE, e.at_ms, "the page heard a clear onset", out)
            return
        out.append(do.Ignore("page", why))
        if self.live and e.reply == self.reply:
            out.append(do.Resume(e.reply, why))

    def _on_words(self, e: ev.Words, out: list[Action]) -> None:
        current = e.look is None or e.look == self._look
        if e.look == self._look:
            self._looking = False
        if e.text is None:
            self._on_unread(current, out)
            return
        p = self._policy
        lexicon = Lexicon.of(p.language, p.backchannels, p.stop_phrases)
        said, count = lexicon.judge(e.text)
        if not self.live or (e.look != self._look and self._before_reply(e.at_ms)):
            return  # they belong to a turn that is open or was answered: the transcript has them
        if said is WordClass.STOP:
            self._cut(Source.STOP_PHRASE, e.at_ms, 1.0, f"stop phrase in {e.text.strip()!r}", out)
        elif self._protected:
            self._words_over_protected(e, said, current, out)
        elif said is WordClass.WORDS and self._half_heard(e, lexicon):
            self._doubt = f"the beginning of a backchannel, {e.text.strip()!r}"
            self._weigh(out)
        elif said is WordClass.WORDS and count >= p.min_words:
            if self.state is State.BARGE_IN or not self._settled:
                self._cut(Source.WORDS, e.at_ms, 0.9, f"said {e.text.strip()!r}", out)
        elif self.state is State.BARGE_IN and current:
            if said is WordClass.NOTHING and e.look is None:
                return
            self._doubt = {
                WordClass.NOTHING: "nothing readable",
                WordClass.BACKCHANNEL: f"a backchannel, {e.text.strip()!r}",
            }.get(said, f"too few words, {e.text.strip()!r}")
            self._doubt_text = e.text.strip() if said is not WordClass.NOTHING else ""
            if self.speech.voice is Evidence.SILENT:
                self._resume(f"it read as {self._doubt}", self._doubt_text, out)
            else:
                self._weigh(out)

    def _half_heard(self, e: ev.Words, lexicon: Lexicon) -> bool:
        """The user is still speaking, and what is read so far may yet come to nothing: it is read again before long."""
        held = self.state is State.BARGE_IN and not self._settled and self.speech.voice is not Evidence.SILENT
        return held and e.look == self._look and lexicon.may_become_backchannel(e.text or "")

    def _on_unread(self, current: bool, out: list[Action]) -> None:
        """Nobody could read it: what is known already must do."""
        if not current or self.state is not State.BARGE_IN:
            return
        self._unread = True
        if self.speech.voice is Evidence.SILENT:
            self._resume("nobody could read it", "", out)
        else:
            self._weigh(out)

    def _words_over_protected(self, e: ev.Words, said: WordClass, current: bool, out: list[Action]) -> None:
        """A backchannel said over a protected reply is not kept as a turn, if it is all there was."""
        text = (e.text or "").strip()
        alone = self._turn_open and self._turn_since_ms == self.speech.onset_ms
        if (
            current
            and alone
            and self.speech.voice is Evidence.SILENT
            and said in (WordClass.NOTHING, WordClass.BACKCHANNEL)
        ):
            self._settle(text, f"read as {said.value} over a protected reply", out)
            self._turn_open = False
            out.append(do.CloseTurn(self.turn, f"{said.value}, over a protected reply"))

    def _on_turn_started(self, e: ev.TurnStarted, out: list[Action]) -> None:
        p = self._policy
        said, _ = Lexicon.of(p.language, p.backchannels, p.stop_phrases).judge(e.text)
        if not self.live:
            if self.state is State.IDLE:
                self._open_turn(e.at_ms, "the transcriber heard a turn begin", out)
                self._spoke_ms = max(self._spoke_ms, self.now_ms)
                self.state = State.LISTENING
        elif self._before_reply(e.at_ms):
            out.append(do.Ignore("turn", "it began before this reply was asked for"))
        elif said in (WordClass.STOP, WordClass.BACKCHANNEL):
            self._on_words(ev.Words(e.at_ms, e.text), out)
        elif self._protected:
            if not self._turn_open:
                self._open_turn(e.at_ms, "said over a protected reply, kept", out)
                self._spoke_ms = max(self._spoke_ms, self.now_ms)
        elif self._guarded() and self.speech.voice is not Evidence.FIRM:
            out.append(do.Ignore("turn", "within the echo guard, and we hear no firm speech"))
        elif p.trust_transcriber_turns:
            self._cut(Source.TURN, e.at_ms, 0.8, "the transcriber heard a turn begin", out)
        elif self.state is not State.BARGE_IN:
            self._hold(Source.TURN, e.at_ms, "the transcriber heard a turn begin", out)

    def _on_turn_ended(self, e: ev.TurnEnded, out: list[Action]) -> None:
        if self.live and e.text:
            self._on_words(ev.Words(e.at_ms, e.text), out)
        if self.state is State.LISTENING and self._policy.trust_transcriber_turns:
            if e.at_ms < self._turn_since_ms:
                out.append(do.Ignore("turn", "what ended is older than the turn that is open"))
            else:
                self._answer("the transcriber heard the turn end", out)

    def _on_turn_ending(self, e: ev.TurnEnding, out: list[Action]) -> None:
        if self.live and e.text:
            self._on_words(ev.Words(e.at_ms, e.text), out)
        trusted = self._policy.trust_transcriber_turns
        if self.state is State.LISTENING and trusted and e.at_ms >= self._turn_since_ms:
            self._prepare("the transcriber guesses that the turn is over", out)

    def _on_judged(self, e: ev.Judged, out: list[Action]) -> None:
        if self.state is not State.BARGE_IN or self._before_reply(e.at_ms):
            return
        if e.interrupts:
            self._cut(Source.JUDGE, e.at_ms, e.confidence, f"judged: {e.why}", out)
        else:
            self._settled = True
            self._resume(f"judged: {e.why}", "", out)

    def _on_input(self, at_ms: float, source: Source, why: str, out: list[Action]) -> None:
        """Keys and typed text pass every gate, and are the user's turn. More keys may follow; typed text is whole."""
        was_open = self._turn_open
        self._forget(f"more was said: {why}", out)
        if self.live:
            self._cut(source, at_ms, 1.0, why, out)
        if was_open:
            out.append(do.Listen(self.turn, at_ms - self._policy.pre_roll_ms, why))
        elif not self._turn_open:
            self._open_turn(at_ms, why, out)
        self._turn_spoken_ms = max(self._turn_spoken_ms, self._policy.min_turn_ms)  # input is never too short
        self._spoke_ms = max(self._spoke_ms, at_ms)
        self.state = State.LISTENING
        if source is Source.TYPED and not self._talking:
            self._answer(why, out)

    def _on_interrupted(self, at_ms: float, source: Source, out: list[Action]) -> None:
        if not self.live:
            out.append(do.Ignore(source.value, "nothing to interrupt"))
            return
        self._cut(source, at_ms, 1.0, f"{source.value} pressed" if source is Source.BUTTON else "operator", out)

    # ------------------------------------------------------------------------------------------ turns, replies

    def _on_say(self, out: list[Action]) -> None:
        if self.state is State.IDLE and not self._says:
            self._begin(0)
            out.append(do.Say(self.reply, "the floor is free"))
        elif self._says < self._policy.max_waiting:
            self._says += 1
            out.append(do.Ignore("say", f"the floor is not free ({self.state}): it waits"))
        else:
            out.append(do.Ignore("say", "too many wait already: it is refused"))

    def _on_started(self, e: ev.ReplyStarted, out: list[Action]) -> None:
        if e.reply != self.reply or not self.live or self._sounding:
            return
        self._sounding = True
        self._sounding_since_ms = e.at_ms
        if self.state is State.THINKING:
            self.state = State.SPEAKING

    def _on_protected(self, e: ev.ReplyProtected, out: list[Action]) -> None:
        if e.reply != self.reply or not self.live or e.protected == self._protected:
            return
        self._protected = e.protected
        if e.protected:
            if self.state is State.BARGE_IN:
                if self._talking:
                    self._open_turn(self.speech.onset_ms, "said over a protected reply, kept", out)
                self._resume("this reply is protected from here on", "", out)
        elif self._turn_open and self._turn_spoken_ms >= self._policy.confirm_ms:
            why = "said over the protected part, which is over"
            self._cut(Source.SPEECH, self._turn_since_ms, self.speech.peak, why, out)
        elif self.speech.voice is not Evidence.SILENT:
            self._consider(out)

    def _on_ended(self, e: ev.ReplyEnded, out: list[Action]) -> None:
        if e.reply != self.reply or not self.live:
            return
        if self._sounding:
            self._failures = 0
        else:
            out.append(do.CloseTurn(self._reply_turn, "there was nothing to say"))
        self._free(out)

    def _on_failed(self, e: ev.ReplyFailed, out: list[Action]) -> None:
        if e.reply == self.reply and self.live:
            self._fail("failed", e.why, out)

    def _on_hung_up(self, out: list[Action]) -> None:
        if self.live:
            signal = do.BargeIn(self.reply, self.now_ms, self.now_ms, Source.HANG_UP, 1.0, "the far end hung up")
            out.append(do.Cut(self.reply, signal) if self._sounding else do.DiscardReply(self.reply, 0, signal))
            if self._reply_turn and not self._sounding:
                out.append(do.CloseTurn(self._reply_turn, "hung up before it was answered"))
        self._forget("hung up", out)
        if self._turn_open:
            out.append(do.CloseTurn(self.turn, "hung up before the turn was over"))
        self._turn_open = False
        self._says = 0
        self.speech.over()
        self._rest()
        self._over = True

    # --------------------------------------------------------------------------------------------------- time

    def _timers(self) -> list[tuple[float, Callable[[list[Action]], None]]]:
        """Everything that the mere passing of time decides: when, and what. No state but idle lacks one,
        except SPEAKING, whose end the playout owes."""
        p, s = self._policy, self.speech
        due: list[tuple[float, Callable[[list[Action]], None]]] = []
        if self._over:
            return due
        if s.voice is not Evidence.SILENT:
            due.append((s.until_ms + p.deaf_ms, self._deaf))
        match self.state:
            case State.IDLE:
                if p.user_silence_ms is not None and self._reprompts < p.max_reprompts:
                    due.append((self._quiet_since_ms + p.user_silence_ms, self._user_silent))
                elif p.user_silence_ms is not None and p.hang_up_on_silence and not self._left:
                    due.append((self._quiet_since_ms + p.user_silence_ms, self._nobody_there))
            case State.LISTENING:
                if not self._talking:
                    owed = self._ears_turns and p.trust_transcriber_turns
                    due.append((self._spoke_ms + (p.turn_grace_ms if owed else p.end_of_turn_ms), self._turn_over))
                due.append((self._turn_since_ms + p.max_turn_ms, self._turn_too_long))
            case State.THINKING:
                due.append((self._reply_due_ms + p.answer_timeout_ms, self._late))
            case State.BARGE_IN:
                due.append((self._held_ms + p.hold_max_ms, self._hold_too_long))
                if s.voice is Evidence.SILENT:
                    if s.lasted_ms > 0:
                        wait = self._patience_ms if self._by_length else p.verdict_timeout_ms
                        due.append((s.until_ms + wait, self._no_verdict))
                    else:
                        due.append((self._held_ms + p.level_hold_ms, self._not_confirmed))
            case State.SPEAKING:
                pass
            case _:
                assert_never(self.state)
        return due

    def _on_tick(self, at_ms: float, out: list[Action]) -> None:
        due = [(when, rule) for when, rule in self._timers() if when <= at_ms]
        if due:
            min(due, key=lambda t: t[0])[1](out)

    def _deaf(self, out: list[Action]) -> None:
        out.append(do.Ignore("speech", f"no audio for {self._policy.deaf_ms:g} ms: taken as its end"))
        self._speech_over(out)

    def _user_silent(self, out: list[Action]) -> None:
        self._reprompts += 1
        self._begin(0, reprompting=True)
        out.append(do.Reprompt(self.reply, "silence", f"no word for {self._policy.user_silence_ms:g} ms"))

    def _nobody_there(self, out: list[Action]) -> None:
        self._left = True
        out.append(do.EndCall(f"no word after {self._reprompts} times of asking"))

    def _turn_over(self, out: list[Action]) -> None:
        if self._turn_spoken_ms < self._policy.min_turn_ms and not self._ears_words:
            self._forget("it was no turn", out)
            self._turn_open = False
            out.append(do.CloseTurn(self.turn, f"{self._turn_spoken_ms:.0f} ms of sound is no turn"))
            self._free(out)
        else:
            self._answer(f"quiet for {self._policy.end_of_turn_ms:g} ms", out)

    def _turn_too_long(self, out: list[Action]) -> None:
        self._settled = True  # or a noise that never ends would drop its own answer
        self._answer(f"the turn lasts longer than {self._policy.max_turn_ms:g} ms", out)

    def _late(self, out: list[Action]) -> None:
        why = f"no sound for {self._policy.answer_timeout_ms:g} ms"
        out.append(do.DiscardLateReply(self.reply, why))
        self._fail("late", why, out)

    def _hold_too_long(self, out: list[Action]) -> None:
        if self._talking:
            self._cut_by_speech(f"is still on after a hold of {self._policy.hold_max_ms:g} ms", out)
        else:
            self._settled = True
            self._resume(f"undecided after {self._policy.hold_max_ms:g} ms", "", out)

    def _no_verdict(self, out: list[Action]) -> None:
        if self._by_length:
            self._resume(f"speech ended after {self._carried_ms or self.speech.lasted_ms:.0f} ms", "", out)
            return
        self._resume(f"no words came within {self._policy.verdict_timeout_ms:g} ms of its end", "", out)

    def _not_confirmed(self, out: list[Action]) -> None:
        self._resume(f"no speech followed within {self._policy.level_hold_ms:g} ms", "", out)
