"""The FastAPI app: routes, guard and page, around a hub that lives as long as the server runs."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from starlette.routing import WebSocketRoute
from starlette.staticfiles import StaticFiles

from bargein import __version__
from bargein.clock import Clock, MonotonicClock
from bargein.server.auth import Gate, Guard
from bargein.server.browser_calls import BrowserCalls
from bargein.server.builder import open_agents
from bargein.server.hub import Hub, OpenAgents, open_hub
from bargein.server.refusals import install
from bargein.server.routes import router
from bargein.server.settings import Settings
from bargein.server.telephone.asgi import PhoneAsgi
from bargein.server.telephone.carriers import carriers
from bargein.server.telephone.serve import TelephoneVendor
from bargein.server.telephone.twilio import MEDIA, VOICE, Twilio
from bargein.server.telephone.twilio import router as twilio_router
from bargein.server.webrtc_calls import WebRTCCalls
from bargein.server.webrtc_calls import router as direct_router
from bargein.transports.browser.transport import BrowserLimits

WEB = Path(__file__).parent / "web"
# A browser runs no module and no wasm of another type, and a bare machine may know none of them.
MIME_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".svg": "image/svg+xml"}


def create_app(
    settings: Settings,
    *,
    agents: OpenAgents = open_agents,
    clock: Clock | None = None,
    limits: BrowserLimits | None = None,
) -> FastAPI:
    """The server's ASGI app; its lifespan must run. agents: opens the agents that it offers; limits: of a browser.

    Raises Misuse for settings that would leave it open to strangers.
    """
    gate = Gate(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_hub(settings, gate, agents, clock or MonotonicClock(), limits or BrowserLimits()) as hub:
            app.state.hub = hub
            app.state.direct = WebRTCCalls(hub)
            try:
                yield
            finally:
                app.state.direct.close()

    phones: dict[str, TelephoneVendor] = {MEDIA: Twilio(settings, gate), **carriers(gate)}

    # No documentation pages: theirs come with scripts from elsewhere.
    app = FastAPI(
        title="Bargein", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None
    )

    def hub() -> Hub:
        found: Hub = app.state.hub
        return found

    app.state.phones = phones
    install(app)
    app.router.routes.append(WebSocketRoute("/calls/browser", BrowserCalls(hub, lambda: app.state.direct)))
    for path, vendor in phones.items():
        app.router.routes.append(WebSocketRoute(path, PhoneAsgi(hub, vendor)))
    app.include_router(twilio_router)
    app.include_router(router)
    app.include_router(direct_router)
    for suffix, kind in MIME_TYPES.items():
        mimetypes.add_type(kind, suffix)
    app.add_api_route("/", _page, include_in_schema=False)
    app.mount("/web", StaticFiles(directory=WEB, check_dir=False), name="web")
    app.add_middleware(Guard, gate=gate, elsewhere=frozenset((*phones, VOICE)))
    return app


async def _page() -> FileResponse:
    return FileResponse(WEB / "index.html")
