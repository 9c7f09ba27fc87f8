"""Twilio's side of one media stream: keeps the protocol, and counts what the server does wrong.

    stream = MediaStream(line, url, call, parameters)
    await stream.open()                    # raises StreamFailed
    line.stream = stream                   # the caller's audio goes here now
    await stream.ended.wait()              # the server closed the stream, or it died
    await stream.close()

A server that is gone without a word is noticed when no byte could leave for `tcp_timeout_ms`. Each end of a stream has
Twilio's number of its error: 31921 after a close of the server, 31903 after a connection that broke.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from json import dumps

import msgspec
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bargein_bench.callers.line import CallerLine
from bargein_bench.callers.result import StreamLeg
from bargein_bench.callers.telephone import RATE

CONNECT_S = 10.0
TCP_TIMEOUT_MS = 15_000.0  # Twilio's own is not documented
NO_ANSWER, REFUSED, BROKEN, HANDSHAKE, CLOSED = 31901, 31902, 31903, 31920, 31921  # Twilio's numbers


class StreamFailed(Exception):
    """The stream did not begin. code: Twilio's number of the error. refused: a server answered, with another answer
    than a WebSocket."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.refused = code == HANDSHAKE


class _Media(msgspec.Struct):
    payload: bytes


class _Mark(msgspec.Struct):
    name: str


class _FromServer(msgspec.Struct):
    event: str
    streamSid: str = ""  # noqa: N815  # a name of the wire
    media: _Media | None = None
    mark: _Mark | None = None


_decode = msgspec.json.Decoder(_FromServer).decode


class MediaStream:
    """A line.LineStream by shape. played_out: audio that was buffered when the server ended the stream is played to its
    end; else it is discarded at once."""

    def __init__(
        self,
        line: CallerLine,
        url: str,
        *,
        account: str,
        call: str,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        played_out: bool = False,
        tcp_timeout_ms: float = TCP_TIMEOUT_MS,
        ended: asyncio.Event | None = None,
    ) -> None:
        self.leg = StreamLeg("MZ" + secrets.token_hex(16), url, 0.0)
        self.ended = ended or asyncio.Event()
        self._line = line
        self._result = line.result
        self._account, self._call = account, call
        self._parameters = dict(parameters or {})
        self._headers = dict(headers or {})
        self._played_out = played_out
        self._tcp_timeout_ms = tcp_timeout_ms
        self._origin = 0  # place of the stream's begin
        self._sequence = self._chunk = 0
        self._transport: WSTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stuck_since: float | None = None
        self._cut = False  # nothing passes any more

    async def open(self) -> None:
        """Raises StreamFailed."""
        self._result.legs.append(self.leg)
        self._result.stream = self.leg.stream
        try:
            self._transport, _ = await ws_connect(
                lambda: _StreamListener(self),
                self.leg.url,
                websocket_handshake_timeout=CONNECT_S,
                extra_headers=self._headers,
            )
        except WSError as error:
            raise self._failed(HANDSHAKE, f"{self.leg.url} refused the stream: {error}") from None
        except ConnectionRefusedError as error:
            raise self._failed(REFUSED, f"No server answers at {self.leg.url}: {error}") from None
        except (OSError, TimeoutError) as error:
            raise self._failed(NO_ANSWER, f"No server answers at {self.leg.url}: {error}") from None

    def _failed(self, code: int, text: str) -> StreamFailed:
        self.leg.began_ms = self.leg.ended_ms = self._line.at_ms
        self.leg.error, self.leg.closed_by = code, "the server, before the begin"
        self.ended.set()
        return StreamFailed(code, text)

    def greet(self) -> None:
        """Say what a stream says first. The stream begins at this place."""
        self.leg.began_ms = self._line.at_ms
        self._origin = self._line.now
        self._send(b'{"event":"connected","protocol":"Call","version":"1.0.0"}')
        start = {
            "accountSid": self._account,
            "callSid": self._call,
            "streamSid": self.leg.stream,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": self._parameters,
        }
        self._event("start", "start", start)

    async def close(self) -> None:
        """End the stream from this side, if it has not ended."""
        if not self.ended.is_set():
            self._event("stop", "stop", {"accountSid": self._account, "callSid": self._call})
            self._end("us", None)
        if self._transport is not None:
            self._transport.disconnect()
            await self._transport.wait_disconnected()

    def break_off(self) -> None:
        """The connection breaks now, and the server gets no close: a reset."""
        if self._transport is not None:
            self._transport.underlying_transport.abort()
        self._end("the network, broken", BROKEN)

    def fall_silent(self) -> None:
        """From now on nothing passes, in either direction; after `tcp_timeout_ms` the stream is given up."""
        self._cut = True
        loop = asyncio.get_running_loop()
        loop.call_later(self._tcp_timeout_ms / 1000, self.break_off)

    # ------------------------------------------------------------------------------------------------ to the server

    def frame(self, place: int, payload: bytes) -> None:
        """20 ms of the caller."""
        self._sequence += 1
        self._chunk += 1
        self._send(
            b'{"event":"media","sequenceNumber":"%d","streamSid":"%s","media":{"track":"inbound","chunk":"%d",'
            b'"timestamp":"%d","payload":"%s"}}'
            % (
                self._sequence,
                self.leg.stream.encode(),
                self._chunk,
                max(0, place - self._origin) * 1000 // RATE,
                payload,
            )
        )
        self._look_whether_it_leaves()

    def key(self, key: str) -> None:
        """The caller pressed a key."""
        self._event("dtmf", "dtmf", {"track": "inbound_track", "digit": key})

    def _event(self, event: str, key: str, body: Mapping[str, object]) -> None:
        self._sequence += 1
        message = {"event": event, "sequenceNumber": str(self._sequence), "streamSid": self.leg.stream, key: body}
        self._send(dumps(message).encode())

    def _send(self, data: bytes) -> None:
        if self._line.way_s:
            asyncio.get_running_loop().call_later(self._line.way_s, self._put, data)
        else:
            self._put(data)

    def _put(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_disconnected and not self._cut:
            self._result.sent_bytes += len(data)
            self._transport.send(WSMsgType.TEXT, data)

    def _look_whether_it_leaves(self) -> None:
        transport = self._transport
        if transport is None or not transport.underlying_transport.get_write_buffer_size():
            self._stuck_since = None
        elif self._stuck_since is None:
            self._stuck_since = self._line.at_ms
        elif self._line.at_ms - self._stuck_since > self._tcp_timeout_ms:
            self.break_off()

    # ---------------------------------------------------------------------------------------------- from the server

    def receive(self, data: bytes) -> None:
        """A message came."""
        if self._cut:
            return
        self._result.got_bytes += len(data)
        if self._line.way_s:
            asyncio.get_running_loop().call_later(self._line.way_s, self._handle, data)
        else:
            self._handle(data)

    def disconnected(self, how: str, code: int) -> None:
        """The server has closed the stream."""
        if self._line.way_s:
            asyncio.get_running_loop().call_later(self._line.way_s, self._end, how, code)
        else:
            self._end(how, code)

    def fault(self, what: str) -> None:
        self._result.faults[what] += 1

    def _end(self, how: str, code: int | None) -> None:
        if self.ended.is_set():
            return
        self.ended.set()
        self.leg.ended_ms, self.leg.closed_by, self.leg.error = self._line.at_ms, how, code
        if self._timer is not None:
            self._timer.cancel()
        self._result.telephone.end_stream(self._line.now, played_out=self._played_out)
        if self._line.stream is self:
            self._line.stream = None

    def _handle(self, data: bytes) -> None:
        if self.ended.is_set():
            return
        telephone = self._result.telephone
        try:
            message = _decode(data)
        except msgspec.MsgspecError:
            self.fault("a message that cannot be read")
            return
        if message.streamSid != self.leg.stream:
            self.fault("another streamSid")
            return
        now = self._line.now
        if message.event == "media" and message.media is not None:
            self._return(telephone.due(now))
            telephone.media(now, message.media.payload)
            if self.leg.first_audio_ms is None:
                self.leg.first_audio_ms = self._line.at_ms
        elif message.event == "mark" and message.mark is not None:
            self._return(telephone.mark(now, message.mark.name))
        elif message.event == "clear":
            self._return(telephone.due(now))
            self._result.clears.append(now)
            self._return(telephone.clear(now))
        else:
            self.fault(f"event {message.event[:20]!r}")
        self._watch()

    def _watch(self) -> None:
        """Start the timer of the next mark, unless one runs. A timer that fires too early starts another."""
        due = self._result.telephone.next_mark
        if due is not None and self._timer is None:
            wait = max(0.0, due * 1000 / RATE - self._line.at_ms) / 1000
            self._timer = asyncio.get_running_loop().call_later(wait, self._marks_due)

    def _marks_due(self) -> None:
        self._timer = None
        self._return(self._result.telephone.due(self._line.now))
        self._watch()

    def _return(self, names: list[str]) -> None:
        for name in names:
            self._event("mark", "mark", {"name": name})


class _StreamListener(WSListener):
    def __init__(self, stream: MediaStream) -> None:
        self._stream = stream

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT and frame.fin:
            self._stream.receive(frame.get_payload_as_bytes())
        elif frame.msg_type is WSMsgType.CLOSE:
            reason = frame.get_close_reason()
            code = frame.get_close_code().value
            self._stream.disconnected(f"the server, {code}{f' {reason}' if reason else ''}", CLOSED)
            transport.send_close()
            transport.disconnect()
        else:
            self._stream.fault("a message that is no text")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._stream.disconnected("the server, without a word", BROKEN)
