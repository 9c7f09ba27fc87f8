"""Google: Gemini as an LLM, and Gemini Live, a model that hears and speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bargein.vendors.common.option import Option
from bargein.vendors.common.short_names import short_names
from bargein.vendors.common.vendor import AgentRecipe, ApiKey, Part, Vendor
from bargein.vendors.google.address import KEYS

if TYPE_CHECKING:
    from bargein.vendors.google.chat import GeminiChat as Chat
    from bargein.vendors.google.live.model import GeminiLive as Live

__all__ = ["VENDOR", "Chat", "Live"]

__getattr__ = short_names(
    __name__,
    {"Chat": "bargein.vendors.google.chat:GeminiChat", "Live": "bargein.vendors.google.live.model:GeminiLive"},
    extra="google",
)

_CHATS = ("gemini-3.8-flash", "gemini-2.5-flash", "gemini-2.5-flash-lite")
_LIVES = ("gemini-3.8-live", "gemini-3.1-flash-live-preview")
_VOICES = ("Kore", "Puck", "Charon", "Fenrir", "Aoede", "Leda", "Orus", "Zephyr")

VENDOR = Vendor(
    name="google",
    title="Google Gemini",
    key=ApiKey(KEYS),
    simulator="http://{server}",
    parts=(
        Part(
            kind="llm",
            name="gemini",
            title="Gemini",
            factory="bargein.vendors.google.chat:GeminiChat",
            packages=("google.genai",),
            requirement="bargein[google]",
            options=(Option("model", "Model", _CHATS[0], _CHATS),),
        ),
        Part(
            kind="realtime",
            name="gemini-live",
            title="Gemini Live",
            factory="bargein.vendors.google.live.model:GeminiLive",
            packages=("google.genai", "websockets"),
            requirement="bargein[google]",
            options=(
                Option("model", "Model", _LIVES[0], _LIVES),
                Option("voice", "Voice", _VOICES[0], _VOICES),
                Option("temperature", "Temperature", None, kind="number", least=0, most=2),
            ),
        ),
    ),
    agents=(AgentRecipe("gemini-live", {"realtime": "gemini-live"}),),
)
