"""Any endpoint that speaks OpenAI's Realtime. The bench is a plain client.

It sends its microphone and plays what comes. When the server hears speech during playback, it falls silent, sends how
much was heard (`conversation.item.truncate`) and discards the rest of the response. It does not hold, and calls no
tools.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import msgspec
import numpy as np
from pydantic import SecretStr
from websockets.exceptions import ConnectionClosed, WebSocketException

from bargein.audio.pcm import Samples
from bargein.clock import Clock, MonotonicClock
from bargein.errors import Unavailable, UsageError, VendorLost, VendorRefused
from bargein.vendors.common.keys import key_of
from bargein_bench.callers.caller_audio import Echo, Step
from bargein_bench.record import Record
from bargein_bench.targets.client_call import MAX_TEXT, MAX_TEXTS, ClientCall, closed_by, not_connected, shown
from bargein_bench.targets.realtime_events import (
    Delta,
    Details,
    Done,
    Item,
    RealtimeProblem,
    ResponseStatus,
    TranscriptDelta,
)

try:
    import openai

    INSTALLED = True
except ImportError:  # without the extra "openai" `RealtimeTarget` raises Unavailable
    INSTALLED = False

if TYPE_CHECKING:
    from openai.resources.realtime.realtime import AsyncRealtimeConnection

RATE = 24_000
FRAME = 480  # 20 ms
MODEL = "gpt-realtime-2.1"
OPENAI = "api.openai.com"
NO_KEY = "none"
MOST_QUEUED_MS = 600_000.0  # replies come faster than real time, without a limit
CONNECT_S = 10.0
LAST_WORDS_S = 1.0  # for the messages that are queued at the end
OPTIONS: Any = {  # the SDK passes on more options than it types
    "max_size": 16 * 1024 * 1024,  # the vendor's own limit is 15 MiB
    "open_timeout": CONNECT_S,
    "close_timeout": 0.5,
    "compression": None,
}
SERVER_VAD: Mapping[str, object] = {"type": "server_vad", "create_response": True, "interrupt_response": True}

Json = dict[str, Any]


class RealtimeTarget:
    """Calls such an endpoint; satisfies record.Target.

    url: ws://host:port/v1/realtime, or http://host:port/v1; its query is kept, and may name the model. api_key: None
    takes OPENAI_API_KEY, for OpenAI's own address only. turn_detection: as the session has it; None: off. The playback
    is cleared at `speech_started`, unless interrupt_response is off there. opening: ask for a response at once, so that
    the model greets. voice, instructions: None: the server's own. A key of the script is a button that cancels the
    response.

    Raises Unavailable without the SDK, UsageError for a wrong address.
    """

    protocol = "realtime"
    rate = RATE

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        api_key: SecretStr | str | None = None,
        turn_detection: Mapping[str, object] | None = SERVER_VAD,
        instructions: str | None = None,
        voice: str | None = None,
        opening: bool = False,
        clock: Clock | None = None,
    ) -> None:
        if not INSTALLED:
            raise Unavailable("The package openai is not installed", advice="Install the extra: bargein[openai]")
        parts = urlsplit(url)
        scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
        if scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{shown(url)} is no address of a server", advice="Give ws://host:port/v1/realtime")
        self._url = url
        self._base_url = urlunsplit((scheme, parts.netloc, parts.path.rstrip("/").removesuffix("/realtime"), "", ""))
        self._query = dict(parse_qsl(parts.query))
        self._model = model or self._query.pop("model", MODEL)
        is_openai = scheme == "https" and parts.hostname == OPENAI
        self._key = key_of(api_key, "OPENAI_API_KEY", None if is_openai else url) or NO_KEY
        pcm = {"type": "audio/pcm", "rate": RATE}
        input_config = {"format": pcm, "turn_detection": None if turn_detection is None else dict(turn_detection)}
        output_config = {"format": pcm} | ({"voice": voice} if voice is not None else {})
        self._session: Json = {
            "type": "realtime",
            "output_modalities": ["audio"],
            "audio": {"input": input_config, "output": output_config},
        } | ({"instructions": instructions} if instructions is not None else {})
        self._yields = turn_detection is not None and bool(turn_detection.get("interrupt_response", True))
        self._opening = opening
        self._clock = clock or MonotonicClock()

    async def call(self, steps: Sequence[Step], lasts_ms: float, *, echo: Echo | None = None, seed: int = 1) -> Record:
        """Make one call, to its end.

        Raises VendorRefused when the call is refused, VendorLost when no server answers.
        """
        client = await asyncio.to_thread(self._client)  # in a thread, because it reads certificates from disk
        async with client:
            try:
                connection = await client.realtime.connect(
                    model=self._model,
                    extra_query=dict(self._query),
                    websocket_connection_options=OPTIONS,
                ).enter()
            except (OSError, TimeoutError, WebSocketException, openai.OpenAIError) as error:
                raise not_connected(error, self._url) from None
            try:
                call_id = await self._open(connection)
                client_call = ClientCall(
                    steps,
                    lasts_ms,
                    self._clock,
                    rate=RATE,
                    frame=FRAME,
                    agent_rate=RATE,
                    most_queued_ms=MOST_QUEUED_MS,
                    echo=echo,
                    seed=seed,
                )
                call = _Call(connection, client_call, yields=self._yields)
                await call.run(opening=self._opening)
            finally:
                await connection.close()
        return await asyncio.to_thread(client_call.record, call.name, call_id, call.texts())

    def _client(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=self._base_url, api_key=self._key, timeout=CONNECT_S, max_retries=0)

    async def _open(self, connection: AsyncRealtimeConnection) -> str:
        """Configure the session. Returns its id."""
        where = shown(self._url)
        try:
            async with asyncio.timeout(CONNECT_S):
                created = await self._await(connection, "session.created")
                await connection.send_raw(json.dumps({"type": "session.update", "session": self._session}))
                await self._await(connection, "session.updated")
        except TimeoutError:
            raise VendorLost(f"{where} opened no session within {CONNECT_S:g} s", advice="Try again") from None
        except ConnectionClosed as error:
            raise VendorLost(f"{where} opened no session: {closed_by(error)}", advice="Try again") from None
        session = created.get("session")
        return str(session.get("id") or "") if isinstance(session, dict) else ""

    async def _await(self, connection: AsyncRealtimeConnection, kind: str) -> Json:
        while True:
            try:
                event = msgspec.json.decode(await connection.recv_bytes(), type=Json)
                problem = msgspec.convert(event, RealtimeProblem).error if event.get("type") == "error" else None
            except msgspec.MsgspecError:
                continue  # an unreadable event ends nothing, here as in the call
            if problem is not None:
                what = f"{shown(self._url)} refused the session ({problem.name}, {problem.param})"
                raise VendorRefused(what, advice="Check the model, the voice and the turn detection")
            if event.get("type") == kind:
                return event


class _Call:
    """One call, from the session on. Replies are the model's items, numbered by their first audio."""

    def __init__(self, connection: AsyncRealtimeConnection, client: ClientCall, *, yields: bool) -> None:
        self._connection = connection
        self._client_call = client
        self._yields = yields
        self._items: list[str] = []
        self._numbers: dict[str, int] = {}
        self._origins: dict[int, tuple[str, int]] = {}  # of live items: the response and the content index
        self._dead: set[str] = set()  # interrupted responses
        self._said: dict[str, str] = {}  # the text of each item
        self._came: Counter[int] = Counter()  # samples of each reply

    def texts(self) -> dict[int, str]:
        """What was heard of each reply: of its text the share that sounded of its audio."""
        numbers = [(self._numbers[item], text) for item, text in self._said.items() if item in self._numbers]
        client, came = self._client_call, self._came
        return {n: text[: round(len(text) * min(1.0, client.sounded(n) / max(came[n], 1)))] for n, text in numbers}

    def name(self, number: int) -> str:
        return self._items[number - 1]

    async def run(self, *, opening: bool) -> None:
        client = self._client_call
        client.begin()
        if opening:
            self._send({"type": "response.create"})
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read(), name="bench realtime: read")
            writing = group.create_task(client.write(self._put), name="bench realtime: write")
            await client.speak(self._frame, self._press)
            client.end_sending()
            await asyncio.wait([writing], timeout=LAST_WORDS_S)
            for task in (reading, writing):
                task.cancel()

    # ---------------------------------------------------------------------------------------------- to the server

    def _send(self, event: Json) -> None:
        self._client_call.send(json.dumps(event))

    async def _put(self, data: str | bytes) -> None:
        await self._connection.send_raw(data)

    def _frame(self, place: int, samples: Samples) -> None:
        audio = b64encode(samples.astype("<i2", copy=False).tobytes()).decode()
        self._client_call.send(f'{{"type":"input_audio_buffer.append","audio":"{audio}"}}')

    def _press(self) -> None:
        self._send({"type": "response.cancel"})
        self._fall_silent()

    def _fall_silent(self) -> None:
        """Clear the playback, and send of each item how much was heard."""
        client = self._client_call
        client.advance()
        for number in client.playback.live:
            for report in client.playback.flush(client.now, number):
                if report.kind != "flushed":
                    continue
                response, index = self._origins.pop(number, ("", 0))
                self._dead.add(response)
                self._send(
                    {
                        "type": "conversation.item.truncate",
                        "item_id": self.name(number),
                        "content_index": index,
                        # Rounded down: the server must have made as much.
                        "audio_end_ms": report.played * 1000 // RATE,
                    }
                )
        self._dead.discard("")

    # -------------------------------------------------------------------------------------------- from the server

    async def _read(self) -> None:
        client = self._client_call
        try:
            while True:
                data = await self._connection.recv_bytes()
                if client.over:
                    return
                try:
                    self._event(msgspec.json.decode(data, type=Json))
                except msgspec.MsgspecError:
                    client.fault("an event that cannot be read")
        except ConnectionClosed as error:
            client.end(closed_by(error))

    def _event(self, event: Json) -> None:
        """Raises msgspec.MsgspecError when it is not what its type says."""
        client = self._client_call
        kind = event.get("type")
        match kind:
            case "response.output_audio.delta" | "response.audio.delta":  # the second is the beta's
                self._on_audio(msgspec.convert(event, Delta))
            case "response.output_audio.done" | "response.audio.done":
                number = self._numbers.get(msgspec.convert(event, Item).item_id)
                if number is not None:
                    self._last(number)
            case "response.output_audio_transcript.delta" | "response.audio_transcript.delta":
                words = msgspec.convert(event, TranscriptDelta)
                if words.item_id in self._said or len(self._said) < MAX_TEXTS:
                    self._said[words.item_id] = (self._said.get(words.item_id, "") + words.delta)[:MAX_TEXT]
            case "input_audio_buffer.speech_started":
                client.note("speech_started")
                if self._yields:
                    self._fall_silent()
            case "input_audio_buffer.speech_stopped":
                client.note("speech_stopped")
            case "response.done":
                self._done(msgspec.convert(event, Done).response)
            case "error":
                client.fault(f"error {msgspec.convert(event, RealtimeProblem).error.name}")
            case str():
                pass
            case _:
                client.fault("an event without a type")

    def _on_audio(self, delta: Delta) -> None:
        client = self._client_call
        number = self._numbers.get(delta.item_id)
        if number is None:
            number = self._begin(delta)
        if len(delta.delta) % 2:
            client.fault("half a sample")
        samples = np.frombuffer(delta.delta[: len(delta.delta) // 2 * 2], "<i2").astype(np.int16, copy=False)
        self._came[number] += len(samples)
        client.playback.queue(client.now, number, samples)

    def _begin(self, delta: Delta) -> int:
        """A new item begins. An item before it has ended, even without an event that says so."""
        for other in self._client_call.playback.live:
            self._last(other)
        self._items.append(delta.item_id)
        number = self._numbers[delta.item_id] = len(self._items)
        self._origins[number] = delta.response_id, delta.content_index
        if delta.response_id in self._dead:
            self._client_call.playback.flush(self._client_call.now, number)
        return number

    def _last(self, number: int) -> None:
        client = self._client_call
        client.playback.queue(client.now, number, np.zeros(0, np.int16), last=True)

    def _done(self, response: ResponseStatus) -> None:
        details = response.status_details or Details()
        why = details.reason or (details.error.name if details.error is not None else "")
        self._client_call.note(f"response.done {response.status} {why}".strip())
        if response.status in ("failed", "incomplete"):
            self._client_call.fault(f"response {response.status}: {why or 'without a reason'}")
