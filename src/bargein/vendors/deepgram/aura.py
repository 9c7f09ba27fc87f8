"""Deepgram Aura: streaming speech over its v1 WebSocket. It gives no word times, so the call estimates them.

Sound comes for what was flushed, and Deepgram allows twenty flushes a minute on a socket: the first clause is flushed
at once, so that it sounds soon, later ones alone while more than KEPT_FLUSHES flushes are left, and otherwise together.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from urllib.parse import urlencode
from weakref import WeakKeyDictionary

import numpy as np
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from bargein.audio.pcm import Pcm
from bargein.clock import Clock, MonotonicClock
from bargein.errors import UsageError, VendorLost
from bargein.protocols import SpeechChunk
from bargein.vendors.common.clauses import clauses
from bargein.vendors.common.keys import access
from bargein.vendors.common.pool import Lease, SocketPool

BASE_URL = "wss://api.deepgram.com"
VOICE = "aura-2-thalia-en"
RATES = (8_000, 16_000, 24_000, 32_000, 48_000)
FLUSHES, FLUSHES_S = 20, 60.0  # Deepgram's limit on a socket
KEPT_FLUSHES = 6  # flushes kept for the ends of replies
CLEAR_S = 0.3
IDLE_S = 30.0
MOST_BYTES = 8 * 1024 * 1024
CLOSE_S = 0.5  # longest wait for the vendor's close frame


class DeepgramAura:
    """protocols.TTS by shape. voice: the model's name; rate: Hz. base_url: None is BARGEIN_DEEPGRAM_URL, or Deepgram
    itself; timeout_s: silence while it owes us sound. Raises UsageError for a rate that it does not give."""

    name = "Deepgram Aura"

    def __init__(
        self,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        voice: str = VOICE,
        rate: int = 24_000,
        timeout_s: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        if rate not in RATES:
            raise UsageError(f"Aura gives no {rate} Hz", advice=f"Choose one of {RATES}")
        self.rate = rate
        self._timeout_s = timeout_s
        self._clock = clock or MonotonicClock()
        at = access("deepgram", "DEEPGRAM_API_KEY", api_key=api_key, base_url=base_url)
        root = (at.base_url or BASE_URL).rstrip("/")
        root = root.replace("http", "ws", 1) if root.startswith("http") else root
        url = f"{root}/v1/speak?{urlencode({'model': voice, 'encoding': 'linear16', 'sample_rate': rate})}"

        async def open_socket() -> ClientConnection:
            headers = {"Authorization": f"Token {at.key or 'none'}"}
            return await connect(
                url, additional_headers=headers, max_size=MOST_BYTES, compression=None, close_timeout=CLOSE_S
            )

        self._pool = SocketPool(open_socket, vendor=self.name, key="DEEPGRAM_API_KEY", idle_s=IDLE_S, clock=self._clock)
        self._flushed: WeakKeyDictionary[ClientConnection, deque[float]] = WeakKeyDictionary()

    async def speak(self, text: AsyncIterator[str]) -> AsyncGenerator[SpeechChunk, None]:
        """protocols.TTS.speak. Raises VendorRefused (key, voice, credit) or VendorLost."""
        async with aclosing(clauses(text)) as cut:
            first = await anext(cut, None)
            if first is None:
                return
            async with self._pool.socket() as lease:
                budget = self._flushed.setdefault(lease.socket, deque(maxlen=FLUSHES))
                reply = _Reply(lease, budget, self._clock, self.rate, self._timeout_s)
                sending = asyncio.create_task(reply.send(first, cut), name="aura: send")
                try:
                    async with aclosing(reply.receive(sending)) as spoken:
                        async for stretch in spoken:
                            yield stretch
                    lease.spoiled = reply.spent()
                except (GeneratorExit, asyncio.CancelledError):
                    sending.cancel()
                    await reply.clear()
                    raise
                finally:
                    sending.cancel()
                    await asyncio.wait([sending])
                    if not sending.cancelled():
                        sending.exception()  # taken: it was told by `receive`, or does not matter any more

    async def aclose(self) -> None:
        """Close the sockets that are kept open."""
        await self._pool.aclose()


class _Reply:
    def __init__(self, lease: Lease, budget: deque[float], clock: Clock, rate: int, timeout_s: float) -> None:
        self._lease, self._socket, self._budget, self._clock = lease, lease.socket, budget, clock
        self._rate, self._timeout_s = rate, timeout_s
        self._groups: deque[str] = deque()  # texts that were flushed, and have not sounded to their end
        self._told = False  # the first group's text went out with its first sound
        self._pending = ""  # went up, and was not flushed
        self._more = asyncio.Event()
        self._over = False
        self._rest = b""

    async def send(self, first: str, rest: AsyncIterator[str]) -> None:
        await self._say(first)
        await self._flush()
        async for clause in rest:
            await self._say(clause)
            if self._flushes_left() > KEPT_FLUSHES:
                await self._flush()
        if self._pending:
            await self._flush()
        self._over = True
        self._more.set()

    def spent(self) -> bool:
        """Whether the socket has too few flushes left for another reply."""
        return self._flushes_left() <= 2

    def _flushes_left(self) -> int:
        now = self._clock.now_ms()
        return FLUSHES - sum(now - at < FLUSHES_S * 1000 for at in self._budget)

    async def _say(self, clause: str) -> None:
        self._pending += clause
        await self._socket.send(json.dumps({"type": "Speak", "text": clause}))

    async def _flush(self) -> None:
        self._groups.append(self._pending)
        self._pending = ""
        self._budget.append(self._clock.now_ms())
        self._more.set()
        await self._socket.send(json.dumps({"type": "Flush"}))

    async def receive(self, sending: asyncio.Task[None]) -> AsyncGenerator[SpeechChunk, None]:
        while self._groups or not self._over:
            if sending.done() and not sending.cancelled() and (error := sending.exception()) is not None:
                raise error
            message = await self._next(sending)
            if isinstance(message, bytes):
                if (spoken := self._sound(message)) is not None:
                    yield spoken
            elif message is not None and self._flushed(message):
                text = self._groups.popleft()
                if not self._told and any(char.isalnum() for char in text):
                    self._lease.spoiled = True
                    raise VendorLost("Deepgram Aura gave no sound for its words", advice="Try again")
                if not self._told:
                    yield SpeechChunk(Pcm.silence(0, self._rate), text, None)  # signs alone make no sound
                self._told = False

    async def _next(self, sending: asyncio.Task[None]) -> str | bytes | None:
        """A message; None: something else happened. It may be silent only while it owes nothing."""
        self._more.clear()
        receiving = asyncio.ensure_future(self._socket.recv())
        more = asyncio.ensure_future(self._more.wait())
        waited: set[asyncio.Future[object]] = {receiving, more}  # type: ignore[arg-type]  # futures of any kind
        if not sending.done():
            waited.add(sending)  # type: ignore[arg-type]
        try:
            done, _ = await asyncio.wait(
                waited, timeout=self._timeout_s if self._groups else None, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            more.cancel()
            if not receiving.done():
                receiving.cancel()
        if receiving in done:
            try:
                return receiving.result()
            except ConnectionClosed:
                self._lease.spoiled = True
                raise VendorLost("Deepgram Aura broke off", advice="Try again") from None
        if not done:
            self._lease.spoiled = True
            raise VendorLost(f"Deepgram Aura gave no sound for {self._timeout_s:g} s", advice="Try again")
        return None

    def _sound(self, data: bytes) -> SpeechChunk | None:
        data = self._rest + data
        even = len(data) // 2 * 2
        self._rest = data[even:]
        if not even or not self._groups:
            return None
        text = "" if self._told else self._groups[0]
        self._told = True
        return SpeechChunk(Pcm(np.frombuffer(data[:even], "<i2").astype(np.int16), self._rate), text, None)

    def _flushed(self, message: str) -> bool:
        """Whether a group has sounded to its end. Raises VendorLost for what is no message of Aura's."""
        try:
            kind = json.loads(message)["type"]
        except (ValueError, KeyError, TypeError):
            kind = ""
        if kind in ("Error", ""):
            self._lease.spoiled = True
            raise VendorLost("Deepgram Aura sent an error, or what is no answer", advice="Try again")
        return bool(kind == "Flushed" and self._groups)

    async def clear(self) -> None:
        """The reply was cut: what is under way is dropped, and the socket stays good."""
        with suppress(OSError, WebSocketException, TimeoutError, ValueError, KeyError, TypeError):
            async with asyncio.timeout(CLEAR_S):
                await self._socket.send(json.dumps({"type": "Clear"}))
                while True:
                    message = await self._socket.recv()
                    if isinstance(message, str) and json.loads(message)["type"] == "Cleared":
                        self._lease.keep = True
                        return
