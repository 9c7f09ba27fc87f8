"""What this machine offers: its parts, their options and their extras."""

from __future__ import annotations

from collections.abc import Mapping

from bargein.vendors.common import voxtral_agent
from bargein.vendors.common.option import Option, Value
from bargein.vendors.common.vendor import AgentRecipe, Part, Setting, Vendor


def espeak_language(language: str) -> Mapping[str, Value]:
    """Espeak knows regions ("en-gb"). Its own default serves for English without one."""
    return {} if language == "en" else {"language": language.lower()}


VENDOR = Vendor(
    name="local",
    title="This machine",
    parts=(
        Part(
            kind="stt",
            name="moonshine",
            title="Moonshine, on this machine",
            factory="bargein.vendors.local.moonshine:MoonshineSTT",
            worker="bargein.vendors.local.moonshine:worker",
            packages=("moonshine_voice",),
            requirement="bargein[moonshine]",
            languages=("en",),
            local=True,
            fallback=True,
            rank=5,
        ),
        Part(
            kind="llm",
            name="ollama",
            title="Ollama, on this machine",
            factory="bargein.vendors.local.ollama:OllamaChat",
            packages=("openai",),
            requirement="bargein[ollama]",
            options=(Option("model", "Model", "its first"),),
            settings=(Setting("BARGEIN_OLLAMA_URL", "base_url"),),
            local=True,
            own_server=True,
            rank=4,
        ),
        Part(
            kind="llm",
            name="voxtral-local",
            title="Voxtral, on this machine",
            factory="bargein.vendors.local.voxtral:VoxtralLocal",
            packages=("torch", "transformers", "mistral_common", "soundfile"),
            requirement="bargein[voxtral-local]",
            options=(Option("model", "Folder or name", "BARGEIN_VOXTRAL_MODEL"),),
            settings=(Setting("BARGEIN_VOXTRAL_MODEL", "model", required=True),),
            local=True,
        ),
        Part(
            kind="tts",
            name="espeak",
            title="espeak-ng, on this machine",
            factory="bargein.vendors.local.espeak:EspeakTTS",
            worker="bargein.vendors.local.espeak:worker",
            packages=("espeakng_loader",),
            requirement="bargein[espeak]",
            options=(
                Option("language", "Language", "en-us", ("en-us", "en-gb", "de", "es", "fr", "it")),
                Option("variant", "Timbre", "+f3", ("+f3", "+f2", "+m1", "+m3")),
                Option("words_per_minute", "Words a minute", 165, kind="number", least=80, most=450),
            ),
            language=espeak_language,
            local=True,
            fallback=True,
            rank=6,
        ),
    ),
    agents=(AgentRecipe(voxtral_agent.NAME, {"llm": "voxtral-local"}, greeting=voxtral_agent.GREETING, rank=3),),
)
