"""One call through a simulated Twilio: the webhook, its TwiML verb by verb, and each stream with what follows it."""

from __future__ import annotations

import asyncio
import io
import secrets
import wave
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import assert_never
from urllib.parse import urljoin, urlsplit, urlunsplit

import httpx
import numpy as np

from bargein.audio.mulaw import to_mulaw
from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein.server.settings import is_loopback
from bargein_bench.callers import webhooks
from bargein_bench.callers.line import CallerLine
from bargein_bench.callers.result import Announcement, Result
from bargein_bench.callers.stream import TCP_TIMEOUT_MS, MediaStream, StreamFailed
from bargein_bench.callers.telephone import FRAME, RATE
from bargein_bench.callers.twiml import (
    ConnectStream,
    Dial,
    Hangup,
    Pause,
    Play,
    Redirect,
    Reject,
    SayText,
    Verb,
    read_twiml,
)
from bargein_bench.callers.webhooks import Document, Webhooks, signature

MOST_DOCUMENTS = 200  # of one call: an application that sends a call round and round is stopped
BAD_STREAM_URL, BAD_PLAY = 31941, 12400  # Twilio's numbers
CHAR_MS = 60.0  # of what <Say> says, where no voice is given

Speak = Callable[[str, str | None], Awaitable[Samples]]


@dataclass(frozen=True, slots=True)
class Answered:
    """What becomes of a number that `<Dial>` calls. status: Twilio's DialCallStatus."""

    status: str = "completed"
    after_ms: float = 2_000.0
    """The number rings for so long. `no-answer` comes after the timeout."""
    talks_ms: float = 3_000.0
    """For `completed`."""


@dataclass(frozen=True, slots=True)
class NetworkManners:
    """How the network behaves where Twilio's documents leave it open, or an application may choose."""

    account: str = "AC" + "0" * 32
    auth_token: str | None = None
    """With it requests are signed, and the REST API demands it."""
    signs_streams: bool = True
    played_out: bool = False
    """Audio that was buffered when a stream ends is played to its end. Else it is discarded at once."""
    tcp_timeout_ms: float = TCP_TIMEOUT_MS
    fallback: str | None = None
    """VoiceFallbackUrl."""
    fallback_for_all: bool = True
    numbers: Mapping[str, Answered] | None = None
    """By number; another number does not answer."""
    speak: Speak | None = None
    """The voice of `<Say>`: samples at 8000 Hz of a text in a language. None: a tone of the text's length."""


class TwilioCall:
    """One call. url: the number's voice webhook."""

    def __init__(
        self,
        manners: NetworkManners,
        line: CallerLine,
        client: httpx.AsyncClient,
        url: str,
        *,
        sid: str | None = None,
        caller: str = "+4930111",
        called: str = "+4930222",
    ) -> None:
        self.sid = sid or "CA" + secrets.token_hex(16)
        self.stream: MediaStream | None = None
        self._manners = manners
        self._line = line
        self._client = client
        self._url = url
        self._form = {
            "CallSid": self.sid,
            "AccountSid": manners.account,
            "ApiVersion": "2010-04-01",
            "Direction": "inbound",
            "From": caller,
            "To": called,
            "CallStatus": "ringing",
        }
        self._webhooks = self._made_webhooks()
        self._new: asyncio.Future[Document | str] | None = None
        self._ended_by: str | None = None

    def _made_webhooks(self) -> Webhooks:
        m = self._manners
        return Webhooks(
            self._line,
            self._client,
            self._form,
            auth_token=m.auth_token,
            fallback=m.fallback,
            fallback_for_all=m.fallback_for_all,
        )

    @property
    def result(self) -> Result:
        return self._line.result

    @property
    def live(self) -> bool:
        """The call is not over."""
        return not self._line.over.is_set()

    async def run(self) -> Result:
        """Make the call, to its end. Raises no error of the application's: they are in the result."""
        line, result = self._line, self._line.result
        result.call_sid = self.sid
        line.begin()  # again once the call is answered
        document = await self._webhooks.fetch("voice", self._url)
        before = line.at_ms
        line.begin()
        for asked in result.webhooks:
            asked.at_ms -= before
        for error in result.errors:
            error.at_ms -= before
        self._form["CallStatus"] = "in-progress"
        self._webhooks = self._made_webhooks()
        following = asyncio.create_task(self._follow_all(document), name="twiml")
        try:
            ended = await line.speak()
            result.closed_by = self._ended_by or ended
        finally:
            line.over.set()
            following.cancel()
            await asyncio.wait([following])
            result.lasted = line.now
        if not following.cancelled():
            following.result()
        return result

    # ---------------------------------------------------------------------------------------- Twilio's REST API

    def update(self, document: Document | str) -> None:
        """The application gives the call another document, by its text (a Document) or its address. What runs is
        broken off: a stream is closed, and its action is not requested."""
        if self._new is not None and not self._new.done():
            self._new.set_result(document)

    def complete(self) -> None:
        """The application ends the call."""
        self._end("Twilio, for the application")

    def break_stream(self, how: str = "reset") -> None:
        """The connection of the stream breaks. how: "reset", or "silence": nothing passes, until TCP gives up."""
        if self.stream is not None:
            (self.stream.break_off if how == "reset" else self.stream.fall_silent)()

    # ------------------------------------------------------------------------------------------------- the verbs

    async def _follow_all(self, document: Document | None) -> None:
        """Follow a document, and those that updates put in its place, until the call is over."""
        while self.live:
            new = self._new = asyncio.get_running_loop().create_future()
            following = asyncio.create_task(self._follow(document), name="verbs")
            try:
                await asyncio.wait([following, new], return_when=asyncio.FIRST_COMPLETED)
            finally:
                following.cancel()
                await asyncio.wait([following])
            if not following.cancelled():
                following.result()
            if not new.done():
                self._end("Twilio")
                return
            given = new.result()
            document = given if isinstance(given, Document) else await self._webhooks.fetch("update", given, self._url)

    async def _follow(self, document: Document | None) -> None:
        for _ in range(MOST_DOCUMENTS):
            if document is None:
                return  # the document is at its end, or could not be had: the call ends
            document = await self._verbs(document)
        self._webhooks.error(webhooks.MANY_REDIRECTS, f"The call went through {MOST_DOCUMENTS} documents")

    async def _verbs(self, document: Document) -> Document | None:
        """Do the verbs, until one leads to another document. None: the call ends."""
        for verb in document.verbs:
            done = await self._verb(verb, document)
            if isinstance(done, Document):
                return done
            if done:
                return None
        return None

    async def _verb(self, verb: Verb, document: Document) -> Document | bool:
        """The document that follows; or whether the call ends."""
        base = document.url
        match verb:
            case SayText():
                speak = self._manners.speak or _tone
                await self._announce(verb.text, verb.language, await speak(verb.text, verb.language), verb.loop)
            case Play():
                await self._announce(verb.url, None, await self._file(urljoin(base, verb.url)), verb.loop)
            case Pause():
                await asyncio.sleep(verb.length_s)
            case Redirect():
                return await self._webhooks.fetch("redirect", verb.url, base, verb.method) or True
            case Reject() | Hangup():
                return True
            case ConnectStream():
                await self._connect(verb)
                if verb.action is not None:
                    return await self._webhooks.fetch("connect", verb.action, base, verb.method) or True
            case Dial():
                told = await self._dial(verb)
                if verb.action is not None:
                    return await self._webhooks.fetch("dial", verb.action, base, verb.method, told) or True
                if told["DialCallStatus"] == "completed":
                    return True
            case _:
                assert_never(verb)
        return False

    async def _announce(self, text: str, language: str | None, samples: Samples, loop: int) -> None:
        """The network plays this to the caller, and waits until it has sounded."""
        telephone, line = self.result.telephone, self._line
        for _ in range(max(1, loop)):
            at = line.now
            told = Announcement(text, language, line.at_ms, line.at_ms + len(samples) * 1000 / RATE)
            self.result.announcements.append(told)
            telephone.play(at, to_mulaw(samples))
            try:
                await line.until(at + len(samples))
            except asyncio.CancelledError:
                telephone.end_stream(line.now, played_out=False)
                told.ended_ms = line.at_ms
                raise

    async def _file(self, url: str) -> Samples:
        """A WAV file of the application's; nothing of another."""
        try:
            answer = await self._client.get(url)
            answer.raise_for_status()
            with wave.open(io.BytesIO(answer.content)) as file:
                samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
                if (file.getnchannels(), file.getsampwidth()) == (1, 2):
                    return resample(Pcm(samples, file.getframerate()), RATE).samples
            self._webhooks.error(BAD_PLAY, f"{url} is not 16-bit mono")
        except (httpx.HTTPError, httpx.InvalidURL, wave.Error, EOFError) as error:
            self._webhooks.error(BAD_PLAY, f"{url} cannot be played: {type(error).__name__}")
        return np.zeros(0, np.int16)

    async def _connect(self, verb: ConnectStream) -> None:
        """A stream, to its end."""
        m, line = self._manners, self._line
        url = urlunsplit(urlsplit(verb.url)._replace(query="", fragment=""))  # Twilio strips them
        parts = urlsplit(url)
        if parts.scheme != "wss" and not (parts.scheme == "ws" and is_loopback(parts.hostname or "")):
            self._webhooks.error(BAD_STREAM_URL, f"{verb.url!r} is no address of a stream")
            return
        headers = {}
        if m.auth_token is not None and m.signs_streams:
            headers["X-Twilio-Signature"] = signature(m.auth_token, url)
        stream = MediaStream(
            line,
            url,
            account=m.account,
            call=self.sid,
            parameters=verb.parameters,
            headers=headers,
            played_out=m.played_out,
            tcp_timeout_ms=m.tcp_timeout_ms,
        )
        began = line.at_ms
        try:
            await stream.open()
        except StreamFailed as error:
            self._webhooks.error(error.code, str(error))
            return
        if len(self.result.legs) == 1:
            self.result.connected_ms = line.at_ms - began
        stream.greet()
        line.stream = self.stream = stream
        try:
            await stream.ended.wait()
        finally:
            self.stream = None
            await stream.close()
        if stream.leg.error is not None:
            self._webhooks.error(stream.leg.error, f"The stream was ended by {stream.leg.closed_by}")

    async def _dial(self, verb: Dial) -> dict[str, str]:
        """Call another number; how that went."""
        found = (self._manners.numbers or {}).get(verb.number, Answered("no-answer"))
        rings_ms = verb.timeout_s * 1000 if found.status == "no-answer" else found.after_ms
        await asyncio.sleep(rings_ms / 1000)
        told = {"DialCallStatus": found.status, "DialCallSid": "CA" + secrets.token_hex(16)}
        if found.status == "completed":
            await asyncio.sleep(found.talks_ms / 1000)
            told["DialCallDuration"] = str(round(found.talks_ms / 1000))
        return told

    def _end(self, by: str) -> None:
        if self._ended_by is None:
            self._ended_by = by
        self._line.over.set()


def document_of(text: str, base: str = "") -> Document:
    """TwiML that came with a request. Raises TwimlRefused."""
    return Document(base, read_twiml(text))


async def _tone(text: str, _: str | None) -> Samples:
    """As long as the text takes to say."""
    count = int(max(1.0, len(text) * CHAR_MS * RATE / 1000 / FRAME)) * FRAME
    tone: Samples = (np.sin(np.arange(count) * 0.3) * 6000).astype(np.int16)
    return tone
