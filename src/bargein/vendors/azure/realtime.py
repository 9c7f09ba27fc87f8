"""Azure OpenAI Realtime: OpenAI's protocol of the general release, at a deployment of one's own."""

from __future__ import annotations

import contextlib

from pydantic import SecretStr

from bargein.vendors.azure.access import KEY, TokenProvider, azure_access
from bargein.vendors.common.openai_realtime.dialect import RealtimeDialect
from bargein.vendors.common.openai_realtime.model import REQUEST_S, WebSocketRealtime, demand_sdk
from bargein.vendors.common.openai_realtime.settings import (
    TRANSCRIPTION_MODEL,
    VOICE,
    Eagerness,
    Effort,
    NoiseReduction,
    RealtimeSettings,
    TurnDetection,
)

with contextlib.suppress(ImportError):  # `demand_sdk` says so
    import openai

DEPLOYMENT = "gpt-realtime"
SPEAKS = "Name a deployment of a speech model, such as gpt-realtime; one of gpt-realtime-whisper only transcribes"
AZURE = RealtimeDialect(
    server="Azure OpenAI",
    key=KEY,
    advice={
        404: "Check the deployment's name and the resource's address",
        403: "Check its network rules and your role",
    },
    # Spelled so by the server.
    refusal_codes={"OpperationNotSupported": SPEAKS, "OperationNotSupported": SPEAKS},
)


class AzureRealtime(WebSocketRealtime):
    """protocols.RealtimeModel by shape.

    deployment: the name that the model has in the resource. base_url, endpoint, api_key, tokens: as `azure_access`
    tells. The others are the fields of `RealtimeSettings`. Raises Unavailable without the SDK, UsageError for a value
    out of range.
    """

    def __init__(
        self,
        *,
        deployment: str = DEPLOYMENT,
        endpoint: str | None = None,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        tokens: TokenProvider | None = None,
        voice: str = VOICE,
        turn_detection: TurnDetection = "server_vad",
        threshold: float = 0.5,
        prefix_padding_ms: int = 300,
        silence_duration_ms: int = 500,
        eagerness: Eagerness = "auto",
        transcription_model: str | None = TRANSCRIPTION_MODEL,
        noise_reduction: NoiseReduction | None = None,
        effort: Effort | None = None,
        speed: float = 1.0,
        max_output_tokens: int | None = None,
    ) -> None:
        demand_sdk("azure")
        settings = RealtimeSettings(
            model=deployment,
            voice=voice,
            turn_detection=turn_detection,
            threshold=threshold,
            prefix_padding_ms=prefix_padding_ms,
            silence_duration_ms=silence_duration_ms,
            eagerness=eagerness,
            transcription_model=transcription_model,
            noise_reduction=noise_reduction,
            effort=effort,
            speed=speed,
            max_output_tokens=max_output_tokens,
        )
        at = azure_access(api_key=api_key, base_url=base_url, endpoint=endpoint, tokens=tokens)
        # Not the SDK's AsyncAzureOpenAI: it makes the preview's address.
        client = openai.AsyncOpenAI(base_url=at.base_url, api_key=at.sdk_key, timeout=REQUEST_S, max_retries=0)
        super().__init__(settings, AZURE, client, at.headers)
