"""Deepgram Flux (v2 listen), by Deepgram's SDK: words, and the beginnings and ends of turns by a model made for that.

A connection that breaks is made again, and the audio that Flux had not answered for (the whole of an open turn) is sent
once more, so that no word is lost. A connection without audio is closed, because Flux would close it with an error, and
is opened again when audio comes. Nothing of what the vendor says in an error is passed on: it may quote the key.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Sequence

from pydantic import SecretStr

from bargein.audio.pcm import Samples
from bargein.errors import Unavailable, UsageError, VendorLost
from bargein.protocols import STTEvent, TurnUpdate, TurnUpdateKind
from bargein.vendors.common.backlog import Backlog
from bargein.vendors.common.keys import access
from bargein.vendors.common.reconnect import Reconnect
from bargein.vendors.deepgram.refusals import LOST, refused

try:
    from deepgram import AsyncDeepgramClient
    from deepgram.core.api_error import ApiError
    from deepgram.listen.v2.socket_client import AsyncV2SocketClient
    from deepgram.listen.v2.types import ListenV2FatalError, ListenV2TurnInfo
    from websockets.exceptions import WebSocketException

    from bargein.vendors.deepgram.listen import environment

    INSTALLED = True
except ImportError:  # the extra "deepgram" is not there: `DeepgramFlux` says so when it is made
    INSTALLED = False

SEND_MS = 80  # Deepgram's advice: smaller pieces cost it, larger ones delay the turn
CONNECT_S = 5.0
SILENCE_S = 5.0  # Flux says something every 0.25 s of sound; after so long without a word it is gone
IDLE_S = 10.0  # without sound from our side; Flux itself gives up after some 20 s
CLOSE_S = 0.5  # for the vendor's goodbye
KEPT_MS = 1_000  # of sound without a turn: the first word of the next may lie in it
RATES = (8_000, 16_000)
KINDS: dict[str, TurnUpdateKind] = {
    "StartOfTurn": "started",
    "Update": "words",
    "EagerEndOfTurn": "eager_end",
    "TurnResumed": "resumed",
    "EndOfTurn": "ended",
}


class DeepgramFlux:
    """protocols.StreamingSTT by shape; one serves every call.

    model: flux-general-en, or flux-general-multi with languages as hints. eot_threshold: 0.5..1, how sure it must be
    that a turn is over; eager_eot_threshold: 0.3..eot_threshold, the same for a first guess on which a reply is
    prepared (None: no guesses); eot_timeout_ms: quiet that ends a turn whatever it believes. base_url: None is
    BARGEIN_DEEPGRAM_URL, or Deepgram itself. Raises Unavailable without the SDK, UsageError for numbers that cannot be.
    """

    turns = True

    def __init__(
        self,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        model: str = "flux-general-en",
        language: str | None = None,
        keyterms: Sequence[str] = (),
        eot_threshold: float = 0.7,
        eager_eot_threshold: float | None = 0.4,
        eot_timeout_ms: int = 5_000,
        silence_s: float = SILENCE_S,
    ) -> None:
        if not INSTALLED:
            raise Unavailable(
                "The package deepgram-sdk is not installed", advice="Install the extra: bargein[deepgram]"
            )
        if not 0.5 <= eot_threshold <= 1:
            raise UsageError(f"eot_threshold is {eot_threshold}", advice="Give a number from 0.5 to 1")
        if eager_eot_threshold is not None and not 0.3 <= eager_eot_threshold <= min(0.9, eot_threshold):
            raise UsageError(
                f"eager_eot_threshold is {eager_eot_threshold}",
                advice="Give a number from 0.3 to 0.9, and not above eot_threshold; or None",
            )
        if not 500 <= eot_timeout_ms <= 60_000:
            raise UsageError(f"eot_timeout_ms is {eot_timeout_ms}", advice="Give milliseconds from 500 to 60,000")
        self.name = model
        self.silence_s = silence_s
        at = access("deepgram", "DEEPGRAM_API_KEY", api_key=api_key, base_url=base_url)
        self._client = AsyncDeepgramClient(api_key=at.key or "none", environment=environment(at.base_url))
        self.options: dict[str, object] = {
            "model": model,
            "encoding": "linear16",
            "eot_threshold": eot_threshold,
            "eager_eot_threshold": eager_eot_threshold,
            "eot_timeout_ms": eot_timeout_ms,
            "keyterm": list(keyterms) or None,
            "language_hint": [language] if language and model.endswith("-multi") else None,
        }

    def open(self, rate: int) -> FluxConnection:
        """One call's connection. Raises UsageError for a rate that is not taken."""
        if rate not in RATES:
            raise UsageError(f"Flux was to be fed with {rate} Hz", advice=f"Feed it with one of {RATES}")
        return FluxConnection(self, rate)

    def connect(self, rate: int) -> contextlib.AbstractAsyncContextManager[AsyncV2SocketClient]:
        """The SDK's own connection."""
        made: contextlib.AbstractAsyncContextManager[AsyncV2SocketClient] = self._client.listen.v2.connect(
            sample_rate=rate, **self.options
        )
        return made


class FluxConnection:
    """protocols.STTConnection by shape. Turns are counted from 0, over reconnections."""

    def __init__(self, flux: DeepgramFlux, rate: int) -> None:
        self._flux = flux
        self._rate = rate
        self._piece = rate * SEND_MS // 1000
        self._backlog = Backlog(rate)
        self._base = 0  # position of the present connection's first sample
        self._first_turn = 0  # our number of its turn 0
        self._turn = -1  # the newest turn that began
        self._open_turn = False

    @property
    def dropped(self) -> int:
        """Samples that were never sent: the vendor was away for too long."""
        return self._backlog.dropped

    def push_audio(self, samples: Samples) -> None:
        """Take the next stretch. Never waits."""
        self._backlog.push_audio(samples)

    def events(self) -> AsyncGenerator[STTEvent, None]:
        """protocols.STTConnection.events. Raises VendorRefused."""
        # The unanswered audio waits from the break on, also if no more audio comes.
        return Reconnect(self._connection, vendor="Deepgram", advice=LOST, on_break=self._backlog.rewind).events()

    async def _connection(self) -> AsyncGenerator[TurnUpdate, None]:
        """One connection. Returns when no audio comes any more. Raises VendorRefused or VendorLost."""
        await self._backlog.more(self._piece)
        try:
            async with asyncio.timeout(CONNECT_S) as connecting, self._flux.connect(self._rate) as socket:
                connecting.reschedule(None)
                # The SDK has no setting for it, and its client's own 10 s would keep a finished call waiting.
                socket._websocket.close_timeout = CLOSE_S  # noqa: SLF001
                self._begin()
                async with contextlib.aclosing(self._talk(socket)) as updates:
                    async for update in updates:
                        yield update
        except ApiError as error:
            raise refused(error.status_code, "Check the model's name and the thresholds") from None
        except TimeoutError:
            raise VendorLost("did not answer in time", advice=LOST) from None
        except (OSError, WebSocketException, ValueError, AttributeError, TypeError) as error:
            # The last three: a message that is not JSON, or not one of the SDK's.
            raise VendorLost(f"broke off ({type(error).__name__})", advice=LOST) from None

    def _begin(self) -> None:
        """A new connection: it counts turns and time from 0, and hears an open turn from its beginning."""
        self._base = self._backlog.rewind()
        self._first_turn = self._turn if self._open_turn else self._turn + 1

    async def _talk(self, socket: AsyncV2SocketClient) -> AsyncGenerator[TurnUpdate, None]:
        """Until no sound comes any more. Raises VendorLost, and what the SDK raises.

        A start of turn is on its way to a cut here: no task and no wait stands between the socket and the floor.
        """
        sending = asyncio.create_task(self._send(socket), name="flux: send")
        try:
            while True:
                message = await self._next(socket, sending)
                if message is None:
                    return
                if isinstance(message, ListenV2FatalError):
                    raise VendorLost(f"ended the stream with an error ({message.code})", advice="Call again")
                if isinstance(message, ListenV2TurnInfo) and (heard := self._turn_info(message)) is not None:
                    yield heard
        finally:
            sending.cancel()
            # Awaited, its error taken: what ended us is known already.
            await asyncio.gather(sending, return_exceptions=True)

    async def _next(self, socket: AsyncV2SocketClient, sending: asyncio.Task[None]) -> object | None:
        """The next message; None: no sound comes any more, and the stream was closed."""
        loop = asyncio.get_running_loop()
        while True:
            silence = asyncio.timeout(self._flux.silence_s)

            def sent(_: object, silence: asyncio.Timeout = silence) -> None:
                with contextlib.suppress(RuntimeError):  # the message came in the same round: the wait is over
                    silence.reschedule(loop.time())

            try:
                async with silence:
                    if sending.done():
                        silence.reschedule(loop.time())
                    sending.add_done_callback(sent)
                    try:
                        message: object = await socket.recv()
                    finally:
                        sending.remove_done_callback(sent)
                    return message
            except TimeoutError:
                if sending.done():
                    sending.result()
                    await socket.send_close_stream()
                    return None
                if self._backlog.sent > self._base:
                    raise VendorLost(f"said nothing for {self._flux.silence_s:g} s", advice="Wait") from None

    async def _send(self, socket: AsyncV2SocketClient) -> None:
        """The sound, as it comes; ends when none comes any more."""
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    await self._backlog.more(self._piece)
            except TimeoutError:
                return
            samples = self._backlog.take(self._piece)
            if samples is not None:
                await socket.send_media(samples.astype("<i2", copy=False).tobytes())

    def _turn_info(self, info: ListenV2TurnInfo) -> TurnUpdate | None:
        turn = self._first_turn + int(info.turn_index)
        text = str(info.transcript or "").strip()
        until_ms = self._ms(float(info.audio_window_end))
        started = next((w.start for w in info.words if getattr(w, "start", None) is not None), None)
        from_ms = self._ms(float(info.audio_window_start if started is None else started))
        kind = KINDS.get(str(info.event))
        if kind is None or turn < self._turn or (turn == self._turn and not self._open_turn):
            return None  # an event that we do not know, or a turn that is over
        if kind in ("started", "words"):
            if not text:
                kind = "progress"
            else:
                # After a reconnection an open turn begins once more: for us it goes on.
                kind = "words" if turn == self._turn else "started"
        elif turn != self._turn and not text:
            return None  # its beginning was never told
        if kind != "progress":
            self._turn, self._open_turn = turn, kind != "ended"
        if kind == "ended":
            self._backlog.acknowledge(int(until_ms * self._rate / 1000))
        elif not self._open_turn:
            self._backlog.acknowledge(int((until_ms - KEPT_MS) * self._rate / 1000))
        return TurnUpdate(kind, max(turn, 0), text, from_ms, until_ms)

    def _ms(self, seconds: float) -> float:
        """From the connection's clock to that of all that was fed. Raises ValueError for what is no time."""
        if not math.isfinite(seconds):
            raise ValueError("no time")
        return self._base * 1000 / self._rate + seconds * 1000
