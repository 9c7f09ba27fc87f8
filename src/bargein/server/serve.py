"""Runs the server: its socket, uvicorn, and the line that says where it is, once it is really there."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import os
import shutil
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from rich.console import Console
from rich.markup import escape
from threadpoolctl import threadpool_limits

from bargein import __version__
from bargein.errors import UsageError
from bargein.protocols import SERVER_STOPPED
from bargein.server.app import VoiceApp
from bargein.server.catalogue import open_agents
from bargein.server.connection_census import ConnectionCensus, census_for
from bargein.server.connection_guard import GuardedHTTP, guarded_http
from bargein.server.frame_guard import GuardedWebSocket
from bargein.server.given_agents import opener
from bargein.server.hub import Hub, OpenAgents
from bargein.server.listening import address, announce, demand_no_loop, listen
from bargein.server.log_lines import log_lines
from bargein.server.make_settings import library_settings
from bargein.server.settings import Settings, redaction_for
from bargein.server.start_steps import steps
from bargein.server.supervisor.command import assignment, worker_name
from bargein.server.supervisor.passed import PassedConnections, WorkerBusyness
from bargein.server.supervisor.run import as_worker, supervise, supervises
from bargein.tracing.opening import process_tracing
from bargein.tracing.process import ThisProcess
from bargein.transports.websocket import MESSAGE_BYTES

try:
    from bargein.server.telephone.picows_server import picows_protocol, vendors_by_path
except ImportError:  # picows has no wheel for this machine: telephones go the common way
    picows_protocol = None  # type: ignore[assignment]
FAST = picows_protocol is not None

READY_S = 60  # then the address is told all the same, with what is not ready
SHUTDOWN_S = 5
AT_TERMINAL_S = 30.0  # that calls may end by themselves after Ctrl-C: a person waits there
ORPHAN_S = 10.0  # for the end of a worker whose supervisor is gone
# Objects. A search for cycles stops every call for as long as it lasts; but cut replies leave some, with sound
# in them.
GC_THRESHOLD = 3_000
SIMULATED = "simulated: our simulators stand in for every vendor, and no real model answers"


class BargeinServer(uvicorn.Server):
    """uvicorn's server, which says when it is ready, and ends calls before it closes their sockets.

    It runs the app's lifespan itself: uvicorn would turn a user's error at the start into a logged traceback.
    on_ready: gets the hub. worker: makes what takes a worker's connections, which have no listening socket here.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        app: VoiceApp,
        on_ready: Callable[[Hub], None],
        worker: Callable[[BargeinServer], PassedConnections] | None = None,
    ) -> None:
        super().__init__(config)
        self._app = app
        self._on_ready = on_ready
        self._worker = worker
        self._passed: PassedConnections | None = None
        self._signals: list[int] = []
        self._signalled = asyncio.Event()
        self._at_once = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Until a signal comes. Raises what the agents' parts raise at their start."""
        self._loop = asyncio.get_running_loop()
        async with self._app.lifespan():
            if self._worker is None:
                await super().serve(sockets=sockets)
                return
            async with self._worker(self) as self._passed:
                await super().serve(sockets=[])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            hub: Hub = self._app.state.hub
            if self._passed is not None:
                busyness = WorkerBusyness(lambda: hub.calls.taken, lambda: hub.fleet.record().takes_calls)
                self._passed.begin(self._protocol, busyness)
            steps.info("a first word")
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
            if self._passed is not None:
                self._passed.ready(described(hub))
            self._on_ready(hub)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal. The first one drains, the second one ends at once, a third one waits for nothing more.

        uvicorn would raise the signal again at the end, so that an end in good order looks like a kill.
        """
        self._signals.append(sig)
        self.should_exit = True
        self.force_exit = len(self._signals) > 2
        if self._loop is not None:
            self._loop.call_soon_threadsafe((self._at_once if len(self._signals) > 1 else self._signalled).set)

    def orphaned(self) -> None:
        """The supervisor is gone: end at once, in good order as far as there is time for it."""
        logging.getLogger(__name__).error("The supervisor is gone: this worker ends")
        if self._app.settings.store_socket is not None:
            shutil.rmtree(self._app.settings.store_socket.parent, ignore_errors=True)
        timer = threading.Timer(ORPHAN_S, os._exit, (1,))
        timer.daemon = True
        timer.start()
        for _ in range(2):
            self.handle_exit(signal.SIGTERM, None)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        hub: Hub | None = self._app.state.hub
        if hub is not None:
            if self._signals:  # a program that sets should_exit wants the end now
                drain_s = self._app.settings.drain_s
                if self._signals[0] == signal.SIGINT:
                    drain_s = min(drain_s, AT_TERMINAL_S)
                await hub.calls.drain(drain_s, self._at_once)
            await hub.calls.hang_up_all(SERVER_STOPPED if self._signals else "the server closes")
        if self._passed is not None:
            self._passed.leaving()
        await super().shutdown(sockets=sockets)

    def _protocol(self) -> GuardedHTTP:
        made: GuardedHTTP = self.config.http_protocol_class(  # type: ignore[call-arg, assignment]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


def _websockets(app: VoiceApp, path: str, census: ConnectionCensus) -> object:
    """What accepts WebSockets: picows for telephones, where it is installed, and websockets for all others."""
    if FAST:
        vendor_at = vendors_by_path(app.state.phones, path, app.settings.prefix)
        return picows_protocol(lambda: app.state.hub, vendor_at, census.leave)
    return functools.partial(GuardedWebSocket, on_lost=census.leave)


def uvicorn_options(app: VoiceApp, path: str = "", census: ConnectionCensus | None = None) -> dict[str, Any]:
    """`bargein.uvicorn_options`. As measured: websockets-sansio halves what a frame costs; deflate would only add."""
    census = census or census_for(app.settings)
    return {
        "http": guarded_http(census),
        "ws": _websockets(app, path.rstrip("/"), census),
        "ws_max_size": MESSAGE_BYTES,
        "ws_per_message_deflate": False,
        "timeout_graceful_shutdown": SHUTDOWN_S,  # a call whose client is away has a task, too
    }


def config_for(app: VoiceApp, census: ConnectionCensus | None = None) -> uvicorn.Config:
    """For BargeinServer."""
    return uvicorn.Config(
        app,
        **uvicorn_options(app, census=census),
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
    demand_no_loop()
    chosen = library_settings(**settings)
    with log_lines(logging.WARNING, redaction_for(chosen), worker_name(), chosen.log_format):
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
    on_hub: Callable[[Hub], None] | None = None,
) -> None:
    """Serve until a signal comes: by this process, by several workers where the settings say so, or as one of them.

    on_ready: gets the address. on_hub: gets the hub before that, where this process serves by itself. Raises UsageError
    for settings that cannot be, what the agents' parts raise at their start, and SystemExit with the code of a worker
    that has said itself why it could not start.
    """
    if supervises(settings):
        supervise(settings, console, on_ready=on_ready)
        return
    given = assignment()
    if given is not None:
        settings = as_worker(settings, given.place)
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
    process = ThisProcess(settings.node, __version__)
    # What is there now stays; what calls make goes by counting references, for the most part.
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 10, 10)
    if given is not None:
        census = census_for(settings)

        def passed(server: BargeinServer) -> PassedConnections:
            return PassedConnections(given, census, settings.prefix, server.orphaned, app.node_died)

        with process_tracing(on=settings.otel, process=process):
            BargeinServer(config_for(app, census), app, lambda _: None, passed).run(sockets=[])
        return
    with process_tracing(on=settings.otel, process=process), listen(settings.host, settings.port) as listener:
        url = address(settings.host, listener.getsockname()[1])

        def ready(hub: Hub) -> None:
            if on_hub is not None:
                on_hub(hub)
            announce(console, url, described(hub))
            if on_ready is not None:
                on_ready(url)

        BargeinServer(config_for(app), app, ready).run(sockets=[listener])


def described(hub: Hub) -> list[str]:
    """Who answers, and what this machine does not have: lines with rich's markup."""
    agent = hub.catalogue.default
    llm = f"{agent.llm_name}, scripted: no language model" if agent.scripted else agent.llm_name
    stt = agent.stt_name or "voice activity only, no words"
    who = "Twilio's" if hub.settings.twilio_auth_token else "of this machine only; TWILIO_AUTH_TOKEN is not set"
    phone = f"/twilio/voice, /twilio/media: calls {who}"
    parts = [("agent", agent.name), ("stt", stt), ("llm", llm), ("tts", agent.tts_name), ("phone", phone)]
    parts += [] if hub.sip.door is None else hub.sip.door.lines()
    lines = [f"  {name:<6} {escape(value)}" for name, value in parts]
    if hub.catalogue.simulator_url is not None:
        lines.append(f"  [yellow]{escape(SIMULATED)}[/yellow]")
    for missing in hub.catalogue.missing:
        lines.append(f"  [dim]no {escape(missing.part)}: {escape(missing.why)}. {escape(missing.advice)}[/dim]")
    for part, why in hub.readiness.waits.items():
        lines.append(f"  [yellow]{part} is not ready: {escape(why)}[/yellow]")
    return lines
