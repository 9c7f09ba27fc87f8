"""Speaking over a socket that several replies share one after the other, each in a context of its own.

The vendors differ in their messages (a `Dialect`), and agree in all else: text goes up clause by clause, sound and
times come back with the context's name on them, and what comes late of a reply that was cut is known by that name.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from bargein.audio.pcm import Pcm
from bargein.errors import BargeinError, VendorLost
from bargein.protocols import SpeechChunk
from bargein.vendors.common.clauses import clauses
from bargein.vendors.common.pool import Lease, SocketPool
from bargein.vendors.common.timed_text import TimedText
from bargein.vendors.common.told_times import Timed

UNTIMED_MS = 1_500  # of sound without a time for any word: none will come, and the text is given without
SPELLED_OUT_MS = 8_000  # the same, while times come for words in other spelling: a number of many digits
MS_PER_LETTER = 15.0  # a third of what the fastest voice takes: of less sound, words without times were not spoken
FEW_LETTERS = 3  # may be part of a word that is told in other letters
CANCEL_S = 0.2
_ids = itertools.count(1)


@dataclass(frozen=True, slots=True)
class ContextMessage:
    """What a message brought. pcm: 16-bit little-endian sound; chars, words: with times in ms from the reply's first
    sample, or, relative: from the first sample of this message's sound; done: the context is over."""

    pcm: bytes = b""
    chars: Sequence[Timed] = ()
    words: Sequence[Timed] = ()
    relative: bool = False
    done: bool = False


class ContextDialect(Protocol):
    """A vendor's messages."""

    vendor: str

    def say(self, context: str, clause: str, *, first: bool) -> Sequence[str]:
        """The messages that have a clause spoken now."""
        ...

    def end(self, context: str) -> Sequence[str]:
        """No more text comes."""
        ...

    def cancel(self, context: str) -> Sequence[str]: ...

    def read(self, context: str, message: str) -> ContextMessage | None:
        """None: the message is of another context, or of no interest. Raises VendorRefused, VendorLost, and ValueError
        for a message that is not in the vendor's protocol."""
        ...

    def closed(self, code: int, reason: str) -> BargeinError:
        """What it means that the vendor closed the socket."""
        ...


async def speak(
    pool: SocketPool, dialect: ContextDialect, text: AsyncIterator[str], *, rate: int, timeout_s: float
) -> AsyncGenerator[SpeechChunk, None]:
    """protocols.TTS.speak, for such a vendor. Raises VendorRefused or VendorLost."""
    async with aclosing(clauses(text)) as cut:
        first = await anext(cut, None)
        if first is None:
            return
        # A socket is taken when there is something to say: a model may think for long.
        async with pool.socket() as lease:
            reply = _Reply(lease, dialect, rate, timeout_s)
            sending = asyncio.create_task(reply.send(first, cut), name=f"{dialect.vendor}: send")
            try:
                async with aclosing(reply.receive(sending)) as spoken:
                    async for stretch in spoken:
                        yield stretch
            except (GeneratorExit, asyncio.CancelledError):
                await reply.cancel()
                raise
            finally:
                sending.cancel()
                await asyncio.wait([sending])
                if not sending.cancelled():
                    sending.exception()  # taken: it was told by `receive`, or does not matter any more


class _Reply:
    def __init__(self, lease: Lease, dialect: ContextDialect, rate: int, timeout_s: float) -> None:
        self._lease, self._dialect, self._rate, self._timeout_s = lease, dialect, rate, timeout_s
        self._socket: ClientConnection = lease.socket
        self._context = f"r{next(_ids)}"
        self._text = TimedText()
        self._owes = asyncio.Event()
        self._ended = False
        self._samples = 0
        self._timed_ms = 0.0  # where the last word ends that has its time
        self._rest = b""
        self._unspoken = False  # the vendor is done, and has no sound for some words

    async def send(self, first: str, rest: AsyncIterator[str]) -> None:
        """The text, as it comes."""
        await self._say(first, first=True)
        async for clause in rest:
            await self._say(clause, first=False)
        self._ended = True
        self._owes.set()
        for message in self._dialect.end(self._context):
            await self._socket.send(message)

    async def _say(self, clause: str, *, first: bool) -> None:
        self._text.sent(clause)
        self._owes.set()
        for message in self._dialect.say(self._context, clause, first=first):
            await self._socket.send(message)

    async def cancel(self) -> None:
        """The reply was cut: the vendor is told, and the socket stays good."""
        with suppress(OSError, WebSocketException, TimeoutError):
            async with asyncio.timeout(CANCEL_S):
                for message in self._dialect.cancel(self._context):
                    await self._socket.send(message)
            self._lease.keep = True

    async def receive(self, sending: asyncio.Task[None]) -> AsyncGenerator[SpeechChunk, None]:
        while True:
            heard = await self._next(sending)
            if heard is None:
                continue
            for spoken in self._spoken(heard):
                yield spoken
            if self._unspoken:
                raise VendorLost(f"{self._dialect.vendor} ended before its words did", advice="Try again")
            if heard.done:
                return

    async def _next(self, sending: asyncio.Task[None]) -> ContextMessage | None:
        """The next of our messages. Only while the vendor owes us something may it not be silent."""
        if sending.done() and not sending.cancelled() and (error := sending.exception()) is not None:
            raise error
        self._owes.clear()
        owed = self._ended or self._text.owed
        receiving = asyncio.ensure_future(self._socket.recv())
        more = asyncio.ensure_future(self._owes.wait())
        waited = {receiving, more} if sending.done() else {receiving, more, sending}
        try:
            done, _ = await asyncio.wait(
                waited, timeout=self._timeout_s if owed else None, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            more.cancel()
            if not receiving.done():
                receiving.cancel()
        if receiving in done:
            return self._read(receiving)
        if not done:
            self._lease.spoiled = True
            raise VendorLost(f"{self._dialect.vendor} gave no sound for {self._timeout_s:g} s", advice="Try again")
        return None

    def _read(self, receiving: asyncio.Future[str | bytes]) -> ContextMessage | None:
        try:
            message = receiving.result()
            return self._dialect.read(self._context, message if isinstance(message, str) else message.decode())
        except ConnectionClosed as error:
            self._lease.spoiled = True
            code, reason = (error.rcvd.code, error.rcvd.reason) if error.rcvd else (1006, "")
            raise self._dialect.closed(code, reason) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            self._lease.spoiled = True
            raise VendorLost(f"{self._dialect.vendor} sent what is no answer", advice="Try again") from None

    def _spoken(self, heard: ContextMessage) -> list[SpeechChunk]:
        at_ms = self._samples * 1000 / self._rate if heard.relative else 0.0
        sounding = bool(heard.pcm) or not heard.relative
        words = self._text.chars(((c, at_ms + s, at_ms + e) for c, s, e in heard.chars), sounding=sounding)
        words += self._text.words(((w, at_ms + s, at_ms + e) for w, s, e in heard.words), sounding=sounding)
        spelled_out = self._text.spelled_out
        if heard.done:
            words += self._text.finish()
        data = self._rest + heard.pcm
        even = len(data) // 2 * 2
        self._rest = data[even:]
        samples = np.frombuffer(data[:even], "<i2").astype(np.int16)
        self._samples += len(samples)
        pcm = Pcm(samples, self._rate)
        if words:
            self._timed_ms = words[-1].end_ms
        if heard.done and self._text.owed:
            untimed_ms = self._samples * 1000 / self._rate - self._timed_ms
            if not spelled_out and self._text.letters_owed > max(FEW_LETTERS, untimed_ms / MS_PER_LETTER):
                self._unspoken = True
                return [SpeechChunk(pcm, self._text.take(), words)]
            # What no time came for is given without: the words before it keep theirs.
            rest = self._text.take(all_of_it=True)
            known = [SpeechChunk(pcm, "", words)] if words or len(samples) else []
            return [*known, SpeechChunk(Pcm.silence(0, self._rate), rest, None)]
        patience_ms = SPELLED_OUT_MS if self._text.spelled_out else UNTIMED_MS
        late = self._samples * 1000 / self._rate - self._timed_ms > patience_ms
        if late and self._text.owed and (text := self._text.take(all_of_it=True)):
            return [SpeechChunk(pcm, text, None)]
        text = self._text.take(all_of_it=heard.done)
        return [SpeechChunk(pcm, text, words)] if text or words or len(samples) else []
