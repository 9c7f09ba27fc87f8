"""Groq: an LLM, Whisper (STT) and Orpheus (TTS)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bargein.vendors.common.option import Option
from bargein.vendors.common.short_names import short_names
from bargein.vendors.common.vendor import ApiKey, Part, Vendor, primary_language

if TYPE_CHECKING:
    from bargein.vendors.groq.chat import GroqChat as Chat
    from bargein.vendors.groq.speech import GroqSpeech as Speech
    from bargein.vendors.groq.whisper import GroqWhisper as Whisper

__all__ = ["VENDOR", "Chat", "Speech", "Whisper"]

__getattr__ = short_names(
    __name__,
    {
        "Chat": "bargein.vendors.groq.chat:GroqChat",
        "Speech": "bargein.vendors.groq.speech:GroqSpeech",
        "Whisper": "bargein.vendors.groq.whisper:GroqWhisper",
    },
    extra="groq",
)

_WHISPERS = ("whisper-large-v3-turbo", "whisper-large-v3")

VENDOR = Vendor(
    name="groq",
    title="Groq",
    key=ApiKey(("GROQ_API_KEY",)),
    simulator="http://{server}/v1",
    parts=(
        Part(
            kind="stt",
            name="groq-whisper",
            title="Groq Whisper",
            factory="bargein.vendors.groq.whisper:GroqWhisper",
            packages=("openai",),
            requirement="bargein[groq]",
            options=(Option("model", "Model", _WHISPERS[0], _WHISPERS), Option("language", "Language", visitors=True)),
            language=primary_language,
            rank=3,
        ),
        Part(
            kind="llm",
            name="groq",
            title="Groq",
            factory="bargein.vendors.groq.chat:GroqChat",
            packages=("openai",),
            requirement="bargein[groq]",
            options=(Option("model", "Model", "openai/gpt-oss-20b", ("openai/gpt-oss-20b", "openai/gpt-oss-120b")),),
            rank=1,
        ),
        Part(
            kind="tts",
            name="groq-speech",
            title="Groq speech",
            factory="bargein.vendors.groq.speech:GroqSpeech",
            packages=("openai",),
            requirement="bargein[groq]",
            options=(
                Option("voice", "Voice", "hannah", ("hannah", "autumn", "diana", "austin", "daniel", "troy")),
                Option("model", "Model", "canopylabs/orpheus-v1-english", ("canopylabs/orpheus-v1-english",)),
            ),
            languages=("en",),
            rank=5,
        ),
    ),
)
