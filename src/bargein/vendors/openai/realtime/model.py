"""OpenAI Realtime: a model that hears and speaks, on the official SDK's client, with the events of its general release.

Who may speak is not left to it: its own voice activity detection finds turns, but neither interrupts nor answers
(`turn_detection`, below). Over a WebSocket all sound goes through us. Over WebRTC it goes from the browser to OpenAI
and back, and we join the same call by its sideband (`create_call`, `joined`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import SecretStr

from bargein.errors import Unavailable, UsageError, VendorLost, VendorRefused
from bargein.protocols import ConversationItem, SessionConfig
from bargein.vendors.common.keys import key_of
from bargein.vendors.openai.realtime.items import Json, tool
from bargein.vendors.openai.realtime.prompts import instructions

try:
    import openai

    from bargein.vendors.openai.realtime.connection import OpenAIRealtimeConnection

    INSTALLED = True
except ImportError:  # the extra "openai" is not there: `OpenAIRealtime` says so when it is made
    INSTALLED = False

if TYPE_CHECKING:
    from openai.resources.realtime.realtime import AsyncRealtimeConnection

MODEL = "gpt-realtime-2.1"
VOICE = "marin"
TRANSCRIBER = "gpt-realtime-whisper"
MESSAGE_BYTES = 16 * 1024 * 1024  # the vendor's own bound is 15 MiB
CLOSE_S = 0.5  # nobody waits for a vendor's goodbye
REQUEST_S = 10.0
NO_KEY = "none"

TurnDetection = Literal["server_vad", "semantic_vad", "ours", "vendor"]


@dataclass(frozen=True, slots=True)
class OpenAICall:
    """A call between a browser and OpenAI. call_id: by which it is joined; answer: SDP."""

    call_id: str
    answer: str


class OpenAIRealtime:
    """protocols.RealtimeModel by shape.

    turn_detection: who finds the user's turns, and what of it counts.
      server_vad    OpenAI's, by silence: it makes items of them and reads their words; our floor says when one is over
      semantic_vad  OpenAI's, by what was said: its end of a turn is believed
      ours          nobody there: sound goes up only while the user has a turn, and we say where it ends; always so
                    over WebRTC
      vendor        OpenAI's, and it interrupts and answers by itself: our floor follows
    threshold, prefix_padding_ms, silence_duration_ms: of server_vad; eagerness: of semantic_vad. transcriber: reads the
    user's words for the record, None for nobody. effort: how much a model of the second generation thinks. speed: 1.0,
    where what was heard is to be exact. base_url: up to and with "/v1"; None is OpenAI itself. Raises Unavailable
    without the SDK, UsageError for numbers that cannot be.
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
        eagerness: Literal["low", "medium", "high", "auto"] = "auto",
        transcriber: str | None = TRANSCRIBER,
        noise_reduction: Literal["near_field", "far_field"] | None = None,
        effort: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None,
        speed: float = 1.0,
        max_output_tokens: int | None = None,
    ) -> None:
        if not INSTALLED:
            raise Unavailable("The package openai is not installed", advice="Install the extra: bargein[openai]")
        if turn_detection not in get_args(TurnDetection):
            raise UsageError(f"turn_detection is {turn_detection!r}", advice=f"Choose of {get_args(TurnDetection)}")
        if not 0 <= threshold <= 1:
            raise UsageError(f"threshold is {threshold}", advice="Give a number from 0 to 1")
        if not 0.25 <= speed <= 1.5:
            raise UsageError(f"speed is {speed}", advice="Give a number from 0.25 to 1.5")
        if prefix_padding_ms < 0 or silence_duration_ms < 0:
            raise UsageError("Padding and silence are lengths", advice="Give milliseconds from 0 on")
        if max_output_tokens is not None and not 1 <= max_output_tokens <= 4096:
            raise UsageError(f"max_output_tokens is {max_output_tokens}", advice="Give 1 to 4096, or None")
        self.name = model
        self.turn_detection: TurnDetection = turn_detection
        self.turns = turn_detection in ("semantic_vad", "vendor")
        self.transcribes_user = transcriber is not None
        self.prefix_padding_ms = prefix_padding_ms
        self._voice = voice
        self._threshold, self._silence_duration_ms, self._eagerness = threshold, silence_duration_ms, eagerness
        self._transcriber, self._noise_reduction, self._effort = transcriber, noise_reduction, effort
        self._speed, self._max_output_tokens = speed, max_output_tokens
        key = key_of(api_key, "OPENAI_API_KEY", base_url)
        self._client = openai.AsyncOpenAI(base_url=base_url, api_key=key or NO_KEY, timeout=REQUEST_S, max_retries=0)

    def open(self, brief: SessionConfig, items: Callable[[], Sequence[ConversationItem]]) -> OpenAIRealtimeConnection:
        """protocols.RealtimeModel.open: over a WebSocket, all sound by way of us."""
        return OpenAIRealtimeConnection(self, brief, items, None)

    async def aclose(self) -> None:
        """Close the connections that are kept open between requests."""
        await self._client.close()

    # ------------------------------------------------------------------------------------------------- sessions

    def session(self, brief: SessionConfig, *, webrtc: bool = False) -> Json:
        """The session that we want. webrtc: over WebRTC, where the formats are the browser's."""
        took: Json = {"turn_detection": None if webrtc else self._turn_detection()}
        if not webrtc:
            phone = {"type": "audio/pcmu"}
            pcm = {"type": "audio/pcm", "rate": 24_000}
            took["format"] = phone if brief.rate == 8_000 else pcm
        if self._transcriber is not None:
            primary = brief.language.partition("-")[0].lower()
            took["transcription"] = {"model": self._transcriber, "language": primary}
        if self._noise_reduction is not None:
            took["noise_reduction"] = {"type": self._noise_reduction}
        gave: Json = {"voice": self._voice, "speed": self._speed}
        if not webrtc:
            gave["format"] = {"type": "audio/pcmu"} if brief.mulaw else {"type": "audio/pcm", "rate": 24_000}
        made: Json = {
            "type": "realtime",
            "output_modalities": ["audio"],
            "instructions": instructions(brief.instructions, brief.language),
            "audio": {"input": took, "output": gave},
            "tools": [tool(spec) for spec in brief.tools],
            "tool_choice": "auto",
            "max_output_tokens": self._max_output_tokens or "inf",
        }
        if self._effort is not None:
            made["reasoning"] = {"effort": self._effort}
        return made

    def _turn_detection(self) -> Json | None:
        ours = {"create_response": False, "interrupt_response": False}
        vad = {
            "type": "server_vad",
            "threshold": self._threshold,
            "prefix_padding_ms": self.prefix_padding_ms,
            "silence_duration_ms": self._silence_duration_ms,
        }
        match self.turn_detection:
            case "ours":
                return None
            case "server_vad":
                return vad | ours
            case "semantic_vad":
                return {"type": "semantic_vad", "eagerness": self._eagerness} | ours
            case "vendor":
                return vad | {"create_response": True, "interrupt_response": True}

    @asynccontextmanager
    async def connect(self, call_id: str | None = None) -> AsyncIterator[AsyncRealtimeConnection]:
        """The SDK's own connection; call_id: of a call over WebRTC, that is joined."""
        options = {"max_size": MESSAGE_BYTES, "close_timeout": CLOSE_S, "compression": None}
        where = {"call_id": call_id} if call_id is not None else {"model": self.name}
        # The SDK's own attempts to connect again are off: it would begin a session that knows nothing.
        async with self._client.realtime.connect(websocket_connection_options=options, **where) as connection:  # type: ignore[arg-type]
            yield connection

    # --------------------------------------------------------------------------------------------------- WebRTC

    async def create_call(self, offer: str, brief: SessionConfig) -> OpenAICall:
        """Connect a browser with OpenAI. offer: its SDP. The key stays here.

        Raises VendorRefused or VendorLost."""
        try:
            made = await self._client.realtime.calls.with_raw_response.create(
                sdp=offer,
                session=self.session(brief, webrtc=True) | {"model": self.name},  # type: ignore[arg-type]
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
        return OpenAIRealtimeConnection(self._model, brief, items, self._call_id)


def _answered_no(status: int) -> VendorRefused | VendorLost:
    if status >= 500 or status in (408, 409, 429):
        return VendorLost(f"OpenAI answered {status}", advice="Try again")
    advice = {401: "Check OPENAI_API_KEY", 403: "Check what the API key may do"}.get(status, "Check model and voice")
    return VendorRefused(f"OpenAI refused the call with {status}", advice=advice)
