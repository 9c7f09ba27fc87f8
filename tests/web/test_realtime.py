"""OpenAI Realtime in a real Chromium with a spoken microphone: through our server, or by WebRTC."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path

import pytest
from fastapi import FastAPI

from bargein.agent import Agent, Greeting
from bargein.recorder.reading import Noted, read
from bargein.server.settings import Settings
from bargein.vendors.openai.realtime import OpenAIRealtime
from bargein_simulators.openai_realtime import RealtimeSimulator, add_realtime
from benchmarks.chromium import PageRecording, page, recording
from tests.server.kit import ToneVoice, world
from tests.simulators.serving import serving
from tests.sounds import load
from tests.web.test_page import microphone

GREETING = (
    "Hello, and welcome to the harbour hotel. There is a lot to tell about our rooms, our breakfast and the sea, "
    "and about the gulls above the harbour."
)
AUDIBLE = 0.01
HELD_MS = 50.0  # after which a hold is heard: a block of the recording, and the quantum that fades
TURN_MS = 500.0  # the interruption goes on for longer than that after the cut, and so must the silence


def assert_silent(heard: PageRecording) -> None:
    """From the hold before the one cut on, and until the interruption is over, nothing sounds."""
    (flush,) = [at for at, kind in heard.events if kind == "flush"]
    holds = [at for at, kind in heard.events if kind in ("hold", "localHold") and at <= flush]
    sounds = [at for at, peak in heard.output if peak > AUDIBLE]
    assert [at for at in sounds if at < holds[-1]], "it spoke"
    assert [at for at in sounds if holds[-1] + HELD_MS < at < flush + TURN_MS] == []
    assert [at for at in sounds if at > flush + TURN_MS], "and answers"


def kind_of(message: str | bytes) -> bytes:
    """The kind of a binary frame; nothing of a text."""
    return b"" if isinstance(message, str) else message[:1]


@pytest.mark.parametrize("direct", [False, True])
async def test_it_stops_at_once_drops_what_was_queued_and_answers_the_newest_words(
    tmp_path: Path, direct: bool
) -> None:
    long = "La " * 40
    sim = RealtimeSimulator(script=deque(["tell me of the sea"]), respond=lambda said, _: f"You said {said}. {long}")
    app = FastAPI()
    add_realtime(app, sim)
    speech, cough = load("interruption-1.wav").samples[320 * 16 :], load("cough-2.wav").samples
    wav = microphone(tmp_path, (2_800, speech), (6_600, cough))
    records = tmp_path / "records"
    records.mkdir()
    async with serving(app, ws=True) as url:
        model = OpenAIRealtime(api_key="sk-never-seen", base_url=f"{url}/v1")
        agent = Agent(name="rt", realtime=model, fallback_tts=ToneVoice(), greeting=Greeting(GREETING))
        async with world(Settings(record=records, port=0), agent, alone=False) as here, page(wav) as shown:
            seen: list[str] = []
            shown.on("response", lambda r: seen.append(str(r.headers)))
            frames: set[int] = set()
            shown.on("websocket", lambda socket: socket.on("framesent", lambda data: frames.update(kind_of(data))))
            await shown.goto(f"{here.url}/?record=1{'&direct=1' if direct else ''}")
            await shown.click("#main")
            await shown.wait_for_function("() => bargein.call.reports.some(r => r.type === 'flushed')", timeout=20_000)
            await shown.wait_for_function("() => bargein.call.reports.some(r => r.reply_id === 2)", timeout=20_000)
            await shown.wait_for_function(
                "() => bargein.call.messages.some(m => m.type === 'resume' && m.reply_id === 2)",
                timeout=20_000,
            )
            heard = await recording(shown)
            events = await shown.evaluate("bargein.call.events.map(e => e.type)")
            await shown.click("#hangup")
            await shown.wait_for_function("() => bargein.state === 'off'")
            async with asyncio.timeout(5):
                await sim.sessions[-1].over.wait()  # the call with the model ends with ours
        await model.aclose()
    await sim.speech.aclose()

    # Plain frames, and frames with what the loudspeaker plays: by WebRTC, too, the server knows its own sound.
    assert frames == {1, 3}
    # It stops at once, and nothing of the greeting sounds after the cut.
    assert_silent(heard)
    answer = next(m for m in heard.messages if m["type"] == "reply" and m["reply_id"] == 2)
    assert answer["kind"] == "reply"
    # The answer is about the newest words.
    session = sim.sessions[-1]
    truncated = next(item for item in session.items.values() if item.truncated_ms is not None)
    (record,) = records.iterdir()
    notes = [e for e in read(record).entries if isinstance(e, Noted)]
    cut = [n.facts for n in notes if n.kind == "heard" and n.facts["reply"] == 1][-1]
    flushed = next(r for r in heard.reports if r["type"] == "flushed")
    played_ms = float(str(flushed["played"])) / 24
    assert truncated.truncated_ms == pytest.approx(played_ms, abs=60)
    assert abs(len(truncated.heard().split()) - len(str(cut["text"]).split())) <= 2
    assert any(item.spoken.startswith("You said tell me of the sea") for item in session.items.values())
    assert any(n.kind == "user" and n.facts["text"] == "tell me of the sea" for n in notes)
    # The cough costs nothing: it was held and went on, and the model never hears of it.
    assert [m["reply_id"] for m in heard.messages if m["type"] == "audio_interrupted"] == [1]
    assert "sk-never-seen" not in "".join(seen)
    if direct:
        assert "output_audio_buffer.cleared" in events
        assert "response.output_audio.delta" not in events
