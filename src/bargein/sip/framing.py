"""Messages out of a stream (TCP, TLS): Content-Length says where each ends (RFC 3261, 18.3)."""

from __future__ import annotations

from bargein.sip.errors import malformed
from bargein.sip.messages import COMPACT, content_length


class StreamReader:
    """Bytes in, whole messages out. b"" stands for a keepalive (CRLF CRLF) that wants an answer."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._bytes = bytearray()
        self._searched = 0
        self._whole = 0
        """Bytes of the message that is on its way. 0: its headers have not ended."""

    @property
    def partial(self) -> bool:
        """True: a message began and is not whole."""
        return bool(self._bytes)

    def push(self, data: bytes) -> list[bytes]:
        """ProtocolError: the stream holds no SIP, or more than a message may have. The connection is of no use then."""
        self._bytes += data
        found: list[bytes] = []
        while (message := self._next()) is not None:
            found.append(message)
        return found

    def _next(self) -> bytes | None:
        if not self._whole:
            if self._bytes[:4] == b"\r\n\r\n":
                del self._bytes[:4]
                return b""
            if self._bytes[:2] == b"\r\n" and bytes(self._bytes[2:3]) not in (b"", b"\r", b"\n"):
                del self._bytes[:2]
            if bytes(self._bytes[:1]) in (b"\r", b"\n"):
                self._bare_line_end()
                return None
            at = self._bytes.find(b"\r\n\r\n", max(0, self._searched - 3))
            self._searched = len(self._bytes)
            if at < 0:
                self._bound(len(self._bytes))
                return None
            self._whole = at + 4 + _length(bytes(self._bytes[:at]))
            self._bound(self._whole)
        if len(self._bytes) < self._whole:
            return None
        message = bytes(self._bytes[: self._whole])
        del self._bytes[: self._whole]
        self._whole = self._searched = 0
        return message

    def _bare_line_end(self) -> None:
        """A lone CRLF is the answer to a keepalive of ours: read over."""
        if self._bytes == b"\r\n":
            self._bytes.clear()
        elif len(self._bytes) > 3:
            raise malformed("a stream of line ends")

    def _bound(self, size: int) -> None:
        if size > self._most:
            raise malformed(f"a message of more than {self._most} bytes")


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        spelled = name.strip().lower().decode("latin-1")
        if COMPACT.get(spelled, spelled) == "content-length":
            return content_length(value.decode("latin-1"))
    raise malformed("no Content-Length in a stream")
