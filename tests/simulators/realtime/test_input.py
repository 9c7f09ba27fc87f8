"""The user's audio in the simulated session: on its own clock, in turns, and in words."""

from __future__ import annotations

import openai
import pytest

from bargein.audio.pcm import Pcm
from bargein_simulators.openai_realtime import RealtimeSimulator
from tests.simulators.realtime.kit import MODEL, READ, SPOKEN_ANSWER, Connection, of, order, recorded, text
from tests.sounds import labels

pytestmark = pytest.mark.asyncio(loop_scope="module")  # as its server

[LABEL] = [label for label in labels("interruption") if label.file == "interruption-3.wav"]


@pytest.mark.parametrize("kind", ["audio/pcm", "audio/pcmu", "audio/pcma"])
async def test_speech_is_found_on_the_clock_of_the_sound_however_it_is_fed(sdk: openai.AsyncOpenAI, kind: str) -> None:
    found = set()
    for chunk_bytes in (None, 960, 334):
        async with sdk.realtime.connect(model=MODEL) as wire:
            connection = Connection(wire)
            form = {"type": kind, "rate": 24_000} if kind == "audio/pcm" else {"type": kind}
            await connection.configure(format=form, turn_detection={"type": "server_vad", "create_response": False})
            await connection.feed(recorded("interruption-3.wav", kind), chunk_bytes)
            events = await connection.until("conversation.item.done")
            found.add((events[0]["audio_start_ms"], events[1]["audio_end_ms"]))
    [(started, stopped)] = found
    assert LABEL.onset_ms - 300 <= started <= LABEL.onset_ms - 300 + 64
    assert LABEL.end_ms + 200 <= stopped <= LABEL.end_ms + 200 + 192


async def test_two_turns_fed_at_once_are_committed_as_two_each_with_its_own_sound(
    sdk: openai.AsyncOpenAI, sim: RealtimeSimulator
) -> None:
    committed_ms: list[float] = []

    async def transcribe(pcm: Pcm) -> str:
        committed_ms.append(pcm.ms)
        return "words"

    sim.transcribe = transcribe
    for chunk_bytes in (None, 960):
        async with sdk.realtime.connect(model=MODEL) as wire:
            connection = Connection(wire)
            turns = {"type": "server_vad", "silence_duration_ms": 400, "create_response": False}
            await connection.configure(turn_detection=turns, transcription={"model": "gpt-transcribe"})
            await connection.feed(recorded("speech.wav"), chunk_bytes)
            events = await connection.until(f"{READ}.completed") + await connection.until(f"{READ}.completed")
            starts = [event["audio_start_ms"] for event in of(events, "input_audio_buffer.speech_started")]
            stops = [event["audio_end_ms"] for event in of(events, "input_audio_buffer.speech_stopped")]
            assert committed_ms == pytest.approx(
                [stop - start for start, stop in zip(starts, stops, strict=True)], abs=20
            )
            assert min(committed_ms) > 1_500
            committed_ms.clear()


async def test_no_padding_is_taken_off_where_none_is_asked_for(connection: Connection) -> None:
    await connection.configure(turn_detection={"type": "server_vad", "prefix_padding_ms": 0, "create_response": False})
    await connection.feed(recorded("interruption-3.wav"))
    started = await connection.next("input_audio_buffer.speech_started")
    assert LABEL.onset_ms <= started["audio_start_ms"] <= LABEL.onset_ms + 64


async def test_a_cough_is_no_speech(connection: Connection) -> None:
    await connection.feed(recorded("cough-1.wav"))
    await connection.wire.input_audio_buffer.clear()
    assert order(await connection.until("input_audio_buffer.cleared")) == ["input_audio_buffer.cleared"]


async def test_what_the_user_said_is_told_beside_the_answer(connection: Connection, sim: RealtimeSimulator) -> None:
    sim.script.appendleft("Stop there, please.")
    sim.respond = lambda said, items: f"You said: {said}"
    await connection.configure(transcription={"model": "gpt-transcribe"})
    await connection.feed(recorded("interruption-3.wav"))
    events = await connection.until("rate_limits.updated")
    if not (read := of(events, f"{READ}.completed")):
        read = [await connection.next(f"{READ}.completed")]
    assert read[0]["item_id"] == events[0]["item_id"]
    assert read[0]["transcript"] == "Stop there, please."
    assert read[0]["usage"]["type"] == "duration"
    assert text(events) == "You said: Stop there, please."


async def test_a_streaming_model_sends_its_first_words_before_the_speech_ends(
    connection: Connection, sim: RealtimeSimulator
) -> None:
    sim.script.appendleft("Stop there, please.")
    await connection.configure(
        transcription={"model": "gpt-realtime-whisper"}, turn_detection={"type": "server_vad", "create_response": False}
    )
    data = recorded("interruption-3.wav")
    await connection.feed(data[: 48 * 1_100])
    started, partial = await connection.until(f"{READ}.delta")
    await connection.feed(data[48 * 1_100 :])
    rest = await connection.until(f"{READ}.completed")
    assert partial["item_id"] == started["item_id"] == rest[-1]["item_id"]
    assert rest[-1]["transcript"].startswith(partial["delta"])
    assert rest[0]["type"] == "input_audio_buffer.speech_stopped"


async def test_without_create_response_speech_gets_no_answer(connection: Connection) -> None:
    await connection.configure(turn_detection={"type": "server_vad", "create_response": False})
    await connection.feed(recorded("interruption-3.wav"))
    await connection.next("conversation.item.done")
    assert order(await connection.answer()) == SPOKEN_ANSWER  # the first, and the one that was asked for


async def test_without_turn_detection_the_client_commits_and_creates(connection: Connection) -> None:
    await connection.configure(turn_detection=None)
    await connection.feed(recorded("interruption-3.wav"))
    await connection.wire.input_audio_buffer.commit()
    assert order(await connection.until("conversation.item.done")) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert order(await connection.answer()) == SPOKEN_ANSWER
