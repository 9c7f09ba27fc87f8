"""The formats in which the simulated voices send their audio: as asked for, or refused as the vendor refuses."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import openai
import pytest
from elevenlabs.client import ElevenLabs
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bargein_simulators.deepgram_speak import SpeakSimulator, speak_app
from bargein_simulators.elevenlabs import ElevenLabsSimulator, elevenlabs_app
from bargein_simulators.mistral_speech import MistralSpeechSimulator, mistral_speech_app
from bargein_simulators.openai_speech import SpeechSimulator, speech_app
from tests.simulators.serving import serving
from tests.simulators.tts_kit import TEXT, connected, decoded, file_ms, sounds_like

Json = dict[str, Any]


# ----------------------------------------------------------------------------------------------------------- ElevenLabs


def eleven_path(**query: object) -> str:
    more = "&".join(f"{name}={value}" for name, value in query.items())
    return f"/v1/text-to-speech/voice/multi-stream-input?{more}"


async def eleven_audio(socket: ClientConnection) -> bytes:
    audio = b""
    while not (event := json.loads(await socket.recv())).get("isFinal"):
        audio += base64.b64decode(event["audio"])
    return audio


@pytest.mark.parametrize(
    ("name", "ours", "rate"),
    [("ulaw_8000", "mulaw", 8_000), ("alaw_8000", "alaw", 8_000), ("pcm_16000", "s16le", 16_000)],
)
async def test_elevenlabs_gives_raw_formats(name: str, ours: str, rate: int) -> None:
    sim = ElevenLabsSimulator()
    async with connected(elevenlabs_app(sim), eleven_path(output_format=name)) as socket:
        await socket.send(json.dumps({"text": TEXT, "context_id": "c", "flush": True}))
        await socket.send(json.dumps({"context_id": "c", "close_context": True}))
        sounds_like(decoded(await eleven_audio(socket), ours), sim.spoke[0].sent_ms, rate)
    await sim.speech.aclose()


@pytest.mark.parametrize(
    ("query", "magic"),
    [({}, b"\xff\xfb"), ({"output_format": "mp3_22050_32"}, b"\xff\xf3"), ({"output_format": "opus_48000_64"}, b"Ogg")],
)
async def test_elevenlabs_gives_compressed_formats_mp3_where_none_is_named(query: Json, magic: bytes) -> None:
    sim = ElevenLabsSimulator()
    async with connected(elevenlabs_app(sim), eleven_path(**query)) as socket:
        await socket.send(json.dumps({"text": TEXT, "context_id": "c", "flush": True}))
        await socket.send(json.dumps({"context_id": "c", "close_context": True}))
        audio = await eleven_audio(socket)
    assert audio.startswith(magic)
    assert file_ms(audio) == pytest.approx(sim.spoke[0].sent_ms, abs=100)
    await sim.speech.aclose()


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"output_format": "wav_44100"}, "invalid_output_format"),
        ({"output_format": "pcm"}, "invalid_output_format"),
        ({"output_format": "pcm_24000", "inactivity_timeout": 500}, "invalid_request"),
        ({"output_format": "pcm_24000", "auto_mode": "perhaps"}, "invalid_request"),
    ],
)
async def test_elevenlabs_says_what_it_refuses_and_closes(query: Json, error: str) -> None:
    async with connected(elevenlabs_app(), eleven_path(**query)) as socket:
        assert json.loads(await socket.recv())["error"] == error
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, error)


async def test_without_an_encoder_a_compressed_format_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bargein_simulators.audio_formats.av", None)
    async with connected(elevenlabs_app(), eleven_path()) as socket:
        assert "install bargein[webrtc]" in json.loads(await socket.recv())["message"]
    async with serving(speech_app()) as url, openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client:
        with pytest.raises(openai.BadRequestError, match=r"install bargein\[webrtc\]"):
            await client.audio.speech.create(model="tts", voice="alloy", input=TEXT)


async def test_elevenlabs_auto_mode_speaks_without_a_flush_and_otherwise_the_schedule_holds() -> None:
    sim = ElevenLabsSimulator()
    async with connected(elevenlabs_app(sim), eleven_path(output_format="pcm_16000", auto_mode="true")) as socket:
        await socket.send(json.dumps({"text": "Hello there. ", "context_id": "c"}))
        assert json.loads(await socket.recv())["audio"]
    async with connected(elevenlabs_app(sim), eleven_path(output_format="pcm_16000")) as socket:
        first = {"text": " ", "context_id": "c", "generation_config": {"chunk_length_schedule": [50]}}
        await socket.send(json.dumps(first))
        await socket.send(json.dumps({"text": "Too short. ", "context_id": "c"}))
        await socket.send(json.dumps({"text": "With this text there are now more than fifty. ", "context_id": "c"}))
        assert "".join(json.loads(await socket.recv())["alignment"]["chars"]).startswith("T")
    assert sim.spoke[1].text == "Too short. With this text there are now more than fifty. "
    await sim.speech.aclose()


async def test_elevenlabs_an_empty_text_keeps_a_context_alive_and_opens_none() -> None:
    sim = ElevenLabsSimulator()
    async with connected(elevenlabs_app(sim), eleven_path(output_format="pcm_16000")) as socket:
        for _ in range(7):  # more than the contexts that there may be
            await socket.send(json.dumps({"text": "", "context_id": f"keep-{_}"}))
        await socket.send(json.dumps({"text": TEXT, "context_id": "c", "flush": True}))
        await socket.send(json.dumps({"context_id": "c", "close_context": True}))
        assert await eleven_audio(socket)
    assert [spoke.text for spoke in sim.spoke] == [TEXT]
    await sim.speech.aclose()


@pytest.mark.filterwarnings("ignore:ConnectionClosed.code:DeprecationWarning")  # the client's own
async def test_elevenlabs_own_client_streams_one_text_and_the_socket_ends_with_it() -> None:
    sim = ElevenLabsSimulator()
    async with serving(elevenlabs_app(sim), ws=True) as url:
        client = ElevenLabs(api_key="k").text_to_speech
        client._ws_base_url = url.replace("http", "ws")  # the client has no setting for it
        texts = ["Hello there. ", "This is a sentence that is longer than fifty characters."]
        made = await asyncio.to_thread(lambda: list(client.convert_realtime("voice", text=iter(texts))))
    [spoke] = sim.spoke
    assert spoke.text.split() == "".join(texts).split()
    assert file_ms(b"".join(made)) == pytest.approx(spoke.sent_ms, abs=100)
    await sim.speech.aclose()


# ----------------------------------------------------------------------------------------------------------------- Aura


@pytest.mark.parametrize(
    ("query", "ours", "rate"),
    [
        ("", "s16le", 24_000),
        ("encoding=linear16&sample_rate=16000", "s16le", 16_000),
        ("encoding=mulaw", "mulaw", 8_000),
        ("encoding=mulaw&sample_rate=16000", "mulaw", 16_000),
        ("encoding=alaw", "alaw", 8_000),
    ],
)
async def test_aura_gives_the_encoding_that_is_asked_for(query: str, ours: str, rate: int) -> None:
    sim = SpeakSimulator()
    async with connected(speak_app(sim), f"/v1/speak?model=aura-2-thalia-en&{query}") as socket:
        await socket.send(json.dumps({"type": "Speak", "text": TEXT}))
        await socket.send(json.dumps({"type": "Flush"}))
        audio = b""
        while True:
            message = await socket.recv()
            if isinstance(message, bytes):
                audio += message
            elif json.loads(message)["type"] == "Flushed":
                break
    sounds_like(decoded(audio, ours), sim.spoke[0].sent_ms, rate)
    await sim.speech.aclose()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("encoding=mp3", "UNSUPPORTED_AUDIO_FORMAT"),
        ("encoding=mulaw&sample_rate=24000", "UNSUPPORTED_AUDIO_FORMAT"),
        ("encoding=linear16&sample_rate=11025", "UNSUPPORTED_AUDIO_FORMAT"),
        ("encoding=linear16&container=wav", "UNSUPPORTED_AUDIO_FORMAT"),
        ("speed=9", "INVALID_QUERY_PARAMETER"),
        ("sample_rate=fast", "INVALID_QUERY_PARAMETER"),
    ],
)
async def test_aura_refuses_combinations_that_the_vendor_refuses(query: str, code: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connected(speak_app(), f"/v1/speak?model=aura-2-thalia-en&{query}"):
            pass
    assert refused.value.response.status_code == 400
    assert json.loads(refused.value.response.body or b"")["err_code"] == code


# ----------------------------------------------------------------------------------------------- OpenAI, Groq, Mistral


@pytest.mark.parametrize("kind", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
async def test_openai_speech_gives_every_format(kind: Any) -> None:
    sim = SpeechSimulator()
    async with serving(speech_app(sim)) as url, openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client:
        answer = await client.audio.speech.create(model="tts", voice="alloy", input=TEXT, response_format=kind)
    length_ms = len(answer.content) / 48 if kind == "pcm" else file_ms(answer.content)
    assert length_ms == pytest.approx(sim.spoke[0].sent_ms, abs=100)
    await sim.speech.aclose()


async def test_openai_speech_is_mp3_where_no_format_is_named_and_faster_where_that_is_asked_for() -> None:
    sim = SpeechSimulator()
    async with serving(speech_app(sim)) as url, openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client:
        answer = await client.audio.speech.create(model="tts", voice="alloy", input=TEXT)
        assert answer.response.headers["content-type"] == "audio/mpeg"
        await client.audio.speech.create(model="tts", voice="alloy", input=TEXT, speed=2.0)
        [normal, fast] = [spoke.sent_ms for spoke in sim.spoke]
        assert fast == pytest.approx(normal / 2, rel=0.01)
        async with client.audio.speech.with_streaming_response.create(
            model="tts", voice="alloy", input=TEXT, response_format="pcm", stream_format="sse"
        ) as events:
            data = [json.loads(line.removeprefix("data: ")) async for line in events.iter_lines() if line]
    assert {event["type"] for event in data[:-1]} == {"speech.audio.delta"}
    assert data[-1]["type"] == "speech.audio.done"
    assert data[-1]["usage"]["output_tokens"] > 0
    await sim.speech.aclose()


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"response_format": "ogg"}, "invalid_value", "response_format"),
        ({"input": "x" * 4_097}, "string_above_max_length", "input"),
        ({"voice": None}, "missing_required_parameter", "voice"),
        ({"speed": 5}, "invalid_value", "speed"),
        ({"model": "canopylabs/orpheus-v1-english", "response_format": "mp3"}, None, None),
    ],
)
async def test_openai_speech_refuses_with_the_vendors_error(body: Json, code: str | None, param: str | None) -> None:
    async with serving(speech_app()) as url, openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client:
        asked = {"model": "tts", "voice": "alloy", "input": TEXT, **body}
        with pytest.raises(openai.BadRequestError) as refused:
            await client.post(
                "/audio/speech", body={k: v for k, v in asked.items() if v is not None}, cast_to=openai.types.Model
            )
    assert (refused.value.type, refused.value.code, refused.value.param) == ("invalid_request_error", code, param)


@pytest.mark.parametrize("kind", ["mp3", "wav", "flac", "opus"])
async def test_mistral_speech_gives_files(kind: str) -> None:
    sim = MistralSpeechSimulator()
    async with connected(mistral_speech_app(sim), "/v1/audio/speech/realtime") as socket:
        await socket.send(json.dumps({"type": "session.update", "session": {"response_format": kind}}))
        await socket.send(json.dumps({"type": "input_text.append", "text": TEXT}))
        await socket.send(json.dumps({"type": "input_text.flush"}))
        audio = b""
        while (event := json.loads(await socket.recv()))["type"] != "speech.audio.done":
            audio += base64.b64decode(event.get("audio_data", ""))
        assert event["usage"]["completion_tokens"] > 0
        await socket.send(json.dumps({"type": "session.update", "session": {"response_format": "aac"}}))
        assert json.loads(await socket.recv())["type"] == "error"
    assert file_ms(audio) == pytest.approx(sim.spoke[0].sent_ms, abs=100)
    await sim.speech.aclose()
