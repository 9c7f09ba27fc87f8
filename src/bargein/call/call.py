"""One live call. Turns what the transport, the VAD and the ears say into the floor's events, and does at once what
the floor orders. Nothing in `feed` or `_do` waits: a hold may not stand in line behind anything."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Literal, assert_never

from bargein import floor as f
from bargein import notices as n
from bargein import protocols as c
from bargein.agent import Agent
from bargein.audio.echo import LineEcho
from bargein.call.assembly import seat_of, speech_line, streaming_ears
from bargein.call.ending import CallEnding
from bargein.call.host import Runtime
from bargein.call.input.line_watch import LineWatch
from bargein.call.input.own_words import is_own_words
from bargein.call.input.turns import LEAD_IN_MS, Turns
from bargein.call.input.user_audio import UserAudio
from bargein.call.output.client_playout import ClientPlayout
from bargein.call.output.playout import Playout
from bargein.call.output.speaker import Kind, Reply, Speaker, SpeakerHooks
from bargein.call.output.utterance_queue import Utterance, UtteranceQueue, UtteranceText
from bargein.call.record.conversation import Conversation
from bargein.call.record.ledger import Ledger
from bargein.call.record.status import CallStatus
from bargein.call.responders.responder import ResponderHooks
from bargein.errors import UsageError

log = logging.getLogger(__name__)

TICKS_AT_ONCE = 8  # deadlines that may fall due in one round; more would be a rule that wakes itself for ever


class Call:
    """run() lasts as long as the call. Safe to use from its event loop only.

    exchange: what can be done with a telephone call besides; facts: about the connection, for the record."""

    def __init__(
        self,
        *,
        call_id: str,
        agent: Agent,
        transport: c.Transport,
        host: Runtime,
        journal: c.Journal,
        policy: f.Policy | None = None,
        watch: Callable[[n.Notice], None] | None = None,
        exchange: c.CallControl | None = None,
        facts: Mapping[str, str] | None = None,
    ) -> None:
        self.id = call_id
        self.agent = agent
        self.floor = f.Floor(policy or agent.policy, language=agent.language)
        self.conversation = Conversation()
        self.over: str | None = None
        self.facts = dict(facts or {})
        self._started_s = time.time()
        self._transport = transport
        self._host = host
        self._meter = host.meter
        self._journal = journal
        self._watch = watch
        self._began_ms = host.clock.now_ms()
        # A browser cancels echoes itself, and knows its loudspeaker; a telephone network does neither for us.
        echo = LineEcho(transport.rate_in) if transport.capabilities.at_once else None
        self._hearing = UserAudio(transport.rate_in, host.vad, self.now_ms, self._on_window, echo)
        line = speech_line(agent, self._hearing, transport, self.conversation)
        self._ears = streaming_ears(
            agent, line, self._hearing, feed=self.feed, own=self._is_echo, changed=self._ears_changed
        )
        self._turns = Turns(agent.batch_stt, self._hearing, self._ears, slow=line is not None)
        self._playout = (
            Playout(transport, host.meter, host.lead_ms, echo)
            if transport.capabilities.carries
            else ClientPlayout(transport, host.meter)
        )
        self._ledger = Ledger(self.conversation, journal, self._notify, self.now_ms)
        desk = SpeakerHooks(self.now_ms, self.feed, self._notify, self._spawn, host.meter, self._kick)
        self._speaker = Speaker(agent.tts, self._playout, desk, agent.fallback_tts)
        self._seat = seat_of(
            agent,
            line,
            self._hearing,
            self._ears,
            conversation=self.conversation,
            ledger=self._ledger,
            turns=self._turns,
            hands=ResponderHooks(
                self._notify,
                journal,
                host.meter,
                self.now_ms,
                self._spawn,
                self._spawn_commit,
                self._tell_again,
            ),
        )
        self._sayings = UtteranceQueue(
            lambda: self.feed(f.SayRequested(self.now_ms())),
            lambda: self.floor.policy.idle.max_waiting,
            self._seat.known,
        )
        self._line_watch = LineWatch(self._on_inbound, self.hang_up)
        self._group: asyncio.TaskGroup | None = None
        self._hung_up = asyncio.Event()
        self._leaver = CallEnding(exchange, self.hang_up, self._cannot_leave)
        self._hold_since_ms = 0.0
        self._last_firm_ms = float("-inf")
        self._speech_on = False
        self._pending_input = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._due_ms: float | None = None
        self._mute_told = False
        self._silenced_ms: float | None = None  # when the far end was told to be silent, until it says that it is

    def now_ms(self) -> float:
        """Milliseconds since the call began."""
        return self._host.clock.now_ms() - self._began_ms

    # ------------------------------------------------------------------------------------------------ outside

    async def run(self) -> None:
        """Until the far end hangs up or hang_up() is called. Raises nothing for a vendor's or a peer's fault."""
        ticker = self._host.ticker
        ticker.add(self._tick, self._crashed)
        # began_ms: on the machine's monotonic clock, so that records of several processes can be laid side by side.
        facts = {"began_ms": round(self._began_ms, 3), **self.facts}
        self._journal.note(0.0, "call", id=self.id, agent=self.agent.name, **facts)
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                listen = group.create_task(self._listen(), name=f"call {self.id}: listen")
                self._tell_ears()
                if self._ears is not None:
                    self._spawn(self._ears.run(), "ears")
                greeting = self.agent.opening
                if greeting.text or greeting.protected:
                    joined = f"{greeting.protected} {greeting.text}".strip()
                    protected = len(greeting.protected) if greeting.text else None
                    self._sayings.words(joined, "greeting", protected)
                await self._hung_up.wait()
                self.feed(f.HungUp(self.now_ms()))
                listen.cancel()
                self._speaker.stop()
                for task in self._tasks:
                    task.cancel()
        finally:
            ticker.remove(self._tick)
            self._hearing.close()
            self._close_books()
            await self._transport.close(self.over or "ended")
            self._journal.close()

    def interrupt(self, by: Literal["button", "operator"] = "operator") -> bool:
        """Stop the agent, whatever the policy says. False: there was nothing to stop."""
        live = self.floor.live
        self.feed(f.Interrupted(self.now_ms(), by))
        return live

    def say(self, text: str, *, interruptible: bool = True) -> None:
        """Have the agent say this as soon as the floor is free. Raises Misuse for no text, or too much of it."""
        self._sayings.asked(text, interruptible=interruptible)

    async def transfer(self, to: str) -> None:
        """Hand the caller on to another number (E.164), now; the call is over then. Raises Misuse where that cannot
        be done, VendorRefused or VendorLost when it was not."""
        await self._leaver.transfer(to)

    def hang_up(self, reason: str) -> None:
        """End the call; run() returns when all of it is over."""
        if self.over is None:
            self.over = reason
            self._hung_up.set()

    def status(self) -> CallStatus:
        live = self._speaker.live
        made = live is not None and live.take is not None and live.take.begun
        return CallStatus(
            id=self.id,
            agent=self.agent.name,
            state=self.floor.state.value,
            agent_speaking=self.floor.reply.sounding or made,
            kind=live.kind if live else None,
            turn=self.floor.turn.id,
            reply=self.floor.reply.id,
            started_s=self._started_s,
            lasted_ms=self.now_ms(),
            over=self.over,
            conversation=self.conversation.told(),
            policy=self.floor.policy.numbers(),
            facts=self.facts,
            ahead=dataclasses.asdict(self._seat.ahead),
        )

    # --------------------------------------------------------------------------------------------- events in

    def feed(self, event: f.Event) -> None:
        """Hand one event to the floor, and do what it orders. Never waits."""
        self._journal.event(event)
        before = self.floor.state
        actions = self.floor.handle(event)
        self._due_ms = self.floor.deadline
        at_ms = self.now_ms()
        # All are written down before the first is done: doing one may feed the next event.
        for action in actions:
            self._journal.action(at_ms, action)
        for action in actions:
            self._do(action, at_ms)
        if self.floor.state is not before:
            self._notify(n.StateChanged(self.floor.state.value, self.now_ms()))
            if self.floor.state is f.State.IDLE:
                self._turns.closed()

    def _kick(self) -> None:
        if not self._playout.held:
            self._tick(self._host.clock.now_ms())

    def _tick(self, process_ms: float) -> None:
        now = process_ms - self._began_ms
        live = self._speaker.live
        for event in self._playout.tick(now, excused=live is not None and live.busy):
            self._on_playout(event)
        live = self._speaker.live
        if live is not None and live.waits and self._ledger.of(live.id):
            live.heard_to(self._ledger.heard_end(now))
        if (
            live is not None
            and live.protected
            and self._ledger.of(live.id)
            and self._ledger.heard_end(now) >= live.protected
        ):
            live.protected = 0
            self._notify(n.ReplyBegins(live.id, live.kind, interruptible=True))
            self.feed(f.ReplyProtected(now, live.id, protected=False))
        self._ledger.tick(now)
        if self._transport.capabilities.at_once:
            self._line_watch.tick(now - self._hearing.last_ms)
        for _ in range(TICKS_AT_ONCE):
            if self._due_ms is None or self._due_ms > now:
                return
            # The due time, not ours: a replay on a slow machine decides the same.
            self.feed(f.Tick(self._due_ms))
        log.error("Call %s: the floor's deadline does not move on", self.id)

    def _on_window(self, window: f.SpeechWindow) -> None:
        if window.speech >= self.floor.policy.hold.decide_threshold:
            self._last_firm_ms = window.until_ms
        self.feed(window)
        speech = self.floor.speech
        if (on := speech.evidence > 0) is not self._speech_on:
            self._speech_on = on
            self._notify(n.SpeechNoticed("started" if on else "ended", speech.onset_ms if on else speech.until_ms))

    def _on_playout(self, event: f.ReplyStarted | f.ReplyEnded | f.ReplyFailed) -> None:
        if isinstance(event, f.ReplyStarted):
            self._ledger.begins(self._playout.track)
            live = self._speaker.live
            if live is not None:
                log.info("Call %s: %s %d sounds", self.id, live.kind, event.reply)
                self._meter.observe("first_audio", event.at_ms - live.asked_ms, live.kind)
        else:
            self._reply_over(event.reply, "failed" if isinstance(event, f.ReplyFailed) else "completed")
        self.feed(event)

    async def _listen(self) -> None:
        async for item in self._transport.receive():
            self._on_inbound(item)
        self.hang_up("the connection ended")

    def _on_inbound(self, item: c.Inbound) -> None:
        now = self.now_ms()
        match item:
            case c.AudioIn():
                self._hearing.push_audio(item)
            case c.Played():
                self._playout.played(now, item)
            case c.Held():
                self._silent(now, "hold")
                self._playout.paused(now, item)
            case c.Finished(reply, samples):
                self._playout.paused(now, c.Held(reply, samples))
                if (event := self._playout.finished(now, reply)) is not None:
                    self._on_playout(event)
            case c.Flushed():
                self._silent(now, "cut")
                self._ledger.flushed(now, item)
            case c.LocalHold(reply, samples, age_ms):
                self._playout.paused(now, c.Held(reply, samples))
                self.feed(f.LevelOnset(max(0.0, now - age_ms), reply))
            case c.Key(key):
                self._input(f.KeyPressed(now, key), key)
            case c.Typed(text):
                self._input(f.UserTyped(now), text)
            case c.StopPressed():
                self.interrupt("button")
            case c.SettingsRequested(preset, numbers):
                self._on_settings(now, preset, numbers)
            case c.ClientFault(code, message, advice):
                self._notify(n.Problem(code, message, advice))
                self._journal.note(now, "fault", code=code, message=message)
            case c.ClientHangUp(reason):
                self.hang_up(reason)
            case _:
                assert_never(item)

    def _silent(self, now: float, cause: str) -> None:
        if self._silenced_ms is not None:
            self._meter.observe("stop", now - self._silenced_ms, cause)
            self._silenced_ms = None

    def _input(self, event: f.KeyPressed | f.UserTyped, text: str) -> None:
        self._pending_input = text
        self.feed(event)

    def _on_settings(self, now: float, preset: str | None, numbers: object) -> None:
        try:
            base = f.Policy.named(preset) if preset is not None else self.floor.policy
            policy = base.with_(numbers if isinstance(numbers, dict) else {})
        except UsageError as error:
            self._notify(n.Problem("bad_settings", error.message, error.advice))
            return
        self.feed(f.PolicyChanged(now, policy))
        self._notify(n.PolicyNow(policy.numbers() | {"language": self.floor.language}))

    # ---------------------------------------------------------------------------------------------- orders out

    def _do(self, action: f.Action, now: float) -> None:
        match action:
            case f.Hold(reply, onset_ms, source, why):
                self._playout.hold(now)
                self._hold_since_ms = now
                if self.floor.reply.sounding:
                    self._silenced_ms = now
                if self.floor.reply.sounding:  # else there is nothing that the far end could pause
                    self._notify(n.HoldNow(reply, onset_ms, why))
                self._decided("hold", why, reply, onset_ms)
                self._meter.observe("onset_to_hold", now - onset_ms, source.value)
                self._meter.count("holds", cause=source.value)
            case f.Resume(reply, why):
                self._notify(n.ResumeNow(reply, why))
                if self._playout.held:  # else it undoes a hold of the far end's own, that we did not share
                    self._playout.resume(now)
                    self._decided("resume", why, reply)
                    self._meter.observe("hold_to_resume", now - self._hold_since_ms, "")
                    self._meter.count("resumes")
            case f.Cut(reply, barge_in):
                self._cut(reply, barge_in, now)
            case f.DiscardReply(reply, turn, barge_in):
                newest = self._turns.newest
                if newest is not None and not turn and barge_in.source not in (f.Source.BUTTON, f.Source.OPERATOR):
                    newest.unread = not self.conversation.has_turn(newest.id)
                self._playout.cut(now)
                self._stop()
                self._seat.forget("dropped")
                self._decided("drop", barge_in.why, reply, barge_in.onset_ms)
                self._meter.count("drops", cause=barge_in.source.value)
            case f.DiscardLateReply(reply, why):
                self._playout.cut(now)
                self._stop()
                self._seat.forget("abandoned")
                self._decided("abandon", why, reply)
            case f.Prepare(turn, why):
                self._decided("prepare", why)
                if self._turns.newest is not None and self._turns.newest.id == turn:
                    self._seat.prepare(self._turns.newest)
            case f.DiscardPrepared(_, why):
                self._seat.forget("taken back")
                self._decided("forget", why)
            case f.Listen(turn, from_ms, why):
                onset = from_ms + self.floor.policy.endpointing.pre_roll_ms
                self._turns.listen(turn, from_ms, self._ledger.said_over(onset))
                self._seat.turn(from_ms)
                if self._turns.newest is not None and self._pending_input:
                    self._turns.newest.typed.append(self._pending_input)
                    self._pending_input = ""
                self._decided("listen", why)
            case f.ReadWords(look, from_ms, why):
                onset = from_ms + self.floor.policy.endpointing.pre_roll_ms
                self._spawn(self._look(look, onset), f"look {look}")
                self._decided("look", why, onset_ms=onset)
            case f.Answer(reply, turn, why):
                self._decided("answer", why, reply)
                newest = self._turns.newest
                if newest is not None and newest.id == turn:
                    spoken = self._last_firm_ms > newest.from_ms
                    made = self._seat.begin(reply, turn)
                    self._speaker.begin(made, lambda r: self._seat.answer(r, newest, spoken=spoken))
            case f.Say(reply, why):
                saying = self._sayings.next()
                self._decided("say", why, reply)
                self._begin(reply, saying.kind, saying.text, saying.protected)
            case f.Reprompt(reply, cause, why):
                text = self.agent.reprompts.get(cause) or self.agent.reprompts.get("failed", "")
                self._decided("reprompt", why, reply)
                self._begin(reply, "reprompt", self._seat.known(text))
            case f.Dismiss(onset_ms, until_ms, text, why):
                if self._ears is not None:
                    self._ears.dismiss(self.floor.speech.until_ms)
                over = self._ledger.said_over(onset_ms) if text else None
                said = self.conversation.backchannel(text, over) if text else None
                self._seat.dismiss(onset_ms, until_ms, said)
                if text:
                    self._notify(n.Transcript("backchannel", text, final=True, over=over.text if over else None))
                self._decided("settle", why, onset_ms=onset_ms)
            case f.CloseTurn(_, why):
                self._decided("close", why)
            case f.EndCall(why):
                self._decided("leave", why)
                self.hang_up(why)
            case f.Ignore(what, why):
                self._decided("ignore", f"{what}: {why}")
            case _:
                assert_never(action)

    def _cut(self, reply: int, barge_in: f.BargeIn, now: float) -> None:
        if not self._playout.held:
            self._silenced_ms = now  # else it is silent already
        cleared = self._playout.cut(now)
        live, track = self._speaker.live, self._ledger.of(reply)
        self._speaker.stop()  # at once; how much of it was heard is known a little later
        if live is not None and live.take is not None and track is not None:
            track.words.guess(live.take.words())
        heard_ms = cleared.position.ms
        heard_text = track.words.heard(heard_ms).text if track is not None and live is not None else ""
        source = barge_in.source.value
        self._notify(
            n.AudioInterrupted(
                conversation_id=self.id,
                reply_id=reply,
                cleared_chunks=cleared.chunks,
                cleared_ms=round(cleared.ms, 1),
                heard_ms=round(heard_ms, 1),
                heard_text=heard_text,
                timestamp=time.time(),
            )
        )
        self._notify(n.BargeInHappened(reply, barge_in.onset_ms, source, barge_in.confidence, barge_in.why))
        self._notify(n.TtsInterrupted(reply, source))
        self._decided("cut", barge_in.why, reply, barge_in.onset_ms)
        self._meter.observe("onset_to_cut", now - barge_in.onset_ms, source)
        self._meter.count("cuts", cause=source)
        log.info("Call %s: %s %d cut (%s)", self.id, live.kind if live else "reply", reply, barge_in.why)
        if track is not None and live is not None:
            self._ledger.cut(track, live.text, cleared.position, told=self._transport.capabilities.reports)
        if live is not None:
            self._seat.over(live, sounded=track is not None)

    def _stop(self) -> None:
        """The reply is not wanted, and nothing of it has sounded."""
        live = self._speaker.live
        self._speaker.stop()
        if live is not None:
            self._seat.over(live, sounded=False)

    def _reply_over(self, reply: int, ended: Literal["completed", "failed"]) -> None:
        live, track = self._speaker.live, self._ledger.of(reply)
        self._speaker.ended()
        if live is None or live.id != reply:
            return
        if (live.leaving is not None or live.terminal) and ended == "completed":
            self._spawn(self._leave(live), "leave")
        if track is None:
            return
        log.info("Call %s: %s %d %s", self.id, live.kind, reply, ended)
        self._ledger.over(track, live.text, ended)
        self._meter.count("replies", cause=live.kind)

    async def _leave(self, reply: Reply) -> None:
        leaving = await self._seat.toolbox.finish(reply)
        if leaving is not None:
            await self._leaver.leave(leaving)

    def _cannot_leave(self, problem: n.Problem) -> None:
        self._notify(problem)
        self._sayings.words(self.agent.reprompts.get("failed", ""), "reprompt")

    # --------------------------------------------------------------------------------------------- slow things

    def _begin(
        self,
        reply: int,
        kind: Kind,
        text: UtteranceText,
        protected: int | None = 0,
    ) -> None:
        self._speaker.begin(Reply(reply, kind, self.now_ms(), protected), text)

    async def _look(self, look: int, onset_ms: float) -> None:
        text = await self._turns.look(onset_ms - LEAD_IN_MS)
        until_ms = self.now_ms()
        self._journal.note(until_ms, "look", look=look, text=text)
        if text and self._is_echo(text, onset_ms, until_ms):
            self.feed(f.Judged(onset_ms, interrupts=False, confidence=0.9, why=f"the agent's own words, {text!r}"))
        else:
            self.feed(f.Words(onset_ms, text, look))

    def _is_echo(self, text: str, onset_ms: float, until_ms: float) -> bool:
        return is_own_words(text, self._ledger.own_words(onset_ms, until_ms), self.floor.language)

    def _tell_again(self) -> None:
        """A tool is done whose reply was cut: the agent says so when the floor is free."""
        if self.over is None:
            self._sayings.add(Utterance("say", self._seat.tell))

    # ------------------------------------------------------------------------------------------------------ ears

    def _tell_ears(self) -> None:
        self.feed(f.STTChanged(self.now_ms(), words=self._turns.can_read, turns=self._turns.tells_ends))

    def _ears_changed(self, lost: c.STTLost | None, for_good: bool) -> None:
        self._journal.note(self.now_ms(), "ears", lost=lost.why if lost else None, for_good=for_good)
        if lost is not None:
            self._meter.count("vendor_errors", cause="ears_lost")
            self._notify(n.Problem("ears_lost", lost.why, lost.advice))
        self._tell_ears()

    # ------------------------------------------------------------------------------------------------- plumbing

    def _spawn_commit(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """A task that the end of the call waits for, and does not cancel."""
        task = self._spawn(work, name)
        self._tasks.discard(task)
        return task

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        if self._group is None:
            work.close()
            raise UsageError("A call that does not run cannot speak", advice="Await Call.run() first")
        task = self._group.create_task(work, name=f"call {self.id}: {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _notify(self, notice: n.Notice) -> None:
        self._transport.notify(notice)
        if self._watch is not None:
            self._watch(notice)

    def _decided(self, kind: str, why: str, reply: int | None = None, onset_ms: float | None = None) -> None:
        self._notify(n.Decision(kind, self.now_ms(), why, reply, onset_ms))

    def _crashed(self, error: BaseException) -> None:
        advice = "Call again, and send the server's log to its owner"
        self._notify(n.Problem("internal", f"{type(error).__name__} in the call", advice, fatal=True))
        self.hang_up("an error of ours")

    def _close_books(self) -> None:
        self._notify(n.Bye(self.over or "ended"))
        self._journal.note(self.now_ms(), "bye", reason=self.over or "ended")
