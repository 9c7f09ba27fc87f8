"""OpenAI's Whisper and its successors, or any server with OpenAI's audio transcriptions, by the official SDK: whole
stretches of speech, such as a turn that the call's own VAD has cut out."""

from __future__ import annotations

from pydantic import SecretStr

from bargein.audio.pcm import Pcm
from bargein.protocols import BatchTranscript
from bargein.vendors.common.transcriptions import MOST_WAITING, RATE, Transcriptions
from bargein.vendors.openai.address import openai_access


class OpenAIWhisper:
    """protocols.BatchSTT by shape.

    model: whisper-1 tells how sure it was, so that words it made up can be left out (see transcriptions.py);
    gpt-4o-transcribe and its like do not. base_url: up to and with "/v1". base_url and api_key: what None means is told
    at `openai_access`. language: as "en"; None lets it guess, which it does badly with short turns. prompt: names and
    words to expect. most_waiting: readings under way at once. Raises Unavailable where the SDK is not installed.
    """

    rate = RATE

    def __init__(
        self,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        model: str = "whisper-1",
        language: str | None = None,
        prompt: str | None = None,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self.name = model
        url, key = openai_access(api_key=api_key, base_url=base_url)
        self._server = Transcriptions(
            model,
            vendor="OpenAI",
            extra="openai",
            api_key=key,
            base_url=url,
            language=language,
            prompt=prompt,
            verbose="whisper" in model.lower(),  # the others take no format but json
            most_waiting=most_waiting,
        )

    async def read(self, pcm: Pcm, *, deadline_ms: float) -> BatchTranscript:
        """The words in pcm (16 kHz; of more than ten minutes, the last ten), "" for none.

        Raises VendorLost (busy, late, away), VendorRefused (key, quota, model), AudioShapeError for another rate.
        """
        return await self._server.read(pcm, deadline_ms)

    async def aclose(self) -> None:
        """Close the connections that are kept open between readings."""
        await self._server.aclose()
