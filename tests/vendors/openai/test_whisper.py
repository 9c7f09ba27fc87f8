"""What is OpenAI's own; the rest is in test_transcriptions.py."""

from __future__ import annotations

from collections.abc import AsyncIterator

import openai
import pytest
from openai.types.audio import Transcription, TranscriptionVerbose

from bargein.audio.pcm import Pcm
from bargein.errors import VendorRefused
from bargein.protocols import BatchTranscript
from bargein.vendors.openai.whisper import OpenAIWhisper
from bargein_simulators.openai_transcriptions import (
    Segment,
    TranscriptionsSimulator,
    plain,
    transcriptions_app,
    verbose,
)
from tests.simulators.serving import serving
from tests.sounds import load

SPEECH = load("interruption-6.wav")
TWO = [Segment("One."), Segment("Two.", 0.4, -0.7)]


@pytest.fixture
def sim() -> TranscriptionsSimulator:
    return TranscriptionsSimulator()


@pytest.fixture
async def url(sim: TranscriptionsSimulator) -> AsyncIterator[str]:
    async with serving(transcriptions_app(sim)) as root:
        yield f"{root}/v1"


async def test_whisper_is_asked_how_sure_it_is(url: str, sim: TranscriptionsSimulator) -> None:
    reader = OpenAIWhisper(base_url=url, language="en-US", prompt="Bargein, Flux")
    await reader.read(SPEECH, deadline_ms=5_000)
    assert reader.name == "whisper-1"
    assert sim.served[0].form == {
        "model": "whisper-1",
        "response_format": "verbose_json",
        "language": "en",
        "prompt": "Bargein, Flux",
    }
    await reader.aclose()


async def test_a_model_that_cannot_tell_is_only_asked_for_its_words(url: str, sim: TranscriptionsSimulator) -> None:
    sim.texts.clear()
    sim.texts.append([Segment("Thank you.", no_speech_prob=0.9)])
    reader = OpenAIWhisper(base_url=url, model="gpt-4o-mini-transcribe")
    assert await reader.read(SPEECH, deadline_ms=5_000) == BatchTranscript("Thank you.")
    assert sim.served[0].form == {"model": "gpt-4o-mini-transcribe", "response_format": "json"}
    await reader.aclose()


async def test_a_language_that_is_none_is_refused(url: str) -> None:
    reader = OpenAIWhisper(base_url=url, language="english")
    with pytest.raises(VendorRefused, match="400") as refused:
        await reader.read(SPEECH, deadline_ms=5_000)
    assert "language" in refused.value.advice
    await reader.aclose()


def test_the_simulator_answers_as_openais_own_types_say() -> None:
    json = Transcription.model_validate(plain(SPEECH, TWO))
    assert json.text == "One. Two."
    said = TranscriptionVerbose.model_validate(verbose(SPEECH, TWO))
    assert said.text == "One. Two."
    assert [(s.text, s.no_speech_prob, s.avg_logprob) for s in said.segments or []] == [
        (" One.", 0.02, -0.2),
        (" Two.", 0.4, -0.7),
    ]
    assert said.segments is not None
    assert said.segments[-1].end == said.duration == round(SPEECH.ms / 1000, 2)


async def test_the_simulator_refuses_what_openai_refuses(url: str) -> None:
    async with openai.AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as client:
        create = client.audio.transcriptions.create
        with pytest.raises(openai.BadRequestError) as verbose_refused:
            await create(model="gpt-4o-transcribe", file=("a.wav", b""), response_format="verbose_json")
        assert verbose_refused.value.code == "unsupported_value"
        with pytest.raises(openai.BadRequestError, match="Invalid file format"):
            await create(model="whisper-1", file=("a.wav", b"no sound"))
        short = Pcm.silence(1, 16_000)
        with pytest.raises(openai.BadRequestError) as short_refused:
            await create(model="whisper-1", file=("a.wav", wav_of(short)))
        assert short_refused.value.code == "audio_too_short"
        text = await create(model="whisper-1", file=("a.wav", wav_of(SPEECH)), response_format="text")
        assert text == "Hello there, can you help me?\n"


def wav_of(pcm: Pcm) -> bytes:
    """By hand, so that the simulator is not tested with what the adapter makes."""
    data = pcm.to_bytes()
    head = b"RIFF" + (36 + len(data)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    shape = (1).to_bytes(2, "little") * 2 + pcm.rate.to_bytes(4, "little") + (2 * pcm.rate).to_bytes(4, "little")
    tail = (2).to_bytes(2, "little") + (16).to_bytes(2, "little") + b"data" + len(data).to_bytes(4, "little")
    return head + shape + tail + data
