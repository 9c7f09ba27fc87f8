"""A client that plays, a TTS that speaks and a clock that a test moves: enough to test a call to the sample.

`FakeClient` is strict. It asserts at every step that no audio of a cut reply comes, that at most one reply is audible,
that nothing sounds in a hold, and that samples come in order without gap or repeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from bargein import notices as n
from bargein import protocols as c
from bargein.agent import REPROMPTS, Agent, Greeting
from bargein.audio.pcm import Pcm
from bargein.call.call import Call
from bargein.call.memory.fields import MemorySink
from bargein.call.memory.restored import RestoredCall
from bargein.call.record.audio import RecordingPlan
from bargein.call.runtime import Runtime
from bargein.call.ticker import Ticker
from bargein.clock import ManualClock
from bargein.errors import VendorLost
from bargein.floor import Action, Event, Policy
from tests.call.scripted_stt import ScriptedStreamingSTT
from tests.call.scripted_vad import ScriptedVAD

RATE = 24_000
WORD_MS = 200  # every word of the ToneTTS
LOUD = 100  # a word's own number, so much louder, can be heard
SOON = Policy().with_({"alone_ms": 0})  # a third of a second of speech cuts, without any STT


class FakeClient:
    """A client that plays the audio it gets as time passes. can_pause False: a telephone, cleared at a hold."""

    rate_in = 16_000
    rate_out = RATE

    def __init__(self, clock: ManualClock, *, can_pause: bool = True, reports: bool = True, acks: bool = True) -> None:
        self.capabilities = c.TransportCapabilities(pause=can_pause, reports=reports)
        self.clock = clock
        self.acks = acks
        self.inbox: asyncio.Queue[c.Inbound] = asyncio.Queue()
        self.notices: list[n.Notice] = []
        self.heard: dict[int, list[int]] = {}  # reply -> the values of the samples that sounded
        self.order: list[int] = []  # replies in the order in which they sounded
        self.buffer: list[tuple[int, int, c.WireSamples, bool]] = []  # reply, first sample, samples, last
        self.got: dict[int, int] = {}  # reply -> next sample expected
        self.cut: set[int] = set()
        self.paused = False
        self.closed: str | None = None
        self.full = False
        self.most_ms = 0.0
        self._report_ms = 0.0
        self._consumed: dict[int, int] = {}

    # -- the Transport
    async def receive(self) -> AsyncIterator[c.Inbound]:
        while True:
            item = await self.inbox.get()
            yield item
            if isinstance(item, c.ClientHangUp):
                return

    def send(self, frame: c.AudioOut) -> bool:
        if self.full:
            return False
        assert frame.reply not in self.cut, f"audio of reply {frame.reply}, which was cut"
        if self.capabilities.pause:
            assert not self.paused, "audio left during a hold"
            assert frame.first_sample == self.got.get(frame.reply, 0), "a gap or a repeat on the wire"
        self.got[frame.reply] = frame.first_sample + len(frame.samples)
        self.buffer.append((frame.reply, frame.first_sample, frame.samples, frame.last))
        self.most_ms = max(self.most_ms, sum(len(b[2]) for b in self.buffer) * 1000 / RATE)
        return True

    def hold(self, reply: int) -> c.AudioOut | None:
        if not self.capabilities.pause:
            self.buffer = [b for b in self.buffer if b[0] != reply]  # cleared; the rest comes again
        return None  # all that was sent has left already

    def flush(self, reply: int) -> int:
        self.buffer = [b for b in self.buffer if b[0] != reply]
        return 0

    def notify(self, notice: n.Notice) -> None:
        self.notices.append(notice)
        match notice:
            case n.HoldNow(reply_id=reply):
                self.paused = True
                if self.capabilities.reports and self.acks:
                    self.inbox.put_nowait(c.Held(reply, self.position(reply)))
            case n.ResumeNow():
                self.paused = False
            case n.AudioInterrupted(reply_id=reply):
                self.paused = False
                self.cut.add(reply)
                self.flush(reply)
                if self.capabilities.reports and self.acks:
                    self.inbox.put_nowait(c.Flushed(reply, self.position(reply)))
            case _:
                pass

    async def close(self, reason: str) -> None:
        self.closed = reason

    # -- the loudspeaker
    def position(self, reply: int) -> int:
        return self._consumed.get(reply, 0)

    def play(self, ms: float) -> None:
        """Time passes at the client."""
        want = int(ms * RATE / 1000)
        while want and self.buffer and not (self.paused and self.capabilities.pause):
            reply, first, samples, last = self.buffer[0]
            part = min(want, len(samples))
            sounding = self.heard.setdefault(reply, [])
            if not self.order or self.order[-1] != reply:
                assert reply not in self.order, "two replies sound in turns"
                self.order.append(reply)
            assert first == self._consumed.get(reply, 0), "a sample was lost or played twice"
            sounding.extend((samples[:part] // LOUD).tolist())
            self._consumed[reply] = first + part
            want -= part
            if part < len(samples):
                self.buffer[0] = (reply, first + part, samples[part:], last)
            else:
                self.buffer.pop(0)
                if last and self.capabilities.reports:
                    self.inbox.put_nowait(c.Finished(reply, self._consumed[reply]))
        self._report_ms += ms
        if self.capabilities.reports and self._report_ms >= 100 and self.order:
            self._report_ms = 0.0
            reply = self.order[-1]
            self.inbox.put_nowait(c.Played(reply, self.position(reply), playing=not self.paused and bool(self.buffer)))


class ToneTTS:
    """Speaks every word as 200 ms of one value: word k of a reply sounds as k+1."""

    name = "tone"
    rate = RATE

    def __init__(self, *, timed: bool = True, fail_after: int | None = None, silent: bool = False) -> None:
        self.timed = timed
        self.fail_after = fail_after
        self.silent = silent
        self.closed = 0
        self.spoken = 0

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[c.SpeechChunk]:
        at = count = 0
        try:
            async for delta in text:
                for word in delta.split(" "):
                    if not word.strip():
                        continue
                    if self.silent or (self.fail_after is not None and count >= self.fail_after):
                        raise VendorLost("The tone TTS is gone", advice="Try again")
                    samples = np.full(WORD_MS * RATE // 1000, (count + 1) * LOUD, np.int16)
                    spoken = word + " "
                    times = c.Word(count * WORD_MS, (count + 1) * WORD_MS, at, at + len(word))
                    yield c.SpeechChunk(Pcm(samples, RATE), spoken, (times,) if self.timed else None)
                    at += len(spoken)
                    count += 1
                    self.spoken += 1
        finally:
            self.closed += 1


class ScriptedLLM:
    """Answers with the next of its texts, one word a delta. pause: waits for it before the first word."""

    name = "scripted llm"

    def __init__(self, *texts: str, pause: asyncio.Event | None = None) -> None:
        self.texts = list(texts)
        self.prompts: list[c.Prompt] = []
        self.pause = pause
        self.closed = 0

    async def reply(self, prompt: c.Prompt) -> AsyncIterator[c.TextDelta | c.ToolCall]:
        """A word "!name" in a text is a call of that tool, with arguments behind a colon."""
        self.prompts.append(prompt)
        text = self.texts.pop(0) if self.texts else "fine"
        try:
            if self.pause is not None:
                await self.pause.wait()
            for word in text.split():
                if word.startswith("!"):
                    tool, _, arguments = word[1:].partition(":")
                    yield c.ToolCall(f"call-{len(self.prompts)}-{tool}", tool, arguments or "{}")
                else:
                    yield c.TextDelta(word + " ")
        finally:
            self.closed += 1


class ScriptedSTT:
    """A batch STT that reads the next of its texts. None: it is late."""

    name = "scripted"
    rate = 16_000

    def __init__(self, *texts: str | None) -> None:
        self.texts = list(texts)
        self.got: list[Pcm] = []

    async def read(self, pcm: Pcm, *, deadline_ms: float) -> c.BatchTranscript:
        self.got.append(pcm)
        text = self.texts.pop(0) if self.texts else ""
        if text is None:
            raise VendorLost("The STT is late", advice="Go on without words")
        return c.BatchTranscript(text)

    async def aclose(self) -> None: ...


class Notes:
    """A journal, and a meter, in memory."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.actions: list[Action] = []
        self.notes: list[tuple[str, dict[str, object]]] = []
        self.seen: list[tuple[str, float, str]] = []
        self.counts: dict[str, int] = {}
        self.causes: list[tuple[str, str]] = []
        self.closed = False

    def event(self, event: Event) -> None:
        self.events.append(event)

    def action(self, at_ms: float, action: Action) -> None:
        self.actions.append(action)

    def note(self, at_ms: float, kind: str, **facts: object) -> None:
        self.notes.append((kind, facts))

    def close(self) -> None:
        self.closed = True

    def observe(self, name: c.Latency, ms: float, cause: str) -> None:
        self.seen.append((name, ms, cause))

    def count(self, name: c.Counter, amount: int = 1, cause: str = "") -> None:
        self.counts[name] = self.counts.get(name, 0) + amount
        self.causes.append((name, cause))


@dataclass
class Scene:
    """A running call and the world around it. Time moves in steps of 1 ms of ticks' 20."""

    clock: ManualClock
    client: FakeClient
    call: Call
    ticker: Ticker
    notes: Notes
    llm: ScriptedLLM
    tts: ToneTTS
    stt: ScriptedSTT | None
    vad: ScriptedVAD
    sample: int = 0

    async def settle(self) -> None:
        """Let every task run until it waits."""
        for _ in range(30):
            await asyncio.sleep(0)

    async def pass_ms(self, ms: float, speech: float = 0.0) -> None:
        """Time passes, in the user's microphone too: speech is the probability that the detector will see."""
        for _ in range(int(ms // 32) if ms >= 32 else 1):
            step = 32 if ms >= 32 else ms
            samples = np.full(int(step * 16), int(speech * 1000), np.int16)
            for _ in range(int(step // 4)):
                self.clock.advance(4)
                self.client.play(4)
                if self.clock.now_ms() % 20 < 4:
                    self.ticker.tick(self.clock.now_ms())
                    await self.settle()
            self.client.inbox.put_nowait(c.AudioIn(samples, self.sample))
            self.sample += len(samples)
            await self.settle()

    async def until(self, done: Callable[[], bool], within_ms: float = 20_000) -> None:
        """Time passes until something is so."""
        left = within_ms
        while not done():
            assert left > 0, "it never came to be"
            await self.pass_ms(32)
            left -= 32

    @property
    def state(self) -> str:
        return self.call.floor.state.value

    def words(self, reply: int) -> int:
        """How many words of a reply have sounded to their end."""
        return len(self.client.heard.get(reply, [])) // (WORD_MS * RATE // 1000)


@asynccontextmanager
async def scene(
    *texts: str,
    greeting: Greeting | str = "",
    policy: Policy | None = None,
    stt: ScriptedSTT | None = None,
    tts: ToneTTS | None = None,
    llm: ScriptedLLM | None = None,
    can_pause: bool = True,
    reports: bool = True,
    acks: bool = True,
    streaming_stt: ScriptedStreamingSTT | None = None,
    tools: tuple[c.Tool, ...] = (),
    fallback_tts: ToneTTS | None = None,
    reprompts: Mapping[str, str] = REPROMPTS,
    realtime: c.RealtimeModel | None = None,
    control: c.CallControl | None = None,
    memory: MemorySink | None = None,
    restored: RestoredCall | None = None,
    facts: Mapping[str, str] | None = None,
    recording: RecordingPlan | None = None,
    trace: c.CallTrace | None = None,
    journal: c.Journal | None = None,
    **more: Any,
) -> AsyncIterator[Scene]:
    """A call that runs, and is hung up and awaited in the end; no task may be left behind."""
    clock = ManualClock(1_000_000)
    client = FakeClient(clock, can_pause=can_pause, reports=reports, acks=acks)
    vad, notes, ticker = ScriptedVAD(), Notes(), Ticker(clock)
    llm = llm or ScriptedLLM(*texts)
    tts = tts or ToneTTS()
    agent = Agent(
        name="test",
        llm=llm if realtime is None else None,
        tts=tts if realtime is None else None,
        realtime=realtime,
        fallback_stt=stt,
        instructions="Be short.",
        greeting=Greeting(greeting) if isinstance(greeting, str) else greeting,
        stt=streaming_stt,
        tools=tools,
        fallback_tts=fallback_tts,
        reprompts=reprompts,
        **more,
    )
    call = Call(
        call_id="c1",
        agent=agent,
        transport=client,
        runtime=Runtime(clock, ticker, vad, notes),
        journal=journal or notes,
        policy=policy or SOON,
        control=control,
        memory=memory,
        restored=restored,
        facts=facts,
        recording=recording,
        trace=trace,
    )
    before = asyncio.all_tasks()
    running = asyncio.create_task(call.run())
    made = Scene(clock, client, call, ticker, notes, llm, tts, stt, vad)
    await made.settle()
    try:
        yield made
    finally:
        client.inbox.put_nowait(c.ClientHangUp("test over"))
        await asyncio.wait_for(running, 5)
        assert client.closed is not None
        assert notes.closed or journal is not None
        assert all(s.closed for s in vad.streams)
        assert asyncio.all_tasks() <= before | {asyncio.current_task()}
