"""Callers who find no place: a sentence and another try, and never a dead line."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
from contextlib import suppress
from xml.etree import ElementTree

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from bargein.agent import REPROMPTS, Agent
from bargein.audio.mulaw import from_mulaw
from bargein.server.telephone import busy
from bargein.server.telephone.busy import TEXTS, TONE_MS, TONES, BusyLine, busy_text
from bargein.transports.telephone.plivo import PlivoDialect
from bargein.transports.telephone.vonage import VonageDialect
from bargein_bench.callers.twilio_network import TwilioNetwork
from tests.bench.simulated_time import simulated_time
from tests.server.kit import settings, tone_agent, world
from tests.server.telephone.test_carriers import VENDORS
from tests.server.telephone.test_twilio import FORM, GREETING, stream
from tests.transports.telephone.simulated_stream import SimulatedStream
from tests.transports.telephone.test_plivo import Plivo
from tests.transports.telephone.test_vonage import Vonage

SENTENCE = "all our lines are busy"


def spoken(agent: Agent, **reprompts: str) -> Agent:
    return dataclasses.replace(agent, reprompts=reprompts)


def test_the_sentence_is_the_agents_own_in_the_language_of_the_call() -> None:
    agent = tone_agent()
    assert busy_text(spoken(agent, busy="Moment!"), "en") == "Moment!"
    assert busy_text(spoken(agent, busy="Moment!"), "de-AT") == TEXTS["de"]
    assert busy_text(agent, "tlh") == busy_text(agent, "en") == REPROMPTS["busy"]
    german = Agent(name="tone", llm=agent.llm, tts=agent.tts, language="de")
    assert busy_text(german, "de") == TEXTS["de"]


async def test_a_full_server_tells_twilio_to_say_so_and_to_ask_again_a_few_times() -> None:
    agent = spoken(tone_agent(greeting=GREETING), busy=SENTENCE)
    async with world(settings(max_calls=1), agent) as here, stream(here) as first:
        await first.start()
        await first.until("media")
        path = "/twilio/voice?agent=tone&language=de-DE"
        asked = []
        for _ in range(6):
            answer = await here.http.post(path, data=FORM)
            verbs = ElementTree.fromstring(answer.text)  # our own
            asked.append([verb.tag for verb in verbs])
            say = verbs[0]
            assert (say.text, say.attrib["language"]) == (TEXTS["de"], "de-DE")
            if verbs[-1].tag == "Hangup":
                break
            path = str(verbs[-1].text).removeprefix(here.url)
            assert path.startswith("/twilio/voice?agent=tone&language=de-DE&busy_tries=")
    assert asked == [["Say", "Pause", "Redirect"]] * 3 + [["Say", "Hangup"]]


async def test_a_caller_who_waits_is_served_once_a_place_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bargein.server.telephone.twilio_webhooks.BUSY_PAUSE_S", 1)
    agent = spoken(tone_agent(greeting="one two three"), busy="no")
    async with world(settings(max_calls=1), agent) as here, TwilioNetwork(serves=False) as network:
        async with stream(here) as first:
            await first.start()
            await first.until("media")
            waits = asyncio.create_task(network.call(f"{here.url}/twilio/voice", sid="CA7"))
            await asyncio.sleep(0.3)
            await first.say("stop", stop={})
            await first.closed()
        async with asyncio.timeout(5):
            while not network.calls["CA7"].result.telephone.frames:  # noqa: ASYNC110  # a test may look
                await asyncio.sleep(0.01)
        network.calls["CA7"].complete()
        result = await waits
    assert [told.text for told in result.announcements] == ["no"]
    assert [w.why for w in result.webhooks] == ["voice", "redirect"]
    assert len(result.legs) == 1
    assert result.legs[0].first_audio_ms is not None
    assert result.errors == []


async def test_a_stream_that_comes_too_late_for_its_place_is_led_to_the_sentence() -> None:
    agent = spoken(tone_agent(greeting=GREETING), busy="busy")
    async with world(settings(max_calls=1), agent) as here, TwilioNetwork(serves=False) as network:
        async with stream(here) as first:
            answer = await here.http.post("/twilio/voice", data=FORM)  # there is a place
            told = ElementTree.fromstring(answer.text)[0]  # our own
            await first.start("CA9")
            await first.until("media")
            async with stream(here) as second:
                parameters = {p.attrib["name"]: p.attrib["value"] for p in told[0]}
                await second.start("CA1", parameters)
                assert await second.closed() == (1008, "busy")
            following = await here.http.post("/twilio/next", data=FORM)
            assert [verb.tag for verb in ElementTree.fromstring(following.text)] == ["Say", "Pause", "Redirect"]
        assert network.calls == {}


async def test_where_only_the_stream_is_seen_the_server_says_it_and_closes() -> None:
    agent = spoken(tone_agent(greeting=GREETING), busy="busy busy")  # 200 ms of a tone
    async with world(settings(max_calls=1), agent) as here:
        async with asyncio.timeout(5):
            while not here.hub.busy_line.made:  # noqa: ASYNC110  # a test may look
                await asyncio.sleep(0.01)

        async def turned_away(name: str, why: str) -> None:
            heard = bytearray()
            async with connect(here.url.replace("http", "ws") + f"/{name}/media", compression=None) as phone:
                for message in VENDORS[name]().start():
                    await phone.send(message)
                with suppress(ConnectionClosed):
                    async with asyncio.timeout(5):
                        while True:
                            heard += audio(await phone.recv())
                assert (phone.close_code, phone.close_reason) == (1008, why)
            samples = from_mulaw(bytes(heard)) if name != "vonage" else np.frombuffer(bytes(heard), "<i2")
            assert np.abs(samples.astype(int)).max() > 3000

        async with stream(here) as first:
            await first.start()
            await first.until("media")
            await asyncio.gather(*(turned_away(name, "busy") for name in VENDORS))
            draining = asyncio.create_task(here.hub.calls.drain(0.3, asyncio.Event()))
            await asyncio.sleep(0)
            await asyncio.gather(*(turned_away(name, "closing") for name in VENDORS))
        await draining


def audio(message: str | bytes) -> bytes:
    """The audio in a message of ours."""
    if isinstance(message, bytes):
        return message
    read = json.loads(message)
    return base64.b64decode(read["media"]["payload"]) if "media" in read else b""


@simulated_time
async def test_without_a_voice_there_is_a_busy_tone() -> None:
    phone = SimulatedStream(Vonage(), VonageDialect())
    began = asyncio.get_running_loop().time()
    await BusyLine().play(phone.telephone)
    assert asyncio.get_running_loop().time() - began > TONES * TONE_MS / 500
    phone.live(200)
    assert set(phone.chunks) == {320}
    assert max(phone.played, default=0) > 3000


@simulated_time
async def test_only_so_many_hear_it_and_none_once_the_server_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy, "AT_ONCE", 1)
    line, first, second = BusyLine(), SimulatedStream(Plivo(), PlivoDialect()), SimulatedStream(Plivo(), PlivoDialect())
    playing = asyncio.create_task(line.play(first.telephone))
    await asyncio.sleep(0.5)
    await line.play(second.telephone)
    assert not playing.done()
    line.close()
    await playing
    first.telephone.gone("the caller hung up")
    await line.play(second.telephone)
    for phone in (first, second):
        phone.live(100)
    assert first.chunks
    assert not second.chunks


@simulated_time
async def test_a_caller_who_hangs_up_makes_room_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy, "AT_ONCE", 1)
    line, first, second = BusyLine(), SimulatedStream(Plivo(), PlivoDialect()), SimulatedStream(Plivo(), PlivoDialect())
    playing = asyncio.create_task(line.play(first.telephone))
    await asyncio.sleep(0.2)
    first.telephone.gone("the caller hung up")
    await playing
    await line.play(second.telephone)
    second.live(100)
    assert second.chunks
