"""OpenAI: an LLM, Whisper (STT), speech (TTS) and Realtime; and any server with OpenAI's chat completions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bargein.vendors.common.option import Option
from bargein.vendors.common.short_names import short_names
from bargein.vendors.common.vendor import AgentRecipe, ApiKey, Part, Setting, Vendor, primary_language
from bargein.vendors.openai.address import KEY, OTHER_SERVER

if TYPE_CHECKING:
    from bargein.vendors.openai.chat import OpenAIChat as Chat
    from bargein.vendors.openai.chat import OpenAICompatibleChat as CompatibleChat
    from bargein.vendors.openai.realtime import OpenAIRealtime as Realtime
    from bargein.vendors.openai.speech import OpenAISpeech as Speech
    from bargein.vendors.openai.whisper import OpenAIWhisper as Whisper

__all__ = ["VENDOR", "Chat", "CompatibleChat", "Realtime", "Speech", "Whisper"]

__getattr__ = short_names(
    __name__,
    {
        "Chat": "bargein.vendors.openai.chat:OpenAIChat",
        "CompatibleChat": "bargein.vendors.openai.chat:OpenAICompatibleChat",
        "Realtime": "bargein.vendors.openai.realtime:OpenAIRealtime",
        "Speech": "bargein.vendors.openai.speech:OpenAISpeech",
        "Whisper": "bargein.vendors.openai.whisper:OpenAIWhisper",
    },
    extra="openai",
)

_CHATS = ("gpt-4.1-mini", "gpt-4.1", "gpt-4o-mini")
_WHISPERS = ("whisper-1", "gpt-4o-mini-transcribe", "gpt-4o-transcribe")
_WRITER = "gpt-realtime-whisper"
_VOICES = ("alloy", "ash", "coral", "nova", "sage", "verse")

VENDOR = Vendor(
    name="openai",
    title="OpenAI",
    key=ApiKey((KEY,), for_server_of=OTHER_SERVER),
    simulator="http://{server}/v1",
    parts=(
        Part(
            kind="stt",
            name="openai-whisper",
            title="OpenAI Whisper",
            factory="bargein.vendors.openai.whisper:OpenAIWhisper",
            packages=("openai",),
            requirement="bargein[openai]",
            options=(Option("model", "Model", _WHISPERS[0], _WHISPERS), Option("language", "Language", visitors=True)),
            language=primary_language,
            rank=4,
        ),
        Part(
            kind="llm",
            name="openai",
            title="OpenAI",
            factory="bargein.vendors.openai.chat:OpenAIChat",
            packages=("openai",),
            requirement="bargein[openai]",
            options=(Option("model", "Model", _CHATS[0], _CHATS),),
            rank=2,
        ),
        Part(
            kind="llm",
            name="openai-compatible",
            title="OpenAI-compatible server",
            factory="bargein.vendors.openai.chat:OpenAICompatibleChat",
            packages=("openai",),
            requirement="bargein[openai]",
            options=(Option("model", "Model", "OPENAI_MODEL, or its first"),),
            settings=(
                Setting(OTHER_SERVER, "base_url", required=True, instead=(KEY, "OPENAI_MODEL")),
                Setting("OPENAI_MODEL", "model"),
                Setting(KEY, "api_key", secret=True),
            ),
            takes_key=False,
            own_server=True,
            rank=3,
        ),
        Part(
            kind="tts",
            name="openai-speech",
            title="OpenAI speech",
            factory="bargein.vendors.openai.speech:OpenAISpeech",
            packages=("openai",),
            requirement="bargein[openai]",
            options=(
                Option("voice", "Voice", "alloy", _VOICES),
                Option("model", "Model", "gpt-4o-mini-tts", ("gpt-4o-mini-tts", "tts-1")),
            ),
            rank=4,
        ),
        Part(
            kind="realtime",
            name="openai-realtime",
            title="OpenAI Realtime",
            factory="bargein.vendors.openai.realtime:OpenAIRealtime",
            packages=("openai", "websockets"),
            requirement="bargein[openai]",
            options=(
                Option("model", "Model", "gpt-realtime-2.1", ("gpt-realtime-2.1", "gpt-realtime-2.1-mini")),
                Option("voice", "Voice", "marin", ("marin", "cedar", "alloy", "ash", "coral", "sage", "verse")),
                Option(
                    "turn_detection",
                    "Who finds the turns",
                    "server_vad",
                    ("server_vad", "semantic_vad", "ours", "vendor"),
                ),
                Option("transcription_model", "Which model writes down the user's words", _WRITER, (_WRITER,)),
                Option("effort", "How much it thinks", None, ("minimal", "low", "medium", "high")),
            ),
            rank=1,
        ),
    ),
    agents=(AgentRecipe("openai-realtime", {"realtime": "openai-realtime"}),),
)
