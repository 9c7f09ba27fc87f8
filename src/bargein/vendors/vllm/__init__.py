"""A vLLM server of the user's own: Voxtral as an LLM that hears, and as streaming STT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bargein.vendors.common import voxtral_agent
from bargein.vendors.common.option import Option
from bargein.vendors.common.short_names import short_names
from bargein.vendors.common.vendor import AgentRecipe, Part, Setting, Vendor

if TYPE_CHECKING:
    from bargein.vendors.vllm.chat import VLLMVoxtralChat as Voxtral
    from bargein.vendors.vllm.realtime import VLLMVoxtralRealtime as VoxtralRealtime

__all__ = ["VENDOR", "Voxtral", "VoxtralRealtime"]

__getattr__ = short_names(
    __name__,
    {
        "Voxtral": "bargein.vendors.vllm.chat:VLLMVoxtralChat",
        "VoxtralRealtime": "bargein.vendors.vllm.realtime:VLLMVoxtralRealtime",
    },
    extra="vllm",
)

# vLLM serves one model: each part has an address of its own.
VENDOR = Vendor(
    name="vllm",
    title="vLLM",
    parts=(
        Part(
            kind="stt",
            name="voxtral-vllm",
            title="Voxtral realtime, on a vLLM server",
            factory="bargein.vendors.vllm.realtime:VLLMVoxtralRealtime",
            requirement="bargein",
            options=(Option("model", "Model", "mistralai/Voxtral-Mini-4B-Realtime-2602"),),
            settings=(Setting("BARGEIN_VLLM_REALTIME_URL", "base_url", required=True),),
            streams=True,
        ),
        Part(
            kind="llm",
            name="voxtral-vllm",
            title="Voxtral, on a vLLM server",
            factory="bargein.vendors.vllm.chat:VLLMVoxtralChat",
            packages=("openai",),
            requirement="bargein[vllm]",
            options=(Option("model", "Model", "mistralai/Voxtral-Mini-3B-2507"),),
            settings=(Setting("BARGEIN_VLLM_URL", "base_url", required=True),),
        ),
    ),
    agents=(
        AgentRecipe(
            voxtral_agent.NAME,
            {"llm": "voxtral-vllm"},
            where_set={"stt": "voxtral-vllm"},
            greeting=voxtral_agent.GREETING,
            rank=2,
        ),
    ),
)
