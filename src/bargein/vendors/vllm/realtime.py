"""Voxtral Realtime on a vLLM server of one's own (`/v1/realtime`): words as they are spoken, and no turns.

The path and some names are OpenAI's, the protocol is not. Its sound is 16 kHz and nothing else, so a telephone's is
resampled. One generation runs on for the whole connection and knows no utterances: they are cut here, where no word
came for PAUSE_MS, by the sound that was sent meanwhile or by the model's empty pieces, of which it gives one for each
80 ms without a word. So a sentence with a long pause in it is two; the call's own VAD ends the turns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect

from bargein.errors import VendorLost, VendorRefused
from bargein.protocols import TurnUpdate
from bargein.vendors.common.keys import address_of, plain_key
from bargein.vendors.common.voxtral_connection import (
    DELAY_MS,
    SILENCE_S,
    VoxtralConnection,
    VoxtralPieces,
    address,
    opened,
    parsed,
)

MODEL = "mistralai/Voxtral-Mini-4B-Realtime-2602"
RATE = 16_000
PAUSE_MS = 1_200  # without a word, after which the next begins another utterance
PIECE_MS = 80  # of sound, for which the model gives one piece
WORD_MS = 300  # of a word, before the model can tell it
CODES = {"model_not_validated", "invalid_event", "invalid_json", "invalid_audio", "unknown_event", "processing_error"}


class VLLMVoxtralRealtime:
    """protocols.StreamingSTT by shape; one serves every call.

    base_url: the server's address, with or without /v1. None: BARGEIN_VLLM_REALTIME_URL. model: the name that it is
    served by. api_key: the key that the server asks for; no variable of the environment holds it. silence_s: time
    without a message, after which a server that gives empty pieces counts as lost. Raises UsageError where the
    address is missing or malformed.
    """

    turns = False
    vendor = "vLLM"
    key = "the server's --api-key"
    rates: Sequence[int] = (RATE,)
    goodbye = json.dumps({"type": "input_audio_buffer.commit", "final": True})

    def __init__(
        self,
        base_url: str | None = None,
        *,
        model: str = MODEL,
        api_key: SecretStr | str | None = None,
        silence_s: float = SILENCE_S,
    ) -> None:
        self.name = model
        self.silence_s = silence_s
        self._url = address(address_of(base_url, "BARGEIN_VLLM_REALTIME_URL"), "/v1/realtime")
        self._key = plain_key(api_key)

    def open(self, rate: int) -> VoxtralConnection:
        """One call's connection. Raises UsageError for a rate that is not taken."""
        return VoxtralConnection(self, Utterances(), rate)

    def dial(self) -> connect:
        """A new connection, by `async with`."""
        return opened(self._url, self._key)

    async def greet(self, socket: ClientConnection, rate: int) -> None:
        """Name the model, and start it. It answers only what it does not take: `Utterances` reads that."""
        if parsed(await socket.recv())["type"] != "session.created":
            raise VendorLost("began with something else than a session", advice="Call again")
        await socket.send(json.dumps({"type": "session.update", "model": self.name}))
        await socket.send(json.dumps({"type": "input_audio_buffer.commit"}))

    def sound(self, audio: str) -> str:
        return json.dumps({"type": "input_audio_buffer.append", "audio": audio})


class Utterances:
    """voxtral_connection.VoxtralWords of vLLM's messages."""

    def __init__(self) -> None:
        self.owes = False  # it gives empty pieces: so it must give something all the time
        self.answered_ms = 0.0
        self._turn = -1
        self._open = False
        self._sent_text = ""
        self._from_ms = 0.0
        self._base_ms = 0.0
        self._last_ms = 0.0  # how far the sound was sent when the last piece of a word came
        self._empty = 0  # pieces since
        self._pieces = VoxtralPieces()

    @property
    def unsettled(self) -> bool:
        return self._pieces.unsettled

    def again(self, from_ms: float) -> None:
        self._base_ms = self._last_ms = from_ms
        self._empty = 0
        self._pieces = VoxtralPieces()
        self.owes = False

    def open_at(self, sent_ms: float) -> bool:
        paused = max(sent_ms - self._last_ms, self._empty * PIECE_MS) >= PAUSE_MS
        # An utterance that is heard once more is not over before its words have come again.
        if self._open and paused and self._pieces.whole and not self._pieces.unsettled:
            self._open = False
            self._pieces = VoxtralPieces()
            self.answered_ms = max(self.answered_ms, self._last_ms)
        return self._open

    def finalize(self, sent_ms: float) -> list[TurnUpdate]:
        self._pieces.finalize()
        return self._words(sent_ms)

    def read(self, message: Mapping[str, Any], sent_ms: float) -> list[TurnUpdate]:
        match message["type"]:
            case "transcription.delta":
                return self._delta(message["delta"], sent_ms)
            case "transcription.done":
                raise VendorLost("ended the transcription", advice="Call again")
            case "error":
                code = message.get("code")
                if code == "model_not_found":
                    raise VendorRefused(
                        "vLLM does not serve this model", advice="Give the name by which the server serves it"
                    )
                known = code if code in CODES else "an unknown error"
                raise VendorLost(f"answered with {known}", advice="Look into the server's log")
            case _:
                return []

    def _delta(self, piece: str, sent_ms: float) -> list[TurnUpdate]:
        if not piece:
            self.owes = True
            self._empty += 1
            self._pieces.finalize()
            heard = self._words(sent_ms)
            self.open_at(sent_ms)
            return heard or [self._progress(sent_ms)]
        settled: list[TurnUpdate] = []
        if self._pieces.unsettled and max(sent_ms - self._last_ms, self._empty * PIECE_MS) >= PAUSE_MS:
            settled = self.finalize(sent_ms)
        self.open_at(sent_ms)
        self._last_ms, self._empty = sent_ms, 0
        if not self._open and not self._pieces.unsettled:
            self._from_ms = max(self._base_ms, self.answered_ms, sent_ms - DELAY_MS - WORD_MS)
        self._pieces.add(piece)
        return [*settled, *self._words(sent_ms)]

    def _words(self, sent_ms: float) -> list[TurnUpdate]:
        text = self._pieces.whole
        if not text:
            return []
        if not self._open:
            self._turn, self._open, self._sent_text = self._turn + 1, True, ""
        # What is heard once more is told again only where it goes beyond what was told.
        if self._sent_text.startswith(text):
            return []
        self._sent_text = text
        return [TurnUpdate("words", self._turn, text, self._from_ms, self._until_ms(sent_ms))]

    def _progress(self, sent_ms: float) -> TurnUpdate:
        until_ms = self._until_ms(sent_ms)
        return TurnUpdate("progress", max(self._turn, 0), "", until_ms, until_ms)

    def _until_ms(self, sent_ms: float) -> float:
        return max(self._from_ms, sent_ms - DELAY_MS)
