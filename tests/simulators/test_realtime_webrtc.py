"""The simulated OpenAI Realtime over WebRTC: a peer as a browser is one, and the sideband through the vendor's SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import numpy as np
import openai
import pytest
import pytest_asyncio
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, MediaStreamTrack
from av import AudioFrame
from openai import HttpxBinaryResponseContent
from websockets.exceptions import InvalidStatus

from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein_simulators.openai_realtime import RealtimeSimulator, realtime_app
from bargein_simulators.realtime_session import RealtimeSession
from bargein_simulators.speech import SimulatedSpeech
from tests.simulators.serving import serving
from tests.sounds import load

Json = dict[str, Any]

MODEL = "gpt-realtime-2.1"
WORDS = "One two three."
LONG = "This is a long answer, which goes on and on, so that anybody can interrupt it in the middle of any word."
QUIET = {"type": "realtime", "model": MODEL, "audio": {"input": {"turn_detection": None}}}
LOUD = 400  # of 32768: Opus leaves less than that where nothing is said
RATE = 48_000
FRAME = RATE // 50


class Microphone(AudioStreamTrack):
    """Silent until something is put before it."""

    def __init__(self) -> None:
        super().__init__()
        self._rest: Samples = np.zeros(0, np.int16)

    def say(self, pcm: Pcm) -> None:
        self._rest = resample(pcm, RATE).samples

    async def recv(self) -> AudioFrame:
        silent = await super().recv()  # in real time, 20 ms each
        assert isinstance(silent, AudioFrame)
        assert silent.pts is not None
        taken, self._rest = self._rest[:FRAME], self._rest[FRAME:]
        samples = np.pad(taken, (0, FRAME - len(taken)))
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = RATE, silent.time_base, silent.pts * RATE // silent.sample_rate
        return frame


class Browser:
    """A peer with a microphone, a loudspeaker, and the channel of events. Audio times are those of the track."""

    def __init__(self) -> None:
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.microphone = Microphone()
        self.peer.addTrack(self.microphone)
        self.channel = self.peer.createDataChannel("oai-events")
        self.came: asyncio.Queue[Json] = asyncio.Queue()
        self.seen: list[Json] = []
        self._heard: list[tuple[float, bool]] = []  # ms, whether it is loud; one for each ms
        self._more = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self.channel.on("message", lambda text: self.came.put_nowait(json.loads(text)))
        self.peer.on("track", self._on_track)

    async def offer(self) -> str:
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return str(self.peer.localDescription.sdp)

    async def answered(self, sdp: str) -> None:
        await self.peer.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def until(self, kind: str) -> list[Json]:
        """The next events, up to the first of that type, and with it."""
        got: list[Json] = []
        async with asyncio.timeout(5):
            while not got or got[-1]["type"] != kind:
                got.append(await self.came.get())
        self.seen += got
        return got

    async def next(self, kind: str) -> Json:
        return (await self.until(kind))[-1]

    def send(self, kind: str, **fields: object) -> None:
        self.channel.send(json.dumps({"type": kind, **fields}))

    def loud(self) -> list[float]:
        """All loud moments so far."""
        return [ms for ms, loud in self._heard if loud]

    async def hears(self, enough: Callable[[], bool]) -> None:
        """Listen until then."""
        async with asyncio.timeout(5):
            while not enough():
                self._more.clear()
                await self._more.wait()

    async def hears_silence(self, ms: float) -> None:
        """Listen until it has been silent for so long."""
        await self.hears(lambda: bool(self.loud()) and self._heard[-1][0] - self.loud()[-1] >= ms)

    async def close(self) -> None:
        await self.peer.close()
        if self._listening is not None:
            await self._listening

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._listening = asyncio.create_task(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                self._more.set()
                return
            assert isinstance(frame, AudioFrame)
            assert frame.pts is not None
            samples = np.asarray(frame.to_ndarray()).reshape(-1, 2)[:, 0]
            for at, moment in enumerate(samples.reshape(-1, RATE // 1000)):
                self._heard.append((frame.pts * 1000 / RATE + at, bool(np.abs(np.asarray(moment)).max() > LOUD)))
            self._more.set()


@pytest_asyncio.fixture
async def sim() -> AsyncIterator[RealtimeSimulator]:
    speech = SimulatedSpeech()
    yield RealtimeSimulator(
        respond=lambda said, items: WORDS, first_audio_ms=0, speed=20, transcript_ms=0, api_key="k", speech=speech
    )
    await speech.aclose()


@pytest_asyncio.fixture
async def sdk(sim: RealtimeSimulator) -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        serving(realtime_app(sim), ws=True) as url,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client,
    ):
        yield client


@pytest_asyncio.fixture
async def browser(sim: RealtimeSimulator, sdk: openai.AsyncOpenAI) -> AsyncIterator[Browser]:
    """Named after the sdk, so that the server outlives the peer."""
    made = Browser()
    yield made
    await made.close()
    async with asyncio.timeout(5):
        for session in sim.sessions:
            await session.over.wait()


async def called(browser: Browser, sdk: openai.AsyncOpenAI, session: Any = QUIET) -> str:
    """Connect by the unified way: the key, and the session with the offer. The call's id."""
    answer = await sdk.realtime.calls.create(sdp=await browser.offer(), session=session)
    assert answer.response.status_code == 201
    await browser.answered(answer.text)
    assert (await browser.next("session.created"))["session"]["type"] == "realtime"
    location = answer.response.headers["location"]
    assert location.startswith("/v1/realtime/calls/rtc_")
    return str(location.rsplit("/", 1)[1])


def kinds(events: Sequence[Json]) -> list[str]:
    return [event["type"] for event in events]


def spoken(session: RealtimeSession) -> tuple[float, float]:
    """The last answer's sound by the server's record: how long it is now, and how much of it was made."""
    item = [item for item in session.items.values() if item.wire.get("role") == "assistant"][-1]
    return item.ms if item.truncated_ms is None else item.truncated_ms, item.ms


async def test_an_answer_is_heard_in_real_time_on_the_track_and_not_on_the_channel(
    browser: Browser, sdk: openai.AsyncOpenAI, sim: RealtimeSimulator
) -> None:
    await called(browser, sdk)
    browser.send("response.create")
    events = await browser.until("output_audio_buffer.stopped")
    await browser.hears_silence(ms=200)
    [response] = [event["response"]["id"] for event in events if event["type"] == "response.done"]
    buffer = [event for event in events if event["type"].startswith("output_audio_buffer")]
    assert [(event["type"], event["response_id"]) for event in buffer] == [
        ("output_audio_buffer.started", response),
        ("output_audio_buffer.stopped", response),
    ]
    order = kinds(events)
    assert order.index("output_audio_buffer.started") > order.index("response.content_part.added")
    assert order[-1] == "output_audio_buffer.stopped"
    assert order.index("response.output_audio.done") < order.index("response.done") < len(order) - 1
    assert "response.output_audio.delta" not in order
    loud, (_, made_ms) = browser.loud(), spoken(sim.sessions[-1])
    assert made_ms - 400 < loud[-1] - loud[0] < made_ms + 60  # espeak ends with some silence


@pytest.mark.parametrize("speed", [0, 2])
async def test_a_clear_is_silence_within_60_ms_and_shortens_the_item_to_what_was_sent(
    browser: Browser, sdk: openai.AsyncOpenAI, sim: RealtimeSimulator, speed: float
) -> None:
    sim.respond, sim.speed = (lambda said, items: LONG), speed
    await called(browser, sdk)
    browser.send("response.create")
    await browser.hears(lambda: len(browser.loud()) > 300)
    if speed:  # else it was made at once, and there is nothing to cancel
        browser.send("response.cancel")
    browser.send("output_audio_buffer.clear")
    events = await browser.until("output_audio_buffer.cleared") + await browser.until("conversation.item.truncated")
    sent_ms = events[-1]["audio_end_ms"]
    assert spoken(sim.sessions[-1])[0] == sent_ms < spoken(sim.sessions[-1])[1]
    await browser.hears_silence(ms=500)
    loud = browser.loud()
    assert loud[-1] - loud[0] <= sent_ms + 60
    assert loud[-1] - loud[0] >= sent_ms - 300  # a pause between two words may be the last of it
    browser.send("conversation.item.retrieve", item_id=events[-1]["item_id"])
    rest = await browser.until("conversation.item.retrieved")
    assert rest[-1]["item"]["content"] == [{"type": "output_audio"}]
    assert "output_audio_buffer.stopped" not in kinds(browser.seen)


async def test_a_clear_of_silence_changes_nothing(browser: Browser, sdk: openai.AsyncOpenAI) -> None:
    await called(browser, sdk)
    browser.send("output_audio_buffer.clear")
    browser.send("input_audio_buffer.clear")
    assert kinds(await browser.until("input_audio_buffer.cleared")) == ["input_audio_buffer.cleared"]


async def test_speech_interrupts_and_the_server_clears_and_shortens_by_itself(
    browser: Browser, sdk: openai.AsyncOpenAI, sim: RealtimeSimulator
) -> None:
    sim.respond, sim.speed = (lambda said, items: LONG), 2
    turns = {"type": "server_vad", "create_response": False}
    await called(browser, sdk, {**QUIET, "audio": {"input": {"turn_detection": turns}}})
    browser.send("response.create")
    await browser.next("output_audio_buffer.started")
    words = load("interruption-3.wav")
    browser.microphone.say(Pcm(words.samples[words.rate * 3 // 10 :], words.rate))  # the silence before it left out
    events = await browser.until("response.done")
    wanted = (
        "input_audio_buffer.speech_started",
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
        "response.done",
    )
    assert [kind for kind in kinds(events) if kind in wanted] == list(wanted)
    assert events[-1]["response"]["status_details"]["reason"] == "turn_detected"
    [cut] = [event for event in events if event["type"] == "conversation.item.truncated"]
    await browser.hears_silence(ms=300)
    assert browser.loud()[-1] - browser.loud()[0] <= cut["audio_end_ms"] + 60


async def test_the_sideband_is_told_the_same_without_the_sound_and_may_speak_too(
    browser: Browser, sdk: openai.AsyncOpenAI
) -> None:
    call_id = await called(browser, sdk)
    async with sdk.realtime.connect(call_id=call_id) as sideband:
        await sideband.response.create()
        told: list[Json] = []
        async with asyncio.timeout(5):
            while not told or told[-1]["type"] != "output_audio_buffer.stopped":
                told.append((await sideband.recv()).to_dict())
        assert told == await browser.until("output_audio_buffer.stopped")
        assert told[0]["type"] == "response.created"  # and no session.created
        assert "response.output_audio.delta" not in kinds(told)
        browser.send("input_audio_buffer.clear")
        async with asyncio.timeout(5):
            assert (await sideband.recv()).type == "input_audio_buffer.cleared"


async def test_a_call_is_hung_up_once(browser: Browser, sdk: openai.AsyncOpenAI, sim: RealtimeSimulator) -> None:
    call_id = await called(browser, sdk)
    async with sdk.realtime.connect(call_id=call_id) as sideband:
        await sdk.realtime.calls.hangup(call_id)
        async with asyncio.timeout(5):
            assert [event.type async for event in sideband] == []  # it ends with the call
            await sim.sessions[-1].over.wait()
    with pytest.raises(openai.NotFoundError, match="No session found for the provided call_id"):
        await sdk.realtime.calls.hangup(call_id)
    with pytest.raises(InvalidStatus) as refused:
        await sdk.realtime.connect(call_id=call_id).enter()
    assert refused.value.response.status_code == 404


async def test_a_browser_calls_with_an_ephemeral_key_that_opens_no_sideband(
    browser: Browser, sdk: openai.AsyncOpenAI
) -> None:
    secret = await sdk.realtime.client_secrets.create(
        session={"type": "realtime", "model": MODEL, "instructions": "Be brief."}
    )
    ephemeral = sdk.with_options(api_key=secret.value)
    answer = await ephemeral.post(
        "/realtime/calls",
        content=(await browser.offer()).encode(),
        options={"headers": {"Content-Type": "application/sdp"}},
        cast_to=HttpxBinaryResponseContent,
    )
    await browser.answered(answer.text)
    assert (await browser.next("session.created"))["session"]["instructions"] == "Be brief."
    call_id = answer.response.headers["location"].rsplit("/", 1)[1]
    with pytest.raises(InvalidStatus) as refused:
        await ephemeral.realtime.connect(call_id=call_id).enter()
    assert json.loads(refused.value.response.body or b"")["error"]["code"] == "call_id_not_found"


async def test_what_is_no_offer_is_refused(browser: Browser, sdk: openai.AsyncOpenAI, sim: RealtimeSimulator) -> None:
    with pytest.raises(openai.BadRequestError, match="offer"):
        await sdk.realtime.calls.create(sdp="no offer", session={"type": "realtime"})
    assert not sim.calls
