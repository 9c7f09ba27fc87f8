"""A TLS connection until its handshake is done: counted from its first packet, and bounded in time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, cast

from bargein.sip.sockets import SipConnection

HANDSHAKE_S = 5.0
SHUTDOWN_S = 1.0


class TlsDoor(asyncio.Protocol):
    """asyncio's own TLS server says nothing of a connection before its handshake: a flood of them had no bound.

    admits: called with the address; False: there are too many. ended: the handshake is over, either way."""

    def __init__(
        self,
        context: ssl.SSLContext,
        connection: SipConnection,
        *,
        admits: Callable[[str], bool],
        ended: Callable[[str], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._context = context
        self._connection = connection
        self._admits = admits
        self._ended = ended
        self._spawn = spawn

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plain = cast("asyncio.Transport", transport)
        host = str((plain.get_extra_info("peername") or ("",))[0])
        if not self._admits(host):
            plain.abort()
            return
        plain.pause_reading()  # the first bytes are the handshake's
        self._spawn(self._shake_hands(plain, host))

    async def _shake_hands(self, plain: asyncio.Transport, host: str) -> None:
        loop = asyncio.get_running_loop()
        secure: asyncio.Transport | None = None
        try:
            secure = await loop.start_tls(
                plain,
                self._connection,
                self._context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=SHUTDOWN_S,
            )
        except OSError:  # ssl.SSLError and a lost connection are among them
            secure = None
        finally:
            self._ended(host)
            if secure is None:
                plain.abort()
        if secure is not None:
            self._connection.connection_made(secure)
