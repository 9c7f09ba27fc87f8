"""The socket that a server listens on, and the lines that say where it is. Nothing here loads an agent or a model."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterable

from rich.console import Console

from bargein.errors import UsageError

SEND_BUFFER = 64 * 1024  # of the kernel, per connection: what lies there cannot be taken back, nor seen as unread
NEXT_PORTS = 20  # that are tried where a port is taken
LAST_PORT = 65_535
UNACKED_MS = 20_000  # a peer that takes nothing for so long is dropped by the kernel, with all that waits for it


def listen(host: str, port: int) -> socket.socket:
    """The listening socket; what is set on it holds for every connection. Raises UsageError when it cannot be had."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, proto)
    except OSError as error:
        raise UsageError(f"{host} is no address of ours: {error.strerror}", advice="Choose another --host") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKED_MS)
        listener.bind(address)
        listener.listen(256)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        advice = "Choose another --port, or stop what listens there"
        raise UsageError(f"Cannot listen on {host}:{port}: {error.strerror}", advice=advice) from error
    return listener


def free_port(host: str, port: int) -> int:
    """The port, or the next one that is free. Raises UsageError for an address that is not ours, and where none of the
    next NEXT_PORTS is free."""
    for tried in range(port, min(port + NEXT_PORTS, LAST_PORT) + 1):
        try:
            listen(host, tried).close()
        except UsageError as error:
            taken = isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.EADDRINUSE, errno.EACCES)
            if not taken:
                raise
        else:
            return tried
    raise UsageError(
        f"Port {port} and the {NEXT_PORTS} after it are taken", advice="Choose another --port, or 0 for any"
    )


def demand_no_loop() -> None:
    """Raises UsageError where an event loop runs: a server has its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return  # as it should be
    advice = "In an app use create_app(); in a file for --agent, call it under `if __name__ == '__main__'`"
    raise UsageError("serve() was called while an event loop runs", advice=advice)


def address(host: str, port: int) -> str:
    """Where a browser on this machine finds us."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


def announce(console: Console, url: str, lines: Iterable[str]) -> None:
    """The address, and what there is to say of the server, as lines with rich's markup."""
    console.print(f"Bargein listens on [bold]{url}[/bold]", highlight=False, soft_wrap=True)
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
