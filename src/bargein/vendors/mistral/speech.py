"""Mistral's Voxtral over its realtime WebSocket. It gives no word times, so the call estimates them.

A clause is a generation of its own (append, flush; audio; done), and the next clause is sent when the generation is
done: so the audio that a clause begins with is known. (Mistral's documents do not say whether a clause may be sent
earlier.) Audio is made faster than real time, which leaves no gap. Only closing its socket stops a generation, and a
new session takes some round trips: so the next session is opened after each cut, while the user has the turn.

The SDK has a client for this socket, but swallows a cancellation, which is how a reply is cut. The tests check our
messages by the SDK's types and client.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import Any
from urllib.parse import urlencode
from weakref import WeakSet

import numpy as np
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bargein.audio.pcm import Pcm, Samples
from bargein.errors import BargeinError, VendorLost, VendorRefused
from bargein.protocols import SpeechChunk
from bargein.vendors.common.clauses import clauses
from bargein.vendors.common.keys import access
from bargein.vendors.common.pool import SocketPool

BASE_URL = "wss://api.mistral.ai"
MODEL = "voxtral-mini-tts-3-0"
VOICE = "gb_jane_neutral"
RATE = 24_000  # Hz of its "pcm", always
KEY = "MISTRAL_API_KEY"
IDLE_S = 30.0
MOST_BYTES = 8 * 1024 * 1024
CLOSE_S = 0.5  # longest wait for the vendor's close frame
REFUSED_CODES = (1003, 1007, 1008)  # of a close frame: it does not take what we sent; 1008: no such voice
INVALID_MODEL = 1_500  # Mistral's own code; the others are not documented
PASSING = (408, 409, 425, 429)  # of the codes like HTTP's: another try may work
NAMES = "Check the voice's and the model's names"


class MistralSpeech:
    """protocols.TTS by shape. voice: a preset's name, or the id of one of your own; base_url: up to "/v1", without it;
    None is BARGEIN_MISTRAL_URL, or Mistral itself. timeout_s: silence while it owes us sound, or an answer to its
    settings."""

    name = "Mistral speech"
    rate = RATE

    def __init__(
        self,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        voice: str = VOICE,
        model: str = MODEL,
        timeout_s: float = 5.0,
    ) -> None:
        self._timeout_s = timeout_s
        at = access("mistral", KEY, api_key=api_key, base_url=base_url)
        root = (at.base_url or BASE_URL).rstrip("/")
        root = root.replace("http", "ws", 1) if root.startswith("http") else root
        self._url = f"{root}/v1/audio/speech/realtime?{urlencode({'model': model})}"
        self._headers = {"Authorization": f"Bearer {at.key or 'none'}"}
        self._settings = {"voice": voice, "response_format": "pcm", "streaming_mode": "responsive"}
        self._pool = SocketPool(self._open, vendor=self.name, key=KEY, idle_s=IDLE_S)
        self._sounded: WeakSet[ClientConnection] = WeakSet()  # sockets on which the voice is known to be a good one
        self._opening: set[asyncio.Task[None]] = set()
        self._closed = False

    async def speak(self, text: AsyncIterator[str]) -> AsyncGenerator[SpeechChunk, None]:
        """protocols.TTS.speak. Raises VendorRefused (key, voice, credit) or VendorLost."""
        try:
            async with aclosing(_ahead(clauses(text))) as cut:
                async for clause in cut:
                    async with aclosing(self._say(clause)) as sound:
                        async for stretch in sound:
                            yield stretch
        except (GeneratorExit, asyncio.CancelledError):
            self._open_next()
            raise

    async def aclose(self) -> None:
        """Close the sockets that are kept open."""
        self._closed = True
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        await self._pool.aclose()

    # ------------------------------------------------------------------------------------------------- a clause

    async def _say(self, clause: str) -> AsyncGenerator[SpeechChunk, None]:
        text = clause
        if any(char.isalnum() for char in clause):
            decode = float32()
            async with self._pool.socket() as lease, aclosing(self._generate(lease.socket, clause)) as sound:
                async for data in sound:
                    samples = decode(data)
                    if len(samples):
                        yield SpeechChunk(Pcm(samples, RATE), text, None)
                        text = ""
            if text:
                raise VendorLost("Mistral gave no sound for its words", advice="Try again")
        if text:
            yield SpeechChunk(Pcm.silence(0, RATE), text, None)  # signs alone make no sound

    async def _generate(self, socket: ClientConnection, text: str) -> AsyncGenerator[bytes, None]:
        """The sound of a text, in pieces of any number of bytes."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._timeout_s
        await self._tell(socket, until, {"type": "input_text.append", "text": text})
        await self._tell(socket, until, {"type": "input_text.flush"})
        while (event := await self._next(socket, until))["type"] != "speech.audio.done":
            if event["type"] == "speech.audio.delta":
                self._sounded.add(socket)
                yield _decoded(event)
                until = loop.time() + self._timeout_s  # what we are kept waiting ourselves is not the vendor's silence

    # ---------------------------------------------------------------------------------------------- the sockets

    async def _open(self) -> ClientConnection:
        """A session with its settings. Raises VendorRefused or VendorLost, and what `connect` raises."""
        socket = await connect(
            self._url, additional_headers=self._headers, max_size=MOST_BYTES, compression=None, close_timeout=CLOSE_S
        )
        try:
            until = asyncio.get_running_loop().time() + self._timeout_s
            while (await self._next(socket, until))["type"] != "session.created":
                pass
            await self._tell(socket, until, {"type": "session.update", "session": self._settings})
            while (await self._next(socket, until))["type"] != "session.updated":
                pass
        except BaseException:
            socket.transport.abort()
            raise
        return socket

    def _open_next(self) -> None:
        """Open a session for the next reply. That reply meets an error again itself."""

        async def opened() -> None:
            with suppress(BargeinError):
                async with self._pool.socket():
                    pass  # it goes back as good as it was

        if not self._closed:
            task = asyncio.create_task(opened(), name="mistral: next session")
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _tell(self, socket: ClientConnection, until: float, message: dict[str, object]) -> None:
        """until: by the event loop's clock, s."""
        try:
            async with asyncio.timeout_at(until):
                await socket.send(json.dumps(message))
        except TimeoutError:
            raise self._late() from None
        except ConnectionClosed as error:
            raise self._ended(socket, error) from None

    async def _next(self, socket: ClientConnection, until: float) -> dict[str, Any]:
        """An event, with its type. Raises what an error event means. until: by the event loop's clock, s."""
        try:
            async with asyncio.timeout_at(until):
                message = await socket.recv()
        except TimeoutError:
            raise self._late() from None
        except ConnectionClosed as error:
            raise self._ended(socket, error) from None
        try:
            event: dict[str, Any] = json.loads(message)
            kind = event["type"]
        except (ValueError, KeyError, TypeError):
            raise _not_an_event() from None
        if kind == "error":
            raise _refused(event.get("error"))
        return event

    def _late(self) -> VendorLost:
        return VendorLost(f"Mistral gave no sound for {self._timeout_s:g} s", advice="Try again")

    def _ended(self, socket: ClientConnection, error: ConnectionClosed) -> BargeinError:
        """What it means that the vendor closed the socket: to a voice that it does not know it has no other answer."""
        code = error.rcvd.code if error.rcvd is not None else 1006
        if code in REFUSED_CODES and socket not in self._sounded:
            return VendorRefused(f"Mistral closed the session before any sound ({code})", advice=NAMES)
        return VendorLost(f"Mistral broke off ({code})", advice="Try again")


async def _ahead(cut: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """The same clauses, taken as they are written: the model does not wait until the one before has been spoken."""
    queue: asyncio.Queue[str | None] = asyncio.Queue()  # no bound but the reply's own length: a model's text is short

    async def take() -> None:
        async with aclosing(cut):
            async for clause in cut:
                queue.put_nowait(clause)

    taking = asyncio.create_task(take(), name="mistral: clauses")
    taking.add_done_callback(lambda _: queue.put_nowait(None))
    try:
        while (clause := await queue.get()) is not None:
            yield clause
        await taking  # what the text itself raised comes out here
    finally:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)


def float32() -> Callable[[bytes], Samples]:
    """Reads 32-bit little-endian float PCM, -1 to 1, as int16; a sample may be cut anywhere between two pieces.

    What is louder than full scale is clipped, and what is no number is silence."""
    rest = b""

    def decode(data: bytes) -> Samples:
        nonlocal rest
        data = rest + data
        whole = len(data) // 4 * 4
        rest = data[whole:]
        levels = np.nan_to_num(np.frombuffer(data[:whole], "<f4"), nan=0.0, posinf=1.0, neginf=-1.0)
        samples: Samples = np.clip(np.rint(levels * 32_768.0), -32_768, 32_767).astype(np.int16)
        return samples

    return decode


def _decoded(event: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode(event["audio_data"], validate=True)
    except (ValueError, KeyError, TypeError):
        raise _not_an_event() from None


def _not_an_event() -> VendorLost:
    return VendorLost("Mistral sent a message that is not an event of its protocol", advice="Try again")


def _refused(error: object) -> BargeinError:
    """By the code of an error event. Its message is not passed on: real servers say the key."""
    code = error.get("code") if isinstance(error, dict) else None
    if code in (401, 402, 403):
        return VendorRefused(f"Mistral refused with {code}", advice=f"Check {KEY} and the account's credit")
    if isinstance(code, int) and (code == INVALID_MODEL or (400 <= code < 500 and code not in PASSING)):
        return VendorRefused(f"Mistral refused with {code}", advice=NAMES)
    shown = code if isinstance(code, int) else "no code"
    return VendorLost(f"Mistral sent an error ({shown})", advice=f"Try again; if it stays so: {NAMES.lower()}")
