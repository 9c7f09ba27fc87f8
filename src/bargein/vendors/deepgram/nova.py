"""Deepgram Nova (v1 listen), by Deepgram's SDK: words as they are spoken; turns by its pauses.

A connection that breaks is made again, and the audio that Nova had not answered for is sent once more, so that no word
is lost; what was final stays. Nothing of what the vendor says in an error is passed on: it may quote the key.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from pydantic import SecretStr

from bargein.audio.pcm import FRAME_MS, Samples
from bargein.errors import Unavailable, UsageError, VendorLost
from bargein.protocols import STTEvent, TurnUpdate
from bargein.vendors.common.backlog import Backlog
from bargein.vendors.common.keys import access
from bargein.vendors.common.reconnect import Reconnect
from bargein.vendors.deepgram.nova_turns import NovaResult, NovaTurns, NovaWord
from bargein.vendors.deepgram.refusals import LOST, refused

try:
    from deepgram import AsyncDeepgramClient
    from deepgram.core.api_error import ApiError
    from deepgram.listen.v1.socket_client import AsyncV1SocketClient
    from deepgram.listen.v1.types import ListenV1Error, ListenV1Results, ListenV1UtteranceEnd
    from websockets.exceptions import WebSocketException

    from bargein.vendors.deepgram.listen import environment

    INSTALLED = True
except ImportError:  # the extra "deepgram" is not there: `DeepgramNova` says so when it is made
    INSTALLED = False

SEND_MS = 80
CONNECT_S = 5.0
CLOSE_S = 0.5  # for each step of closing: a network that is away answers none
KEEP_ALIVE_S = 4.0  # Nova ends a connection after 10 s without sound or this
SILENCE_S = 5.0  # Nova says something about every second of sound; after so long without a word it is gone
LOOKS = 4  # in that time, at how much sound it has got: without sound its silence means nothing
ANSWERED_MS = 1_500  # of sound; of less it may have nothing to say
OVER_MS = 500  # later than Nova would end a turn, we do
RATES = (8_000, 16_000)


class DeepgramNova:
    """protocols.StreamingSTT by shape; one serves every call.

    model: nova-3 or another; language: as Deepgram names it ("en-US", "multi"), None: English. endpointing_ms: the
    pause that ends a turn, None: only the distance between words does, utterance_end_ms (1000 or more), which works in
    noise, too. smart_format: numbers, dates and the like in their written form. keyterms: words to expect. keep_ms: of
    sound for a vendor that is away. silence_s: without an answer, after which it is lost. base_url: None is
    BARGEIN_DEEPGRAM_URL, or Deepgram itself. Raises Unavailable without the SDK, UsageError for numbers that cannot be.
    """

    turns = True

    def __init__(
        self,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        model: str = "nova-3",
        language: str | None = None,
        keyterms: Sequence[str] = (),
        endpointing_ms: int | None = 400,
        utterance_end_ms: int = 1_000,
        smart_format: bool = False,
        keep_ms: float = 30_000,
        silence_s: float = SILENCE_S,
    ) -> None:
        if not INSTALLED:
            raise Unavailable(
                "The package deepgram-sdk is not installed", advice="Install the extra: bargein[deepgram]"
            )
        if endpointing_ms is not None and endpointing_ms < 10:
            raise UsageError(f"endpointing_ms is {endpointing_ms}", advice="Give 10 or more, or None")
        if utterance_end_ms < 1_000:
            raise UsageError(f"utterance_end_ms is {utterance_end_ms}", advice="Give 1000 or more")
        self.name = model
        self.keep_ms = keep_ms
        self.silence_s = silence_s
        self.over_ms = max(utterance_end_ms, endpointing_ms or 0) + OVER_MS
        at = access("deepgram", "DEEPGRAM_API_KEY", api_key=api_key, base_url=base_url)
        self._client = AsyncDeepgramClient(api_key=at.key or "none", environment=environment(at.base_url))
        self.options: dict[str, object] = {  # as text: the SDK would write True as "True"
            "model": model,
            "language": language,
            "encoding": "linear16",
            "channels": "1",
            "interim_results": "true",
            "vad_events": "true",
            "punctuate": "true",
            "smart_format": "true" if smart_format else "false",
            "endpointing": "false" if endpointing_ms is None else str(endpointing_ms),
            "utterance_end_ms": str(utterance_end_ms),
            "keyterm" if model.startswith("nova-3") else "keywords": list(keyterms) or None,
        }

    def open(self, rate: int) -> NovaConnection:
        """One call's connection. Raises UsageError for a rate that is not taken."""
        if rate not in RATES:
            raise UsageError(f"Nova was to be fed with {rate} Hz", advice=f"Feed it with one of {RATES}")
        return NovaConnection(self, rate)

    @contextlib.asynccontextmanager
    async def connect(self, rate: int) -> AsyncIterator[AsyncV1SocketClient]:
        """The SDK's own connection. Raises what the SDK raises."""
        async with self._client.listen.v1.connect(sample_rate=str(rate), **self.options) as socket:
            # The SDK has no setting for it, and 10 s for each of five steps would hold up the next try.
            socket._websocket.close_timeout = CLOSE_S  # noqa: SLF001
            yield socket


class NovaConnection:
    """protocols.STTConnection by shape. Turns are counted from 0, over reconnections."""

    def __init__(self, nova: DeepgramNova, rate: int) -> None:
        self._nova = nova
        self._rate = rate
        self._piece = rate * SEND_MS // 1000
        self._frame = rate * FRAME_MS // 1000
        self._backlog = Backlog(rate, nova.keep_ms)
        self._turns = NovaTurns(nova.over_ms)
        self._base_ms = 0.0  # where the present connection's clock began

    @property
    def dropped(self) -> int:
        """Samples that were never sent: the vendor was away for too long."""
        return self._backlog.dropped

    def push_audio(self, samples: Samples) -> None:
        """Take the next stretch. Never waits."""
        # In frames, since the backlog forgets whole stretches only: what is sent once more begins within a frame of
        # what was not answered for.
        for at in range(0, len(samples), self._frame):
            self._backlog.push_audio(samples[at : at + self._frame])

    def events(self) -> AsyncGenerator[STTEvent, None]:
        """protocols.STTConnection.events. Raises VendorRefused."""
        # The unanswered audio waits again, and counts as dropped if it must go.
        return Reconnect(self._connection, vendor="Deepgram", advice=LOST, on_break=self._backlog.rewind).events()

    async def _connection(self) -> AsyncGenerator[TurnUpdate, None]:
        """One connection. Raises VendorRefused or VendorLost."""
        try:
            async with asyncio.timeout(CONNECT_S) as connecting, self._nova.connect(self._rate) as socket:
                connecting.reschedule(None)
                self._base_ms = self._backlog.rewind() * 1000 / self._rate
                self._turns.again(self._base_ms)
                async with contextlib.aclosing(self._talk(socket)) as updates:
                    async for update in updates:
                        yield update
        except ApiError as error:
            raise refused(error.status_code, "Check the model's name, the language and the keyterms") from None
        except TimeoutError:
            raise VendorLost("did not answer in time", advice=LOST) from None
        except (OSError, WebSocketException, ValueError, AttributeError, TypeError, IndexError) as error:
            # The last four: a message that is not JSON, or not one of the SDK's.
            raise VendorLost(f"broke off ({type(error).__name__})", advice=LOST) from None
        raise VendorLost("hung up", advice=LOST)

    async def _talk(self, socket: AsyncV1SocketClient) -> AsyncGenerator[TurnUpdate, None]:
        """What one connection hears. Ends by VendorLost, and by what the SDK raises."""
        sending = asyncio.create_task(self._send(socket), name="nova: send")
        receiving = asyncio.create_task(socket.recv(), name="nova: receive")
        fed = deque([self._backlog.end], maxlen=1 + LOOKS)  # up to where, at the latest looks without a message
        try:
            while True:
                # A closed connection takes no audio, and what had come by it before is still read.
                tasks = {receiving} if sending.done() else {receiving, sending}
                await asyncio.wait(tasks, timeout=self._nova.silence_s / LOOKS, return_when=asyncio.FIRST_COMPLETED)
                if sending.done() and isinstance(error := sending.exception(), VendorLost):
                    raise error
                if not receiving.done():
                    fed.append(self._backlog.end)
                    unanswered_ms = fed[0] * 1000 / self._rate - self._turns.listened_ms
                    if len(fed) > LOOKS and unanswered_ms >= ANSWERED_MS:
                        raise VendorLost(f"said nothing for {self._nova.silence_s:g} s", advice="Call again")
                    continue
                fed.clear()
                fed.append(self._backlog.end)
                message = receiving.result()
                receiving = asyncio.create_task(socket.recv(), name="nova: receive")
                for heard in self._message(message):
                    yield heard
        finally:
            for task in (sending, receiving):
                task.cancel()
            # Awaited, their errors taken: what ended us is known already.
            await asyncio.gather(sending, receiving, return_exceptions=True)
            with contextlib.suppress(OSError, TimeoutError, WebSocketException):
                async with asyncio.timeout(CLOSE_S):
                    await socket.send_close_stream()

    async def _send(self, socket: AsyncV1SocketClient) -> None:
        """The sound, as it comes. Raises VendorLost when some of it was dropped before it could be sent."""
        at = self._backlog.sent
        while True:
            try:
                async with asyncio.timeout(KEEP_ALIVE_S):
                    await self._backlog.more(self._piece)
            except TimeoutError:
                await socket.send_keep_alive()
                continue
            if self._backlog.sent != at:
                # The connection's clock counts what it got: after a gap all its times would be wrong.
                raise VendorLost("took the sound too slowly", advice="Call again")
            samples = self._backlog.take(self._piece)
            at = self._backlog.sent
            if samples is not None:
                await socket.send_media(samples.astype("<i2", copy=False).tobytes())

    def _message(self, message: object) -> list[TurnUpdate]:
        """Raises VendorLost; and what comes of a message that lacks what it should have."""
        match message:
            case ListenV1Error():
                raise VendorLost("ended the stream with an error", advice="Call again")
            case ListenV1Results():
                heard = self._turns.result(self._result(message))
                self._backlog.acknowledge(int(self._turns.answered_ms * self._rate / 1000))
                return heard
            case ListenV1UtteranceEnd():
                last_s = float(message.last_word_end)
                return self._turns.utterance_end(self._ms(last_s) if last_s >= 0 else None)
            case _:
                return []  # SpeechStarted: our own VAD was first; Metadata, and what we do not know

    def _result(self, results: ListenV1Results) -> NovaResult:
        best = results.channel.alternatives[0]
        words = tuple(
            NovaWord(word.punctuated_word or word.word, self._ms(word.start), self._ms(word.end)) for word in best.words
        )
        return NovaResult(
            self._ms(results.start),
            self._ms(results.start + results.duration),
            best.transcript,
            words,
            bool(results.is_final),
            bool(results.speech_final),
        )

    def _ms(self, seconds: float) -> float:
        """From the connection's clock to that of all that was fed. Raises ValueError for what is no time."""
        if not math.isfinite(seconds):
            raise ValueError("no time")
        return self._base_ms + seconds * 1000
