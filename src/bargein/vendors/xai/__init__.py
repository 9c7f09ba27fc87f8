"""xAI: Grok's voice, a realtime model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bargein.vendors.common.option import Option
from bargein.vendors.common.short_names import short_names
from bargein.vendors.common.vendor import AgentRecipe, ApiKey, Part, Vendor

if TYPE_CHECKING:
    from bargein.vendors.xai.realtime import XaiRealtime as Realtime

__all__ = ["VENDOR", "Realtime"]

__getattr__ = short_names(__name__, {"Realtime": "bargein.vendors.xai.realtime:XaiRealtime"}, extra="xai")

VENDOR = Vendor(
    name="xai",
    title="xAI",
    key=ApiKey(("XAI_API_KEY",)),
    simulator="http://{server}/xai/v1",
    parts=(
        Part(
            kind="realtime",
            name="xai-realtime",
            title="Grok voice",
            factory="bargein.vendors.xai.realtime:XaiRealtime",
            packages=("openai", "websockets"),
            requirement="bargein[xai]",
            options=(
                Option("model", "Model", "grok-voice-latest", ("grok-voice-latest",)),
                Option("voice", "Voice", "eve"),
            ),
            rank=4,
        ),
    ),
    agents=(AgentRecipe("xai-realtime", {"realtime": "xai-realtime"}),),
)
