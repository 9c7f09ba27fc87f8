"""Our own browser protocol (docs/protocol.md), spoken as the page speaks it.

Unlike the page, the client has no level watch of its own: it holds when the server says so.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit, urlunsplit

import msgspec
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from bargein.audio.pcm import Samples
from bargein.clock import Clock, MonotonicClock
from bargein.errors import BargeinError, UsageError, VendorLost, VendorRefused
from bargein_bench.callers.caller_audio import Echo, Step
from bargein_bench.record import Record
from bargein_bench.targets.client_call import MAX_TEXT, MAX_TEXTS, ClientCall, closed_by, not_connected, shown
from bargein_bench.targets.playback import PlayedReport

PROTOCOL = "bargein.v1"
PATH = "/calls/browser"
RATE = 16_000
FRAME = 256  # 16 ms, as the page sends it
AGENT_RATE = 24_000
RING_MS = 10_900.0  # of the page's ring buffer
CONNECT_S = 10.0
WELCOME_S = 20.0  # an agent may be made for the call
GOODBYE_S = 1.0
VERDICTS = ("hold", "resume", "cut", "drop")
HEADER = struct.Struct("<BBHIII")
MICROPHONE, AGENT, LAST = 1, 2, 1


class _Message(msgspec.Struct):
    """The fields of a message that are read."""

    type: str
    reply_id: int | None = None
    kind: str | None = None
    why: str | None = None
    code: str | None = None
    reason: str | None = None
    role: str | None = None
    text: str | None = None


class _Problem(msgspec.Struct):
    code: str
    message: str
    advice: str


class _Welcome(msgspec.Struct):
    call_id: str
    rate_in: int
    rate_out: int


class _SentElsewhere(msgspec.Struct):
    at: str
    """A server's address, or a path before the paths of this one."""


def _place(url: str, at: str) -> str:
    """Where another server takes calls. Raises VendorRefused for what is no address."""
    parts = urlsplit(url)
    if at.startswith("/"):
        return urlunsplit((parts.scheme, parts.netloc, parts.path.removesuffix(PATH) + at + PATH, parts.query, ""))
    scheme = {"http": "ws", "https": "wss"}.get(urlsplit(at).scheme)
    if scheme is None:
        raise VendorRefused(f"{shown(url)} sends its calls to {shown(at)}", advice="Look at BARGEIN_NODE_URL there")
    place = urlsplit(at)
    return urlunsplit((scheme, place.netloc, place.path.rstrip("/") + PATH, "", ""))


_decode = msgspec.json.Decoder(_Message).decode


class BrowserTarget:
    """Calls a server of ours; satisfies record.Target.

    url: http or ws; without a path, the server's path of calls. token: the server's own or a page's. agent, policy,
    settings, language: as `hello` has them. A key of the script is the page's button: `interrupt`. Raises UsageError
    for a wrong address.
    """

    protocol = "browser"
    rate = RATE

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        agent: str | None = None,
        policy: str | None = None,
        settings: Mapping[str, object] | None = None,
        language: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        parts = urlsplit(url)
        scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
        if scheme not in ("ws", "wss") or not parts.hostname:
            raise UsageError(f"{shown(url)} is no address of a server", advice="Give ws://host:port/calls/browser")
        path = parts.path if parts.path.strip("/") else PATH
        self._url = urlunsplit((scheme, parts.netloc, path, parts.query, ""))
        self._token = token
        hello: dict[str, object] = {"agent": agent, "policy": policy, "settings": settings, "language": language}
        asked = {name: value for name, value in hello.items() if value is not None}
        self._hello = {"type": "hello", "protocol": PROTOCOL} | asked
        self._clock = clock or MonotonicClock()

    async def call(self, steps: Sequence[Step], lasts_ms: float, *, echo: Echo | None = None, seed: int = 1) -> Record:
        """Make one call, to its end.

        Raises VendorRefused when the call is refused, VendorLost when no server answers.
        """
        url = self._url
        for follows in (True, False):
            socket = await self._connect(url)
            async with socket:
                answer = await self._welcome(socket, url, follows=follows)
                if isinstance(answer, _SentElsewhere):
                    url = _place(url, answer.at)
                    continue
                call = _Call(socket, steps, lasts_ms, self._clock, echo, seed)
                await call.run()
            return await asyncio.to_thread(call.client.record, str, answer.call_id, call.texts)
        raise VendorRefused(f"{shown(self._url)} sends its calls to and fro", advice="Look at the servers' load")

    async def _connect(self, url: str) -> ClientConnection:
        try:
            return await _Connect(
                url,
                subprotocols=[Subprotocol(PROTOCOL)],
                additional_headers={"Authorization": f"Bearer {self._token}"} if self._token else None,
                compression=None,
                open_timeout=CONNECT_S,
                close_timeout=GOODBYE_S,
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            raise not_connected(error, url) from None

    async def _welcome(self, socket: ClientConnection, url: str, *, follows: bool) -> _Welcome | _SentElsewhere:
        """Send the hello. follows: the server may send the call on to another one."""
        where = shown(url)
        try:
            async with asyncio.timeout(WELCOME_S):
                await socket.send(json.dumps(self._hello | {"follows": follows}))
                welcome = await self._welcomed(socket)
        except msgspec.MsgspecError:
            advice = f"Give the address of a server that speaks {PROTOCOL}"
            raise VendorRefused(f"{where} does not speak {PROTOCOL}", advice=advice) from None
        except TimeoutError:
            raise VendorLost(f"{where} sent no welcome within {WELCOME_S:g} s", advice="Try again") from None
        except ConnectionClosed as error:
            raise VendorLost(f"{where} closed before its welcome: {closed_by(error)}", advice="Try again") from None
        if isinstance(welcome, _SentElsewhere):
            return welcome
        if (welcome.rate_in, welcome.rate_out) != (RATE, AGENT_RATE):
            what = f"{where} wants {welcome.rate_in} Hz and sends {welcome.rate_out} Hz"
            raise VendorRefused(what, advice=f"The bench sends {RATE} and plays {AGENT_RATE} Hz, as the page does")
        return welcome

    async def _welcomed(self, socket: ClientConnection) -> _Welcome | _SentElsewhere:
        while True:
            raw = await socket.recv()
            if isinstance(raw, str):
                message = msgspec.json.decode(raw, type=dict[str, object])
                if message.get("type") == "error":
                    raise self._refused(msgspec.convert(message, _Problem))
                if message.get("type") == "elsewhere":
                    return msgspec.convert(message, _SentElsewhere)
                if message.get("type") == "welcome":
                    return msgspec.convert(message, _Welcome)

    def _refused(self, problem: _Problem) -> BargeinError:
        message = f"{shown(self._url)} refused the call ({problem.code}): {problem.message}"
        advice = problem.advice
        if self._token:  # a server may quote the token
            message, advice = message.replace(self._token, "***"), advice.replace(self._token, "***")
        return VendorRefused(message, advice=advice)


class _Call:
    """One call, from the welcome on."""

    def __init__(
        self,
        socket: ClientConnection,
        steps: Sequence[Step],
        lasts_ms: float,
        clock: Clock,
        echo: Echo | None,
        seed: int,
    ) -> None:
        self.client = ClientCall(
            steps,
            lasts_ms,
            clock,
            rate=RATE,
            frame=FRAME,
            agent_rate=AGENT_RATE,
            most_queued_ms=RING_MS,
            echo=echo,
            seed=seed,
            on_report=self._report,
        )
        self.texts: dict[int, str] = {}  # what the server says was heard of each reply
        self._socket = socket
        self._timer: asyncio.TimerHandle | None = None
        self._bye = ""

    async def run(self) -> None:
        client = self.client
        client.begin()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._read(), name="bench browser: read"),
                    group.create_task(client.write(self._socket.send), name="bench browser: write"),
                ]
                await client.speak(self._frame, self._press)
                client.send('{"type":"hangup"}')
                client.end_sending()
                await asyncio.wait(tasks, timeout=GOODBYE_S)
                for task in tasks:
                    task.cancel()
        finally:
            if self._timer is not None:
                self._timer.cancel()

    # ---------------------------------------------------------------------------------------------- to the server

    def _frame(self, place: int, samples: Samples) -> None:
        header = HEADER.pack(MICROPHONE, 0, 0, 0, place // FRAME, place)
        self.client.send(header + samples.astype("<i2", copy=False).tobytes())

    def _press(self) -> None:
        self.client.send('{"type":"interrupt"}')

    def _report(self, reports: Sequence[PlayedReport]) -> None:
        """Send the reports of the playback, and start the timer of the next one."""
        if self.client.over:
            return
        for report in reports:
            message: dict[str, object] = {"type": report.kind, "reply_id": report.reply, "played": report.played}
            if report.kind == "played":
                message["playing"] = True
            self.client.send(json.dumps(message))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (due := self.client.playback.deadline) is not None:
            self._timer = asyncio.get_running_loop().call_later(self.client.wait_s(due), self.client.advance)

    # -------------------------------------------------------------------------------------------- from the server

    async def _read(self) -> None:
        try:
            async for raw in self._socket:
                if isinstance(raw, bytes):
                    self._on_audio(raw)
                else:
                    self._on_message(raw)
            how = f"the server, {self._socket.close_code} {self._socket.close_reason}".strip()
            self.client.end(f"{how} ({self._bye})" if self._bye and self._bye not in how else how)
        except ConnectionClosed as error:
            self.client.end(closed_by(error))

    def _on_audio(self, raw: bytes) -> None:
        client = self.client
        if client.over:
            return
        if len(raw) < HEADER.size or len(raw) % 2:
            client.fault("a frame that cannot be read")
            return
        kind, flags, _, reply, _, first = HEADER.unpack_from(raw)
        if kind != AGENT or reply == 0:
            client.fault("a frame that is no sound of an agent")
            return
        samples = np.frombuffer(raw, "<i2", offset=HEADER.size).astype(np.int16, copy=False)
        self._report(client.playback.queue(client.now, reply, samples, first=first, last=bool(flags & LAST)))

    def _on_message(self, raw: str) -> None:
        client = self.client
        try:
            message = _decode(raw)
        except msgspec.MsgspecError:
            client.fault("a message that cannot be read")
            return
        if message.type == "bye":
            self._bye = (message.reason or "")[:80]
        if client.over:
            return
        playback, now, reply = client.playback, client.now, message.reply_id or 0
        match message.type:
            case "hold":
                self._report(playback.hold(now, reply))
            case "resume":
                self._report(playback.resume(now, reply))
            case "audio_interrupted":
                self._report(playback.flush(now, reply))
            case "transcript" if message.role == "agent" and len(self.texts) < MAX_TEXTS:
                self.texts[reply] = (message.text or "")[:MAX_TEXT]
            case "decision" if message.kind in VERDICTS:
                client.note(f"{message.kind}: {message.why or ''}"[:200])
            case "error":
                client.fault(f"error {message.code or 'without a code'}")
            case _:
                pass


class _Connect(connect):
    """Follows no redirect: a token goes to the address that it was given for."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc
