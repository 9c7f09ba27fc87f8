"""AssemblyAI: streaming STT with turns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bargein.vendors.common.option import Option, Value
from bargein.vendors.common.short_names import short_names
from bargein.vendors.common.vendor import ApiKey, Part, Vendor

if TYPE_CHECKING:
    from bargein.vendors.assemblyai.universal import AssemblyUniversal as Universal

__all__ = ["VENDOR", "Universal"]

__getattr__ = short_names(
    __name__, {"Universal": "bargein.vendors.assemblyai.universal:AssemblyUniversal"}, extra="assemblyai"
)

ENGLISH, MULTILINGUAL = "universal-streaming-english", "universal-streaming-multilingual"


def model_for(language: str) -> Mapping[str, Value]:
    """The English model is the better one for English; the other knows the rest."""
    return {"model": ENGLISH if language.partition("-")[0].lower() == "en" else MULTILINGUAL}


VENDOR = Vendor(
    name="assemblyai",
    title="AssemblyAI",
    key=ApiKey(("ASSEMBLYAI_API_KEY",)),
    simulator="ws://{server}/assemblyai",
    parts=(
        Part(
            kind="stt",
            name="assemblyai",
            title="AssemblyAI Universal-Streaming",
            factory="bargein.vendors.assemblyai.universal:AssemblyUniversal",
            packages=("assemblyai", "websockets"),
            requirement="bargein[assemblyai]",
            options=(
                Option("model", "Model", ENGLISH, (ENGLISH, MULTILINGUAL)),
                Option("keyterms", "Words to expect", kind="words"),
                Option("end_of_turn_confidence", "Sure enough to answer", 0.4, kind="number", least=0, most=1),
            ),
            languages=("en", "es", "fr", "de", "it", "pt"),
            language=model_for,
            streams=True,
        ),
    ),
)
