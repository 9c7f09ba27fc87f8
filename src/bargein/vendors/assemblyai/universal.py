"""AssemblyAI Universal-Streaming (v3): words, and the ends of turns.

The SDK's types check every message. Its clients are not used: the one for asyncio serves one connection, holds audio
without a bound, and awaits its listeners, so that a cut would wait for a queue. A connection that breaks is made again,
and the audio that was not answered for is sent once more. Nothing of what the vendor says in an error is passed on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncGenerator, Sequence
from typing import Any
from urllib.parse import urlencode

from pydantic import SecretStr, ValidationError

from bargein.audio.pcm import Samples
from bargein.errors import Unavailable, UsageError, VendorLost, VendorRefused
from bargein.protocols import STTEvent, TurnUpdate
from bargein.vendors.common.backlog import Backlog
from bargein.vendors.common.keys import access
from bargein.vendors.common.reconnect import Reconnect

try:
    from assemblyai.streaming.v3.models import (
        BeginEvent,
        Encoding,
        ErrorEvent,
        HeartbeatEvent,
        RealTimeParameters,
        SpeechModel,
        TurnEvent,
    )
    from websockets.asyncio.client import ClientConnection, connect
    from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

    INSTALLED = True
except ImportError:  # the extra "assemblyai" is not there: `AssemblyUniversal` says so when it is made
    INSTALLED = False

URL = "wss://streaming.assemblyai.com"
VERSION = "2025-05-12"
KEY = "ASSEMBLYAI_API_KEY"
LOST = "Look at AssemblyAI's status, and at this machine's network"
SEND_MS = 60  # the vendor takes 50 to 1000
CONNECT_S = 5.0
SILENCE_S = 6.0  # in a turn, or after a heartbeat: after so long without a message it is gone
IDLE_S = 10.0  # without sound from our side
CLOSE_S = 0.5  # for the vendor's goodbye
KEPT_MS = 3_000  # of sound without a turn: a heartbeat tells what came, and what was listened to lags behind
MESSAGE_BYTES = 256 * 1024
RATES = (8_000, 16_000)
REFUSALS = {
    4001: f"Check {KEY}",
    4002: "The account's credit is used up: check its billing",
    4003: "The account needs a credit card: check its billing",
    3006: "Check the model's name and the settings",
    4101: "Check the model's name and the settings",
}
"""Close codes that another attempt would get again, and what to do."""
STATUSES = {401: f"Check {KEY}", 402: "Check the account's billing", 403: f"Check what {KEY} may do"}
TERMINATE = json.dumps({"type": "Terminate"})


class AssemblyUniversal:
    """protocols.StreamingSTT by shape; one serves every call.

    model: universal-streaming-english, or -multilingual. end_of_turn_confidence: 0..1, how sure it must be that a turn
    is over. min_turn_silence_ms: quiet that a sure end needs; max_turn_silence_ms: quiet that ends a turn whatever it
    believes. keyterms: words to expect. base_url: None is BARGEIN_ASSEMBLYAI_URL, or AssemblyAI itself. Raises
    Unavailable without the SDK, UsageError for numbers and names that cannot be.
    """

    turns = True

    def __init__(
        self,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        model: str = "universal-streaming-english",
        keyterms: Sequence[str] = (),
        end_of_turn_confidence: float = 0.4,
        min_turn_silence_ms: int = 400,
        max_turn_silence_ms: int = 1_280,
        silence_s: float = SILENCE_S,
    ) -> None:
        if not INSTALLED:
            raise Unavailable(
                "The package assemblyai is not installed", advice="Install the extra: bargein[assemblyai]"
            )
        if not 0 <= end_of_turn_confidence <= 1:
            advice = "Give a number from 0 to 1"
            raise UsageError(f"end_of_turn_confidence is {end_of_turn_confidence}", advice=advice)
        if not 0 < min_turn_silence_ms <= max_turn_silence_ms:
            advice = "Give milliseconds above 0, and at least as many for the most as for the least"
            raise UsageError(f"The silences are {min_turn_silence_ms} and {max_turn_silence_ms} ms", advice=advice)
        known = [each.value for each in SpeechModel]
        if model not in known:
            raise UsageError(f"There is no model {model[:80]!r}", advice=f"Choose one of {', '.join(known)}")
        self.name = model
        self.silence_s = silence_s
        at = access("assemblyai", KEY, api_key=api_key, base_url=base_url)
        self._url, self._key = (at.base_url or URL).rstrip("/"), at.key or "none"
        self.options: dict[str, Any] = {
            "speech_model": model,
            "encoding": Encoding.pcm_s16le,
            "end_of_turn_confidence_threshold": end_of_turn_confidence,
            "min_turn_silence": min_turn_silence_ms,
            "max_turn_silence": max_turn_silence_ms,
            "keyterms_prompt": list(keyterms) or None,
            "format_turns": False,  # the formatted text comes after the end of the turn, which we would wait for
            "session_heartbeat": True,
        }

    def open(self, rate: int) -> UniversalConnection:
        """One call's connection. Raises UsageError for a rate that is not taken."""
        if rate not in RATES:
            raise UsageError(f"AssemblyAI was to be fed with {rate} Hz", advice=f"Feed it with one of {RATES}")
        return UniversalConnection(self, rate)

    def connect(self, rate: int) -> contextlib.AbstractAsyncContextManager[ClientConnection]:
        """A socket. The query is made of the SDK's own parameters."""
        given = RealTimeParameters(sample_rate=rate, **self.options).model_dump(mode="json", exclude_none=True)
        query = {name: json.dumps(value) if isinstance(value, list) else value for name, value in given.items()}
        made: contextlib.AbstractAsyncContextManager[ClientConnection] = connect(
            f"{self._url}/v3/ws?{urlencode(query)}",
            additional_headers={"Authorization": self._key, "AssemblyAI-Version": VERSION},
            close_timeout=CLOSE_S,
            max_size=MESSAGE_BYTES,
            compression=None,
        )
        return made


class UniversalConnection:
    """protocols.STTConnection by shape. Turns are counted from 0, over reconnections."""

    def __init__(self, stt: AssemblyUniversal, rate: int) -> None:
        self._stt = stt
        self._rate = rate
        self._piece = rate * SEND_MS // 1000
        self._backlog = Backlog(rate)
        self._base = 0  # position of the present connection's first sample
        self._first_turn = 0  # our number of its turn 0
        self._turn = -1  # the newest turn that began
        self._open_turn = False
        self._until_ms = 0.0
        self._beats = False  # this connection has told a heartbeat

    @property
    def dropped(self) -> int:
        """Samples that were never sent: the vendor was away for too long."""
        return self._backlog.dropped

    def push_audio(self, samples: Samples) -> None:
        """Take the next stretch. Never waits."""
        self._backlog.push_audio(samples)

    def events(self) -> AsyncGenerator[STTEvent, None]:
        """protocols.STTConnection.events. Raises VendorRefused."""
        return Reconnect(self._connection, vendor="AssemblyAI", advice=LOST, on_break=self._backlog.rewind).events()

    async def _connection(self) -> AsyncGenerator[TurnUpdate, None]:
        """One connection. Returns when no audio comes any more. Raises VendorRefused or VendorLost."""
        await self._backlog.more(self._piece)
        try:
            async with asyncio.timeout(CONNECT_S) as connecting, self._stt.connect(self._rate) as socket:
                connecting.reschedule(None)
                self._begin()
                async with contextlib.aclosing(self._talk(socket)) as updates:
                    async for update in updates:
                        yield update
        except InvalidStatus as error:
            status = error.response.status_code
            if status in (400, 404, *STATUSES):
                advice = STATUSES.get(status, "Check the model's name and the settings")
                raise VendorRefused(f"AssemblyAI refused with {status}", advice=advice) from None
            raise VendorLost(f"answered {status}", advice=LOST) from None
        except ConnectionClosed as error:
            code = error.rcvd.code if error.rcvd is not None else 1006
            if code in REFUSALS:
                raise VendorRefused(f"AssemblyAI refused with {code}", advice=REFUSALS[code]) from None
            raise VendorLost(f"closed the connection ({code})", advice=LOST) from None
        except TimeoutError:
            raise VendorLost("did not answer in time", advice=LOST) from None
        except (OSError, WebSocketException, ValueError, ValidationError) as error:
            # The last two: a message that is not JSON, or not one of the SDK's.
            raise VendorLost(f"broke off ({type(error).__name__})", advice=LOST) from None

    def _begin(self) -> None:
        """A new connection: it counts turns and time from 0, and hears an open turn from its beginning."""
        self._base = self._backlog.rewind()
        self._beats = False
        self._first_turn = self._turn if self._open_turn else self._turn + 1

    async def _talk(self, socket: ClientConnection) -> AsyncGenerator[TurnUpdate, None]:
        """Until no sound comes any more."""
        sending = asyncio.create_task(self._send(socket), name="assemblyai: send")
        try:
            while (message := await self._next(socket, sending)) is not None:
                if (heard := self._heard(message)) is not None:
                    yield heard
        finally:
            sending.cancel()
            # Awaited, its error taken: what ended us is known already.
            await asyncio.gather(sending, return_exceptions=True)

    async def _next(self, socket: ClientConnection, sending: asyncio.Task[None]) -> object | None:
        """The next message as JSON; None: no sound comes any more, and the session was ended."""
        reading = asyncio.ensure_future(socket.recv())
        try:
            while True:
                await asyncio.wait({reading, sending}, timeout=self._stt.silence_s, return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    message: object = json.loads(reading.result())
                    return message if message is not None else {}
                if sending.done():
                    sending.result()
                    await socket.send(TERMINATE)
                    return None
                # Without heartbeats the user's silence is the vendor's, too.
                if (self._beats or self._open_turn) and self._backlog.sent > self._base:
                    raise VendorLost(f"said nothing for {self._stt.silence_s:g} s", advice="Wait")
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _send(self, socket: ClientConnection) -> None:
        """The sound, as it comes; ends when none comes any more."""
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    await self._backlog.more(self._piece)
            except TimeoutError:
                return
            samples = self._backlog.take(self._piece)
            if samples is not None:
                await socket.send(samples.astype("<i2", copy=False).tobytes())

    # ------------------------------------------------------------------------------------------------- messages

    def _heard(self, message: Any) -> TurnUpdate | None:
        """What a message tells. Raises ValidationError, and VendorLost or VendorRefused for an error."""
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == "Turn":
            return self._turn_event(TurnEvent.model_validate(message))
        if kind == "Heartbeat":
            return self._progress(HeartbeatEvent.model_validate(message).total_audio_received_ms)
        if kind == "Error":
            code = ErrorEvent.model_validate(message).error_code
            if code in REFUSALS:
                raise VendorRefused(f"AssemblyAI refused with {code}", advice=REFUSALS[code])
            raise VendorLost(f"ended the session with an error ({code})", advice="Call again")
        if kind == "Begin":
            BeginEvent.model_validate(message)
        return None  # or a message that we do not know

    def _progress(self, received_ms: int) -> TurnUpdate | None:
        """It has listened so far. While a turn is open its words tell that."""
        self._beats = True
        if self._open_turn:
            return None
        until_ms = self._until_ms = max(self._until_ms, self._ms(received_ms))
        self._backlog.acknowledge(int((until_ms - KEPT_MS) * self._rate / 1000))
        return TurnUpdate("progress", max(self._turn, 0), "", until_ms, until_ms)

    def _turn_event(self, event: TurnEvent) -> TurnUpdate | None:
        turn = self._first_turn + event.turn_order
        if turn < self._turn or (turn == self._turn and not self._open_turn):
            return None  # a turn that is over, said once more with punctuation
        text = " ".join(word.text.strip() for word in event.words if word.text.strip()) or event.transcript.strip()
        if not text:
            return None  # its beginning has no word yet
        from_ms = self._ms(event.words[0].start if event.words else 0)
        until_ms = self._until_ms = max(self._until_ms, self._ms(event.words[-1].end if event.words else 0))
        begun = turn == self._turn
        self._turn, self._open_turn = turn, not event.end_of_turn
        if event.end_of_turn:
            self._backlog.acknowledge(int(until_ms * self._rate / 1000))
            return TurnUpdate("ended", turn, text, from_ms, until_ms)
        return TurnUpdate("words" if begun else "started", turn, text, from_ms, until_ms)

    def _ms(self, ms: float) -> float:
        """From the connection's clock to that of all that was fed. Raises ValueError for what is no time."""
        if not math.isfinite(ms):
            raise ValueError("no time")
        return self._base * 1000 / self._rate + ms
