"""What must always be true of a floor, told from its events and actions alone, as one who only watches would.

`Monitor` is a small model of the world: which reply is live, whether it sounds, is held or protected, which turns are
open and owed an answer. `step` takes one event and what the floor did on it, and raises `Broken` for the first promise
that does not hold. It is a value: hashable and comparable, so that a search can keep it in its states.
"""

from __future__ import annotations

from bargein.floor import actions as do
from bargein.floor import events as ev
from bargein.floor.actions import Action, Source
from bargein.floor.rules import Floor
from bargein.floor.speech import Evidence
from tests.floor.filler_checks import check_filler
from tests.floor.look_checks import check_looks
from tests.floor.pause_promises import PausePromises
from tests.floor.world import CUTS, GONE_ON, LATE, LOUD, NOTHING, SETTLED, STOPS, Broken, Seen, World

HARD = {Source.STOP_PHRASE, Source.KEY, Source.TYPED, Source.BUTTON, Source.OPERATOR, Source.MACHINE, Source.HANG_UP,
        Source.LOST, Source.ENDING}  # fmt: skip


class Monitor(World):
    """The world, which checks each step."""

    __slots__ = ()

    def step(self, floor: Floor, was: Seen, event: ev.Event, actions: list[Action]) -> Monitor:
        """The world after this event. floor: as it is now; was: what it showed before."""
        return _Step(self, floor, was, event, actions).run()


class _Step(PausePromises):
    def __init__(self, m: Monitor, floor: Floor, was: Seen, event: ev.Event, actions: list[Action]) -> None:
        self.m, self.floor, self.was, self.event, self.actions = m, floor, was, event, actions
        self.did = {type(action) for action in actions} if actions else NOTHING
        self.live, self.sounding, self.held, self.protected = m.live, m.sounding, m.held, m.protected
        self.open, self.accounted, self.prepared, self.kept = m.open, m.accounted, m.prepared, m.kept
        self.hangs = m.hangs
        self.asking, self.giving_up, self.filler, self.tools = m.asking, m.giving_up, m.filler, m.tools
        self.lost, self.left, self.away, self.leaving = m.lost, m.left, m.away, m.leaving
        self.fillers = m.fillers
        self.behind = False  # a reply was made behind a filler, which is over
        self.failed = self.stalled = False  # a reply was lost, or its client does not play it, in this very step
        self.was_giving_up = False  # the reply that ended in this step said that the agent cannot go on
        self.reply, self.turn = was.reply, was.turn
        self.answers = was.turn + 1 - m.answers if m.answers else 0  # the turn's own number
        self.owed = self.reopened = 0  # a turn whose reply ended without a sound, in this very step; one that goes on

    def need(self, holds: bool, promise: str) -> None:
        if not holds:
            shown = "; ".join(map(str, self.actions)) or "nothing"
            raise Broken(
                f"{promise}\n  in {self.m}, {self.was}\n  on {self.event}\n  did {shown}\n  {self.floor.state}"
            )

    def run(self) -> Monitor:
        if self.m.over:
            self.need(not self.actions, "nothing after a hang-up")
            return self.m
        self.world()
        for action in self.actions:
            self.need(bool(action.why), "every decision says why")
            self.act(action)
        self.after()
        self.pause()
        if self.floor.speech.evidence is Evidence.SILENT:
            self.accounted = self.accounted or self.open
        return Monitor(
            self.live, self.sounding, self.held, self.protected,
            self.floor.turn.id + 1 - self.answers if self.answers else 0, self.open, self.prepared,
            self.accounted, self.asking, self.giving_up, self.filler, self.tools, self.fillers, self.lost,
            self.left,
            self.away, self.leaving, self.is_end(), self.hangs, self.kept,
        )  # fmt: skip

    def is_end(self) -> bool:
        """The caller has hung up, or did not come back, or was said goodbye to."""
        gone = (self.m.away or self.leaving) and do.EndCall in self.did
        return isinstance(self.event, ev.HungUp) or gone

    def world(self) -> None:
        e = self.event
        self.leaving = self.leaving or isinstance(e, ev.EndingAsked)
        if isinstance(e, (ev.ClientAway, ev.ClientBack)):
            self.left = self.left and not (self.away and isinstance(e, ev.ClientBack))
            self.away = isinstance(e, ev.ClientAway)
        fresh = self.floor.speech.evidence is not Evidence.SILENT and self.was.evidence is Evidence.SILENT
        if fresh and isinstance(e, ev.SpeechWindow):
            self.accounted = self.open
        if type(e) in LATE:
            self.of_reply(e)

    def of_reply(self, e: ev.Event) -> None:
        """What is told of a reply: the live one, or an old one."""
        if not self.live or getattr(e, "reply", None) != self.reply:
            self.need(not self.actions, "(1) a late event about an old reply changes nothing")
        elif isinstance(e, ev.ReplyStarted):
            self.sounding = True
            self.kept = False
        elif isinstance(e, ev.ReplyProtected):
            self.protected = e.protected
        elif isinstance(e, ev.ReplyEnded | ev.ReplyFailed):
            self.kept = not e.confirmed if self.sounding else self.kept
            self.end_reply(heard=self.sounding and isinstance(e, ev.ReplyEnded), lost=isinstance(e, ev.ReplyFailed))
        elif isinstance(e, ev.ReplyStalled):
            self.stalled = self.kept = True
        elif isinstance(e, ev.ToolsStarted):
            self.tools = not self.filler and not self.asking
        elif isinstance(e, ev.ToolsEnded):
            self.tools = False

    def end_reply(self, *, heard: bool, lost: bool) -> None:
        """The live reply is over by itself."""
        self.behind = self.filler
        if not self.filler:
            self.owed = 0 if heard else self.answers
            self.answers = 0
            self.count(heard=heard, lost=lost)
        self.was_giving_up = self.giving_up
        self.live = self.sounding = self.held = self.protected = False
        self.asking = self.giving_up = self.filler = self.tools = False

    def count(self, *, heard: bool, lost: bool) -> None:
        """Replies that are lost in a row. A reprompt that is heard proves nothing: it needs no model."""
        if lost:
            self.failed = True
            self.lost = min(self.lost + 1, self.floor.policy.idle.max_failures)
        elif heard and not self.asking:
            self.lost = 0

    def act(self, a: Action) -> None:
        match a:
            case do.Hold(reply):
                self.need(self.live and reply == self.reply and not self.held, "(4) only a live reply is held, once")
                self.need(not self.protected, "a protected reply is not held")
                self.need(not self.quiet_guard(), "the echo guard asks for firm evidence")
                self.need(not self.away, "(9) nothing is held while the client is away")
                self.held = True
            case do.Resume(reply):
                undone = isinstance(self.event, ev.LevelOnset)
                self.need(self.live and reply == self.reply, "(1) only the live reply is resumed")
                self.need(self.held or undone, "(4) only what was held is resumed")
                self.held = False
            case do.Cut(reply, barge_in) | do.DiscardReply(reply, _, barge_in):
                self.cut(a, reply, barge_in)
            case do.DiscardLateReply(reply):
                self.need(self.live and reply == self.reply and not self.sounding, "only what never came is given up")
                self.need(not self.filler, "a filler that is late is no lost reply")
                waited = self.tools and self.floor.now_ms < self.was.tools_until_ms
                self.need(not waited, "a running tool excuses that a reply is late")
                self.end_reply(heard=False, lost=True)
            case do.CutStalledReply(reply):
                self.need(self.stalled and reply == self.reply, "only a reply that its client does not play is stopped")
                self.owed = 0 if self.sounding and not self.filler else self.answers
                self.was_giving_up = self.giving_up
                self.stalled = self.live = self.sounding = self.held = self.protected = False
                self.asking = self.giving_up = self.filler = self.tools = False
                self.answers = 0
            case do.FlushClient(reply):
                self.need(self.kept and reply <= self.reply, "only a client that may hold something is emptied")
                self.kept = False
            case do.Prepare(turn):
                self.need(not self.live, "(2) nothing is made ahead while the agent speaks")
                self.need(self.open and turn == self.turn, "(5) what is made ahead is the open turn's reply")
                self.need(not self.prepared, "one reply is made ahead, not two")
                self.made_ahead()
                self.need(not self.away, "(9) nothing is made ahead for a client that is away")
                self.prepared = True
            case do.DiscardPrepared(turn):
                self.need(self.prepared and turn == self.turn, "only what was made ahead is discarded")
                self.prepared = False
            case do.Answer(reply, turn):
                self.begin(reply)
                self.prepared = False
                self.need(self.open and turn == self.turn, "(5) what is answered is the open turn")
                f, whole = self.floor, isinstance(self.event, ev.UserTyped) or getattr(self.event, "ends", False)
                whole = whole or f.now_ms - f.turn.since_ms >= f.policy.endpointing.max_turn_ms
                self.need(whole or f.now_ms >= self.was.keys_until_ms, "nothing is said between two keys")
                self.quiet(whole=whole)
                self.open, self.answers = False, turn
            case do.Say(reply):
                self.begin(reply)
            case do.Reprompt(reply, cause):
                self.begin(reply)
                self.asking = True
                self.protected = cause in ("goodbye", "machine")
                if cause not in ("silence", "back", "not_transferred", "machine", "goodbye"):
                    self.need(self.failed, "(5) sorry is said for a reply that was lost")
                    self.answers, self.owed = self.owed, 0
                    most = self.floor.policy.idle.max_failures
                    enough = most > 0 and self.lost == most and not self.was_giving_up
                    self.need(
                        (cause == "gave_up") == enough, "the agent gives up after max_failures in a row, no sooner"
                    )
                    self.giving_up = enough
            case do.SayFiller(reply):
                self.need(self.live and not self.sounding and not self.held, "a filler is said before a reply sounds")
                self.fillers = check_filler(self.need, self.floor, self.was, self)
                self.need(not self.open, "nobody talks into an open turn")
                self.need(reply == self.reply + 1, "(2) replies are numbered as they come")
                self.reply, self.filler, self.tools, self.protected = reply, True, False, False
            case do.ContinueReply(reply):
                if isinstance(self.event, ev.Tick) and self.filler and not self.sounding:
                    self.end_reply(heard=False, lost=False)  # it is late
                self.need(self.behind, "what goes on was made behind a filler, which is over")
                self.need(reply == self.reply + 1, "(2) replies are numbered as they come")
                self.reply, self.live, self.behind = reply, True, False
            case do.Listen(turn, from_ms):
                unanswered = isinstance(self.event, ev.ClientAway) and turn == self.owed  # behind a filler
                self.owed = 0 if unanswered else self.owed
                known = turn == self.turn and (self.open or turn == self.reopened or unanswered)
                self.need(known or turn == self.turn + 1, "(8) turns are numbered as they come")
                if self.floor.speech.evidence is not Evidence.SILENT and isinstance(self.event, ev.SpeechWindow):
                    onset = self.floor.speech.onset_ms - self.floor.policy.endpointing.pre_roll_ms
                    self.need(from_ms <= onset, "(8) a turn's sound begins before its onset")
                self.fillers = self.fillers if turn == self.turn else 0
                self.turn, self.open, self.accounted, self.reopened = turn, True, True, 0
            case do.CloseTurn(turn):
                if turn and turn == self.owed:
                    self.owed = 0
                elif turn:
                    self.need(not self.away or self.is_end(), "(9) the user's turn is kept while the client is away")
                    self.need(self.open and turn == self.turn, "(5) only what is open is closed")
                    self.open = False
            case do.Dismiss(onset, until, _):
                self.need(until >= onset, "what was dismissed has a length")
                self.accounted = True
            case do.Ignore(what):
                self.accounted = True
                deaf = what == "speech" and isinstance(self.event, ev.Tick)
                missing_ms = self.event.at_ms - self.was.noticed_ms if deaf else float("inf")
                # Floats are rounded: 999.9999999999999 ms are 1000.
                self.need(missing_ms > self.floor.policy.endpointing.deaf_ms - 1e-6, "windows that come late do come")
            case do.EndCall() | do.GiveUp():
                self.need(not self.live and not self.open, "nobody is left in the middle of something")
                self.need(not self.left or self.away or self.leaving, "a call is ended once")
                said_so = self.was_giving_up and not self.floor.talking
                self.need(isinstance(a, do.EndCall) or said_so, "a call is given up when that was said, in silence")
                self.left = True
            case do.ReadTurn(reading, turn):
                self.need(self.open and turn == self.turn and not self.live, "only an open turn is read")
                self.look(reading)
            case do.ReadWords():
                self.need(self.live, "words are read for a verdict only")
            case do.JudgeSound():
                self.need(self.held or self.was.dismissed, "a look is for a verdict, or for what was passed over")

    def begin(self, reply: int) -> None:
        self.need(not self.live, "(2) at most one reply is live")
        self.need(not self.away, "(9) nothing is said to a client that is away")
        self.need(not self.m.leaving, "(10) after the goodbye nothing is said")
        self.need(not self.held, "(4) nothing begins in a hold")
        self.need(reply == self.reply + 1, "(2) replies are numbered as they come")
        self.need(not (self.open and not isinstance(self.actions[-1], do.Answer)), "nobody talks into an open turn")
        self.reply, self.live = reply, True
        self.sounding = self.held = self.protected = False
        self.asking = self.giving_up = self.filler = self.tools = False
        self.answers = 0

    def cut(self, a: do.Cut | do.DiscardReply, reply: int, barge_in: do.BargeIn) -> None:
        self.need(self.live and reply == self.reply == barge_in.reply, "(3) only the live reply is cut, once")
        self.need(isinstance(a, do.Cut) == self.sounding, "(3) cut is what sounded, discarded what did not")
        self.need(
            not self.protected or barge_in.source in HARD, "only the hard-stop lane cuts a protected reply"
        ) if not (isinstance(self.event, ev.ReplyProtected)) else None
        self.need(not (self.quiet_guard() and barge_in.source in (Source.SPEECH, Source.ONSET)), "echo guard")
        self.need(0 <= barge_in.confidence <= 1 and barge_in.onset_ms <= self.floor.now_ms, "a barge-in has its facts")
        self.need(barge_in.source is not Source.PAGE, "loudness alone never cuts")
        if barge_in.source is Source.SPEECH and not isinstance(self.event, ev.ReplyProtected):
            p, s = self.floor.policy, self.floor.speech
            alone = self.sounding and not self.floor.stt_words
            least = max(p.verdict.confirm_ms, p.verdict.alone_ms) if alone else p.verdict.confirm_ms
            enough = s.lasted_ms + self.was.carried_ms >= least or self.floor.now_ms - s.onset_ms >= least
            far = self.floor.far and not isinstance(self.event, ev.Tick) and s.lasted_ms >= p.verdict.far_ms
            self.need(not far, "somebody else's speech cuts nothing")
            enough = enough or (isinstance(self.event, ev.Tick) and self.was.carried_ms > 0)
            self.need(s.evidence is Evidence.FIRM and enough, "speech cuts when it is firm and long enough")
            lasted = s.lasted_ms + self.was.carried_ms
            sure = s.peak >= p.verdict.sure_threshold or lasted >= p.verdict.doubt_ms or isinstance(self.event, ev.Tick)
            self.need(sure, "doubtful speech must last longer")
        if isinstance(a, do.DiscardReply) and a.turn:
            self.need(a.turn == self.answers, "(8) the turn that goes on is the one that was answered")
            self.reopened = a.turn
        elif not self.sounding or self.filler:
            self.owed = self.answers
        if self.sounding and not self.filler:
            self.count(heard=True, lost=False)
        self.live = self.sounding = self.held = self.protected = False
        self.asking = self.giving_up = self.filler = self.tools = False
        self.answers = 0

    def quiet_guard(self) -> bool:
        """The only evidence is a faint sound, within the echo guard."""
        faint = isinstance(self.event, ev.SpeechWindow) and self.floor.speech.evidence is not Evidence.FIRM
        return self.floor.now_ms < self.was.guarded_until_ms and faint

    def after(self) -> None:
        f, e = self.floor, self.event
        self.need(not self.stalled, "(1) a client that does not play is emptied, and its reply is over")
        self.need(self.owed == 0, "(5) a turn whose reply was lost is closed or asked again")
        self.need(self.reopened == 0, "(8) a turn that goes on is listened to")
        self.need(not self.behind, "a reply behind a filler goes on when the filler is over")
        apologized = do.Reprompt in self.did
        apology_owed = self.failed and not self.m.asking and not self.open and not self.m.left
        self.need(apologized or not apology_owed, "a lost reply is never passed over in silence")
        said_so = self.was_giving_up and not self.open and not apologized
        self.need(self.left or not said_so, "a call is given up once that was said, unless the user talks")
        self.need(f.reply.id == self.reply and f.turn.id == self.turn, "the floor numbers as it says")
        self.need(not self.leaving or self.live or self.is_end(), "(10) without a goodbye the call is over at once")
        self.away_client()
        if self.is_end():
            self.need(not self.live and not self.open and f.deadline is None, "(5) a hang-up ends everything")
            self.need(not self.prepared, "nothing is made ahead for nobody")
            return
        self.need(not self.prepared or (self.open and not self.live), "what is made ahead is used, or discarded")
        last = isinstance(e, ev.KeyPressed) and e.ends and not (f.talking or f.mute)
        self.need(not last or do.Answer in self.did, "the last key is answered at once")
        self.need(not (type(e) in GONE_ON and self.prepared), "a turn that goes on has nothing made ahead")
        want = (
            "barge_in" if self.held
            else ("speaking" if self.sounding else "thinking") if self.live
            else "listening" if self.open
            else "idle"
        )  # fmt: skip
        if f.state != want:
            self.need(False, f"the state is {f.state.value}, the world's {want}")
        exact = f.live == self.live and f.reply.sounding == (self.live and self.sounding)
        self.need(exact, "is-the-agent-speaking is exact")
        if f.state in ("barge_in", "listening", "thinking"):
            self.need(f.deadline is not None, f"(5) {f.state.value} ends by itself")
        if self.open and self.live:
            self.need(
                self.protected or self.m.protected or self.m.open, "only what is said over a protected reply waits"
            )
        self.hard_lane()
        self.prompt()
        check_looks(self.need, f, self.was, self.m.held, e, self.actions)
        self.own_sound()
        ended = self.was.evidence is Evidence.FIRM and f.speech.evidence is Evidence.SILENT
        if (ended or (self.m.held and not self.held)) and not self.held and f.speech.evidence is Evidence.SILENT:
            moved = not self.did.isdisjoint(SETTLED)
            self.need(self.accounted or self.open or moved, "(8) firm speech comes to something on record")

    def away_client(self) -> None:
        f, lost = self.floor, isinstance(self.event, ev.ClientAway) and not self.m.away
        self.need(f.away == self.away, "the floor knows whether the client is away")
        self.need(not self.away or not self.live, "(9) no reply is live while the client is away")
        kept = self.open or f.onset.dismissed or self.leaving or not (lost and self.was.evidence is Evidence.FIRM)
        self.need(kept, "(9) what the user says as the connection is lost is a turn")
        again = self.open or self.leaving or not (lost and self.m.filler and self.m.answers == 1)
        self.need(again, "(9) a turn whose answer has not sounded is open again")
        met = self.live or self.open or self.leaving or not (self.m.away and not self.away)
        self.need(met, "(9) whoever comes back is spoken to, or listened to")

    def hard_lane(self) -> None:
        e = self.event
        stop = isinstance(e, ev.Words) and e.text == "stop" and (e.reading is not None or e.at_ms >= self.was.now_ms)
        stop = stop and (e.reading is None or e.reading == self.floor.onset.reading)  # type: ignore[union-attr]
        hard = stop or type(e) in STOPS
        if hard and self.m.live:
            cut = not self.did.isdisjoint(CUTS)
            self.need(cut, "the hard-stop lane passes every gate")
        self.need(
            not (hard and self.m.kept and self.kept), "(1) the hard-stop lane empties a client, whatever it holds"
        )

    def own_sound(self) -> None:
        e, p = self.event, self.floor.policy
        if isinstance(e, ev.SpeechWindow) and e.echo >= p.echo.echo_threshold and e.speech >= p.hold.loud_threshold:
            self.need(self.did.isdisjoint(LOUD), "the agent's own sound, come back, interrupts nobody")
            young = self.m.held and self.was.evidence is not Evidence.SILENT
            young = young and self.floor.speech.lasted_ms <= p.echo.echo_doubt_ms
            self.need(not (young and self.held), "a hold for the agent's own sound ends as soon as that is known")

    def prompt(self) -> None:
        """What has to happen at once does."""
        f, e, p = self.floor, self.event, self.floor.policy
        if not isinstance(e, ev.SpeechWindow):
            return
        s = f.speech
        fresh = self.was.evidence is Evidence.SILENT and s.evidence is not Evidence.SILENT
        sure = s.evidence is Evidence.FIRM and s.peak >= p.verdict.sure_threshold
        plain = not self.m.protected and f.now_ms >= self.was.guarded_until_ms and s.onset_ms >= f.reply.asked_ms
        known = f.far and f.reply.far_reported  # as somebody else's, in this very reply
        began = fresh and plain and (sure or not f.reply.false_holds)
        if began and self.m.live and self.m.sounding and not self.m.held:
            self.need(not f.live or self.held or known, "an onset over a reply holds it at once")
        clear = not f.onset.doubt and not f.wordless and not f.doubted
        if self.held and not f.stt_words and sure and s.lasted_ms >= f.confirm_ms and clear:
            self.need(False, "sure speech of confirm_ms, or alone_ms, cuts")
        if known and self.held and not self.m.held:
            self.need(False, "somebody else's speech holds a reply once")
        if self.held and f.far and s.lasted_ms >= p.verdict.far_ms:
            self.need(False, "a hold for somebody else's speech ends as soon as that is known")
        if self.m.live and self.m.sounding and sure and not f.far and not f.onset.dismissed and not self.m.protected:
            self.need(not f.live or self.held, "whoever is as loud as the caller is heard, whoever spoke before")
        if self.was.state == "idle" and fresh and s.evidence is Evidence.FIRM:
            self.need(self.open, "(8) firm speech at rest opens a turn")
