"""A simulated Asterisk dials an application: `ws://.../asterisk/media`.

result = await AsteriskCaller("ws://127.0.0.1:8080/asterisk/media", steps, lasts_ms=30_000).run()
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlencode

from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bargein.clock import Clock
from bargein.errors import VendorLost, VendorRefused
from bargein_bench.callers.asterisk_channel import AsteriskChannel, converse
from bargein_bench.callers.asterisk_queue import AsteriskRelease
from bargein_bench.callers.caller_audio import Echo, Step
from bargein_bench.callers.line import CallerLine
from bargein_bench.callers.result import Result

CONNECT_S = 10.0


class AsteriskCaller:
    """Makes one call. lasts_ms, echo, way_ms, seed, keep: as CallerLine. parameters: of the dial option `v()`. codec,
    release, as_json, variables, dtx: as AsteriskChannel."""

    def __init__(
        self,
        url: str,
        steps: Sequence[Step],
        lasts_ms: float,
        *,
        echo: Echo | None = None,
        way_ms: float = 0.0,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        seed: int = 1,
        clock: Clock | None = None,
        keep: bool = False,
        codec: str = "slin16",
        release: AsteriskRelease | None = None,
        as_json: bool = True,
        variables: Mapping[str, str] | None = None,
        dtx: bool = False,
    ) -> None:
        self._line = CallerLine(steps, lasts_ms, echo=echo, way_ms=way_ms, seed=seed, clock=clock, keep=keep)
        given = urlencode(dict(parameters or {}))
        self._url = f"{url}{'&' if '?' in url else '?'}{given}" if given else url
        self._headers = {"Sec-WebSocket-Protocol": "media", **(headers or {})}
        self._transport: WSTransport | None = None
        self.channel = AsteriskChannel(
            self._line, self._put, codec=codec, release=release, as_json=as_json, variables=variables, dtx=dtx
        )

    @property
    def result(self) -> Result:
        return self._line.result

    async def run(self) -> Result:
        """Make the call, to its end. Raises VendorRefused when the server refuses it, VendorLost when none answers."""
        began = self._line.clock.now_ms()
        try:
            self._transport, _ = await ws_connect(
                lambda: _Socket(self),
                self._url,
                websocket_handshake_timeout=CONNECT_S,
                extra_headers=self._headers,
            )
        except WSError as error:
            advice = "Look at the address, and at what the server demands"
            raise VendorRefused(f"{_place(self._url)} refused the stream: {error}", advice=advice) from None
        except (OSError, TimeoutError) as error:
            what = f"No server answers at {_place(self._url)}: {error}"
            raise VendorLost(what, advice="Start the server first") from None
        self._line.result.connected_ms = self._line.clock.now_ms() - began
        try:
            await converse(self.channel, self._line)
        finally:
            if not self._transport.is_disconnected:
                self._transport.send_close()
            self._transport.disconnect()
            await self._transport.wait_disconnected()
        return self._line.result

    def receive(self, data: str | bytes) -> None:
        """A message of the server came."""
        self._later(lambda: None if self._line.over.is_set() else self.channel.receive(data))

    def pinged(self) -> None:
        """A ping or pong came."""
        if self.channel.queue.release.pings_hang_up:
            self._line.result.faults["a ping"] += 1
            self.channel.end("a ping")

    def closed(self, how: str) -> None:
        """The server has closed the socket."""
        self._later(lambda: self.channel.end(how))

    def _put(self, message: str | bytes) -> None:
        self._later(lambda: self._write(message))

    def _write(self, message: str | bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_disconnected:
            return
        if isinstance(message, str):
            transport.send(WSMsgType.TEXT, message.encode())
        else:
            transport.send(WSMsgType.BINARY, message)

    def _later(self, do: Callable[[], None]) -> None:
        if self._line.way_s:
            asyncio.get_running_loop().call_later(self._line.way_s, do)
        else:
            do()


class _Socket(WSListener):
    def __init__(self, caller: AsteriskCaller) -> None:
        self._caller = caller

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        match frame.msg_type:
            case WSMsgType.TEXT:
                self._caller.receive(frame.get_payload_as_utf8_text())
            case WSMsgType.BINARY:
                self._caller.receive(frame.get_payload_as_bytes())
            case WSMsgType.PING | WSMsgType.PONG:
                self._caller.pinged()
            case WSMsgType.CLOSE:
                self._caller.closed(f"the server, {frame.get_close_code().value}")
                transport.send_close()
                transport.disconnect()
            case _:
                pass

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._caller.closed("the server, without a word")


def _place(url: str) -> str:
    """Without its query, in which a token may stand."""
    return url.partition("?")[0]
