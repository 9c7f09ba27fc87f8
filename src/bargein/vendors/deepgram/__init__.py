"""Deepgram: Flux and Nova (STT), Aura (TTS)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bargein.vendors.common.option import Option, Value
from bargein.vendors.common.short_names import short_names
from bargein.vendors.common.vendor import ApiKey, Part, Vendor, primary_language

if TYPE_CHECKING:
    from bargein.vendors.deepgram.aura import DeepgramAura as Aura
    from bargein.vendors.deepgram.flux import DeepgramFlux as Flux
    from bargein.vendors.deepgram.nova import DeepgramNova as Nova

__all__ = ["VENDOR", "Aura", "Flux", "Nova"]

__getattr__ = short_names(
    __name__,
    {
        "Flux": "bargein.vendors.deepgram.flux:DeepgramFlux",
        "Nova": "bargein.vendors.deepgram.nova:DeepgramNova",
        "Aura": "bargein.vendors.deepgram.aura:DeepgramAura",
    },
    extra="deepgram",
)


def flux_language(language: str) -> Mapping[str, Value]:
    """Flux's usual model knows English. The model for all languages takes the language as a hint."""
    given = dict(primary_language(language))
    return given if given["language"] == "en" else {**given, "model": "flux-general-multi"}


_LANGUAGE = Option("language", "Language", visitors=True)
_KEYTERMS = Option("keyterms", "Words to expect", kind="words")

VENDOR = Vendor(
    name="deepgram",
    title="Deepgram",
    key=ApiKey(("DEEPGRAM_API_KEY",)),
    simulator="ws://{server}",
    parts=(
        Part(
            kind="stt",
            name="deepgram-flux",
            title="Deepgram Flux",
            factory="bargein.vendors.deepgram.flux:DeepgramFlux",
            packages=("deepgram",),
            requirement="bargein[deepgram]",
            options=(
                Option("model", "Model", "flux-general-en", ("flux-general-en", "flux-general-multi")),
                _LANGUAGE,
                _KEYTERMS,
                Option("eot_threshold", "Sure enough to answer", 0.7, kind="number", least=0.5, most=1),
                Option("eager_eot_threshold", "Sure enough to prepare", 0.4, kind="number", least=0.3, most=0.9),
            ),
            language=flux_language,
            rank=1,
            streams=True,
        ),
        Part(
            kind="stt",
            name="deepgram-nova",
            title="Deepgram Nova",
            factory="bargein.vendors.deepgram.nova:DeepgramNova",
            packages=("deepgram",),
            requirement="bargein[deepgram]",
            options=(Option("model", "Model", "nova-3", ("nova-3", "nova-2")), _LANGUAGE, _KEYTERMS),
            language=primary_language,
            rank=2,
            streams=True,
        ),
        Part(
            kind="tts",
            name="aura",
            title="Deepgram Aura",
            factory="bargein.vendors.deepgram.aura:DeepgramAura",
            requirement="bargein",
            options=(
                Option(
                    "voice",
                    "Voice",
                    "aura-2-thalia-en",
                    ("aura-2-thalia-en", "aura-2-apollo-en", "aura-2-helena-en"),
                    visitors=True,
                ),
            ),
            rank=3,
        ),
    ),
)
