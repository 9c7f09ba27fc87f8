"""Speech by one HTTP request a clause, through OpenAI's SDK: what the voices of OpenAI and Groq share.

While a clause is given out the next one's request runs already, so that there is no gap between the two. Nothing of
what a server says in an error is passed on: real servers say the key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import numpy as np
import openai

from bargein.audio.pcm import Pcm, Samples
from bargein.errors import VendorLost, VendorRefused
from bargein.protocols import SpeechChunk

AHEAD = 64  # chunks of the next clause that may wait
KEEP_S = 120.0  # of an idle connection
CHUNK = 4_800  # bytes: 100 ms at 24 kHz
OTHER_FILES = (b"OggS", b"fLaC", b"ID3")  # an MP3 may also begin with a frame
NO_SOUND = ("application/json", "text/")  # content types of what is told in place of sound
Decode = Callable[[bytes], Samples]  # the next bytes of an answer, as samples


class SpeechRequests:
    """client: the SDK's; fields: of every request; decoder: makes one for each answer. timeout_s: silence of the
    vendor while it owes sound. vendor, key: for errors."""

    def __init__(
        self,
        client: openai.AsyncOpenAI,
        fields: dict[str, Any],
        decoder: Callable[[], Decode],
        *,
        rate: int,
        vendor: str,
        key: str,
        timeout_s: float,
    ) -> None:
        self._client, self._fields, self._decoder = client, fields, decoder
        self._rate, self._vendor, self._key, self._timeout_s = rate, vendor, key, timeout_s

    async def speak(self, cut: AsyncGenerator[str, None]) -> AsyncGenerator[SpeechChunk, None]:
        """cut: clauses. Raises VendorRefused or VendorLost."""
        queue: asyncio.Queue[_Clause | None] = asyncio.Queue(
            maxsize=1
        )  # the clause that is made while one is given out

        async def feed() -> None:
            async with aclosing(cut):
                async for clause in cut:
                    made = _Clause(clause)
                    made.task = asyncio.create_task(self._request(made), name=f"{self._vendor}: speech")
                    requests.append(made)
                    await queue.put(made)
            await queue.put(None)

        requests: list[_Clause] = []
        feeding = asyncio.create_task(feed(), name=f"{self._vendor}: clauses")
        try:
            while True:
                clause = await _first(queue, feeding)
                if clause is None:
                    return
                text = clause.text
                async for samples in clause.sound():
                    yield SpeechChunk(Pcm(samples, self._rate), text, None)
                    text = ""
                if text:
                    yield SpeechChunk(Pcm.silence(0, self._rate), text, None)  # signs alone make no sound
                requests.remove(clause)
        finally:
            tasks = [feeding, *(r.task for r in requests if r.task is not None)]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _request(self, clause: _Clause) -> None:
        """One clause's request; once more if it is lost before its first sound."""
        try:
            for last_try in (False, True):
                try:
                    await self._stream(clause)
                except VendorLost:
                    if last_try or clause.sounded:
                        raise
                else:
                    break
        except (VendorLost, VendorRefused) as error:
            clause.error = error
        finally:
            await clause.put(None)

    async def _stream(self, clause: _Clause) -> None:
        decode = self._decoder()
        try:
            async with asyncio.timeout(self._timeout_s) as silence:
                request = self._client.audio.speech.with_streaming_response.create(input=clause.text, **self._fields)
                async with request as response:
                    _demand_sound(response.headers.get("content-type", ""))
                    async for data in response.iter_bytes(CHUNK):
                        silence.reschedule(None)
                        samples = decode(data)
                        if len(samples):
                            await clause.put(samples)
                        silence.reschedule(asyncio.get_running_loop().time() + self._timeout_s)
        except TimeoutError:
            raise self._lost(f"gave no sound for {self._timeout_s:g} s") from None
        except openai.APIStatusError as error:
            raise self._answered_no(error.status_code, error.code) from None
        except openai.APITimeoutError:
            raise self._lost("did not answer in time") from None
        except (openai.APIConnectionError, ValueError):
            raise self._lost("could not be reached, or sent what is no sound") from None
        except Exception as error:
            # The SDK lets its HTTP client's errors through in the middle of a stream; their module is its business.
            if type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore", "httpcore2"):
                raise self._lost("broke off") from None
            raise
        if not clause.sounded and any(char.isalnum() for char in clause.text):
            raise self._lost("gave no sound for its words")

    def _lost(self, what: str) -> VendorLost:
        return VendorLost(f"{self._vendor} {what}", advice="Try again")

    def _answered_no(self, status: int, code: str | None) -> VendorRefused | VendorLost:
        if status >= 500 or status in (408, 409) or (status == 429 and code != "insufficient_quota"):
            return self._lost(f"answered {status}")
        advice = {
            401: f"Check {self._key}",
            403: f"Check what {self._key} may do",
            429: "The account's quota is used up: check its billing",
        }.get(status, "Check the voice's and the model's names")
        return VendorRefused(f"{self._vendor} refused with {status}", advice=advice)


class _Clause:
    """A clause's sound, as it comes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.task: asyncio.Task[None] | None = None
        self.error: Exception | None = None
        self.sounded = False
        self._sound: asyncio.Queue[Samples | None] = asyncio.Queue(maxsize=AHEAD)

    async def put(self, samples: Samples | None) -> None:
        self.sounded = self.sounded or samples is not None
        await self._sound.put(samples)

    async def sound(self) -> AsyncIterator[Samples]:
        while (samples := await self._sound.get()) is not None:
            yield samples
        if self.error is not None:
            raise self.error


def _demand_sound(content_type: str) -> None:
    """Raises ValueError for an answer in words, which some servers give with status 200."""
    if content_type.startswith(NO_SOUND):
        raise ValueError("an answer in words")


async def _first(queue: asyncio.Queue[_Clause | None], feeding: asyncio.Task[None]) -> _Clause | None:
    """The next clause; what the text itself raised comes out here."""
    waiting = asyncio.create_task(queue.get())
    try:
        await asyncio.wait((waiting, feeding), return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            feeding.result()  # raises, if it failed
        return await waiting
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


def connections() -> openai.DefaultAsyncHttpxClient:
    """The SDK's HTTP client, whose connections stay open between replies."""
    limits = type(openai.DEFAULT_CONNECTION_LIMITS)(
        max_connections=1_000, max_keepalive_connections=100, keepalive_expiry=KEEP_S
    )
    return openai.DefaultAsyncHttpxClient(limits=limits)


def pcm16() -> Decode:
    """Raw 16-bit little-endian PCM; a sample may be cut in two between pieces."""
    rest = b""

    def decode(data: bytes) -> Samples:
        nonlocal rest
        data = rest + data
        even = len(data) // 2 * 2
        rest = data[even:]
        return np.frombuffer(data[:even], "<i2").astype(np.int16)

    return decode


def pcm16_or_wav(rate: int) -> Callable[[], Decode]:
    """For servers that were asked for PCM, and may send a file all the same: its head would be a click, and another
    format is noise. A WAV of the rate is read. ValueError for any other file."""

    def make() -> Decode:
        head = b""
        inside: Decode | None = None

        def decode(data: bytes) -> Samples:
            nonlocal head, inside
            if inside is None:
                head += data
                if len(head) < 4:
                    return np.zeros(0, np.int16)
                if head.startswith(OTHER_FILES) or (head[0] == 0xFF and head[1] & 0xE6 == 0xE2):
                    raise ValueError("another format")
                inside = wav16(rate)() if head.startswith(b"RIFF") else pcm16()
                data = head
            return inside(data)

        return decode

    return make


def wav16(rate: int) -> Callable[[], Decode]:
    """The same in a RIFF file as it streams: sizes may be 0 or all ones. ValueError for another format or rate."""

    def make() -> Decode:
        head, inside = b"", pcm16()
        in_data = False

        def decode(data: bytes) -> Samples:
            nonlocal head, in_data
            if in_data:
                return inside(data)
            head += data
            at = _data_at(head, rate)
            if at is None:
                return np.zeros(0, np.int16)
            in_data = True
            return inside(head[at:])

        return decode

    return make


def _data_at(head: bytes, rate: int) -> int | None:
    """Where the samples begin; None: that has not come yet."""
    if len(head) < 12:
        return None
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise ValueError("no WAV")
    at = 12
    while len(head) >= at + 8:
        name, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if name == b"data":
            return at + 8
        if name == b"fmt ":
            if len(head) < at + 24:
                return None
            form, channels = (int.from_bytes(head[at + n : at + n + 2], "little") for n in (8, 10))
            found, bits = (
                int.from_bytes(head[at + 12 : at + 16], "little"),
                int.from_bytes(head[at + 22 : at + 24], "little"),
            )
            if (channels, found, bits) != (1, rate, 16) or form not in (1, 0xFFFE):
                raise ValueError("another format")
        at += 8 + size + size % 2
    return None
