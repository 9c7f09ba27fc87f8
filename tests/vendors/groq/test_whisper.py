"""What is Groq's own; the rest is in test_transcriptions.py."""

from __future__ import annotations

from groq.types.audio import Transcription

from bargein.protocols import BatchTranscript
from bargein.vendors.groq.whisper import GroqWhisper
from bargein_simulators.openai_transcriptions import Segment, TranscriptionsSimulator, plain, transcriptions_app
from tests.simulators.serving import serving
from tests.sounds import load

SPEECH = load("interruption-6.wav")


async def test_groqs_whisper_is_asked_how_sure_it_is() -> None:
    sim = TranscriptionsSimulator(models=("whisper-large-v3-turbo", "whisper-large-v3"))
    async with serving(transcriptions_app(sim)) as root:
        reader = GroqWhisper(base_url=f"{root}/v1", language="de", prompt="Bargein")
        assert await reader.read(SPEECH, deadline_ms=5_000) == BatchTranscript("Hello there, can you help me?")
        await reader.aclose()
    assert reader.name == "whisper-large-v3-turbo"
    assert sim.served[0].form == {
        "model": "whisper-large-v3-turbo",
        "response_format": "verbose_json",
        "language": "de",
        "prompt": "Bargein",
    }


def test_groq_itself_is_asked_unless_told_otherwise() -> None:
    reader = GroqWhisper(api_key="any")
    assert str(reader._server._client.base_url) == "https://api.groq.com/openai/v1/"


def test_the_simulator_answers_as_groqs_own_types_say() -> None:
    assert Transcription.model_validate(plain(SPEECH, [Segment("One.")])).text == "One."
