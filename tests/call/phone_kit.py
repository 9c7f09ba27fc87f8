"""A telephone in virtual time: a strict model of the network's playback on the far side of Twilio's wire.

`FakePhone` plays sample by sample, returns marks when they are due, obeys `clear`, and is `way_ms` away in either
direction. Every sample of the NoiseTTS shows its position, so a sample that is lost or played twice is found.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from bargein import protocols as c
from bargein.agent import Agent, Greeting
from bargein.audio.mulaw import from_mulaw, to_mulaw
from bargein.audio.pcm import Pcm, Samples
from bargein.audio.vad import VADWindow
from bargein.call.call import Call
from bargein.call.memory.fields import MemorySink
from bargein.call.memory.restored import RestoredCall
from bargein.call.record.audio import RecordingPlan
from bargein.call.runtime import Runtime
from bargein.call.ticker import Ticker
from bargein.clock import ManualClock
from bargein.floor import Policy
from bargein.transports.telephone.transport import TelephoneTransport
from bargein.transports.telephone.twilio import TwilioDialect
from tests.call.kit import SOON, Notes, ScriptedLLM, ScriptedSTT

RATE = 8000
WORD_MS = 200
LONGEST = 24 * RATE  # samples of a reply
START = {"event": "start", "streamSid": "MZ1", "start": {"streamSid": "MZ1", "callSid": "CA1", "accountSid": "AC1"}}


def sound(reply: int, samples: int) -> Samples:
    """Noise, softer than the caller, that is different at every place of every reply, and mu-law carries exactly."""
    codes = np.random.default_rng(reply).integers(200, 255, samples).astype(np.uint8)
    return from_mulaw(codes.tobytes())


class NoiseTTS:
    """200 ms of that noise for every word, with its time. Replies are counted as they are spoken."""

    name = "noise"
    rate = RATE

    def __init__(self, *, at_once: bool = False) -> None:
        self.at_once = at_once
        self.replies = 0
        self.texts: list[str] = []

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[c.SpeechChunk]:
        self.replies += 1
        reply, at, count = self.replies, 0, 0
        whole = sound(reply, LONGEST)
        if self.at_once:
            whole_text = "".join([delta async for delta in text])
            yield c.SpeechChunk(Pcm(whole[: 20 * RATE], RATE), whole_text, None)
            return
        size = WORD_MS * RATE // 1000
        async for delta in text:
            for word in delta.split():
                self.texts.append(word)
                times = c.Word(count * WORD_MS, (count + 1) * WORD_MS, at, at + len(word))
                yield c.SpeechChunk(Pcm(whole[count * size : (count + 1) * size], RATE), f"{word} ", (times,))
                at += len(word) + 1
                count += 1


@dataclass
class _Stream:
    """Speech is whatever is not silence: its probability is the last sample of a window over 1000."""

    size: int
    on_window: Callable[[VADWindow], None]
    at: int = 0
    dropped: int = 0
    rest: Samples = field(default_factory=lambda: np.zeros(0, np.int16))

    def push_audio(self, samples: Samples) -> None:
        self.rest = np.concatenate((self.rest, samples))
        while len(self.rest) >= self.size:
            window, self.rest = self.rest[: self.size], self.rest[self.size :]
            first, self.at = self.at, self.at + self.size
            self.on_window(VADWindow(first, self.at, min(0.99, abs(int(window[-1])) / 1000)))

    def skip(self, samples: int) -> None:
        self.at += samples

    def close(self) -> None: ...


class LastSampleVAD:
    def open(self, rate: int, on_window: Callable[[VADWindow], None]) -> _Stream:
        return _Stream(rate * 32 // 1000, on_window)


class FakePhone:
    """Twilio and the telephone behind it. heard: every sample that sounded, silence as 0."""

    def __init__(self, clock: ManualClock, way_ms: float = 0.0, *, marks: bool = True) -> None:
        self.clock = clock
        self.way_ms = way_ms
        self.returns_marks = marks
        self.there: deque[tuple[float, bytes]] = deque()
        self.back: deque[tuple[float, str]] = deque()
        self.line: deque[Samples | str] = deque()
        self.heard: list[int] = []
        self.got: list[dict[str, object]] = []
        self.most_ms = 0.0
        self.closed: tuple[int, str] | None = None
        self.telephone: TelephoneTransport | None = None
        self.chunk = 0
        self.spoken_ms = 0.0
        """The stream's own time: of speech, silence and absence."""
        self.stamp: Callable[[float], object] = lambda ms: str(round(ms))
        """A frame's timestamp, from the stream's own time at its end."""
        self.stuck = False

    # -- the Wire
    @property
    def unsent(self) -> int:
        return 100_000 if self.stuck else 0

    def text(self, data: bytes) -> None:
        self.there.append((self.clock.now_ms() + self.way_ms, data))

    def binary(self, data: bytes) -> None:
        raise AssertionError("Twilio takes no binary messages")

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    # -- time
    def play(self, ms: int) -> None:
        """So many milliseconds pass, one by one."""
        for _ in range(ms):
            while self.there and self.there[0][0] <= self.clock.now_ms():
                self._take(json.loads(self.there.popleft()[1]))
            self._deliver()
            self.clock.advance(1)
            self._sound(RATE // 1000)
            self._deliver()

    def _deliver(self) -> None:
        while self.back and self.back[0][0] <= self.clock.now_ms():
            self._say(self.back.popleft()[1])

    def _take(self, message: dict[str, object]) -> None:
        self.got.append(message)
        match message:
            case {"event": "media", "media": {"payload": str(payload)}}:
                data = base64.b64decode(payload)
                assert len(data) in (160, 320), "one frame of 20 ms, or two"
                self.line.append(from_mulaw(data))
                waiting = sum(len(x) for x in self.line if not isinstance(x, str))
                self.most_ms = max(self.most_ms, waiting * 1000 / RATE)
            case {"event": "mark", "mark": {"name": str(name)}}:
                self.line.append(name)
                self._marks()
            case {"event": "clear"}:
                for waiting_mark in [x for x in self.line if isinstance(x, str)]:
                    self._return(waiting_mark)
                self.line.clear()
            case _:
                raise AssertionError(f"Twilio does not know {message}")

    def _sound(self, want: int) -> None:
        while want:
            self._marks()
            if not self.line:
                self.heard.extend([0] * want)
                return
            samples = self.line.popleft()
            assert not isinstance(samples, str)
            take = min(want, len(samples))
            self.heard.extend(samples[:take].tolist())
            want -= take
            if take < len(samples):
                self.line.appendleft(samples[take:])
        self._marks()

    def _marks(self) -> None:
        while self.line and isinstance(self.line[0], str):
            self._return(str(self.line.popleft()))

    def _return(self, name: str) -> None:
        if self.returns_marks:
            mark = {"event": "mark", "streamSid": "MZ1", "mark": {"name": name}}
            self.back.append((self.clock.now_ms() + self.way_ms, json.dumps(mark)))

    def _say(self, text: str) -> None:
        assert self.telephone is not None
        self.telephone.incoming(text)

    def speak(self, level: int) -> None:
        """20 ms of the caller's sound leave the telephone."""
        self.back.append((self.clock.now_ms() + self.way_ms, self.frame(level)))

    def frame(self, level: int) -> str:
        """A message of 20 ms."""
        self.chunk += 1
        self.spoken_ms += 20
        payload = base64.b64encode(to_mulaw(np.full(160, level, np.int16))).decode()
        stamp = self.stamp(self.spoken_ms)
        media = {"track": "inbound", "chunk": str(self.chunk), "timestamp": stamp, "payload": payload}
        return json.dumps({"event": "media", "media": media})

    def press(self, digit: str) -> None:
        self._say(json.dumps({"event": "dtmf", "dtmf": {"digit": digit}}))

    # -- what the ear heard
    def sounded(self, reply: int) -> list[tuple[int, int]]:
        """Stretches of a reply that sounded: (first sample of the reply, how many)."""
        whole, places = sound(reply, LONGEST), _places(reply)
        heard = np.array(self.heard, np.int16)
        found: list[tuple[int, int]] = []
        at = 0
        while at + 8 <= len(heard):
            if not heard[at]:
                at += 1
                continue
            place = places.get(heard[at : at + 8].tobytes())
            if place is None:
                at += 1
                continue
            length = 0
            most = min(len(heard) - at, len(whole) - place)
            while length < most and heard[at + length] == whole[place + length]:
                length += 1
            found.append((place, length))
            at += length
        return found

    @property
    def silent_ms(self) -> float:
        """For how long nothing has sounded."""
        heard = np.array(self.heard, np.int16)
        sounding = np.flatnonzero(heard)
        return (len(heard) - 1 - int(sounding[-1])) * 1000 / RATE if len(sounding) else len(heard) * 1000 / RATE


@cache
def _places(reply: int) -> dict[bytes, int]:
    """Where in a reply's sound each stretch of 8 samples stands."""
    whole = sound(reply, LONGEST)
    return {whole[i : i + 8].tobytes(): i for i in range(len(whole) - 8, -1, -1)}


@dataclass
class PhoneScene:
    clock: ManualClock
    phone: FakePhone
    call: Call
    ticker: Ticker
    notes: Notes
    llm: ScriptedLLM
    tts: NoiseTTS
    stt: ScriptedSTT | None = None

    async def settle(self) -> None:
        for _ in range(30):
            await asyncio.sleep(0)

    async def pass_ms(self, ms: float, speech: float = 0.0) -> None:
        """Time passes, and the caller speaks or is silent: speech is the probability that the detector will see."""
        for _ in range(int(ms // 20)):
            for _ in range(5):
                self.phone.play(4)
                await self.settle()
            self.phone.speak(int(speech * 1000))
            self.ticker.tick(self.clock.now_ms())
            await self.settle()

    async def absent(self, ms: float, *, spoken: bool = True) -> None:
        """Time passes, and the network sends no frame. spoken: the stream's own time passes, too."""
        for _ in range(int(ms // 20)):
            for _ in range(5):
                self.phone.play(4)
                await self.settle()
            self.phone.spoken_ms += 20 * spoken
            self.ticker.tick(self.clock.now_ms())
            await self.settle()

    def burst(self, ms: float, speech: float = 0.0) -> None:
        """So much audio comes at once."""
        assert self.phone.telephone is not None
        self.phone.play(1)
        for _ in range(int(ms // 20)):
            self.phone.telephone.incoming(self.phone.frame(int(speech * 1000)))

    async def until(self, done: Callable[[], bool], within_ms: float = 30_000, *, absent: bool = False) -> None:
        while not done():
            assert within_ms > 0, "it never came to be"
            await (self.absent(20) if absent else self.pass_ms(20))
            within_ms -= 20

    @property
    def state(self) -> str:
        return self.call.floor.state.value

    def did(self) -> list[str]:
        shown = ("Hold", "Resume", "Cut", "DiscardReply", "Reprompt")
        return [type(a).__name__ for a in self.notes.actions if type(a).__name__ in shown]


@asynccontextmanager
async def phone_scene(
    *texts: str,
    greeting: Greeting | str = "",
    policy: Policy | None = None,
    stt: ScriptedSTT | None = None,
    way_ms: float = 0.0,
    marks: bool = True,
    tts: NoiseTTS | None = None,
    llm: c.LLM | None = None,
    control: c.CallControl | None = None,
    kept: Callable[[TelephoneTransport, ManualClock], c.Transport] = lambda telephone, _: telephone,
    tools: Sequence[c.Tool] = (),
    memory: MemorySink | None = None,
    restored: RestoredCall | None = None,
    recording: RecordingPlan | None = None,
) -> AsyncIterator[PhoneScene]:
    """A call over Twilio's wire. It is hung up and awaited in the end; no task may be left behind."""
    clock = ManualClock(1_000_000)
    phone = FakePhone(clock, way_ms, marks=marks)
    telephone = phone.telephone = TelephoneTransport(phone, TwilioDialect(), clock)
    telephone.incoming(json.dumps(START))
    assert await telephone.handshake() is not None
    notes, ticker = Notes(), Ticker(clock)
    scripted = ScriptedLLM(*texts)
    tts = tts or NoiseTTS()
    agent = Agent(
        name="test",
        llm=llm or scripted,
        tts=tts,
        stt=stt,
        greeting=Greeting(greeting) if isinstance(greeting, str) else greeting,
        tools=tools,
    )
    runtime = Runtime(clock, ticker, LastSampleVAD(), notes)
    call = Call(
        call_id="c1",
        agent=agent,
        transport=kept(telephone, clock),
        runtime=runtime,
        journal=notes,
        policy=policy or SOON,
        control=control,
        memory=memory,
        restored=restored,
        recording=recording,
    )
    before = asyncio.all_tasks()
    running = asyncio.create_task(call.run())
    made = PhoneScene(clock, phone, call, ticker, notes, scripted, tts, stt)
    await made.settle()
    try:
        yield made
    finally:
        call.hang_up("test over")
        await asyncio.wait_for(running, 5)
        assert made.phone.closed is not None
        assert asyncio.all_tasks() <= before | {asyncio.current_task()}
