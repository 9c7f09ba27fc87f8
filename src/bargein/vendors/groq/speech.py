"""Groq's speech, through OpenAI's SDK: a request for each short clause, answered with a WAV. No word times."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from pydantic import SecretStr

from bargein.errors import Unavailable
from bargein.protocols import SpeechChunk
from bargein.vendors.common.clauses import clauses
from bargein.vendors.common.keys import access

try:
    import openai

    from bargein.vendors.common.speech_requests import SpeechRequests, connections, wav16

    INSTALLED = True
except ImportError:  # the extra "groq" is not there: `GroqSpeech` says so when it is made
    INSTALLED = False

BASE_URL = "https://api.groq.com/openai/v1"
MODEL = "canopylabs/orpheus-v1-english"
VOICE = "hannah"
RATE = 24_000  # Hz, Orpheus's own
MOST_CHARS = 190  # of one request; the vendor takes about 200


class GroqSpeech:
    """protocols.TTS by shape. voice: autumn, diana, hannah, austin, daniel or troy. base_url: up to and with "/v1";
    None is BARGEIN_GROQ_URL, or Groq itself. timeout_s: silence while it owes us sound. Raises Unavailable without the
    SDK."""

    name = "Groq speech"
    rate = RATE

    def __init__(
        self,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        voice: str = VOICE,
        model: str = MODEL,
        timeout_s: float = 5.0,
    ) -> None:
        if not INSTALLED:
            raise Unavailable("The package openai is not installed", advice="Install the extra: bargein[groq]")
        at = access("groq", "GROQ_API_KEY", api_key=api_key, base_url=base_url)
        self._client = openai.AsyncOpenAI(
            base_url=at.base_url or BASE_URL,
            api_key=at.key or "none",
            max_retries=0,
            timeout=timeout_s,
            http_client=connections(),
        )
        fields = {"model": model, "voice": voice, "response_format": "wav"}
        self._requests = SpeechRequests(
            self._client, fields, wav16(RATE), rate=RATE, vendor=self.name, key="GROQ_API_KEY", timeout_s=timeout_s
        )

    def speak(self, text: AsyncIterator[str]) -> AsyncIterator[SpeechChunk]:
        """protocols.TTS.speak. Raises VendorRefused (key, voice, quota) or VendorLost."""
        return self._requests.speak(_short(clauses(text)))

    async def aclose(self) -> None:
        """Close the connections that are kept open."""
        await self._client.close()


async def _short(cut: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """The same text in pieces that the vendor takes, divided at spaces."""
    async with aclosing(cut):
        async for clause in cut:
            while len(clause) > MOST_CHARS:
                at = clause.rfind(" ", 1, MOST_CHARS) + 1 or MOST_CHARS
                yield clause[:at]
                clause = clause[at:]
            if clause:
                yield clause
