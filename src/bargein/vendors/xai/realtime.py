"""Grok's voice over xAI's realtime API."""

from __future__ import annotations

import contextlib

from pydantic import SecretStr

from bargein.vendors.common.keys import access
from bargein.vendors.common.openai_realtime.model import REQUEST_S, WebSocketRealtime, demand_sdk
from bargein.vendors.common.openai_realtime.settings import RealtimeSettings
from bargein.vendors.xai.dialect import XAI

with contextlib.suppress(ImportError):  # `demand_sdk` says so
    import openai

BASE_URL = "https://api.x.ai/v1"
KEY = "XAI_API_KEY"
MODEL, VOICE, TRANSCRIPTION_MODEL = "grok-voice-latest", "eve", "grok-transcribe"
NO_KEY = "none"


class XaiRealtime(WebSocketRealtime):
    """protocols.RealtimeModel by shape.

    api_key: None is XAI_API_KEY. base_url: None is BARGEIN_XAI_URL, or xAI itself. threshold (0.1 to 0.9),
    prefix_padding_ms, silence_duration_ms: of xAI's own voice activity detection, which has the turns. speed: 0.7 to
    1.5; only 1.0 keeps the record of what the user heard exact. Raises Unavailable without the SDK, UsageError for a
    value out of range.
    """

    def __init__(
        self,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        model: str = MODEL,
        voice: str = VOICE,
        threshold: float = 0.5,
        prefix_padding_ms: int = 300,
        silence_duration_ms: int = 500,
        transcription_model: str | None = TRANSCRIPTION_MODEL,
        speed: float = 1.0,
    ) -> None:
        demand_sdk("xai")
        settings = RealtimeSettings(
            model=model,
            voice=voice,
            turn_detection="vendor",
            threshold=threshold,
            prefix_padding_ms=prefix_padding_ms,
            silence_duration_ms=silence_duration_ms,
            transcription_model=transcription_model,
            speed=speed,
        )
        at = access("xai", KEY, api_key=api_key, base_url=base_url)
        url, key = at.base_url or BASE_URL, at.key or NO_KEY
        client = openai.AsyncOpenAI(base_url=url, api_key=key, timeout=REQUEST_S, max_retries=0)
        super().__init__(settings, XAI, client)
