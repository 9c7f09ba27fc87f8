"""Mistral's Voxtral, hosted (`/v1/audio/transcriptions/realtime`): words as they are spoken, and turns.

What its wire leaves open is settled here. Words come in pieces, so only whole ones are told: "ye" would cut what "yeah"
does not. A piece names no time and no turn: it belongs to the turn that began last (or will, when none has begun), and
its sound is taken to be what was sent by then, less the model's delay. `turn.start` brings no word, and sometimes comes
in silence: a turn is told with its first word. What comes after `turn.end` is told as progress of that turn.

A connection that breaks is made again, and the audio of the open turn is sent once more, so that no word is lost.
Nothing of what the vendor says in an error is passed on: it may quote the key.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect

from bargein.errors import UsageError, VendorLost, VendorRefused
from bargein.protocols import TurnUpdate, TurnUpdateKind
from bargein.vendors.common.keys import access
from bargein.vendors.common.voxtral_connection import (
    DELAY_MS,
    RATES,
    REFUSALS,
    SILENCE_S,
    VoxtralConnection,
    VoxtralPieces,
    address,
    error_code,
    opened,
    parsed,
)

BASE_URL = "wss://api.mistral.ai"
MODEL = "voxtral-mini-transcribe-realtime-3-0"
BOTH: tuple[TurnUpdateKind, TurnUpdateKind] = ("started", "ended")
BAD_SESSION = 3051  # Mistral's code for settings that it does not take


class VoxtralRealtime:
    """protocols.StreamingSTT by shape; one serves every call.

    model: one with turn detection (the 2602 ones have none, and refuse it). language: two letters, None: it finds out.
    target_streaming_delay_ms: later is surer (None: its own, about 480). start_threshold >= eager_end_threshold >
    end_threshold, all 0..1: how sure it must be that someone has the turn, below which he has probably, and surely,
    ended it. min_silence_ms: of quiet before any end; end_timeout_ms: of quiet that ends a turn in any case (at least
    min_silence_ms; None: nothing does). keyterms: words to expect. silence_s: without a message in a turn, after which
    the vendor is lost: more than end_timeout_ms. base_url: None is BARGEIN_MISTRAL_URL, or Mistral itself. Raises
    UsageError for wrong numbers.

    The SDK (mistralai 3.7) is not used: its stream takes a cancellation for an end, its goodbye lasts up to 10 s, and
    without a key it gives the environment's to any address. Its types check the events in the simulator and the tests.
    """

    turns = True
    vendor = "Mistral"
    key = "MISTRAL_API_KEY"
    rates: Sequence[int] = RATES
    goodbye = json.dumps({"type": "input_audio.end"})

    def __init__(
        self,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        model: str = MODEL,
        language: str | None = None,
        target_streaming_delay_ms: int | None = None,
        start_threshold: float = 0.5,
        eager_end_threshold: float = 0.5,
        end_threshold: float = 0.33,
        min_silence_ms: int = 500,
        end_timeout_ms: int | None = 3_000,
        keyterms: Sequence[str] = (),
        silence_s: float = SILENCE_S,
    ) -> None:
        if not 1 >= start_threshold >= eager_end_threshold > end_threshold >= 0:
            raise UsageError(
                f"The thresholds are {start_threshold}, {eager_end_threshold} and {end_threshold}",
                advice="Give 1 >= start_threshold >= eager_end_threshold > end_threshold >= 0",
            )
        if min_silence_ms < 0 or (end_timeout_ms is not None and end_timeout_ms < min_silence_ms):
            raise UsageError(
                f"min_silence_ms is {min_silence_ms}, end_timeout_ms {end_timeout_ms}",
                advice="Give end_timeout_ms >= min_silence_ms >= 0",
            )
        if target_streaming_delay_ms is not None and target_streaming_delay_ms <= 0:
            raise UsageError(
                f"target_streaming_delay_ms is {target_streaming_delay_ms}", advice="Give more than 0, or None"
            )
        self.name = model
        self.silence_s = silence_s
        self._delay_ms = target_streaming_delay_ms or DELAY_MS
        at = access("mistral", self.key, api_key=api_key, base_url=base_url)
        self._url = (
            address(at.base_url or BASE_URL, "/v1/audio/transcriptions/realtime") + f"?{urlencode({'model': model})}"
        )
        self._key = at.key
        detection: dict[str, object] = {
            "start_threshold": start_threshold,
            "eager_end_threshold": eager_end_threshold,
            "end_threshold": end_threshold,
            "min_silence_ms": min_silence_ms,
        }
        if end_timeout_ms is not None:
            detection["end_timeout_ms"] = end_timeout_ms
        wishes: dict[str, object] = {
            "target_streaming_delay_ms": target_streaming_delay_ms,
            "language": language,
            "context_bias": list(keyterms) or None,
        }
        self._session = {k: v for k, v in wishes.items() if v is not None} | {"turn_detection": detection}

    def open(self, rate: int) -> VoxtralConnection:
        """One call's connection. Raises UsageError for a rate that is not taken."""
        return VoxtralConnection(self, MistralTurns(self._delay_ms), rate)

    def dial(self) -> connect:
        """A new connection, by `async with`."""
        return opened(self._url, self._key)

    async def greet(self, socket: ClientConnection, rate: int) -> None:
        """Set the session up. Raises VendorRefused for settings that are not taken, VendorLost for other errors."""
        await self._until(socket, "session.created")
        session = {"audio_format": {"encoding": "pcm_s16le", "sample_rate": rate}, **self._session}
        await socket.send(json.dumps({"type": "session.update", "session": session}))
        await self._until(socket, "session.updated")

    def sound(self, audio: str) -> str:
        return json.dumps({"type": "input_audio.append", "audio": audio})

    async def _until(self, socket: ClientConnection, kind: str) -> None:
        while (message := parsed(await socket.recv()))["type"] != kind:
            if message["type"] == "error":
                code = error_code(message)
                if code == BAD_SESSION or code in REFUSALS:
                    raise VendorRefused(
                        f"Mistral refused the session ({code})",
                        advice="Check the model's name, and whether it takes turn detection, the language and keyterms",
                    )
                raise VendorLost(f"answered with an error ({code})", advice="Call again")


class MistralTurns:
    """`Words` of Mistral's events. delay_ms: of the model."""

    def __init__(self, delay_ms: float) -> None:
        self.owes = False
        self.answered_ms = 0.0
        self._delay_ms = delay_ms
        self._turn = -1  # the newest that was sent as an event
        self._open = False  # its beginning was sent, and not its end
        self._sent_text = ""  # its words, as they were sent last
        self._from_ms = 0.0
        self._base_ms = 0.0
        self._pieces = VoxtralPieces()
        self._ended = False  # a turn ended on this connection, and none began since: pieces are late ones of it

    @property
    def unsettled(self) -> bool:
        return self._pieces.unsettled and (self.owes or self._ended)

    def again(self, from_ms: float) -> None:
        self._base_ms = from_ms
        self._pieces = VoxtralPieces()
        self.owes = self._ended = False

    def open_at(self, sent_ms: float) -> bool:
        return self.owes or self._open

    def finalize(self, sent_ms: float) -> list[TurnUpdate]:
        self._pieces.finalize()
        return self._words(sent_ms)

    def read(self, message: Mapping[str, Any], sent_ms: float) -> list[TurnUpdate]:
        match message["type"]:
            case "transcription.text.delta":
                self._pieces.add(message["text"])
                return self._words(sent_ms)
            case "turn.start":
                return self._start(self._ms(message, sent_ms), sent_ms)
            case "turn.eager_end" if self.owes:
                return self._settled("eager_end", self._ms(message, sent_ms))
            case "turn.resume" if self._open:
                at_ms = self._ms(message, sent_ms)
                return [TurnUpdate("resumed", self._turn, self._sent_text, self._from_ms, at_ms)]
            case "turn.end" if self.owes:
                return self._end(self._ms(message, sent_ms))
            case "error":
                raise VendorLost(f"ended the stream with an error ({error_code(message)})", advice="Call again")
            case _:
                return []  # languages, segments, and what we do not know

    def _start(self, at_ms: float, sent_ms: float) -> list[TurnUpdate]:
        if self._ended:
            self._pieces = VoxtralPieces()
        self.owes, self._ended = True, False
        if not self._open:  # otherwise it is heard once more, and goes on
            self._from_ms, self._sent_text = at_ms, ""
        words = self._words(sent_ms)
        return words or [TurnUpdate("progress", max(self._turn, 0), "", at_ms, at_ms)]

    def _words(self, sent_ms: float) -> list[TurnUpdate]:
        """What the pieces have brought, if they have."""
        text, until_ms = self._pieces.whole, max(self._from_ms, sent_ms - self._delay_ms)
        if not text or not (self.owes or self._ended):
            return []
        if self._ended and not self._sent_text:  # its first words come after its end
            self._turn, self._sent_text = self._turn + 1, text
            return [TurnUpdate(kind, self._turn, text, self._from_ms, self.answered_ms) for kind in BOTH]
        if not self._open and not self._ended:
            self._turn, self._open, self._sent_text = self._turn + 1, True, text
            return [TurnUpdate("started", self._turn, text, self._from_ms, until_ms)]
        # What is heard once more is told again only where it goes beyond what was told.
        if self._sent_text.startswith(text):
            return []
        self._sent_text = text
        return [TurnUpdate("progress" if self._ended else "words", self._turn, text, self._from_ms, until_ms)]

    def _settled(self, kind: TurnUpdateKind, at_ms: float) -> list[TurnUpdate]:
        """The kind with all words so far; before it the turn's beginning, if that was not told."""
        self._pieces.finalize()
        text = self._pieces.whole
        heard: list[TurnUpdate] = []
        if not self._open:
            if not text:
                return [TurnUpdate("progress", max(self._turn, 0), "", at_ms, at_ms)]
            heard = self._words(at_ms)
        self._sent_text = text or self._sent_text
        return [*heard, TurnUpdate(kind, self._turn, self._sent_text, self._from_ms, at_ms)]

    def _end(self, at_ms: float) -> list[TurnUpdate]:
        heard = self._settled("ended", at_ms)
        self.owes = self._open = False
        self._ended = True
        self.answered_ms = max(self.answered_ms, at_ms)
        return heard

    def _ms(self, message: Mapping[str, Any], sent_ms: float) -> float:
        """From the connection's clock to that of all that was fed; at most what was sent. Raises ValueError for what is
        no time."""
        seconds = message["time_s"]
        if not 0 <= seconds < math.inf:  # nor is NaN
            raise ValueError("no time")
        # In this order, since a whole number may be too large for a float.
        return self._base_ms + float(min(seconds * 1000, sent_ms - self._base_ms))
