"""A WebSocket client that sends any bytes, and reads only when asked."""

from __future__ import annotations

import asyncio
import os
import struct
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CONTINUED, TEXT, BINARY, PING, PONG, CLOSE, END = 0x00, 0x01, 0x02, 0x09, 0x0A, 0x08, 0x80


def frame(kind: int, payload: bytes = b"") -> bytes:
    """A client's frame, with a mask of zeros. kind: with END for the last of a message."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", kind, 0x80 | size)
    elif size < 65_536:
        head = struct.pack("!BBH", kind, 0xFE, size)
    else:
        head = struct.pack("!BBQ", kind, 0xFF, size)
    return head + bytes(4) + payload


class RawSocket:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def closed(self) -> int:
        """Read to the end; the code of the close frame, 0 without one."""
        data = b""
        try:
            async with asyncio.timeout(10):
                while chunk := await self.reader.read(65_536):
                    data = (data + chunk)[-200:]
        except ConnectionError:
            return 0
        at = data.rfind(b"\x88")
        return int.from_bytes(data[at + 2 : at + 4]) if at >= 0 else 0

    async def send(self, data: bytes) -> bool:
        """Send all of it. False: the server has closed the connection."""
        try:
            for at in range(0, len(data), 65_536):
                self.writer.write(data[at : at + 65_536])
                async with asyncio.timeout(10):
                    await self.writer.drain()
        except ConnectionError:
            return False
        return not self.writer.is_closing()


@asynccontextmanager
async def raw_socket(url: str, path: str, limit: int = 65_536) -> AsyncIterator[RawSocket]:
    """url: of the server. limit: bytes that are read ahead."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=limit)
    key = b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    try:
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        yield RawSocket(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
