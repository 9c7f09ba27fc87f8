"""OpenAI's speech, through its SDK: a request for each clause. It gives no word times; the call estimates them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from pydantic import SecretStr

from bargein.errors import Unavailable, UsageError
from bargein.protocols import SpeechChunk
from bargein.vendors.common.clauses import clauses
from bargein.vendors.openai.address import KEY, openai_access

try:
    import openai

    from bargein.vendors.common.speech_requests import SpeechRequests, connections, pcm16_or_wav

    INSTALLED = True
except ImportError:  # the extra "openai" is not there: `OpenAISpeech` says so when it is made
    INSTALLED = False

MODEL = "gpt-4o-mini-tts"
VOICE = "alloy"
RATE = 24_000  # Hz of its "pcm", always


class OpenAISpeech:
    """protocols.TTS by shape. instructions: how it is to speak, for models that take it; speed: 0.25..4. base_url: up
    to and with "/v1". base_url and api_key: what None means is told at `openai_access`. timeout_s: silence while it
    owes us sound. Raises Unavailable without the SDK, UsageError for a speed that cannot be."""

    name = "OpenAI speech"
    rate = RATE

    def __init__(
        self,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        voice: str = VOICE,
        model: str = MODEL,
        instructions: str | None = None,
        speed: float | None = None,
        timeout_s: float = 5.0,
    ) -> None:
        if not INSTALLED:
            raise Unavailable("The package openai is not installed", advice="Install the extra: bargein[openai]")
        if speed is not None and not 0.25 <= speed <= 4:
            raise UsageError(f"The speed is {speed}", advice="Give a number from 0.25 to 4")
        url, key = openai_access(api_key=api_key, base_url=base_url)
        self._client = openai.AsyncOpenAI(
            base_url=url, api_key=key or "none", max_retries=0, timeout=timeout_s, http_client=connections()
        )
        fields: dict[str, Any] = {"model": model, "voice": voice, "response_format": "pcm"}
        if instructions:
            fields["instructions"] = instructions
        if speed is not None:
            fields["speed"] = speed
        self._requests = SpeechRequests(
            self._client, fields, pcm16_or_wav(RATE), rate=RATE, vendor=self.name, key=KEY, timeout_s=timeout_s
        )

    def speak(self, text: AsyncIterator[str]) -> AsyncIterator[SpeechChunk]:
        """protocols.TTS.speak. Raises VendorRefused (key, voice, quota) or VendorLost."""
        return self._requests.speak(clauses(text))

    async def aclose(self) -> None:
        """Close the connections that are kept open."""
        await self._client.close()
