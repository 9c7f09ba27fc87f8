"""Runs the server: its socket, uvicorn, and the line that says where it is, once it is really there."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from rich.console import Console
from rich.markup import escape
from threadpoolctl import threadpool_limits

from bargein.errors import UsageError
from bargein.protocols import SERVER_STOPPED
from bargein.server.app import VoiceApp
from bargein.server.catalogue import open_agents
from bargein.server.connection_guard import ConnectionCensus, census_for, guarded_http
from bargein.server.frame_guard import GuardedWebSocket
from bargein.server.given_agents import opener
from bargein.server.hub import Hub, OpenAgents
from bargein.server.log_lines import log_lines
from bargein.server.make_settings import library_settings
from bargein.server.settings import Settings, redaction_for
from bargein.transports.websocket import MESSAGE_BYTES

try:
    from bargein.server.telephone.picows_server import picows_protocol, vendors_by_path
except ImportError:  # picows has no wheel for this machine: telephones go the common way
    picows_protocol = None  # type: ignore[assignment]
FAST = picows_protocol is not None

READY_S = 60  # then the address is told all the same, with what is not ready
SHUTDOWN_S = 5
# Objects. A search for cycles stops every call for as long as it lasts; but cut replies leave some, with sound
# in them.
GC_THRESHOLD = 3_000
SEND_BUFFER = 64 * 1024  # of the kernel, per connection: what lies there cannot be taken back, nor seen as unread
SIMULATED = "simulated: our simulators stand in for every vendor, and no real model answers"
UNACKED_MS = 20_000  # a peer that takes nothing for so long is dropped by the kernel, with all that waits for it


class BargeinServer(uvicorn.Server):
    """uvicorn's server, which says when it is ready, and ends calls before it closes their sockets.

    It runs the app's lifespan itself: uvicorn would turn a user's error at the start into a logged traceback.
    """

    def __init__(self, config: uvicorn.Config, app: VoiceApp, on_ready: Callable[[Hub], None]) -> None:
        super().__init__(config)
        self._app = app
        self._on_ready = on_ready
        self._signals = 0
        self._signalled = asyncio.Event()
        self._at_once = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Until a signal comes. Raises what the agents' parts raise at their start."""
        self._loop = asyncio.get_running_loop()
        async with self._app.lifespan():
            await super().serve(sockets=sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            hub: Hub = self._app.state.hub
            ready = [asyncio.ensure_future(event.wait()) for event in (hub.readiness.done, self._signalled)]
            try:
                done, _ = await asyncio.wait(ready, timeout=READY_S, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in ready:
                    each.cancel()
            if self.should_exit:
                return  # a signal: parts that do not answer keep no process
            if not done:
                logging.getLogger(__name__).warning("Not ready after %d s", READY_S)
            self._on_ready(hub)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal. The first one drains, the second one ends at once, a third one waits for nothing more.

        uvicorn would raise the signal again at the end, so that an end in good order looks like a kill.
        """
        self._signals += 1
        self.should_exit = True
        self.force_exit = self._signals > 2
        if self._loop is not None:
            self._loop.call_soon_threadsafe((self._at_once if self._signals > 1 else self._signalled).set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        hub: Hub | None = self._app.state.hub
        if hub is not None:
            if self._signals:  # a program that sets should_exit wants the end now
                await hub.calls.drain(self._app.settings.drain_s, self._at_once)
            await hub.calls.hang_up_all(SERVER_STOPPED if self._signals else "the server closes")
        await super().shutdown(sockets=sockets)


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


def _websockets(app: VoiceApp, path: str, census: ConnectionCensus) -> object:
    """What accepts WebSockets: picows for telephones, where it is installed, and websockets for all others."""
    if FAST:
        vendor_at = vendors_by_path(app.state.phones, path, app.settings.prefix)
        return picows_protocol(lambda: app.state.hub, vendor_at, census.leave)
    return functools.partial(GuardedWebSocket, on_lost=census.leave)


def uvicorn_options(app: VoiceApp, path: str = "") -> dict[str, Any]:
    """`bargein.uvicorn_options`. As measured: websockets-sansio halves what a frame costs; deflate would only add."""
    census = census_for(app.settings)
    return {
        "http": guarded_http(census),
        "ws": _websockets(app, path.rstrip("/"), census),
        "ws_max_size": MESSAGE_BYTES,
        "ws_per_message_deflate": False,
        "timeout_graceful_shutdown": SHUTDOWN_S,  # a call whose client is away has a task, too
    }


def config_for(app: VoiceApp) -> uvicorn.Config:
    """For BargeinServer."""
    return uvicorn.Config(
        app,
        **uvicorn_options(app),
        loop="auto",  # uvloop where it is installed: everywhere but on Windows
        lifespan="off",  # BargeinServer runs it
        log_config=None,  # its own would write from the event loop; records go to the process's log
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )


def serve_agents(given: object, **settings: Any) -> None:
    """`bargein.serve`. given: an Agent, or a list of them."""
    agents = opener(given, "serve")
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass  # as it should be
    else:
        advice = "In an app use create_app(); in a file for --agent, call it under `if __name__ == '__main__'`"
        raise UsageError("serve() was called while an event loop runs", advice=advice)
    chosen = library_settings(**settings)
    with log_lines(logging.WARNING, redaction_for(chosen)):
        try:
            serve(chosen, Console(), agents=agents)
        except KeyboardInterrupt:
            return  # the server has shut down in good order, and then tells how it was asked to


def serve(
    settings: Settings,
    console: Console,
    *,
    agents: OpenAgents = open_agents,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until a signal comes. on_ready: gets the address.

    Raises UsageError for settings that cannot be, and what the agents' parts raise at their start.
    """
    app = VoiceApp(settings, agents=agents)
    # What a call multiplies is small, and there are many calls: a pool of BLAS threads would only spin beside them, for
    # a third of all the processor time at 100 calls.
    threadpool_limits(1, "blas")
    if settings.record is not None:
        try:
            settings.record.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            advice = "Choose another folder with --record, or none with --no-record"
            raise UsageError(
                f"Calls cannot be recorded in {settings.record}: {error.strerror}", advice=advice
            ) from error
    with listen(settings.host, settings.port) as listener:
        url = address(settings.host, listener.getsockname()[1])

        def ready(hub: Hub) -> None:
            announce(console, url, hub)
            if on_ready is not None:
                on_ready(url)

        server = BargeinServer(config_for(app), app, ready)
        # What is there now stays; what calls make goes by counting references, for the most part.
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 10, 10)
        server.run(sockets=[listener])


def address(host: str, port: int) -> str:
    """Where a browser on this machine finds us."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


def announce(console: Console, url: str, hub: Hub) -> None:
    """The address, who answers there, and what this machine does not have."""
    agent = hub.catalogue.default
    llm = f"{agent.llm_name}, scripted: no language model" if agent.scripted else agent.llm_name
    console.print(f"Bargein listens on [bold]{url}[/bold]", highlight=False, soft_wrap=True)
    stt = agent.stt_name or "voice activity only, no words"
    who = "Twilio's" if hub.settings.twilio_auth_token else "of this machine only; TWILIO_AUTH_TOKEN is not set"
    phone = f"/twilio/voice, /twilio/media: calls {who}"
    parts = (("agent", agent.name), ("stt", stt), ("llm", llm), ("tts", agent.tts_name), ("phone", phone))
    for name, value in parts:
        console.print(f"  {name:<6} {escape(value)}", highlight=False, soft_wrap=True)
    if hub.catalogue.simulator_url is not None:
        console.print(f"  [yellow]{escape(SIMULATED)}[/yellow]", highlight=False, soft_wrap=True)
    for missing in hub.catalogue.missing:
        console.print(
            f"  [dim]no {escape(missing.part)}: {escape(missing.why)}. {escape(missing.advice)}[/dim]",
            highlight=False,
            soft_wrap=True,
        )
    for part, why in hub.readiness.waits.items():
        console.print(f"  [yellow]{part} is not ready: {escape(why)}[/yellow]", highlight=False, soft_wrap=True)
