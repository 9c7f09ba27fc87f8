"""One live call: events go to the floor in order, and its actions are done at once."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Literal

from bargein import floor as f
from bargein import notices as n
from bargein import protocols as c
from bargein.agent import Agent
from bargein.call.assembly import CallParts, assemble
from bargein.call.context import CallContext
from bargein.call.input.line_watch import TELEPHONE_DB
from bargein.call.memory.fields import VERSION, About, MemorySink
from bargein.call.memory.keeper import MemoryKeeper, heard_now
from bargein.call.memory.moving import Moving
from bargein.call.memory.restored import RestoredCall, begin_again
from bargein.call.output.background import play_background
from bargein.call.record.audio import RecordingPlan
from bargein.call.record.status import CallStatus
from bargein.call.runtime import Runtime
from bargein.call.tasks import CallTasks

log = logging.getLogger(__name__)

MOVE_MS = 120_000.0  # that a call which is to move waits for a quiet moment
STALL_MS = 200.0  # between two ticks: the process stood still, and what came meanwhile waits in its sockets
CATCH_UP_MS = 60.0  # to read the sockets, and to judge what they held, before time alone decides
TICKS_AT_ONCE = 8  # deadlines of the floor in one round; more are a rule that wakes itself for ever


class Call:
    """`run` lasts as long as the call. To be used from its event loop only.

    watch: gets every notice. control: what the telephone network can do with the call. facts: about the connection,
    for the record. memory: where other servers can find what is known of the call; None: nowhere. restored: the call
    began on another server. recording: whether the call's audio is recorded; None: it may not be. trace: gets what the
    journal does not tell; None: the call is not traced.
    """

    def __init__(
        self,
        *,
        call_id: str,
        agent: Agent,
        transport: c.Transport,
        runtime: Runtime,
        journal: c.Journal,
        policy: f.Policy | None = None,
        watch: Callable[[n.Notice], None] | None = None,
        control: c.CallControl | None = None,
        facts: Mapping[str, str] | None = None,
        memory: MemorySink | None = None,
        restored: RestoredCall | None = None,
        recording: RecordingPlan | None = None,
        trace: c.CallTrace | None = None,
    ) -> None:
        self.id = call_id
        self.agent = agent
        self.facts = dict(facts or {})
        self.floor = f.Floor(policy or agent.policy, language=agent.language)
        self._transport = transport
        self._journal = journal
        self._trace = trace
        self._watch = watch
        self._ticker = runtime.ticker
        self._clock = runtime.clock
        self._began_ms = runtime.clock.now_ms()
        self._restored = restored
        self._started_s = time.time() if restored is None else restored.about.started_s
        self._before_ms = 0.0 if restored is None else restored.state.lasted_ms
        self._tasks = CallTasks(call_id)
        self._events: deque[f.Event] = deque()  # fed, and not handled yet
        self._handling = False
        self._due_ms: float | None = None
        self._ticked_ms = 0.0
        self._catch_up_until_ms = 0.0
        self._parts = self._assemble(runtime, control, recording)
        self.conversation = self._parts.conversation
        self._action_runner = self._parts.action_runner
        self._progress = self._parts.progress
        self._line_watch = self._parts.line_watch
        self._machine = self._parts.machine
        self._memory = self._keeper(memory) if memory is not None else None
        self._moving = Moving(self.floor, self._parts, self._memory)

    def _assemble(self, runtime: Runtime, control: c.CallControl | None, plan: RecordingPlan | None) -> CallParts:
        clock, began_ms = self._clock, self._began_ms
        context = CallContext(
            call_id=self.id,
            now_ms=lambda: clock.now_ms() - began_ms,  # parts keep it: it must not hold the call
            journal=self._journal,
            meter=runtime.meter,
            notify=self._notify,
            feed=self.feed,
            spawn=self._tasks.spawn,
            spawn_commit=self._tasks.spawn_commit,
            kick=self._kick,
            trace=self._trace,
        )
        return assemble(
            context,
            agent=self.agent,
            transport=self._transport,
            runtime=runtime,
            floor=self.floor,
            control=control,
            outbound=self.facts.get("direction") == "outbound",
            plan=plan,
        )

    def _keeper(self, sink: MemorySink) -> MemoryKeeper:
        floor, parts = self.floor, self._parts
        about = About(VERSION, self.agent.name, self.agent.language, {}, self._started_s, self.facts)
        keeper = MemoryKeeper(
            sink,
            about,
            floor,
            parts.conversation,
            parts.replies,
            parts.utterances,
            parts.context.now_ms,
            stale=() if self._restored is None else self._restored.names,
        )
        keeper.lasted_before_ms = self._before_ms
        recording = parts.recording
        keeper.is_recording, recording.on_change = lambda: recording.on, keeper.touch
        parts.conversation.on_change = keeper.touch
        parts.context.durable = keeper.durable
        return keeper

    def now_ms(self) -> float:
        """Milliseconds since the call began."""
        return self._clock.now_ms() - self._began_ms

    @property
    def over(self) -> str | None:
        """Why the call is over. None: it goes on."""
        return self._parts.ending.reason

    # --------------------------------------------------------------------------------------------- what it can do

    async def run(self) -> None:
        """Until the client hangs up or `hang_up` is called. Raises nothing for a vendor's or a client's fault."""
        parts = self._parts
        self._ticker.add(self._tick, self._crashed)
        # began_ms: on the machine's monotonic clock, so that records of several processes can be laid side by side.
        facts = {"began_ms": round(self._began_ms, 3), **self.facts}
        if self._restored is not None:
            facts |= {"epoch": self._restored.epoch, "before_ms": self._before_ms, "moved": self._restored.moved}
        self._journal.note(0.0, "call", id=self.id, agent=self.agent.name, **facts)
        parts.recording.begin()
        try:
            async with self._tasks as tasks:
                tasks.spawn(self._receive(), "receive")
                parts.turns.announce()
                parts.sound_watch.announce()
                if parts.line_watch is not None:
                    self.feed(f.LineKnown(self.now_ms(), TELEPHONE_DB))
                if parts.stt_stream is not None:
                    tasks.spawn(parts.stt_stream.run(), "stt")
                if self.agent.background is not None:
                    tasks.spawn(play_background(parts.context, self.agent, self._transport), "background")
                if self._restored is None:
                    self._greet()
                else:
                    asks = self._transport.capabilities.reports and parts.line_watch is None
                    begin_again(self._restored, parts, self.floor, self.now_ms(), asks=asks)
                await parts.ending.wait()
                self._deliver_no_more()
                self.feed(f.HungUp(self.now_ms(), self.over or "the call is over"))
                parts.speaker.stop()
                tasks.cancel()
        finally:
            self._ticker.remove(self._tick)
            self._deliver_no_more()
            self._moving.end()
            parts.user_audio.close()
            parts.recording.close()
            parts.audio_taps.close(self.now_ms())
            reason = self.over or "ended"
            self._notify(n.Bye(reason))
            self._journal.note(self.now_ms(), "bye", reason=reason)
            try:
                await self._transport.close(reason)
            finally:
                self._journal.close()
                parts.release()

    def interrupt(self, by: Literal["button", "operator"] = "operator") -> bool:
        """Stop the agent, whatever the policy says. False: there was nothing to stop."""
        live = self.floor.live or bool(self.floor.unconfirmed)  # the client may still hold what is over
        self.feed(f.Interrupted(self.now_ms(), by))
        return live

    def say(self, text: str, *, interruptible: bool = True) -> None:
        """Have the agent say this as soon as the floor is free. Raises UsageError for no text, or too much of it."""
        self._parts.utterances.say(text, interruptible=interruptible)
        self._asked("say", text=text)

    def change_policy(self, policy: f.Policy) -> dict[str, object]:
        """The call's policy from now on, which the client is told. Returns its numbers."""
        numbers = policy.numbers() | {"language": self.floor.language}
        self.feed(f.PolicyChanged(self.now_ms(), policy))
        self._notify(n.PolicyNow(numbers))
        return numbers

    async def transfer(self, to: str) -> None:
        """Hand the caller on to another number (E.164), now; the call is over then, or waits for the answer.

        Raises UsageError where that cannot be done, VendorRefused or VendorLost when it was not.
        """
        self._asked("transfer", to=to)
        await self._parts.ending.transfer(to)

    def send_keys(self, keys: str) -> None:
        """Press telephone keys at the far end. Raises UsageError for what is no key, and where the network cannot."""
        self._parts.ending.send_keys(keys)
        self._asked("keys", text=keys)

    def transferred(self) -> None:
        """The network says that the number to which the caller was handed on has answered: the call is over."""
        self._parts.ending.transferred()

    def not_transferred(self, why: str) -> None:
        """The network says that the number has not answered, and brings the caller back. why: for the model."""
        self._parts.ending.not_transferred(why)

    @property
    def heard(self) -> tuple[int, int] | None:
        """The reply that sounds, and how many samples of it the caller has heard. None: none sounds."""
        return heard_now(self._parts.replies.live, self.now_ms())

    async def move(self, why: str, within_ms: float = MOVE_MS) -> bool:
        """Leave this server at the next quiet moment, at the latest when within_ms are over. False: the call stays:
        it is over, or other servers cannot know of it."""
        if not await self._moving.leave(within_ms, self.now_ms):
            return False
        log.info("Call %s: moved (%s)", self.id, why)
        self.hang_up(c.MOVED)
        return True

    def say_goodbye(self, why: str) -> None:
        """End the call after a last sentence (`Agent.reprompts["goodbye"]`) that nothing interrupts, within 8 s."""
        self.feed(f.EndingAsked(self.now_ms(), why))

    def record_audio(self, *, on: bool, by: str = "an operator") -> bool:
        """Record the call's audio from now on, or stop. by: who wants it. False: there was nothing to change.

        Raises UsageError where the call may not be recorded.
        """
        return self._parts.recording.change(on=on, by=by)

    def hear(self, opens: c.OpensAudio[c.AudioTaker], by: str) -> Callable[[], None]:
        """Give the audio of both sides to a listener from now on, until the returned function is called. by: who
        listens, for the record."""
        taps = self._parts.audio_taps
        taker = taps.open(opens, self.now_ms())
        self._journal.note(self.now_ms(), "listening", by=by)

        def leave() -> None:
            if taps.remove(taker):
                self._journal.note(self.now_ms(), "listening_ended", by=by)

        return leave

    def hang_up(self, reason: str) -> None:
        """End the call; `run` returns when all of it is over."""
        self._parts.ending.hang_up(reason)

    def _asked(self, what: str, **facts: object) -> None:
        """An operator, or the program around the call, has asked for it."""
        self._journal.note(self.now_ms(), "asked", what=what, **facts)

    def status(self) -> CallStatus:
        """The call as others may see it, now."""
        live = self._parts.replies.live
        answering = live is not None and live.response is not None and live.response.started
        return CallStatus(
            id=self.id,
            agent=self.agent.name,
            state=self.floor.state.value,
            agent_speaking=self.floor.reply.sounding or answering,
            kind=live.kind if live is not None else None,
            turn=self.floor.turn.id,
            reply=self.floor.reply.id,
            started_s=self._started_s,
            lasted_ms=self._before_ms + self.now_ms(),
            over=self.over,
            conversation=self.conversation.as_dicts(),
            policy=self.floor.policy.numbers(),
            facts=self.facts,
            recording=self._parts.recording.on,
            ahead=dataclasses.asdict(self._parts.responder.prepared_stats),
        )

    # ----------------------------------------------------------------------------------------------- the floor

    def feed(self, event: f.Event) -> None:
        """Hand an event to the floor, and do what it orders. Never waits.

        An event that is fed while another is handled comes after all actions of that one.
        """
        self._events.append(event)
        if self._handling:
            return
        self._handling = True
        try:
            while self._events:
                self._handle(self._events.popleft())
        finally:
            self._handling = False

    def _handle(self, event: f.Event) -> None:
        floor, journal = self.floor, self._journal
        journal.event(event)
        before = floor.state
        actions = floor.handle(event)
        self._due_ms = floor.deadline
        if actions:
            at_ms = self.now_ms()
            # The record has every action, also when doing one fails.
            for action in actions:
                journal.action(at_ms, action)
            for action in actions:
                self._action_runner.run(action, at_ms)
        if self._memory is not None and (actions or floor.state is not before or isinstance(event, f.SayRequested)):
            self._memory.touch()
        if floor.state is not before:
            self._notify(n.StateChanged(floor.state.value, self.now_ms()))
            if floor.state is f.State.IDLE:
                self._parts.turns.close()

    def _tick(self, process_ms: float) -> None:
        now_ms = process_ms - self._began_ms
        self._parts.user_audio.tick(now_ms)
        self._progress.tick(now_ms)
        if self._parts.audio_taps.used:
            self._parts.audio_taps.tick(now_ms)
        self._parts.speaker.tick(now_ms)
        if self._memory is not None:
            self._memory.tick(now_ms)
        if self._moving.wanted:
            self._moving.tick(now_ms)
        if self._machine is not None and self._machine.listens:
            self._machine.tick(now_ms)
        if self._line_watch is not None and not self.floor.away:
            self._line_watch.tick(now_ms - self._parts.user_audio.last_ms)
        if now_ms - self._ticked_ms > STALL_MS:
            self._catch_up_until_ms = now_ms + CATCH_UP_MS
        self._ticked_ms = now_ms
        if now_ms < self._catch_up_until_ms:
            return
        for _ in range(TICKS_AT_ONCE):
            if self._due_ms is None or self._due_ms > now_ms:
                return
            # The due time, not ours: a replay on a slow machine decides the same.
            self.feed(f.Tick(self._due_ms))
        log.error("Call %s: the floor's deadline does not move on", self.id)

    def _kick(self) -> None:
        if not self._parts.playout.held and not self._handling:
            self._tick(self._clock.now_ms())

    # ------------------------------------------------------------------------------------------------- plumbing

    async def _receive(self) -> None:
        handle = self._parts.inbound.handle
        if isinstance(self._transport, c.DeliversAtOnce):
            self._transport.deliver_to(handle)
        async for item in self._transport.receive():
            handle(item)
        self.hang_up("the connection ended")

    def _deliver_no_more(self) -> None:
        if isinstance(self._transport, c.DeliversAtOnce):
            self._transport.deliver_to(None)

    def _greet(self) -> None:
        greeting = self.agent.opening
        if greeting.text or greeting.protected:
            text = f"{greeting.protected} {greeting.text}".strip()
            protected = len(greeting.protected) if greeting.text else None
            self._parts.utterances.add_text(text, "greeting", protected)

    def _notify(self, notice: n.Notice) -> None:
        self._transport.notify(notice)
        if self._watch is not None:
            self._watch(notice)

    def _crashed(self, error: BaseException) -> None:
        advice = "Call again, and send the server's log to its owner"
        self._notify(n.Problem("internal", f"{type(error).__name__} in the call", advice, fatal=True))
        self.hang_up("an error of ours")
