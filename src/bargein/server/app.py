"""The ASGI app: routes, guard and page, around a hub that lives as long as the app's lifespan."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse
from starlette.routing import WebSocketRoute
from starlette.staticfiles import StaticFiles

from bargein import __version__
from bargein.clock import Clock, MonotonicClock
from bargein.errors import UsageError
from bargein.server.auth import Gate, Guard
from bargein.server.browser_calls import BrowserCalls
from bargein.server.call_commands import answer_commands
from bargein.server.catalogue import open_agents
from bargein.server.client_routes import router as client_router
from bargein.server.fleet_routes import router as fleet_router
from bargein.server.given_agents import opener
from bargein.server.hub import Hub, OpenAgents, open_hub
from bargein.server.live_audio import LiveAudio
from bargein.server.make_settings import library_settings
from bargein.server.node_commands import answer_nodes
from bargein.server.own_lifespan import OwnLifespan
from bargein.server.page_headers import headers_for
from bargein.server.records.audio_routes import router as audio_router
from bargein.server.records.export_routes import router as export_router
from bargein.server.records.page_routes import router as page_router
from bargein.server.refusals import Refusal, install
from bargein.server.routes import router
from bargein.server.settings import Settings
from bargein.server.sip.door import open_sip
from bargein.server.sip.routes import router as sip_router
from bargein.server.telephone.asgi import PhoneAsgi
from bargein.server.telephone.asterisk import MEDIA as ASTERISK_MEDIA
from bargein.server.telephone.asterisk import AsteriskLine
from bargein.server.telephone.asterisk_dialling import router as asterisk_router
from bargein.server.telephone.audiosocket import audiosocket_calls
from bargein.server.telephone.carriers import carriers
from bargein.server.telephone.serve import TelephoneVendor
from bargein.server.telephone.twilio import MEDIA, NEXT, STATUS, VOICE, Twilio
from bargein.server.telephone.twilio_outbound import router as twilio_calls_router
from bargein.server.telephone.twilio_webhooks import router as twilio_router
from bargein.server.telephone.whereabouts import answer_for_telephones
from bargein.server.trace_headers import TraceHeaders
from bargein.server.webrtc.calls import WebRTCDoor
from bargein.server.webrtc.calls import router as webrtc_router
from bargein.server.webrtc_calls import WebRTCCalls
from bargein.server.webrtc_calls import router as direct_router
from bargein.server.workers_view import answer_as_worker
from bargein.transports.browser.limits import BrowserLimits

WEB = Path(__file__).parent / "web"
# A browser runs no module and no wasm of another type, and a bare machine may know none of them.
MIME_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".svg": "image/svg+xml"}


class VoiceApp(FastAPI):
    """Bargein as an ASGI app, to be served by itself or mounted in another app under any path.

    Starlette runs the lifespan of the outermost app only. An app that mounts this one passes its lifespan on, so that
    the agents' parts start with the app and a wrong setting stops it; elsewhere they start with the first request:

        voice = create_app(agent)
        app = FastAPI(lifespan=voice.lifespan)
        app.mount("/voice", voice)

    Raises UsageError for settings that would leave it open to strangers.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        agents: OpenAgents = open_agents,
        clock: Clock | None = None,
        limits: BrowserLimits | None = None,
    ) -> None:
        self.settings = settings
        self._agents = agents
        self._clock = clock or MonotonicClock()
        self._limits = limits or BrowserLimits()
        self._gate = Gate(settings)
        phones: dict[str, TelephoneVendor] = {
            MEDIA: Twilio(settings, self._gate),
            ASTERISK_MEDIA: AsteriskLine(settings, self._gate),
            **carriers(self._gate),
        }
        # No documentation pages: theirs come with scripts from elsewhere.
        super().__init__(
            title="Bargein",
            version=__version__,
            lifespan=self.lifespan,
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
        )
        self.state.hub = None
        self.state.phones = phones
        self._add_routes(phones)
        self._own_lifespan = OwnLifespan(self._open)
        self._run_by_others = False
        elsewhere = frozenset((*phones, VOICE, NEXT, STATUS))
        if settings.otel:
            self.add_middleware(TraceHeaders)
        self.add_middleware(
            Guard,
            gate=self._gate,
            elsewhere=elsewhere,
            prefix=settings.prefix,
            running=self._demand_running,
            headers=headers_for(settings.node_url),
        )

    @property
    def running(self) -> bool:
        """Whether the lifespan runs, so that calls can be taken."""
        return self.state.hub is not None

    @asynccontextmanager
    async def lifespan(self, _: Any = None) -> AsyncIterator[None]:
        """Starts the agents' parts and what all calls share; ends every call, and then these, when the block ends.

        Takes the app that runs it, as Starlette passes it. Raises UsageError where it runs already, and whatever the
        agents' parts raise at their start.
        """
        if self.running:
            raise UsageError("This app's lifespan runs already", advice="Run it once: in the outermost app only")
        self._run_by_others = True
        async with self._open():
            yield

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[None]:
        async with (
            open_hub(self.settings, self._gate, self._agents, self._clock, self._limits) as hub,
            open_sip(hub),
            audiosocket_calls(hub),
        ):
            direct = WebRTCCalls(hub)
            self.state.direct = direct
            door = WebRTCDoor(hub, self._browser_calls)
            self.state.webrtc = door
            self.state.live_audio = LiveAudio(hub)
            answer_commands(hub)
            answer_nodes(hub)
            answer_as_worker(hub)
            self.state.hub = hub
            answer_for_telephones(hub)
            try:
                yield
            finally:
                hub.busy_line.close()
                for ringing in list(hub.ringing.values()):
                    ringing.cancel("the server closes")
                await hub.calls.hang_up_all("the server closes")
                direct.close()
                door.close()
                self.state.hub = None

    def node_died(self, node: str) -> None:
        """Another worker's process is over: where the workers have Redis, this one takes its record out."""
        hub: Hub | None = self.state.hub
        if hub is not None and self.settings.redis_url is not None:
            hub.tasks.create_task(hub.fleet.forget(node), name="forget a node")

    async def _demand_running(self) -> None:
        """Returns when calls can be taken. Raises Refusal when the parts do not start, or the lifespan is over."""
        if self.running:
            return
        if self._run_by_others:
            advice = "Run its lifespan for as long as requests come"
            raise Refusal(503, "not_started", "Bargein's lifespan does not run", advice=advice)
        await self._own_lifespan.started()

    def _add_routes(self, phones: dict[str, TelephoneVendor]) -> None:
        def hub() -> Hub:
            found: Hub = self.state.hub
            return found

        install(self)
        self._browser_calls = BrowserCalls(hub, lambda: self.state.direct)
        self.router.routes.append(WebSocketRoute("/calls/browser", self._browser_calls))
        for path, vendor in phones.items():
            self.router.routes.append(WebSocketRoute(path, PhoneAsgi(hub, vendor)))
        self.include_router(twilio_router)
        self.include_router(twilio_calls_router)
        self.include_router(asterisk_router)
        self.include_router(router)
        self.include_router(fleet_router)
        self.include_router(audio_router)
        self.include_router(page_router)
        self.include_router(export_router)
        self.include_router(sip_router)
        self.include_router(direct_router)
        self.include_router(webrtc_router)
        for suffix, kind in MIME_TYPES.items():
            mimetypes.add_type(kind, suffix)
        self.add_api_route("/", _page, include_in_schema=False)
        self.add_api_route("/fleet", _operators_page, include_in_schema=False)
        self.include_router(client_router)
        self.mount("/web", StaticFiles(directory=WEB, check_dir=False), name="web")


def app_for(given: object, **settings: Any) -> VoiceApp:
    """`bargein.create_app`. given: an Agent, a list of them, or None for what BARGEIN_AGENT names."""
    agents = open_agents if given is None else opener(given, "create_app")
    return VoiceApp(library_settings(**settings), agents=agents)


async def _page() -> FileResponse:
    return FileResponse(WEB / "index.html")


async def _operators_page() -> FileResponse:
    """Without a secret: what it asks for needs the server's token."""
    return FileResponse(WEB / "fleet.html")
