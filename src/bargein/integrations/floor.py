"""One call of another framework: its agent speaks and its user is heard, our floor decides who may.

The framework keeps its own turns, LLM, TTS and transport. It gives the user's audio and words, says when its agent
wants to speak and when the agent has been heard, and does at once what the floor orders: hold, resume, cut.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from pathlib import Path

import numpy as np

from bargein import floor as f
from bargein.audio.echo import LineEcho
from bargein.audio.pcm import Samples
from bargein.call.context import CallContext
from bargein.call.input.sound_watch import SoundWatch
from bargein.call.input.turns import Turns
from bargein.call.input.user_audio import UserAudio
from bargein.call.runtime import Runtime
from bargein.call.tasks import CallTasks
from bargein.errors import UsageError
from bargein.integrations.foreign_words import ForeignWords
from bargein.integrations.guest import Guest
from bargein.integrations.shared import Shared, shared
from bargein.protocols import AudioIn, BatchSTT, Journal
from bargein.recorder.journal import FileJournal, NullJournal

log = logging.getLogger(__name__)

PHONE_HZ = 8000
TICKS_AT_ONCE = 8  # deadlines of the floor in one round; more are a rule that wakes itself for ever
# What the framework does itself: it asks a silent user, fills the time of tools, and gives up a model that is late.
FOREIGN = {"answer_timeout_ms": 3_600_000, "user_silence_ms": None, "max_failures": 0, "filler_ms": None}


class BargeinFloor:
    """The floor for one call.

    policy: a preset's name, or a Policy. stt: reads words for verdicts (None: the framework's own words, if it gives
    any). language: of the lexicon. record: folder for the call's record (None: none is kept). name: of the agent, for
    the record. line_echo: whether the line brings the agent's own audio back (None: where the user's audio comes at
    8000 Hz, as from telephones). runtime: clock, ticker and VAD of another owner (None: those that all floors of the
    process share).
    Raises UsageError for a policy that is not there.
    """

    def __init__(
        self,
        policy: f.Policy | str = "balanced",
        *,
        stt: BatchSTT | None = None,
        language: str = "en",
        record: Path | str | None = None,
        name: str = "agent",
        line_echo: bool | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        chosen = f.Policy.named(policy) if isinstance(policy, str) else policy
        if not isinstance(chosen, f.Policy):
            raise UsageError(f"{policy!r} is no policy", advice="Give a preset's name, or a Policy")
        self.id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
        self.floor = f.Floor(chosen.with_(FOREIGN), language=language)
        self.counts = {"holds": 0, "resumes": 0, "cuts": 0, "drops": 0}
        """How often each was ordered."""
        self.reasons: deque[str] = deque(maxlen=100)
        """The newest decisions, a line each."""
        self.windows = 0
        """How many windows of the user's audio the VAD has scored."""
        self.user_speech = 0.0
        """Probability of speech in the newest of them, 0..1."""
        self._stt, self._name, self._runtime = stt, name, runtime
        self._record = Path(record) if record is not None else None
        self._guest: Guest | None = None
        self._journal: Journal = NullJournal()
        self._events: deque[f.Event] = deque()
        self._handling = False
        self._broken = False
        self._due_ms: float | None = None
        self._asking = False  # the agent has something to say, and may not begin
        self._words = ForeignWords(self.floor, stt, self.now_ms, self.feed)
        self._changed = asyncio.Event()
        self._over = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._shared: Shared | None = None
        self._began_ms = 0.0
        self._audio: UserAudio | None = None
        self._sounds: SoundWatch | None = None
        self._turns: Turns | None = None
        self._rate = 0
        self._heard_samples = 0
        self._line_echo = line_echo
        self._echo: LineEcho | None = None  # for audio of the agent at _echo_rate
        self._echo_rate = 0
        self._context: CallContext | None = None

    async def start(self, guest: Guest) -> None:
        """Begin. Raises what the VAD raises at its start, UsageError when it runs already."""
        if self._running is not None:
            raise UsageError("This floor runs already", advice="Make a BargeinFloor for each call")
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._guest = guest
        self._running = asyncio.create_task(self._run(ready), name=f"floor of call {self.id}")
        try:
            await asyncio.shield(ready)
        except asyncio.CancelledError:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """End, and wait for every task of it. May be called again."""
        self._over.set()
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self, ready: asyncio.Future[None]) -> None:
        try:
            async with shared(self._runtime) as common, CallTasks(self.id) as tasks:
                self._begin(common, tasks)
                ready.set_result(None)
                try:
                    await self._over.wait()
                finally:
                    self._end()
                    tasks.cancel()
        except Exception as error:
            if not ready.done():
                ready.set_exception(error)
                return
            self._fail(error)
        finally:
            self._over.set()
            self._changed.set()

    def _begin(self, common: Shared, tasks: CallTasks) -> None:
        runtime = common.runtime
        self._shared, self._began_ms = common, runtime.clock.now_ms()
        if self._record is not None:
            floor = self.floor
            self._journal = FileJournal(
                self._record, self.id, agent=self._name, policy=floor.policy, language=floor.language, disk=common.disk
            )
        self._context = CallContext(
            call_id=self.id,
            now_ms=self.now_ms,
            journal=self._journal,
            meter=runtime.meter,
            notify=lambda _: None,  # the framework has its own ways to tell its clients
            feed=self.feed,
            spawn=tasks.spawn,
            spawn_commit=tasks.spawn_commit,
            kick=lambda: None,
        )
        self._journal.note(0.0, "call", id=self.id, agent=self._name, began_ms=round(self._began_ms, 3))
        runtime.ticker.add(self._tick, self._fail)
        self._words.announce()

    def _end(self) -> None:
        assert self._shared is not None
        self._shared.runtime.ticker.remove(self._tick)
        self.feed(f.HungUp(self.now_ms(), "the framework's call is over"))
        if self._audio is not None:
            self._audio.close()
        self._journal.note(self.now_ms(), "bye", reason="ended")
        self._journal.close()
        if self._context is not None:
            self._context.release()

    def now_ms(self) -> float:
        """Milliseconds since the floor began."""
        return self._shared.runtime.clock.now_ms() - self._began_ms if self._shared is not None else 0.0

    def push_audio(self, audio: bytes | Samples, rate: int) -> None:
        """The user's next audio: mono, 16 bit, little endian, rate in Hz. Never waits. Bad audio is dropped."""
        if self._shared is None or self._over.is_set() or self._broken:
            return
        samples = np.frombuffer(audio[: len(audio) // 2 * 2], "<i2") if isinstance(audio, bytes) else audio
        if not len(samples) or rate < 4000:
            return
        if self._audio is None or rate != self._rate:
            self._listen(rate)
        assert self._audio is not None
        try:
            self._audio.push_audio(AudioIn(np.array(samples, np.int16), self._heard_samples))
        except Exception as error:
            self._fail(error)
        self._heard_samples += len(samples)
        self._shared.runtime.ticker.drive()

    def played(self, audio: bytes | Samples, rate: int, in_ms: float = 0.0) -> None:
        """The agent's audio that the user gets in in_ms: mono, 16 bit, rate in Hz. Only for the echo of the line."""
        user = self._audio
        if user is None or not (self._rate == PHONE_HZ if self._line_echo is None else self._line_echo):
            return
        if self._echo is None or rate != self._echo_rate:
            self._echo, self._echo_rate = LineEcho(user.rate, rate), rate
            user.echo = self._echo
        samples = np.frombuffer(audio[: len(audio) // 2 * 2], "<i2") if isinstance(audio, bytes) else audio
        self._echo.played(self.now_ms() + in_ms, samples)

    def expect_words(self) -> None:
        """The framework has an STT: words may be asked for from the first sound on."""
        self._words.expect()

    def words(self, text: str) -> None:
        """Words that the framework's STT has read in the running speech, final or not: all of them so far."""
        self._words.read(text, held=self.held)

    def turn_started(self, text: str = "") -> None:
        """The framework's STT says that the user took a turn."""
        self._words.know_turns()
        self.feed(f.TurnStarted(self.now_ms(), text))

    def turn_ended(self, text: str = "") -> None:
        """The framework takes the user's turn as over."""
        self._words.know_turns()
        self.feed(f.TurnEnded(self.now_ms(), text))

    def key(self, key: str) -> None:
        """The user pressed a key of the telephone."""
        self.feed(f.KeyPressed(self.now_ms(), key))

    def interrupt(self) -> None:
        """Stop the agent, whatever the policy says."""
        self.feed(f.Interrupted(self.now_ms(), "operator"))

    def wants_to_speak(self) -> bool:
        """The agent has the first audio of a reply. True: the floor is its own, the reply sounds from here on."""
        floor = self.floor
        if self._broken or self._over.is_set():
            return True
        if floor.state is f.State.THINKING and not floor.reply.sounding:
            self._begin_reply()
        elif not self._asking and not floor.reply.sounding:
            self._asking = True
            if not floor.live:
                self.feed(f.SayRequested(self.now_ms()))
        return self.may_speak

    def has_spoken(self) -> None:
        """The agent's reply is over: the user has heard all of it."""
        self._asking = False
        if self.floor.reply.sounding:
            self.feed(f.ReplyEnded(self.now_ms(), self.floor.reply.id))

    def stays_silent(self) -> None:
        """The agent answers the user's turn with nothing: the floor is free again."""
        if self.floor.state is f.State.THINKING:
            self.feed(f.ReplyEnded(self.now_ms(), self.floor.reply.id))

    def protect(self, protected: bool) -> None:
        """The reply that sounds may not be interrupted from here on, or may be again."""
        if self.floor.reply.sounding:
            self.feed(f.ReplyProtected(self.now_ms(), self.floor.reply.id, protected))

    @property
    def broken(self) -> bool:
        """An error of ours has ended the floor: it decides nothing any more."""
        return self._broken

    @property
    def may_speak(self) -> bool:
        """Whether audio of the agent may sound now."""
        return self._broken or self._over.is_set() or self.floor.state is f.State.SPEAKING

    @property
    def held(self) -> bool:
        """Whether a reply waits for the verdict."""
        return not self._broken and self.floor.state is f.State.BARGE_IN

    async def wait_change(self) -> None:
        """Until the floor has moved, or is over."""
        await self._changed.wait()

    # -------------------------------------------------------------------------------------------- what it decides

    def feed(self, event: f.Event) -> None:
        """Hand an event to the floor, and have the framework do what it orders. Never waits, never raises."""
        self._events.append(event)
        if self._handling or self._broken:
            return
        self._handling = True
        try:
            while self._events:
                self._handle(self._events.popleft())
        except Exception as error:
            self._fail(error)
        finally:
            self._handling = False

    def _handle(self, event: f.Event) -> None:
        before = self.floor.state
        self._journal.event(event)
        actions = self.floor.handle(event)
        self._due_ms = self.floor.deadline
        at_ms = self.now_ms()
        for action in actions:
            self._journal.action(at_ms, action)
        for action in actions:
            self._do(action)
        if self.floor.state is not before:
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    def _do(self, action: f.Action) -> None:
        guest = self._guest
        assert guest is not None
        match action:
            case f.Hold():
                self._decided("holds", action.why)
                guest.hold(action.why)
            case f.Resume():
                self._decided("resumes", action.why)
                guest.resume(action.why)
            case f.Cut() | f.DiscardReply():
                self._asking = False
                if action.barge_in.source is not f.Source.HANG_UP:
                    self._decided("cuts" if isinstance(action, f.Cut) else "drops", action.why)
                    guest.cut(action.barge_in, sounded=isinstance(action, f.Cut))
            case f.Answer():
                if self._asking:
                    self._begin_reply()
                guest.turn_over(action.why)
            case f.Say(reply, _):
                if self._asking:
                    self._begin_reply()
                else:
                    self.feed(f.ReplyEnded(self.now_ms(), reply))
            case f.Reprompt(reply, _, _):
                self.feed(f.ReplyEnded(self.now_ms(), reply))  # the framework speaks to its users itself
            case f.Listen(turn, from_ms, why):
                if self._turns is not None:
                    self._turns.open(turn, from_ms, None)
                guest.turn_began(why)
            case f.ReadWords(reading, from_ms, _):
                self._words.ask(reading, from_ms, self._context, self._turns)
            case f.JudgeSound() if self._sounds is not None:
                self._sounds.look(action)
            case f.Dismiss(_, _, text, why):
                guest.backchannel(text, why)
            case _:
                pass  # what is prepared, filled or given up is the framework's own

    def _begin_reply(self) -> None:
        self._asking = False
        self.feed(f.ReplyStarted(self.now_ms(), self.floor.reply.id))

    def _decided(self, kind: str, why: str) -> None:
        self.counts[kind] += 1
        self.reasons.append(f"{kind.removesuffix('s')}: {why}")

    def _listen(self, rate: int) -> None:
        assert self._shared is not None
        assert self._context is not None
        if self._audio is not None:
            self._audio.close()
        self._rate, self._heard_samples = rate, 0
        self._echo = None  # of audio at another rate
        self._audio = UserAudio(rate, self._shared.runtime.vad, self.now_ms, self._scored)
        self._turns = Turns(self._context, self._stt, self._audio)
        self._sounds = SoundWatch(self._context, self.floor, self._audio, self._shared.runtime.sound)
        self._sounds.announce()

    def _scored(self, window: f.SpeechWindow) -> None:
        self.windows += 1
        self.user_speech = window.speech
        if self._sounds is not None:
            self._sounds.window(window)
        self.feed(window)

    def _tick(self, process_ms: float) -> None:
        now_ms = process_ms - self._began_ms
        self._words.tick(now_ms)
        if self._audio is not None:
            self._audio.tick(now_ms)
        for _ in range(TICKS_AT_ONCE):
            if self._due_ms is None or self._due_ms > now_ms or self._broken:
                return
            self.feed(f.Tick(self._due_ms))

    def _fail(self, error: BaseException) -> None:
        """An error of ours: the framework's call goes on as it would without us."""
        if self._broken:
            return
        self._broken = True
        log.error("Floor of call %s: it decides nothing any more", self.id, exc_info=error)
        guest, self._guest = self._guest, None
        if guest is not None:
            try:
                guest.resume("an error of ours")
            except Exception:
                log.exception("Floor of call %s: the framework could not go on", self.id)
        self._changed.set()
