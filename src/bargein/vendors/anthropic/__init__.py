"""Anthropic: an LLM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bargein.vendors.common.option import Option
from bargein.vendors.common.short_names import short_names
from bargein.vendors.common.vendor import ApiKey, Part, Vendor

if TYPE_CHECKING:
    from bargein.vendors.anthropic.chat import AnthropicChat as Chat

__all__ = ["VENDOR", "Chat"]

__getattr__ = short_names(__name__, {"Chat": "bargein.vendors.anthropic.chat:AnthropicChat"}, extra="anthropic")

_MODELS = ("claude-haiku-4-5", "claude-sonnet-4-5", "claude-haiku-5-5", "claude-sonnet-5-5")

VENDOR = Vendor(
    name="anthropic",
    title="Anthropic",
    key=ApiKey(("ANTHROPIC_API_KEY",), for_server_of="ANTHROPIC_BASE_URL"),
    simulator="http://{server}",
    parts=(
        Part(
            kind="llm",
            name="anthropic",
            title="Anthropic",
            factory="bargein.vendors.anthropic.chat:AnthropicChat",
            packages=("anthropic",),
            requirement="bargein[anthropic]",
            options=(Option("model", "Model", _MODELS[0], _MODELS),),
            rank=5,
        ),
    ),
)
