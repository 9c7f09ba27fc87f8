"""ElevenLabs: streaming speech with the time of every character, over its multi-context WebSocket.

The vendor's SDK has no client for that socket; its types check our messages in the tests.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import quote, urlencode

from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect

from bargein.errors import BargeinError, UsageError, VendorLost, VendorRefused
from bargein.protocols import SpeechChunk
from bargein.vendors.common.contexts import ContextMessage, speak
from bargein.vendors.common.keys import access
from bargein.vendors.common.pool import SocketPool
from bargein.vendors.common.told_times import with_times

BASE_URL = "wss://api.elevenlabs.io"
VOICE = "EXAVITQu4vr4xnSDxMaL"
MODEL = "eleven_flash_v2_5"
RATES = (8_000, 16_000, 22_050, 24_000, 44_100)
INACTIVE_S = 60  # of a socket, at the vendor; we let go of it sooner
IDLE_S = 45.0
MOST_BYTES = 8 * 1024 * 1024
CLOSE_S = 0.5  # longest wait for the vendor's close frame
SCHEDULE = [50, 120, 160, 290]  # characters; every clause is flushed, so this seldom matters


class ElevenLabsSpeech:
    """protocols.TTS by shape. voice: its id; language: two letters, for models that take it; rate: Hz; voice_settings:
    as the vendor names them. base_url: None is BARGEIN_ELEVENLABS_URL, or ElevenLabs itself; timeout_s: silence while
    it owes us sound. Raises UsageError for a rate that it does not give."""

    name = "ElevenLabs"

    def __init__(
        self,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        voice: str = VOICE,
        model: str = MODEL,
        language: str | None = None,
        rate: int = 24_000,
        voice_settings: Mapping[str, object] | None = None,
        timeout_s: float = 5.0,
    ) -> None:
        if rate not in RATES:
            raise UsageError(f"ElevenLabs gives no {rate} Hz", advice=f"Choose one of {RATES}")
        self.rate = rate
        self._timeout_s = timeout_s
        at = access("elevenlabs", "ELEVENLABS_API_KEY", "ELEVEN_API_KEY", api_key=api_key, base_url=base_url)
        query = {
            "model_id": model,
            "output_format": f"pcm_{rate}",
            "sync_alignment": "true",
            "inactivity_timeout": str(INACTIVE_S),
        }
        if language:
            query["language_code"] = language
        root = (at.base_url or BASE_URL).rstrip("/")
        url = f"{root}/v1/text-to-speech/{quote(voice, safe='')}/multi-stream-input?{urlencode(query)}"

        async def open_socket() -> ClientConnection:
            return await connect(
                url,
                additional_headers={"xi-api-key": at.key or ""},
                max_size=MOST_BYTES,
                compression=None,
                close_timeout=CLOSE_S,
            )

        self._pool = SocketPool(open_socket, vendor=self.name, key="ELEVENLABS_API_KEY", idle_s=IDLE_S)
        self._dialect = _Dialect(voice_settings or {})

    def speak(self, text: AsyncIterator[str]) -> AsyncIterator[SpeechChunk]:
        """protocols.TTS.speak. Raises VendorRefused (key, voice, plan) or VendorLost."""
        return speak(self._pool, self._dialect, text, rate=self.rate, timeout_s=self._timeout_s)

    async def aclose(self) -> None:
        """Close the sockets that are kept open."""
        await self._pool.aclose()


class _Dialect:
    vendor = "ElevenLabs"

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._settings = dict(settings)

    def say(self, context: str, clause: str, *, first: bool) -> Sequence[str]:
        spaced = clause if clause[-1:].isspace() else clause + " "  # the vendor takes the last word for half a one else
        begins: list[str] = []
        if first:
            opening: dict[str, object] = {
                "text": " ",
                "context_id": context,
                "generation_config": {"chunk_length_schedule": SCHEDULE},
            }
            if self._settings:
                opening["voice_settings"] = self._settings
            begins.append(json.dumps(opening))
        return [*begins, json.dumps({"text": spaced, "context_id": context, "flush": True})]

    def end(self, context: str) -> Sequence[str]:
        return [json.dumps({"context_id": context, "close_context": True})]

    def cancel(self, context: str) -> Sequence[str]:
        return self.end(context)  # what was flushed may still come: it is known by its context

    def read(self, context: str, message: str) -> ContextMessage | None:
        told = json.loads(message)
        if told.get("error") is not None and "audio" not in told:
            raise _error(str(told.get("error")), told.get("code"))
        named = told.get("contextId", told.get("context_id"))
        if named != context:
            return None
        audio = told.get("audio")
        pcm = base64.b64decode(audio, validate=True) if audio else b""
        # The normalized alignment spells numbers out. It serves where the other is missing.
        alignment = told.get("alignment") or (told.get("normalizedAlignment") if pcm else None) or {}
        starts = alignment.get("charStartTimesMs") or ()
        lasts = alignment.get("charDurationsMs") or ()
        ends = [None if None in (start, ms) else start + ms for start, ms in zip(starts, lasts, strict=False)]
        timed = with_times(alignment.get("chars") or (), starts, ends)
        return ContextMessage(pcm, chars=timed, relative=True, done=bool(told.get("isFinal") or told.get("is_final")))

    def closed(self, code: int, reason: str) -> BargeinError:
        return _error(reason, code) if code == 1008 else VendorLost("ElevenLabs broke off", advice="Try again")


def _error(what: str, code: object) -> BargeinError:
    """By the vendor's own word for it. Its message is not passed on."""
    for word, advice in (
        ("invalid_api_key", "Check ELEVENLABS_API_KEY"),
        ("authentication", "Check ELEVENLABS_API_KEY"),
        ("voice", "Check the voice's id"),
        ("model", "Check the model's name"),
        ("quota", "The account's quota is used up: check its plan"),
    ):
        if word in what.lower():
            return VendorRefused(f"ElevenLabs refused ({word})", advice=advice)
    return VendorLost(f"ElevenLabs ended the stream ({code})", advice="Try again")
