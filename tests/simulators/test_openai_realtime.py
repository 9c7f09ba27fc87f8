"""The simulated OpenAI Realtime over WebSocket, spoken to with the vendor's own SDK."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Sequence
from itertools import count, groupby
from typing import Any

import numpy as np
import openai
import pytest
import pytest_asyncio
from fastapi import FastAPI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import RealtimeServerEvent
from openai.types.realtime.client_secret_create_response import ClientSecretCreateResponse
from pydantic import TypeAdapter
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from bargein.audio.mulaw import from_mulaw, to_mulaw
from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from bargein.simulators.chat import Call
from bargein.simulators.openai_realtime import Fault, RealtimeSimulator, realtime_app
from bargein.simulators.realtime_config import AUDIO_FORMATS
from bargein.simulators.realtime_session import RealtimeSession, ServerItem
from bargein.simulators.speech import Speech
from tests.simulators.serving import serving
from tests.sounds import labels, load

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one server and one voice for all: each costs 0.2 s to end

Json = dict[str, Any]

MODEL = "gpt-realtime-2.1"
numbers = count(1)
WORDS = "One two three four five."
LONG = "This is a long answer, which goes on and on, so that anybody can interrupt it in the middle of any word."
DELTAS = ("response.output_audio.delta", "response.output_audio_transcript.delta")
SPOKEN_ANSWER = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "deltas",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
READ = "conversation.item.input_audio_transcription"


class Line:
    """A connection of the SDK, and what has come over it."""

    def __init__(self, wire: AsyncRealtimeConnection) -> None:
        self.wire = wire

    async def until(self, kind: str) -> list[Json]:
        """The next events, up to the first of that type, and with it."""
        got: list[Json] = []
        async with asyncio.timeout(5):
            while not got or got[-1]["type"] != kind:
                got.append((await self.wire.recv()).to_dict())
        return got

    async def next(self, kind: str) -> Json:
        """The next of that type; what comes before it is passed over."""
        return (await self.until(kind))[-1]

    async def closed(self) -> tuple[list[str], int]:
        """What still came before the connection ended, and the code with which it did."""
        got: list[str] = []

        async def read() -> None:
            async with asyncio.timeout(5):
                while True:
                    got.append((await self.wire.recv()).type)

        with pytest.raises(ConnectionClosed) as over:
            await read()
        assert over.value.rcvd is not None
        return got, over.value.rcvd.code

    async def configure(self, **audio_input: object) -> Json:
        """Change how the user's sound is taken; the session that follows."""
        await self.send({"type": "session.update", "session": {"type": "realtime", "audio": {"input": audio_input}}})
        return dict((await self.next("session.updated"))["session"])

    async def send(self, event: Json) -> None:
        """As it is, be it right or wrong."""
        await self.wire.send_raw(json.dumps(event))

    async def feed(self, data: bytes, piece: int | None = None) -> None:
        """The user's sound, as fast as it goes; piece: bytes in one message."""
        for at in range(0, len(data), piece or len(data)):
            await self.wire.input_audio_buffer.append(
                audio=base64.b64encode(data[at : at + (piece or len(data))]).decode()
            )

    async def type(self, text: str) -> None:
        """A turn of the user in writing, and what confirms it."""
        await self.wire.conversation.item.create(
            item={
                "id": "item_typed",
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": text}],
            }
        )
        await self.next("conversation.item.done")

    async def answer(self) -> list[Json]:
        """All events of the answer that is asked for now."""
        await self.wire.response.create()
        return await self.until("rate_limits.updated")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def speech() -> AsyncIterator[Speech]:
    voice = Speech()
    yield voice
    await voice.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[tuple[FastAPI, str]]:
    """A server, in which each test has a simulator of its own under a path of its own."""
    app = FastAPI()
    async with serving(app, ws=True) as root:
        yield app, root


@pytest.fixture
def sim(speech: Speech) -> RealtimeSimulator:
    return RealtimeSimulator(
        respond=lambda said, items: WORDS,
        first_audio_ms=0,
        speed=0,
        token_ms=0,
        transcript_ms=0,
        api_key="k",
        speech=speech,
    )


@pytest.fixture
def url(house: tuple[FastAPI, str], sim: RealtimeSimulator) -> str:
    app, root = house
    path = f"/{next(numbers)}"
    app.mount(path, realtime_app(sim))
    return root + path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key="k", max_retries=0) as made:
        yield made


@pytest.fixture
def sdk(client: openai.AsyncOpenAI, url: str) -> openai.AsyncOpenAI:
    return client.with_options(base_url=f"{url}/v1")


@pytest_asyncio.fixture(loop_scope="module")
async def line(sdk: openai.AsyncOpenAI) -> AsyncIterator[Line]:
    async with sdk.realtime.connect(model=MODEL) as wire:
        opened = Line(wire)
        await opened.next("session.created")
        yield opened


@pytest.fixture
def session(line: Line, sim: RealtimeSimulator) -> RealtimeSession:
    """What the server has of this line."""
    return sim.sessions[-1]


def recorded(name: str, kind: str = "audio/pcm") -> bytes:
    """A recorded sound and a second of silence behind it, as the wire carries it."""
    clip = load(name)
    with_silence = np.concatenate((clip.samples, np.zeros(clip.rate, np.int16)))
    samples = resample(Pcm(with_silence, clip.rate), AUDIO_FORMATS[kind]).samples
    return to_mulaw(samples) if kind == "audio/pcmu" else samples.astype("<i2").tobytes()


def order(events: Sequence[Json]) -> list[str]:
    """The types in their order; a stretch of sound and its text is one "deltas"."""
    return [kind for kind, _ in groupby("deltas" if e["type"] in DELTAS else e["type"] for e in events)]


def of(events: Sequence[Json], kind: str) -> list[Json]:
    return [event for event in events if event["type"] == kind]


def sound(events: Sequence[Json]) -> bytes:
    return b"".join(base64.b64decode(event["delta"]) for event in of(events, DELTAS[0]))


def text(events: Sequence[Json]) -> str:
    return "".join(event["delta"] for event in of(events, DELTAS[1]))


# ------------------------------------------------------------------------------------------------- the session


async def test_a_session_begins_unasked_with_the_vendors_defaults(sdk: openai.AsyncOpenAI) -> None:
    async with sdk.realtime.connect(model=MODEL) as wire:
        created = (await Line(wire).until("session.created"))[0]
    told = created["session"]
    assert (told["type"], told["object"], told["model"]) == ("realtime", "realtime.session", MODEL)
    assert told["output_modalities"] == ["audio"]
    assert told["audio"]["input"] == {
        "format": {"type": "audio/pcm", "rate": 24_000},
        "transcription": None,
        "noise_reduction": None,
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 200,
            "idle_timeout_ms": None,
            "create_response": True,
            "interrupt_response": True,
        },
    }


async def test_an_update_changes_what_it_names_and_is_answered_whole(line: Line) -> None:
    await line.wire.session.update(session={"type": "realtime", "instructions": "Be brief."})
    first = (await line.next("session.updated"))["session"]
    await line.wire.session.update(session={"type": "realtime", "audio": {"output": {"voice": "marin"}}})
    second = (await line.next("session.updated"))["session"]
    first["audio"]["output"]["voice"] = "marin"
    assert second == first
    assert (second["instructions"], second["model"]) == ("Be brief.", MODEL)


async def test_what_turn_detection_leaves_out_is_told_with_its_default(line: Line) -> None:
    server = await line.configure(turn_detection={"type": "server_vad", "interrupt_response": False})
    turns = server["audio"]["input"]["turn_detection"]
    assert (turns["silence_duration_ms"], turns["create_response"], turns["interrupt_response"]) == (200, True, False)
    semantic = await line.configure(turn_detection={"type": "semantic_vad"})
    assert semantic["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }
    assert (await line.configure(turn_detection=None))["audio"]["input"]["turn_detection"] is None


# -------------------------------------------------------------------------------------------- one spoken answer


async def test_a_spoken_turn_and_its_answer_come_in_the_vendors_order(line: Line, session: RealtimeSession) -> None:
    await line.feed(recorded("interruption-3.wav"))
    events = await line.until("rate_limits.updated")
    assert order(events) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        *SPOKEN_ANSWER,
    ]
    user = events[4]["item"]
    assert (user["role"], user["status"]) == ("user", "completed")
    assert user["content"] == [{"type": "input_audio", "transcript": None}]
    assert {event["item_id"] for event in events[:3]} == {user["id"]}
    begun = of(events, "conversation.item.added")[1]
    assert (begun["item"]["status"], begun["item"]["content"]) == ("in_progress", [])
    assert begun["previous_item_id"] == user["id"]
    assert of(events, "response.content_part.added")[0]["part"] == {"type": "audio", "transcript": ""}
    deltas = [event["type"] for event in events if event["type"] in DELTAS]
    assert deltas[0] == "response.output_audio_transcript.delta"
    assert len(sound(events)) == pytest.approx(session.items[begun["item"]["id"]].ms * 48)
    assert np.abs(np.frombuffer(sound(events), "<i2")).max() > 1_000
    assert text(events) == WORDS
    done = of(events, "response.done")[0]["response"]
    assert (done["status"], done["status_details"]) == ("completed", None)
    assert done["output"][0]["content"] == [{"type": "output_audio", "transcript": WORDS}]
    assert "object" not in done["output"][0]


async def test_every_event_is_what_the_vendors_types_say(line: Line) -> None:
    types: TypeAdapter[RealtimeServerEvent] = TypeAdapter(RealtimeServerEvent)
    await line.feed(recorded("interruption-3.wav"))
    events = await line.until("rate_limits.updated")
    assert [types.validate_python(event).type for event in events] == [event["type"] for event in events]
    assert len({event["event_id"] for event in events}) == len(events)


async def test_a_typed_turn_is_answered_when_it_is_asked_for(line: Line, sim: RealtimeSimulator) -> None:
    sim.respond = lambda said, items: f"You wrote {said}."
    await line.wire.conversation.item.create(
        item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
    )
    confirmed = await line.until("conversation.item.done")
    assert order(confirmed) == ["conversation.item.added", "conversation.item.done"]
    events = await line.answer()
    assert order(events) == SPOKEN_ANSWER
    assert text(events) == "You wrote hello."


async def test_the_answer_is_mulaw_where_that_is_asked_for(line: Line, session: RealtimeSession) -> None:
    await line.wire.session.update(
        session={"type": "realtime", "audio": {"output": {"format": {"type": "audio/pcmu"}}}}
    )
    events = await line.answer()
    item = session.items[of(events, "conversation.item.done")[0]["item"]["id"]]
    assert len(sound(events)) == pytest.approx(item.ms * 8)
    assert np.abs(from_mulaw(sound(events))).max() > 1_000


# -------------------------------------------------------------------------------------------------- the user's sound


@pytest.mark.parametrize("kind", ["audio/pcm", "audio/pcmu"])
async def test_speech_is_found_on_the_clock_of_the_sound_however_it_is_fed(sdk: openai.AsyncOpenAI, kind: str) -> None:
    [label] = [label for label in labels("interruption") if label.file == "interruption-3.wav"]
    found = set()
    for piece in (None, 960, 334):
        async with sdk.realtime.connect(model=MODEL) as wire:
            line = Line(wire)
            form = {"type": kind, "rate": 24_000} if kind == "audio/pcm" else {"type": kind}
            await line.configure(format=form, turn_detection={"type": "server_vad", "create_response": False})
            await line.feed(recorded("interruption-3.wav", kind), piece)
            events = await line.until("conversation.item.done")
            found.add((events[0]["audio_start_ms"], events[1]["audio_end_ms"]))
    [(started, stopped)] = found
    assert label.onset_ms - 300 <= started <= label.onset_ms - 300 + 64
    assert label.end_ms + 200 <= stopped <= label.end_ms + 200 + 128


async def test_two_turns_fed_at_once_are_committed_as_two_each_with_its_own_sound(
    sdk: openai.AsyncOpenAI, sim: RealtimeSimulator
) -> None:
    taken: list[float] = []

    async def hear(pcm: Pcm) -> str:
        taken.append(pcm.ms)
        return "words"

    sim.hear = hear
    for piece in (None, 960):
        async with sdk.realtime.connect(model=MODEL) as wire:
            line = Line(wire)
            turns = {"type": "server_vad", "silence_duration_ms": 500, "create_response": False}
            await line.configure(turn_detection=turns, transcription={"model": "gpt-transcribe"})
            await line.feed(recorded("speech.wav"), piece)
            events = await line.until(f"{READ}.completed") + await line.until(f"{READ}.completed")
            starts = [event["audio_start_ms"] for event in of(events, "input_audio_buffer.speech_started")]
            stops = [event["audio_end_ms"] for event in of(events, "input_audio_buffer.speech_stopped")]
            assert taken == pytest.approx([stop - start for start, stop in zip(starts, stops, strict=True)], abs=20)
            assert min(taken) > 1_500
            taken.clear()


async def test_no_padding_is_taken_off_where_none_is_asked_for(line: Line) -> None:
    await line.configure(turn_detection={"type": "server_vad", "prefix_padding_ms": 0, "create_response": False})
    await line.feed(recorded("interruption-3.wav"))
    started = await line.next("input_audio_buffer.speech_started")
    assert 330 <= started["audio_start_ms"] <= 330 + 64


async def test_a_cough_is_no_speech(line: Line) -> None:
    await line.feed(recorded("cough-1.wav"))
    await line.wire.input_audio_buffer.clear()
    assert order(await line.until("input_audio_buffer.cleared")) == ["input_audio_buffer.cleared"]


async def test_what_the_user_said_is_told_beside_the_answer(line: Line, sim: RealtimeSimulator) -> None:
    sim.script.appendleft("Stop there, please.")
    sim.respond = lambda said, items: f"You said: {said}"
    await line.configure(transcription={"model": "gpt-transcribe"})
    await line.feed(recorded("interruption-3.wav"))
    events = await line.until("rate_limits.updated")
    if not (read := of(events, f"{READ}.completed")):
        read = [await line.next(f"{READ}.completed")]
    assert read[0]["item_id"] == events[0]["item_id"]
    assert read[0]["transcript"] == "Stop there, please."
    assert read[0]["usage"]["type"] == "duration"
    assert text(events) == "You said: Stop there, please."


async def test_a_streaming_transcriber_tells_its_first_words_before_the_speech_ends(
    line: Line, sim: RealtimeSimulator
) -> None:
    sim.script.appendleft("Stop there, please.")
    await line.configure(
        transcription={"model": "gpt-realtime-whisper"}, turn_detection={"type": "server_vad", "create_response": False}
    )
    data = recorded("interruption-3.wav")
    await line.feed(data[: 48 * 1_100])
    started, partial = await line.until(f"{READ}.delta")
    await line.feed(data[48 * 1_100 :])
    rest = await line.until(f"{READ}.completed")
    assert partial["item_id"] == started["item_id"] == rest[-1]["item_id"]
    assert rest[-1]["transcript"].startswith(partial["delta"])
    assert rest[0]["type"] == "input_audio_buffer.speech_stopped"


async def test_without_create_response_speech_gets_no_answer(line: Line) -> None:
    await line.configure(turn_detection={"type": "server_vad", "create_response": False})
    await line.feed(recorded("interruption-3.wav"))
    await line.next("conversation.item.done")
    assert order(await line.answer()) == SPOKEN_ANSWER  # the first, and the one that was asked for


async def test_without_turn_detection_the_client_commits_and_creates(line: Line) -> None:
    await line.configure(turn_detection=None)
    await line.feed(recorded("interruption-3.wav"))
    await line.wire.input_audio_buffer.commit()
    assert order(await line.until("conversation.item.done")) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert order(await line.answer()) == SPOKEN_ANSWER


# ------------------------------------------------------------------------------------------------- interruptions


async def speaking(line: Line, sim: RealtimeSimulator) -> list[Json]:
    """A long answer, under way: what has come of it."""
    sim.respond, sim.speed = (lambda said, items: LONG), 1
    await line.wire.response.create()
    return await line.until("response.output_audio.delta")


async def test_speech_cuts_the_answer_and_gets_its_own_where_the_server_interrupts(
    line: Line, sim: RealtimeSimulator
) -> None:
    cut = (await speaking(line, sim))[0]["response"]["id"]
    sim.respond, sim.speed = (lambda said, items: WORDS), 0
    await line.feed(recorded("interruption-3.wav"))
    events = await line.until("rate_limits.updated")
    done = of(events, "response.done")[0]["response"]
    assert (done["id"], done["status"]) == (cut, "cancelled")
    assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert order(await line.until("rate_limits.updated")) == SPOKEN_ANSWER


async def test_speech_leaves_the_answer_alone_where_the_client_interrupts(line: Line, sim: RealtimeSimulator) -> None:
    await line.configure(turn_detection={"type": "server_vad", "create_response": False, "interrupt_response": False})
    await speaking(line, sim)
    await line.feed(recorded("interruption-3.wav"))
    await line.next("input_audio_buffer.committed")
    await line.wire.response.cancel()
    done = (await line.next("response.done"))["response"]
    assert done["status_details"]["reason"] == "client_cancelled"


async def test_an_answer_of_the_servers_own_that_is_one_too_many_is_refused_without_an_event_id(
    line: Line, sim: RealtimeSimulator
) -> None:
    await line.configure(turn_detection={"type": "server_vad", "interrupt_response": False})
    running = (await speaking(line, sim))[0]["response"]["id"]
    await line.feed(recorded("interruption-3.wav"))
    error = (await line.next("error"))["error"]
    assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", None)
    assert running in error["message"]


async def test_a_cancelled_answer_ends_in_order_after_at_most_two_more_deltas(
    line: Line, sim: RealtimeSimulator
) -> None:
    begun = await speaking(line, sim)
    await line.wire.response.cancel(response_id=begun[0]["response"]["id"])
    rest = await line.until("rate_limits.updated")
    assert len(of(rest, "response.output_audio.delta")) <= 2
    assert [kind for kind in order(rest) if kind != "deltas"] == SPOKEN_ANSWER[5:]
    item = of(rest, "conversation.item.done")[0]["item"]
    told = text(begun + rest)
    assert item["status"] == "incomplete"
    assert item["content"] == [{"type": "output_audio", "transcript": told}]
    assert LONG.startswith(told)
    assert len(told) < len(LONG)
    done = of(rest, "response.done")[0]["response"]
    assert (done["status"], done["output"]) == ("cancelled", [item])
    assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}


async def test_an_answer_that_is_cancelled_before_it_began_has_no_output(line: Line, sim: RealtimeSimulator) -> None:
    sim.faults.append("slow")
    await line.wire.response.create()
    await line.next("response.created")
    await line.wire.response.cancel()
    events = await line.until("rate_limits.updated")
    assert order(events) == ["response.done", "rate_limits.updated"]
    assert (events[0]["response"]["status"], events[0]["response"]["output"]) == ("cancelled", [])


async def test_a_second_answer_is_refused_while_one_runs_and_never_created(line: Line, sim: RealtimeSimulator) -> None:
    running = (await speaking(line, sim))[0]["response"]["id"]
    await line.wire.response.create(event_id="mine")
    error = (await line.next("error"))["error"]
    assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", "mine")
    assert error["message"] == (
        f"Conversation already has an active response in progress: {running}. "
        "Wait until the response is finished before creating a new one."
    )
    await line.wire.response.cancel()
    rest = await line.until("rate_limits.updated")
    assert not of(rest, "response.created")
    assert len(of(rest, "response.done")) == 1


# ---------------------------------------------------------------------------------------------------- truncation


async def test_truncation_deletes_the_text_and_sets_what_was_heard(
    line: Line, sim: RealtimeSimulator, session: RealtimeSession
) -> None:
    item = of(await line.answer(), "conversation.item.done")[0]["item"]["id"]
    at = int(session.items[item].truth[2].end_ms) + 1
    await line.wire.conversation.item.truncate(item_id=item, content_index=0, audio_end_ms=at)
    told = await line.next("conversation.item.truncated")
    assert (told["item_id"], told["content_index"], told["audio_end_ms"]) == (item, 0, at)
    await line.wire.conversation.item.retrieve(item_id=item)
    assert (await line.next("conversation.item.retrieved"))["item"]["content"] == [{"type": "output_audio"}]
    assert session.items[item].heard() == "One two three"
    sim.respond = lambda said, items: f"I remember: {items[0].text}."
    assert text(await line.answer()) == "I remember: ."


async def test_an_answer_that_is_cut_and_shortened_at_once_keeps_no_text_either(
    line: Line, sim: RealtimeSimulator, session: RealtimeSession
) -> None:
    begun = await speaking(line, sim)
    item = of(begun, "conversation.item.added")[0]["item"]["id"]
    await line.wire.response.cancel()
    await line.wire.conversation.item.truncate(item_id=item, content_index=0, audio_end_ms=100)
    rest = await line.until("rate_limits.updated")
    assert of(rest, "conversation.item.truncated")[0]["audio_end_ms"] == 100
    assert of(rest, "response.done")[0]["response"]["output"][0]["content"][0]["transcript"] == text(begun + rest)
    await line.wire.conversation.item.retrieve(item_id=item)
    assert (await line.next("conversation.item.retrieved"))["item"]["content"] == [{"type": "output_audio"}]
    assert (session.items[item].text, session.items[item].heard()) == ("", "")


async def test_a_cut_answer_that_nobody_shortened_was_heard_as_far_as_it_was_made(
    line: Line, sim: RealtimeSimulator, session: RealtimeSession
) -> None:
    begun = await speaking(line, sim)
    await line.wire.response.cancel()
    rest = await line.until("rate_limits.updated")
    item = session.items[of(rest, "conversation.item.done")[0]["item"]["id"]]
    assert item.ms == len(sound(begun + rest)) / 48
    assert item.heard() in LONG
    assert 0 < len(item.heard()) <= len(text(begun + rest))


async def test_an_item_cannot_be_shortened_beyond_its_end(line: Line) -> None:
    events = await line.answer()
    item, has = of(events, "conversation.item.done")[0]["item"]["id"], len(sound(events)) // 48
    await line.wire.conversation.item.truncate(item_id=item, content_index=0, audio_end_ms=has + 60, event_id="e1")
    error = (await line.next("error"))["error"]
    assert (error["code"], error["event_id"]) == ("invalid_value", "e1")
    assert error["message"] == f"Audio content of {has}ms is already shorter than {has + 60}ms"
    await line.wire.conversation.item.truncate(item_id=item, content_index=0, audio_end_ms=has)
    await line.next("conversation.item.truncated")


async def test_a_deleted_item_is_gone(line: Line, session: RealtimeSession) -> None:
    item = of(await line.answer(), "conversation.item.done")[0]["item"]["id"]
    await line.wire.conversation.item.delete(item_id=item)
    assert (await line.next("conversation.item.deleted"))["item_id"] == item
    await line.wire.conversation.item.retrieve(item_id=item)
    assert (await line.next("error"))["error"]["code"] == "item_retrieve_invalid_item_id"
    assert session.deleted == [item]


# -------------------------------------------------------------------------------------------------------- errors

NOT_THERE = {"item_id": "nobody", "content_index": 0}
TYPED = {"id": "item_typed", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "again"}]}
SPOKEN = {"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": "Hello."}]}
PCMA = {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcma"}}}}


@pytest.mark.parametrize(
    ("event", "code", "message"),
    [
        ({"type": "response.cancel"}, "response_cancel_not_active", "Cancellation failed: no active response found"),
        ({"type": "response.cancel", "response_id": "resp_x"}, "response_cancel_not_active", "no active response"),
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", "buffer only has 0.00ms of audio"),
        (
            {"type": "conversation.item.truncate", **NOT_THERE, "audio_end_ms": -11},
            "integer_below_min_value",
            "Invalid 'audio_end_ms': integer below minimum value. Expected a value >= 0, but got -11 instead.",
        ),
        (
            {"type": "conversation.item.truncate", **NOT_THERE, "item_id": "item_typed", "audio_end_ms": 0},
            "unsupported_content_type",
            "Only model output audio messages can be truncated",
        ),
        ({"type": "conversation.item.truncate", **NOT_THERE, "audio_end_ms": 0}, None, "nobody"),
        ({"type": "conversation.item.delete", "item_id": "nobody"}, None, "nobody"),
        ({"type": "conversation.item.retrieve", "item_id": "nobody"}, "item_retrieve_invalid_item_id", "nobody"),
        ({"type": "conversation.item.create", "item": TYPED}, "item_create_duplicate_item_id", "item_typed"),
        ({"type": "conversation.item.create", "item": SPOKEN}, "invalid_value", "Assistant audio"),
        ({}, "invalid_event", "The 'type' field is missing."),
        ({"type": "response.clear"}, "invalid_value", "response.clear"),
        ({"type": "response.interrupt"}, "invalid_value", "response.interrupt"),
        ({"type": ["response.create"]}, "invalid_value", "response.create"),
        ({"type": "output_audio_buffer.clear"}, "invalid_value", "WebSocket"),
        ({"type": "input_audio_buffer.append", "audio": "no base64!"}, "invalid_value", "base64"),
        ({"type": "session.update", "session": {"type": "realtime", "model": "another"}}, "invalid_value", "model"),
        ({"type": "session.update", "session": PCMA}, "invalid_value", "audio/pcma"),
        ({"type": "session.update", "session": {"instructions": "No type."}}, "invalid_value", "type"),
    ],
)
async def test_what_is_wrong_is_answered_with_its_event_id_and_the_session_goes_on(
    line: Line, event: Json, code: str | None, message: str
) -> None:
    await line.type("hello")
    await line.send({"event_id": "mine", **event})
    [told] = await line.until("error")
    error = told["error"]
    assert (error["type"], error["event_id"]) == ("invalid_request_error", "mine")
    assert code in (None, error["code"])  # None: the vendor's name for it is not known
    assert message in error["message"]
    assert order(await line.answer()) == SPOKEN_ANSWER


async def test_less_than_a_tenth_of_a_second_cannot_be_committed(line: Line) -> None:
    await line.configure(turn_detection=None)
    await line.feed(bytes(48 * 90))
    await line.wire.input_audio_buffer.commit()
    error = (await line.next("error"))["error"]
    assert error["code"] == "input_audio_buffer_commit_empty"
    assert "Expected at least 100ms of audio, but buffer only has" in error["message"]
    await line.feed(bytes(48 * 15))
    await line.wire.input_audio_buffer.commit()
    await line.next("input_audio_buffer.committed")


async def test_what_is_no_json_is_an_error_and_no_more(line: Line) -> None:
    await line.wire.send_raw("{not json")
    await line.next("error")
    assert order(await line.answer()) == SPOKEN_ANSWER


async def test_a_session_that_is_too_old_says_so_and_closes(sdk: openai.AsyncOpenAI, sim: RealtimeSimulator) -> None:
    sim.faults.append("expire")
    async with sdk.realtime.connect(model=MODEL) as wire:
        line = Line(wire)
        error = (await line.next("error"))["error"]
        assert error["code"] == "session_expired"
        assert error["message"] == "Your session hit the maximum duration of 60 minutes."
        assert await line.closed() == ([], 1001)


async def test_the_sideband_of_no_call_is_refused(sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await sdk.realtime.connect(call_id="rtc_none").enter()
    assert refused.value.response.status_code == 404
    error = json.loads(refused.value.response.body or b"")["error"]
    assert (error["code"], error["param"]) == ("call_id_not_found", "")
    assert error["message"] == "No session found for the provided call_id"
    with pytest.raises(openai.NotFoundError, match="No session found"):
        await sdk.realtime.calls.hangup("rtc_none")


# ---------------------------------------------------------------------------------------------------------- tools


async def test_a_tool_is_called_and_its_result_is_spoken_of(line: Line, sim: RealtimeSimulator) -> None:
    def respond(said: str, items: Sequence[ServerItem]) -> str | list[str | Call]:
        results = [item.wire["output"] for item in items if item.wire["type"] == "function_call_output"]
        return f"It is {results[0]}." if results else [Call("weather", '{"city": "Oslo"}')]

    sim.respond = respond
    events = await line.answer()
    assert order(events) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    pieces = [event["delta"] for event in of(events, "response.function_call_arguments.delta")]
    [called] = of(events, "response.done")[0]["response"]["output"]
    assert (called["type"], called["name"], called["status"]) == ("function_call", "weather", "completed")
    assert "".join(pieces) == called["arguments"] == '{"city": "Oslo"}'
    await line.wire.conversation.item.create(
        item={"type": "function_call_output", "call_id": called["call_id"], "output": "sunny"}
    )
    confirmed = await line.next("conversation.item.done")
    assert (confirmed["item"]["call_id"], confirmed["item"]["output"]) == (called["call_id"], "sunny")
    assert text(await line.answer()) == "It is sunny."


async def test_one_answer_can_speak_and_call(line: Line, sim: RealtimeSimulator) -> None:
    sim.respond = lambda said, items: ["Let me see.", Call("weather")]
    events = await line.answer()
    added = of(events, "response.output_item.added")
    assert [(event["output_index"], event["item"]["type"]) for event in added] == [(0, "message"), (1, "function_call")]
    assert [item["type"] for item in of(events, "response.done")[0]["response"]["output"]] == [
        "message",
        "function_call",
    ]


async def test_an_answer_beside_the_conversation_leaves_no_trace_in_it(
    line: Line, sim: RealtimeSimulator, session: RealtimeSession
) -> None:
    begun = await speaking(line, sim)
    sim.respond, sim.speed = (lambda said, items: f"{len(items)} item: {said}."), 0
    asked: Any = {
        "conversation": "none",
        "metadata": {"topic": "summary"},
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Sum up"}]}],
    }
    await line.wire.response.create(response=asked)
    beside = (await line.next("response.created"))["response"]
    assert (beside["metadata"], beside["conversation_id"]) == ({"topic": "summary"}, None)
    events = await line.until("response.done")
    assert events[-1]["response"]["id"] == beside["id"]
    assert events[-1]["response"]["metadata"] == {"topic": "summary"}
    assert text([event for event in events if event.get("response_id") == beside["id"]]) == "1 item: Sum up."
    assert not of(events, "conversation.item.added")
    assert list(session.items) == [of(begun, "conversation.item.added")[0]["item"]["id"]]
    await line.wire.response.cancel()  # without an id: the one of the conversation, which still runs
    assert (await line.next("response.done"))["response"]["id"] == begun[0]["response"]["id"]


async def test_a_call_with_a_session_that_cannot_be_is_refused(sdk: openai.AsyncOpenAI) -> None:
    wrong: Any = {"type": "realtime", "model": MODEL, "audio": {"output": {"voice": "nobody"}}}
    with pytest.raises(openai.BadRequestError, match="unknown voice"):
        await sdk.realtime.calls.create(sdp="v=0", session=wrong)


# ----------------------------------------------------------------------------------------------------------- keys


async def test_a_wrong_key_is_refused(sdk: openai.AsyncOpenAI) -> None:
    stranger = sdk.with_options(api_key="wrong")
    with pytest.raises(InvalidStatus) as refused:
        await stranger.realtime.connect(model=MODEL).enter()
    assert refused.value.response.status_code == 401
    with pytest.raises(openai.AuthenticationError):
        await stranger.realtime.client_secrets.create()
    with pytest.raises(openai.AuthenticationError):
        await stranger.realtime.calls.create(sdp="v=0")
    with pytest.raises(openai.AuthenticationError):
        await stranger.realtime.calls.hangup("rtc_none")


@pytest_asyncio.fixture(loop_scope="module")
async def secret(sdk: openai.AsyncOpenAI) -> ClientSecretCreateResponse:
    """An ephemeral key, and the session that it is for."""
    return await sdk.realtime.client_secrets.create(
        session={"type": "realtime", "model": MODEL, "instructions": "Be brief."}
    )


async def test_an_ephemeral_key_comes_with_its_whole_session(secret: ClientSecretCreateResponse) -> None:
    assert secret.value.startswith("ek_")
    assert 500 < secret.expires_at - time.time() <= 600
    ClientSecretCreateResponse.model_validate(secret.to_dict())
    assert secret.session.type == "realtime"
    assert (secret.session.instructions, secret.session.output_modalities) == ("Be brief.", ["audio"])


async def test_a_browser_connects_with_the_ephemeral_key_as_a_subprotocol(
    url: str, secret: ClientSecretCreateResponse
) -> None:
    offered = [Subprotocol("realtime"), Subprotocol(f"openai-insecure-api-key.{secret.value}")]
    async with connect(f"{url.replace('http', 'ws')}/v1/realtime?model={MODEL}", subprotocols=offered) as socket:
        assert socket.subprotocol == "realtime"
        created = json.loads(await socket.recv())
    assert (created["type"], created["session"]["instructions"]) == ("session.created", "Be brief.")


async def test_an_ephemeral_key_opens_several_sessions_until_it_is_too_old(
    sdk: openai.AsyncOpenAI, secret: ClientSecretCreateResponse, sim: RealtimeSimulator
) -> None:
    bearer = sdk.with_options(api_key=secret.value)
    for _ in range(2):
        async with bearer.realtime.connect(model=MODEL) as wire:
            assert (await Line(wire).next("session.created"))["session"]["instructions"] == "Be brief."
    sim.secrets[secret.value] = (time.time() - 1, {})
    with pytest.raises(InvalidStatus):
        await bearer.realtime.connect(model=MODEL).enter()


# --------------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(("fault", "code"), [("rate_limit", "rate_limit_exceeded"), ("fail", "server_error")])
async def test_an_answer_can_fail_and_the_next_one_is_well(
    line: Line, sim: RealtimeSimulator, fault: Fault, code: str
) -> None:
    sim.faults.append(fault)
    events = await line.answer()
    failed = of(events, "response.done")[0]["response"]
    assert (failed["status"], failed["status_details"]["error"]["code"]) == ("failed", code)
    assert not sound(events)
    assert order(await line.answer()) == SPOKEN_ANSWER


async def test_an_answer_can_never_come_and_the_next_one_is_well(line: Line, sim: RealtimeSimulator) -> None:
    sim.faults.append("mute")
    await line.wire.response.create()
    assert order(await line.answer()) == SPOKEN_ANSWER


async def test_an_answer_that_was_cancelled_can_be_without_an_end(line: Line, sim: RealtimeSimulator) -> None:
    sim.faults.append("no_done")
    await speaking(line, sim)
    await line.wire.response.cancel()
    await line.until("response.output_item.done")
    await line.wire.input_audio_buffer.clear()
    assert order(await line.until("input_audio_buffer.cleared")) == ["input_audio_buffer.cleared"]


async def test_a_line_can_drop_in_the_middle_of_an_answer(
    line: Line, sim: RealtimeSimulator, session: RealtimeSession
) -> None:
    sim.faults.append("drop")
    await line.wire.response.create()
    kinds, code = await line.closed()
    assert code == 1011
    assert kinds.count("response.output_audio.delta") == 3  # of 200 ms
    assert "response.done" not in kinds


async def test_a_line_can_drop_as_the_user_begins_to_speak(line: Line, sim: RealtimeSimulator) -> None:
    sim.faults.append("drop_speech")
    await line.feed(recorded("interruption-3.wav"))
    assert await line.closed() == (["input_audio_buffer.speech_started"], 1011)


async def test_an_event_can_come_as_garbage_and_the_next_one_is_well(line: Line, sim: RealtimeSimulator) -> None:
    sim.faults.append("garbage")
    await line.wire.input_audio_buffer.clear()
    with pytest.raises(json.JSONDecodeError):
        await line.next("input_audio_buffer.cleared")
    assert order(await line.answer()) == SPOKEN_ANSWER


async def test_a_turn_can_go_unread(line: Line, sim: RealtimeSimulator) -> None:
    await line.configure(
        transcription={"model": "gpt-transcribe"}, turn_detection={"type": "server_vad", "create_response": False}
    )
    sim.faults.append("no_transcript")
    await line.feed(recorded("interruption-3.wav"))
    events = await line.until(f"{READ}.failed")
    assert events[-1]["item_id"] == events[0]["item_id"]


@pytest.mark.parametrize("fault", ["401", "404", "429", "500"])
async def test_a_connection_can_be_refused_and_the_next_one_is_well(
    sdk: openai.AsyncOpenAI, sim: RealtimeSimulator, fault: Fault
) -> None:
    sim.faults.append(fault)
    with pytest.raises(InvalidStatus) as refused:
        await sdk.realtime.connect(model=MODEL).enter()
    assert refused.value.response.status_code == int(fault)
    async with sdk.realtime.connect(model=MODEL) as wire:
        await Line(wire).next("session.created")
