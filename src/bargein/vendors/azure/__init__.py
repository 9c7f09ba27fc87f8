"""Azure OpenAI: a realtime model and an LLM, each a deployment of one's own resource."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bargein.vendors.common.option import Option
from bargein.vendors.common.short_names import short_names
from bargein.vendors.common.vendor import AgentRecipe, ApiKey, Part, Setting, Vendor

if TYPE_CHECKING:
    from bargein.vendors.azure.chat import AzureChat as Chat
    from bargein.vendors.azure.realtime import AzureRealtime as Realtime

__all__ = ["VENDOR", "Chat", "Realtime"]

__getattr__ = short_names(
    __name__,
    {
        "Chat": "bargein.vendors.azure.chat:AzureChat",
        "Realtime": "bargein.vendors.azure.realtime:AzureRealtime",
    },
    extra="azure",
)

_ENDPOINT = Setting("AZURE_OPENAI_ENDPOINT", "endpoint", required=True, instead=("BARGEIN_AZURE_URL",))

VENDOR = Vendor(
    name="azure",
    title="Azure OpenAI",
    key=ApiKey(("AZURE_OPENAI_API_KEY",)),
    simulator="http://{server}/openai/v1",
    parts=(
        Part(
            kind="llm",
            name="azure",
            title="Azure OpenAI",
            factory="bargein.vendors.azure.chat:AzureChat",
            packages=("openai",),
            requirement="bargein[azure]",
            options=(Option("deployment", "Deployment", "AZURE_OPENAI_DEPLOYMENT"),),
            settings=(_ENDPOINT, Setting("AZURE_OPENAI_DEPLOYMENT", "deployment")),
            rank=6,
        ),
        Part(
            kind="realtime",
            name="azure-realtime",
            title="Azure OpenAI Realtime",
            factory="bargein.vendors.azure.realtime:AzureRealtime",
            packages=("openai", "websockets"),
            requirement="bargein[azure]",
            options=(
                Option("deployment", "Deployment", "AZURE_OPENAI_REALTIME_DEPLOYMENT"),
                Option("voice", "Voice", "marin", ("marin", "cedar", "alloy", "ash", "coral", "sage", "verse")),
                Option(
                    "turn_detection",
                    "Who finds the turns",
                    "server_vad",
                    ("server_vad", "semantic_vad", "ours", "vendor"),
                ),
            ),
            settings=(_ENDPOINT, Setting("AZURE_OPENAI_REALTIME_DEPLOYMENT", "deployment")),
            rank=2,
        ),
    ),
    agents=(AgentRecipe("azure-realtime", {"realtime": "azure-realtime"}),),
)
