"""OpenAI Realtime: a model that hears and speaks, on the official SDK's client, with the events of its general release.

Our floor decides who may speak: OpenAI's voice activity detection finds turns, but neither interrupts nor answers
(`turn_detection` in settings.py). Over a WebSocket all audio goes through us. Over WebRTC the audio goes between the
browser and OpenAI, and we join the same call by its sideband (`create_call`, `joined`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from bargein.errors import VendorLost, VendorRefused
from bargein.protocols import ConversationItem, SessionConfig
from bargein.vendors.common.openai_realtime.dialect import OPENAI
from bargein.vendors.common.openai_realtime.model import REQUEST_S, WebSocketRealtime, demand_sdk
from bargein.vendors.common.openai_realtime.settings import (
    MODEL,
    TRANSCRIPTION_MODEL,
    VOICE,
    Eagerness,
    Effort,
    NoiseReduction,
    RealtimeSettings,
    TurnDetection,
)
from bargein.vendors.openai.address import openai_access

try:
    import openai

    from bargein.vendors.common.openai_realtime.connection import OpenAIRealtimeConnection
except ImportError:  # the extra "openai" is not there: `OpenAIRealtime` says so when it is made
    pass

NO_KEY = "none"


@dataclass(frozen=True, slots=True)
class OpenAICall:
    """A call between a browser and OpenAI."""

    call_id: str
    """OpenAI's id of the call, by which we join it."""
    answer: str
    """OpenAI's SDP."""


class OpenAIRealtime(WebSocketRealtime):
    """protocols.RealtimeModel by shape.

    base_url: up to and with "/v1". base_url and api_key: what None means is told at `openai_access`. The others are the
    fields of `RealtimeSettings`. Raises Unavailable without the SDK, UsageError for a value out of range.
    """

    def __init__(
        self,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        model: str = MODEL,
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
        demand_sdk("openai")
        settings = RealtimeSettings(
            model=model,
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
        url, key = openai_access(api_key=api_key, base_url=base_url)
        client = openai.AsyncOpenAI(base_url=url, api_key=key or NO_KEY, timeout=REQUEST_S, max_retries=0)
        super().__init__(settings, OPENAI, client)

    # --------------------------------------------------------------------------------------------------- WebRTC

    async def create_call(self, offer: str, brief: SessionConfig) -> OpenAICall:
        """Connect a browser with OpenAI. offer: its SDP. The key stays here.

        Raises VendorRefused or VendorLost."""
        try:
            made = await self._client.realtime.calls.with_raw_response.create(
                sdp=offer,
                session=self.settings.session(brief, webrtc=True) | {"model": self.name},  # type: ignore[arg-type]
            )
        except openai.APIStatusError as error:
            raise _answered_no(error.status_code) from None
        except openai.OpenAIError as error:
            raise VendorLost(f"OpenAI could not be reached ({type(error).__name__})", advice="Try again") from None
        call_id = made.headers.get("location", "").rsplit("/", 1)[-1]
        if not call_id:
            raise VendorLost("OpenAI named no call", advice="Try again")
        return OpenAICall(call_id, made.text)

    async def hang_up(self, call_id: str) -> None:
        """End a call over WebRTC. One that is over already is over."""
        try:
            await self._client.realtime.calls.hangup(call_id)
        except openai.NotFoundError:
            return
        except openai.OpenAIError as error:
            raise VendorLost(f"OpenAI did not hang up ({type(error).__name__})", advice="It ends by itself") from None

    def joined(self, call_id: str) -> JoinedCall:
        """The same model, in a call over WebRTC that it has with a browser already."""
        return JoinedCall(self, call_id)


class JoinedCall:
    """protocols.RealtimeModel by shape, for one call. Our floor alone ends a turn."""

    turns = False

    def __init__(self, model: OpenAIRealtime, call_id: str) -> None:
        self.name = model.name
        self.transcribes_user = model.transcribes_user
        self._model, self._call_id = model, call_id

    def open(self, brief: SessionConfig, items: Callable[[], Sequence[ConversationItem]]) -> OpenAIRealtimeConnection:
        """protocols.RealtimeModel.open: by the sideband."""
        model = self._model
        return OpenAIRealtimeConnection(model.settings, OPENAI, model.connect, brief, items, self._call_id)


def _answered_no(status: int) -> VendorRefused | VendorLost:
    if status >= 500 or status in (408, 409, 429):
        return VendorLost(f"OpenAI answered {status}", advice="Try again")
    advice = {401: "Check OPENAI_API_KEY", 403: "Check what the API key may do"}.get(status, "Check model and voice")
    return VendorRefused(f"OpenAI refused the call with {status}", advice=advice)
