"""The simulated Mistral: Mistral's own SDK talks to it, and it refuses what its vendor refuses."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from mistralai.client import Mistral
from mistralai.client.models import AudioFormat, TurnDetectionConfig
from mistralai.extra.exceptions import RealtimeTranscriptionException
from mistralai.extra.realtime.connection import UnknownRealtimeEvent
from websockets.asyncio.client import ClientConnection, connect

from bargein.audio.alaw import to_alaw
from bargein.audio.mulaw import to_mulaw
from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from bargein_simulators.mistral_realtime import CHECKED, MistralRealtimeSimulator, add_mistral_realtime, checked
from bargein_simulators.simulated_stt import Script
from tests.simulators.serving import serving
from tests.sounds import load

SOUND = np.concatenate([load("interruption-1.wav").samples, np.zeros(24_000, np.int16)])
AUDIO = base64.b64encode(SOUND.tobytes()).decode()
MISTRAL = "voxtral-mini-transcribe-realtime-3-0"


@asynccontextmanager
async def mistral(**settings: Any) -> AsyncIterator[tuple[str, MistralRealtimeSimulator]]:
    app = FastAPI()
    sim = MistralRealtimeSimulator(words=lambda: Script(["can you help me please"]), delay_ms=0, **settings)
    add_mistral_realtime(app, sim)
    async with serving(app, ws=True) as url:
        yield url, sim


async def ask(socket: ClientConnection, *messages: object) -> dict[str, Any]:
    """The first answer."""
    for message in messages:
        await socket.send(message if isinstance(message, str) else json.dumps(message))
    answer: dict[str, Any] = json.loads(await socket.recv())
    return answer


async def test_mistrals_own_client_understands_all_of_it() -> None:
    async with mistral(api_key="key") as (url, sim), asyncio.timeout(10):
        for audio_format, data in (
            (AudioFormat(encoding="pcm_s16le", sample_rate=16_000), SOUND.tobytes()),
            (AudioFormat(encoding="pcm_s16le", sample_rate=8_000), SOUND[::2].tobytes()),
            (AudioFormat(encoding="pcm_s16le", sample_rate=44_100), resample(Pcm(SOUND, 16_000), 44_100).to_bytes()),
            (AudioFormat(encoding="pcm_s16le", sample_rate=22_050), resample(Pcm(SOUND, 16_000), 22_050).to_bytes()),
            (AudioFormat(encoding="pcm_mulaw", sample_rate=8_000), to_mulaw(SOUND[::2])),
            (AudioFormat(encoding="pcm_alaw", sample_rate=8_000), to_alaw(SOUND[::2])),
            (AudioFormat(encoding="pcm_f32le", sample_rate=16_000), (SOUND / 32_768).astype("<f4").tobytes()),
            (AudioFormat(encoding="pcm_f16le", sample_rate=16_000), (SOUND / 32_768).astype("<f2").tobytes()),
            (AudioFormat(encoding="pcm_s32le", sample_rate=16_000), (SOUND.astype("<i4") << 16).tobytes()),
        ):
            events: list[Any] = []
            connection = await Mistral(api_key="key", server_url=url).audio.realtime.connect(
                MISTRAL, audio_format, turn_detection=TurnDetectionConfig(), context_bias=["Bargein"]
            )
            for at in range(0, len(data), 100_000):  # a message holds no more than 262,144 bytes
                await connection.send_audio(data[at : at + 100_000])
            await connection.end_audio()
            async for event in connection:
                events.append(event)
                if event.type == "transcription.done":
                    break
            await connection.close()
            assert sim.connections[-1].turns == ["can you help me please"]
            assert not [event for event in events if isinstance(event, UnknownRealtimeEvent)]
            kinds = [event.type for event in events if event.type != "transcription.text.delta"]
            turn = ["turn.start", "turn.eager_end", "turn.end"]
            assert kinds == ["session.created", "session.updated", *turn, "transcription.done"]
            deltas = [event.text for event in events if event.type == "transcription.text.delta"]
            assert "".join(deltas) == events[-1].text == "can you help me please"
            assert len(deltas) == 6, "a long word comes in two deltas"
        connection = await Mistral(api_key="key", server_url=url).audio.realtime.connect(MISTRAL)
        await connection.send_audio(SOUND.tobytes())
        await connection.end_audio()
        kinds = [event.type async for event in connection]
        assert set(kinds) == {"session.created", "transcription.text.delta", "transcription.done"}, "no turns unasked"
        with pytest.raises(RealtimeTranscriptionException, match="401"):
            await Mistral(api_key="other", server_url=url).audio.realtime.connect(MISTRAL)
        assert sim.connections[-1].ended == "refused"


async def test_a_flush_tells_what_came_since_the_last_one() -> None:
    async with mistral() as (url, _), asyncio.timeout(10):
        connection = await Mistral(api_key="key", server_url=url).audio.realtime.connect(MISTRAL)
        told: list[Any] = []
        events = aiter(connection)
        for _ in range(2):
            await connection.send_audio(SOUND.tobytes())
            await connection.flush_audio()
            while (event := await anext(events)).type != "transcription.done":
                pass
            told.append(event)
        await connection.end_audio()
        told.append([event async for event in events][-1])
    assert [done.text for done in told] == ["can you help me please", "can you help me please", ""]
    assert [[segment.text for segment in done.segments] for done in told] == [[told[0].text], [told[0].text], []]
    seconds = -(-len(SOUND) // 16_000)
    assert [done.usage.prompt_audio_seconds for done in told] == [seconds, seconds, 0]
    assert [done.usage.completion_tokens for done in told] == [5, 5, 0]
    assert told[1].segments[0].start > told[0].segments[0].end


async def test_mistral_ends_the_session_with_an_error() -> None:
    audio = {"type": "input_audio.append", "audio": base64.b64encode(bytes(3_200)).decode()}
    async with mistral() as (url, sim), asyncio.timeout(10):
        address = f"{url.replace('http', 'ws')}/v1/audio/transcriptions/realtime?model={MISTRAL}"
        for messages, code, message in (
            (["{"], 3000, "Invalid JSON"),
            ([{"type": "input_audio_buffer.append"}], 3000, "Unknown event"),
            ([{"type": "input_audio.append", "audio": "#"}], 3000, "base64"),
            ([{"type": "input_audio.append", "audio": "\u00e9"}], 3000, "base64"),
            ([{"type": "input_audio.append", "audio": "A" * 400_000}], 3000, "262144"),
            ([{"type": "session.update", "session": {"voice": "x"}}], 3051, "Invalid session"),
            ([{"type": "session.update", "session": {"context_bias": "x"}}], 3051, "Invalid session"),
            ([{"type": "session.update", "session": {"turn_detection": {"end_threshold": 0.6}}}], 3051, "demanded"),
            ([{"type": "session.update", "session": {"turn_detection": {}, "diarize": True}}], 3051, "not compatible"),
            ([audio, {"type": "session.update", "session": {"language": "fr"}}], 3051, "after audio has started"),
        ):
            async with connect(address, close_timeout=0.5) as socket:
                await socket.recv()
                answer = await ask(socket, *messages)
                assert (answer["type"], answer["error"]["code"]) == ("error", code)
                assert message in answer["error"]["message"]
                await socket.wait_closed()
                assert socket.close_code == 1011
            assert sim.connections[-1].ended == "error"
        sim.idle_s = 0.05
        async with connect(address, close_timeout=0.5) as socket:
            await socket.recv()
            assert json.loads(await socket.recv())["error"]["code"] == 3804, "it waits no longer for sound"


def test_what_the_sdk_does_not_know_never_leaves() -> None:
    assert CHECKED
    with pytest.raises(ValueError, match="none of Mistral's events"):
        checked({"type": "turn.start"})
