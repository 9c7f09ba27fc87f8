"""What holds for every WebSocket, a page's and a telephone's, on any server."""

from __future__ import annotations

MESSAGE_BYTES = 64 * 1024
"""The longest message that a client may send."""
TOO_BIG = 1009  # the code of a close for a longer one
GOODBYES = (1000, 1001)
"""A client that closes so has left: its tab was closed, or its program has ended."""
REFUSED_CLOSES = (1002, 1007, 1008, TOO_BIG, 1012)
"""The server has closed the connection: a frame was broken, or beyond a bound, or the server ends. Such a client is not
waited for."""
REASON_BYTES = 120  # a close frame has room for 123


def too_long(message: str | bytes) -> bool:
    """Whether a message has more than MESSAGE_BYTES."""
    if isinstance(message, str) and not message.isascii():
        return len(message.encode(errors="replace")) > MESSAGE_BYTES
    return len(message) > MESSAGE_BYTES


def close_reason(reason: str) -> str:
    """A reason as a close frame takes it."""
    return reason.encode()[:REASON_BYTES].decode(errors="ignore")
