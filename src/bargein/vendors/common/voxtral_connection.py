"""A connection to a server of Voxtral's realtime model: the audio's upload, and connecting again. What the messages
mean is each vendor's own."""

from __future__ import annotations

import asyncio
import contextlib
import json
from base64 import b64encode
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from bargein.audio.pcm import FRAME_MS, Samples
from bargein.audio.resample import HotResampler
from bargein.errors import UsageError, VendorLost, VendorRefused
from bargein.protocols import STTEvent, TurnUpdate
from bargein.units import is_unspaced
from bargein.vendors.common.backlog import Backlog
from bargein.vendors.common.reconnect import Reconnect

AGAIN = "Connect again"
RATES = (8_000, 16_000)
SEND_MS = 80  # of sound in one message: what the model takes at a time
CONNECT_S = 5.0
IDLE_S = 4.0  # without sound from our side: before the silence is held against the vendor, who gives up after 30 s
PING_S = 5.0  # between two turns nothing else shows that the vendor is there
DELAY_MS = 480  # of the model, unless it is asked for another
SILENCE_S = 5.0  # without a message that is owed, after which the vendor is lost
SETTLE_S = 0.12  # without another piece a word is whole: pieces of one word come 80 ms apart
ANSWERED_S = 5.0  # sound that was sent so long ago, outside of a turn, has no word in it
CLOSE_S = 0.5  # for the vendor's goodbye
MOST_WAITING = 1_024  # messages that wait unread at the end: with fewer, the close frame behind them is not seen


class VoxtralWords(Protocol):
    """What one vendor's messages make of turns, over all connections of one call. Times: ms, from the first sample fed.

    owes: silence means that the vendor is gone. unsettled: a word may not be whole. answered_ms: all before it need not
    be heard again."""

    owes: bool
    answered_ms: float

    @property
    def unsettled(self) -> bool: ...

    def again(self, from_ms: float) -> None:
        """A new connection hears everything from there."""
        ...

    def read(self, message: Mapping[str, Any], sent_ms: float) -> list[TurnUpdate]:
        """sent_ms: how far the sound was sent. Raises VendorRefused, VendorLost, and what comes of odd messages."""
        ...

    def finalize(self, sent_ms: float) -> list[TurnUpdate]:
        """No piece came for a while."""
        ...

    def open_at(self, sent_ms: float) -> bool:
        """Whether a turn goes on, of which all sound is to be kept."""
        ...


class VoxtralWire(Protocol):
    """Who listens. vendor: its name for people; key: where its key comes from; rates: Hz that it takes; goodbye: a
    message; silence_s: without a message that it owes, after which it is lost."""

    vendor: str
    key: str
    rates: Sequence[int]
    goodbye: str
    silence_s: float

    def dial(self) -> connect: ...

    async def greet(self, socket: ClientConnection, rate: int) -> None:
        """Until sound can be sent. Raises VendorRefused or VendorLost."""
        ...

    def sound(self, audio: str) -> str:
        """The message that carries sound. audio: 16-bit PCM in base64."""
        ...


class VoxtralPieces:
    """A text that comes in pieces of words. whole: as much of it as surely ends with a word."""

    def __init__(self) -> None:
        self._text = ""
        self._sure = 0

    @property
    def whole(self) -> str:
        return " ".join(self._text[: self._sure].split())

    @property
    def unsettled(self) -> bool:
        return self._sure < len(self._text)

    def add(self, piece: str) -> None:
        if piece[:1].isspace():
            self._sure = len(self._text)
        self._text += piece
        last = self._text[-1:]
        # After a sign, and in scripts without spaces, nothing is waited for.
        if not (last.isalnum() or last in "'’-") or is_unspaced(last):
            self._sure = len(self._text)

    def finalize(self) -> None:
        self._sure = len(self._text)


class VoxtralConnection:
    """protocols.STTConnection by shape. Turns are counted from 0, over reconnections. rate: Hz of what is fed."""

    def __init__(self, vendor: VoxtralWire, words: VoxtralWords, rate: int) -> None:
        if rate not in RATES:
            raise UsageError(f"Voxtral was to be fed with {rate} Hz", advice=f"Feed it with one of {RATES}")
        self._vendor = vendor
        self._words = words
        self._in_rate = rate
        self._rate = rate if rate in vendor.rates else vendor.rates[0]
        self._resampler = HotResampler(rate, self._rate)
        self._piece = self._rate * SEND_MS // 1000
        self._frame = self._rate * FRAME_MS // 1000
        self._backlog = Backlog(self._rate)
        self._idle = False

    @property
    def dropped(self) -> int:
        """Samples, of those fed, that were never sent: the vendor was away for too long."""
        return self._backlog.dropped * self._in_rate // self._rate

    def push_audio(self, samples: Samples) -> None:
        """Take the next stretch. Never waits."""
        samples = self._resampler.push_audio(samples)
        # In frames, since the backlog forgets whole stretches only: words of a turn that is over are not heard again.
        for at in range(0, len(samples), self._frame):
            self._backlog.push_audio(samples[at : at + self._frame])

    def events(self) -> AsyncGenerator[STTEvent, None]:
        """protocols.STTConnection.events. Raises VendorRefused."""
        name = self._vendor.vendor
        return Reconnect(
            self._connection,
            vendor=name,
            advice=f"Look at {name}, and at this machine's network",
            on_break=self._backlog.rewind,  # the unanswered audio waits, also if no more audio comes
        ).events()

    async def _connection(self) -> AsyncGenerator[TurnUpdate | None, None]:
        """One connection. Returns when no audio comes any more. Raises VendorRefused or VendorLost."""
        vendor = self._vendor
        await self._backlog.more(self._piece)
        try:
            async with asyncio.timeout(CONNECT_S) as connecting, vendor.dial() as socket:
                await vendor.greet(socket, self._rate)
                connecting.reschedule(None)
                yield None
                self._words.again(self._backlog.rewind() * 1000 / self._rate)
                async with contextlib.aclosing(self._talk(socket)) as updates:
                    async for update in updates:
                        yield update
        except InvalidStatus as error:
            raise refused(vendor, error.response.status_code) from None
        except TimeoutError:
            raise VendorLost("did not answer in time", advice=AGAIN) from None
        except (OSError, WebSocketException, ValueError, TypeError, KeyError, AttributeError) as error:
            # The last four: a message that is not JSON, or not one of the vendor's.
            raise VendorLost(f"broke off ({type(error).__name__})", advice=AGAIN) from None

    async def _talk(self, socket: ClientConnection) -> AsyncGenerator[TurnUpdate, None]:
        """Until no sound comes any more. Raises VendorRefused, VendorLost, and what the socket raises.

        A turn is on its way to a cut here: no task stands between the socket and the floor.
        """
        words, silence_s = self._words, self._vendor.silence_s
        loop = asyncio.get_running_loop()
        self._idle = False
        sending = asyncio.create_task(self._send(socket), name="voxtral: send")

        def sent(task: asyncio.Task[None]) -> None:
            if failure(task) is not None:
                socket.transport.abort()  # otherwise we would wait for answers to nothing

        sending.add_done_callback(sent)
        at = loop.time()  # of the last message
        try:
            while True:
                try:
                    async with asyncio.timeout(SETTLE_S if words.unsettled else at + silence_s - loop.time()):
                        message = parsed(await socket.recv())
                    at = loop.time()
                    heard = words.read(message, self._sent_ms)
                except TimeoutError:
                    if words.unsettled:
                        heard = words.finalize(self._sent_ms)
                    elif words.owes and not self._idle:
                        raise VendorLost(f"said nothing for {silence_s:g} s", advice="Wait") from None
                    else:
                        at, heard = loop.time(), []
                self._backlog.acknowledge(int(words.answered_ms * self._rate / 1000))
                for item in heard:
                    yield item
        except (ConnectionClosed, VendorLost):
            error = failure(sending)
            if error is not None and not isinstance(error, ConnectionClosed):
                raise error from None  # which is why it was closed
            if not self._idle:  # else it is their answer to our goodbye
                raise
        finally:
            sending.cancel()
            # Awaited, its error taken: what ended us is known already.
            await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, socket: ClientConnection) -> None:
        """The sound, as it comes; when none comes any more, the end of the connection."""
        backlog, loop = self._backlog, asyncio.get_running_loop()
        sent: deque[tuple[float, int]] = deque()  # when, and up to which position
        at = backlog.sent
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    await backlog.more(self._piece)
            except TimeoutError:
                break
            if backlog.sent != at:
                # The connection's clock counts what it got: after a gap all its times would be wrong.
                await socket.close()
                return
            samples = backlog.take(self._piece)
            at = backlog.sent
            if samples is None:
                continue
            await socket.send(self._vendor.sound(b64encode(samples.astype("<i2", copy=False).tobytes()).decode()))
            sent.append((loop.time(), backlog.sent))
            while sent[0][0] < loop.time() - ANSWERED_S:
                position = sent.popleft()[1]
                if not self._words.open_at(self._sent_ms):
                    backlog.acknowledge(position)
        self._idle = True
        await socket.send(self._vendor.goodbye)
        await socket.close()

    @property
    def _sent_ms(self) -> float:
        return self._backlog.sent * 1000 / self._rate


def failure(task: asyncio.Task[None]) -> BaseException | None:
    """What a task has ended with, if it is an error."""
    return task.exception() if task.done() and not task.cancelled() else None


REFUSALS: Mapping[int, str] = {
    400: "Check the model's name and the settings",
    401: "Check {key}",
    402: "The account's credit is used up: check its billing",
    403: "Check what {key} may do",
    404: "Check the address and the model's name",
    422: "Check the model's name and the settings",
}


def refused(vendor: VoxtralWire, status: int) -> VendorRefused | VendorLost:
    """What a refused handshake means. VendorRefused for a status that another attempt would get again."""
    if status in REFUSALS:
        return VendorRefused(f"{vendor.vendor} refused with {status}", advice=REFUSALS[status].format(key=vendor.key))
    return VendorLost(f"answered {status}", advice=AGAIN)


def address(base_url: str, path: str) -> str:
    """A WebSocket's. base_url: ws, wss, http or https, with or without /v1 at its end. Raises UsageError for others."""
    url = base_url.rstrip("/").removesuffix("/v1")
    if url.startswith("http"):
        url = url.replace("http", "ws", 1)
    if not url.startswith(("ws://", "wss://")):
        raise UsageError("base_url is no address of a server", advice="Give one like https://host:port")
    return url + path


def opened(url: str, key: str | None) -> connect:
    """A connection that answers pings, and does not wait long for a goodbye."""
    return connect(
        url,
        additional_headers={"Authorization": f"Bearer {key}"} if key else None,
        compression=None,
        max_queue=MOST_WAITING,
        open_timeout=None,
        ping_interval=PING_S,
        ping_timeout=PING_S,
        close_timeout=CLOSE_S,
    )


def parsed(data: str | bytes) -> Mapping[str, Any]:
    """A message. Raises ValueError for what is no JSON, TypeError for what is no object."""
    message = json.loads(data)
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise TypeError("no message")
    return message


def error_code(message: Mapping[str, Any]) -> int:
    """Mistral's number for an error; 0: it has none."""
    code = error.get("code") if isinstance(error := message.get("error"), dict) else None
    return code if isinstance(code, int) else 0
