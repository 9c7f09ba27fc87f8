"""`bargein.testing.call`: a call in moved time between an agent and a scripted user."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np

from bargein.agent import Agent
from bargein.audio.pcm import FRAME_MS
from bargein.call.call import Call
from bargein.call.runtime import Runtime
from bargein.call.ticker import Ticker
from bargein.clock import ManualClock
from bargein.errors import UsageError
from bargein.floor import Policy
from bargein.notices import Problem
from bargein.protocols import (
    LLM,
    TTS,
    AgentSaid,
    BatchSTT,
    ClientHangUp,
    ConversationItem,
    Journal,
    KeyPress,
    StreamingSTT,
    ToolResult,
    Typed,
)
from bargein.recorder.journal import NullJournal
from bargein.standalone_call import NoMeter
from bargein.testing.client import SimulatedClient
from bargein.testing.own_parts import PATIENCE_S, WatchedTool, Work, watched_llm
from bargein.testing.parts import ScriptedBatchSTT, ScriptedSTT, ScriptedVAD, ToneTTS
from bargein.testing.transcript import transcript
from bargein.transports.kept import KeptTransport
from bargein.units import units

WITHIN_MS = 30_000.0  # of moved time, for anything that is awaited
USER_WORD_MS = 240
BREATH_MS = 200  # between the agent's last word and the user's first
QUIET_MS = 200  # after the user's last word, before the STT says that the turn is over
SIGNS = re.compile(r"[^\w']+")
KEEP_MS = 10_000.0  # a call waits for a user whose connection is lost
LOUD, SILENT = 1000, 0
END_S = 5.0  # real seconds for the end of a call: everything is cancelled then


class CallControlStub:
    """A telephone's network, which only remembers. transferred_to: the number, None while there is none."""

    def __init__(self) -> None:
        self.transferred_to: str | None = None

    async def hang_up(self) -> None:
        """The call ends by itself."""

    async def transfer(self, to: str) -> None:
        self.transferred_to = to


class SimulatedCall:
    """A running call. Time moves only inside the methods that are awaited, so every run is the same.

    Each method that waits raises AssertionError, with the transcript so far, when what it waits for does not come
    within its bound, when the call ends meanwhile, and when the agent's audio breaks a promise (see SimulatedClient).
    """

    def __init__(
        self,
        call: Call,
        client: SimulatedClient,
        connections: KeptTransport,
        clock: ManualClock,
        ticker: Ticker,
        work: Work,
        stt: object,
    ) -> None:
        self.client = client
        self._connections = connections
        self.control = CallControlStub()
        self._call = call
        self._clock = clock
        self._ticker = ticker
        self._work = work
        self._stt = stt
        self._matched = 0  # tokens of the agent's speech that `agent_says` and `over` have gone past
        self._turn = 0

    # ------------------------------------------------------------------------------------------- what happened

    @property
    def heard(self) -> str:
        """The agent's newest line, as far as the caller heard it."""
        for item in reversed(self.messages):
            if isinstance(item, AgentSaid) and (item.text or item.ended != "sounding"):
                return item.text
        return ""

    @property
    def messages(self) -> tuple[ConversationItem, ...]:
        """The conversation as heard: what the LLM is given. A line that still sounds has its words so far."""
        return tuple(
            replace(item, text=self.client.replies[item.reply].heard)
            if isinstance(item, AgentSaid) and item.ended == "sounding" and item.reply in self.client.replies
            else item
            for item in self._call.conversation.items
        )

    @property
    def tools_used(self) -> tuple[ToolResult, ...]:
        """Every tool call of the agent, with its arguments (JSON) and its result."""
        return tuple(item for item in self._call.conversation.items if isinstance(item, ToolResult))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What the client was told of failures (of the LLM, the TTS, a tool), in order."""
        return tuple(notice for notice in self.client.notices if isinstance(notice, Problem))

    @property
    def state(self) -> str:
        """idle, listening, thinking, speaking or barge_in."""
        return self._call.floor.state.value

    @property
    def over(self) -> str | None:
        """Why the call ended; None: it goes on."""
        return self._call.over

    @property
    def now_ms(self) -> float:
        """Moved time since the call began."""
        return self._call.now_ms()

    @property
    def transcript(self) -> str:
        """The conversation for people, as failures show it."""
        return transcript(self.messages, self.problems, self.state, self.now_ms, self.over)

    # ------------------------------------------------------------------------------------------------ the agent

    async def agent_says(self, text: str, *, within_ms: float = WITHIN_MS) -> None:
        """Wait until the caller has heard the agent say these words, after those that were awaited before.

        Case and punctuation do not count. Words of one reply only: a match does not reach into the next.
        """
        await self._until(lambda: self._find(text), f"the agent to say {text!r}", within_ms)
        self._matched = self._find(text) or self._matched

    async def agent_is_silent(self, *, within_ms: float = WITHIN_MS) -> None:
        """Wait until the agent has said what it has to say, and waits for the user."""
        await self._until(lambda: self.state == "idle", "the agent to finish", within_ms)

    async def passes(self, ms: float) -> None:
        """Let moved time pass, in silence."""
        for _ in range(int(ms // FRAME_MS)):
            await self._step()

    async def sends_nothing(self, ms: float) -> None:
        """Let moved time pass in which the user's client sends no audio, as a telephone may do in silence."""
        for _ in range(int(ms // FRAME_MS)):
            await self._step(sending=False)

    async def ends(self, *, within_ms: float = WITHIN_MS) -> str:
        """Wait until the call is over, and say why it ended."""
        await self._until(lambda: self.over is not None, "the call to end", within_ms, ends=True)
        return self.over or ""

    # ------------------------------------------------------------------------------------------------- the user

    async def user_says(self, text: str, *, over: str | None = None, within_ms: float = WITHIN_MS) -> None:
        """The user says these words, as the agent's STT would tell them, and falls silent.

        over: the agent's words to speak over: the user begins when the last of them has sounded. None: the user waits
        until the agent is silent. Returns when the turn is over, before anything of the answer has sounded.
        """
        await self._cue(over, within_ms)
        await self._speak(text, within_ms)

    async def backchannel(self, text: str, *, over: str, within_ms: float = WITHIN_MS) -> None:
        """The user says "mm-hmm" or the like over the agent's words; the agent must hold, and then resume."""
        await self._cue(over, within_ms)
        before = len(self.client.notices)
        await self._speak(text, within_ms)
        await self._until(lambda: self.state != "barge_in", "the verdict", within_ms)
        kinds = [type(notice).__name__ for notice in self.client.notices[before:]]
        if "AudioInterrupted" in kinds:
            raise self._failure(f"{text!r} over {over!r} was to be a backchannel, and cut the agent")
        if "HoldNow" not in kinds or "ResumeNow" not in kinds:
            raise self._failure(f"{text!r} over {over!r} was to hold the agent, and did not")

    async def user_types(self, text: str) -> None:
        """The user types instead of speaking."""
        self.client.inbox.put_nowait(Typed(text))
        await self._settle()

    async def press(self, keys: str) -> None:
        """The user presses keys of the telephone: "0" to "9", "*" and "#"."""
        for key in keys:
            self.client.inbox.put_nowait(KeyPress(key))
            await self._settle()

    async def hang_up(self) -> None:
        """The user hangs up; returns when the call is over."""
        self.client.inbox.put_nowait(ClientHangUp("the user hung up"))
        await self.ends()

    async def loses_connection(self) -> None:
        """The user's connection breaks. The call waits `KEEP_MS` for the user."""
        self.client.lose_connection()
        await self._settle()

    async def reconnects(self) -> None:
        """The user is there again, on a new connection of the same call."""
        self._connections.take_over(self.client)
        self.client.reconnect()
        await self._settle()

    # ---------------------------------------------------------------------------------------------------- time

    async def _cue(self, over: str | None, within_ms: float) -> None:
        """Wait for the moment at which the user begins to speak."""
        if over is None:
            await self._until(lambda: self.state == "idle", "the agent to fall silent", within_ms)
            await self.passes(BREATH_MS)
            return
        await self._until(lambda: self._find(over), f"the agent to say {over!r}", within_ms)
        self._matched = self._find(over) or self._matched
        if not self.client.sounding:
            raise self._failure(f"{over!r} were the agent's last words, so there was nothing left to speak over")

    async def _speak(self, text: str, within_ms: float) -> None:
        words = text.split()
        if not words:
            raise UsageError("The user says nothing", advice="Give the words that the user says")
        stt, turn, self._turn = self._stt, self._turn, self._turn + 1
        began = stt.fed_ms if isinstance(stt, ScriptedSTT) else 0.0
        for count in range(1, len(words) + 1):
            for _ in range(USER_WORD_MS // FRAME_MS):
                await self._step(loud=True)
            if isinstance(stt, ScriptedSTT):
                stt.tell("started" if count == 1 else "words", turn, " ".join(words[:count]), began)
            elif isinstance(stt, ScriptedBatchSTT):
                stt.said.append((self.now_ms, words[count - 1]))
        await self.passes(QUIET_MS)
        if isinstance(stt, ScriptedSTT) and stt.turns:
            stt.tell("ended", turn, text, began)
        await self._settle()
        await self._until(lambda: self.state not in ("listening", "barge_in"), "the turn's end", within_ms, ends=True)

    async def _until(
        self, done: Callable[[], object], what: str, within_ms: float = WITHIN_MS, *, ends: bool = False
    ) -> None:
        """ends: the end of the call is no failure."""
        left_ms = within_ms
        while not done():
            if self.over is not None:
                if ends:
                    return
                raise self._failure(f"the call ended ({self.over}) while waiting for {what}")
            if left_ms <= 0:
                raise self._failure(f"waited {within_ms / 1000:g} s for {what}")
            await self._step()
            left_ms -= FRAME_MS

    async def _step(self, *, loud: bool = False, sending: bool = True) -> None:
        """One frame of 20 ms, at the loudspeaker and at the microphone."""
        self._clock.advance(FRAME_MS)
        self.client.play(FRAME_MS)
        if sending:
            self.client.hears(np.full(self.client.rate_in * FRAME_MS // 1000, LOUD if loud else SILENT, np.int16))
        self._ticker.tick(self._clock.now_ms())
        await self._settle()
        if isinstance(self._stt, ScriptedSTT):
            self._stt.tell("progress", self._turn, "", self._stt.fed_ms)

    async def _settle(self) -> None:
        await self._work.settle()
        if self.client.violations:
            raise self._failure("; ".join(self.client.violations))

    # ------------------------------------------------------------------------------------------------- matching

    def _find(self, text: str) -> int | None:
        """Where these words end in what was heard, counted in words; None: they have not been heard yet."""
        wanted = _words(text)
        if not wanted:
            raise UsageError(f"{text!r} holds no word", advice="Give words that the agent says")
        spoken: list[str | None] = []
        for reply in self.client.replies.values():
            spoken += [*_words(reply.heard), None]
        for at in range(self._matched, len(spoken) - len(wanted) + 1):
            if spoken[at : at + len(wanted)] == wanted:
                return at + len(wanted)
        return None

    def _failure(self, what: str) -> AssertionError:
        return AssertionError(f"{what}\n\n{self.transcript}")


def _words(text: str) -> Sequence[str]:
    return units(SIGNS.sub(" ", text.casefold()))


@asynccontextmanager
async def call(
    agent: Agent,
    *,
    llm: LLM | None = None,
    stt: StreamingSTT | BatchSTT | None = None,
    tts: TTS | None = None,
    policy: Policy | None = None,
    journal: Journal | None = None,
    patience_s: float = PATIENCE_S,
) -> AsyncIterator[SimulatedCall]:
    """A call with this agent, offline and in moved time. See `bargein.testing` for an example.

    The agent's own LLM and tools run for real. Its stt and tts are replaced by scripted ones of their kind: an agent
    with stt=None reads no words here either. Give llm, stt or tts to have another in its place: an agent with a
    realtime model needs an llm here, such as a ScriptedLLM. policy: in place of the agent's own. journal: keeps the
    record of the call; None: none is kept.
    patience_s: real seconds that moved time waits for the agent's LLM or a tool.
    """
    work, clock, client = Work(patience_s), ManualClock(), SimulatedClient()
    ticker = Ticker(clock)
    listening = stt if stt is not None else _scripted_stt(agent)
    brain = llm or agent.llm
    if brain is None:
        raise UsageError(
            f"The realtime model of agent {agent.name!r} cannot run in a test",
            advice="Give bargein.testing.call(agent, llm=ScriptedLLM(...)) what it would say",
        )
    tested = replace(
        agent,
        llm=watched_llm(brain, work),
        stt=listening,
        tts=tts or ToneTTS(),
        realtime=None,
        fallback_stt=None,
        fallback_tts=None,
        tools=tuple(WatchedTool(tool, work) for tool in agent.tools),
    )
    control = CallControlStub()
    connections = KeptTransport(client, clock, KEEP_MS)
    live = Call(
        call_id="test",
        agent=tested,
        transport=connections,
        runtime=Runtime(clock, ticker, ScriptedVAD(), NoMeter()),
        journal=journal or NullJournal(),
        policy=policy,
        control=control,
    )
    if isinstance(listening, ScriptedBatchSTT):
        listening.now_ms = live.now_ms
    made = SimulatedCall(live, client, connections, clock, ticker, work, listening)
    made.control = control
    running = asyncio.create_task(live.run(), name="simulated call")
    try:
        await work.settle()
        yield made
    finally:
        live.hang_up("the test is over")
        async with asyncio.timeout(END_S):
            await running


def _scripted_stt(agent: Agent) -> ScriptedSTT | ScriptedBatchSTT | None:
    """What tells words as the agent's own STT does."""
    if agent.realtime is not None:
        return ScriptedSTT(turns=agent.realtime.turns)
    if agent.streaming_stt is not None:
        return ScriptedSTT(turns=agent.streaming_stt.turns)
    return ScriptedBatchSTT() if agent.batch_stt is not None or agent.stt == "auto" else None
