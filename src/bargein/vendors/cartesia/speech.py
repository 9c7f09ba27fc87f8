"""Cartesia: streaming speech with the time of every word, one WebSocket for many replies.

Its own `cancel` is weak (a generation that runs goes on to its end), so what comes late is dropped by its context. The
SDK's client hides the timestamps' order and cannot drop by context; its types check our messages in the tests.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlencode

from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect

from bargein.errors import BargeinError, UsageError, VendorLost, VendorRefused
from bargein.protocols import SpeechChunk
from bargein.vendors.common.contexts import ContextMessage, speak
from bargein.vendors.common.keys import access
from bargein.vendors.common.pool import SocketPool
from bargein.vendors.common.told_times import with_times

BASE_URL = "wss://api.cartesia.ai"
VERSION = "2026-08-14"  # of the wire, as SDK 4.2 sends it
VOICE = "694f9389-aac1-45b6-b726-9d9369183238"
MODEL = "sonic-3"
RATES = (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)
MOST_BYTES = 8 * 1024 * 1024
CLOSE_S = 0.5  # longest wait for the vendor's close frame
IDLE_S = 240.0  # the vendor closes a socket after 5 minutes


class CartesiaSpeech:
    """protocols.TTS by shape. voice: its id; language: two letters; rate: Hz. base_url: None is BARGEIN_CARTESIA_URL,
    or Cartesia itself; timeout_s: silence while it owes us sound. Raises UsageError for a rate that it does not
    give."""

    name = "Cartesia"

    def __init__(
        self,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        voice: str = VOICE,
        model: str = MODEL,
        language: str = "en",
        rate: int = 24_000,
        timeout_s: float = 5.0,
    ) -> None:
        if rate not in RATES:
            raise UsageError(f"Cartesia gives no {rate} Hz", advice=f"Choose one of {RATES}")
        self.rate = rate
        self._timeout_s = timeout_s
        at = access("cartesia", "CARTESIA_API_KEY", api_key=api_key, base_url=base_url)
        url = f"{(at.base_url or BASE_URL).rstrip('/')}/tts/websocket?{urlencode({'cartesia_version': VERSION})}"

        async def open_socket() -> ClientConnection:
            return await connect(
                url,
                additional_headers={"X-API-Key": at.key or ""},
                max_size=MOST_BYTES,
                compression=None,
                close_timeout=CLOSE_S,
            )

        self._pool = SocketPool(open_socket, vendor=self.name, key="CARTESIA_API_KEY", idle_s=IDLE_S)
        self._dialect = _Dialect(
            {
                "model_id": model,
                "voice": {"mode": "id", "id": voice},
                "language": language,
                "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": rate},
                "add_timestamps": True,
                # We cut into clauses ourselves: the vendor need not wait for more.
                "max_buffer_delay_ms": 0,
            }
        )

    def speak(self, text: AsyncIterator[str]) -> AsyncIterator[SpeechChunk]:
        """protocols.TTS.speak. Raises VendorRefused (key, voice, plan) or VendorLost."""
        return speak(self._pool, self._dialect, text, rate=self.rate, timeout_s=self._timeout_s)

    async def aclose(self) -> None:
        """Close the sockets that are kept open."""
        await self._pool.aclose()


class _Dialect:
    vendor = "Cartesia"

    def __init__(self, fields: dict[str, object]) -> None:
        self._fields = fields  # they may not change within a context

    def say(self, context: str, clause: str, *, first: bool) -> Sequence[str]:
        spaced = clause if clause[-1:].isspace() else clause + " "  # pieces are joined as they are
        return [json.dumps({**self._fields, "context_id": context, "transcript": spaced, "continue": True})]

    def end(self, context: str) -> Sequence[str]:
        return [json.dumps({**self._fields, "context_id": context, "transcript": "", "continue": False})]

    def cancel(self, context: str) -> Sequence[str]:
        return [json.dumps({"context_id": context, "cancel": True})]

    def read(self, context: str, message: str) -> ContextMessage | None:
        answer = json.loads(message)
        named = answer.get("context_id")
        if answer["type"] == "error" and named in (context, None):
            raise _error(answer.get("status_code"), str(answer.get("error_code") or answer.get("title") or ""))
        if named != context:
            return None
        match answer["type"]:
            case "chunk":
                return ContextMessage(base64.b64decode(answer["data"], validate=True))
            case "timestamps":
                times = answer.get("word_timestamps") or {}
                seconds = with_times(times.get("words") or (), times.get("start") or (), times.get("end") or ())
                return ContextMessage(words=[(word, 1000 * start, 1000 * end) for word, start, end in seconds])
            case "done":
                return ContextMessage(done=True)
            case _:
                return None

    def closed(self, code: int, reason: str) -> BargeinError:
        return _error(401 if code == 1008 else None, reason)


def _error(status: object, what: str) -> BargeinError:
    """By the vendor's own word for it. Its message is not passed on."""
    if status in (401, 402, 403):
        return VendorRefused(
            f"Cartesia refused with {status}", advice="Check CARTESIA_API_KEY and the account's credit"
        )
    if status in (400, 404, 422):
        return VendorRefused(
            f"Cartesia refused with {status}", advice="Check the voice's id, the model and the language"
        )
    return VendorLost(f"Cartesia ended the reply ({status or 'closed'})", advice="Try again")
