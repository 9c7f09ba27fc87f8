"""A simulated Twilio: makes calls to a number's webhook, and has the REST API by which an application changes them.

    async with TwilioNetwork(NetworkManners(auth_token="...")) as network:
        server = start(twilio_url=network.rest_url)
        result = await network.call("http://127.0.0.1:8080/twilio/voice", steps, lasts_ms=30_000)

The network follows TwiML as Twilio does (twilio_call.py), and connects a stream again where the application's `action`
says so. All audio that the caller heard, of every stream, lies on the clock of one telephone.
"""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import Sequence
from typing import Self
from urllib.parse import parse_qs, parse_qsl

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from bargein.clock import Clock
from bargein_bench.callers.caller_audio import Echo, Step
from bargein_bench.callers.line import CallerLine
from bargein_bench.callers.result import Result
from bargein_bench.callers.twilio_call import NetworkManners, TwilioCall, document_of
from bargein_bench.callers.twilio_orders import OrderedCall, OrderRefused, make_call, read_order
from bargein_bench.callers.twiml import TwimlRefused

BAD_LOGIN, UNKNOWN_CALL, NOT_LIVE = 20003, 20404, 21220  # Twilio's numbers
CONNECTIONS = 1_000  # for webhooks at a time


class TwilioNetwork:
    """serves: with the REST API, on a free port of this machine (`rest_url`)."""

    def __init__(self, manners: NetworkManners | None = None, *, serves: bool = True) -> None:
        self.manners = manners or NetworkManners()
        self.calls: dict[str, TwilioCall] = {}
        """The calls that are made now, by their id."""
        self.orders: dict[str, OrderedCall] = {}
        """The calls that the application has ordered (POST Calls.json), by their id."""
        self.callee: tuple[Sequence[Step], float] = ((), 5_000.0)
        """What the callee of such a call says and does, and for how long, ms."""
        self._ordered: set[asyncio.Task[None]] = set()
        self.rest_url = ""
        self._serves = serves
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._listener: socket.socket | None = None

    async def __aenter__(self) -> Self:
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=0)
        self._client = httpx.AsyncClient(limits=limits, trust_env=False)
        if self._serves:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.rest_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
            config = uvicorn.Config(self._rest(), log_level="critical", ws="none", lifespan="off")
            self._server = uvicorn.Server(config)
            self._serving = asyncio.create_task(self._server.serve(sockets=[self._listener]), name="Twilio's REST API")
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._ordered:
            task.cancel()
        if self._ordered:
            await asyncio.wait(self._ordered)
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
        if self._listener is not None:
            self._listener.close()
        await self._client.aclose()

    async def call(
        self,
        url: str,
        steps: Sequence[Step] = (),
        lasts_ms: float = 30_000,
        *,
        echo: Echo | None = None,
        way_ms: float = 0.0,
        seed: int = 1,
        clock: Clock | None = None,
        keep: bool = False,
        sid: str | None = None,
        caller: str = "+4930111",
        called: str = "+4930222",
    ) -> Result:
        """Make a call, to its end. lasts_ms: its length, unless one side ends it before. sid: the network's id of the
        call, by which it is found in `calls`."""
        line = CallerLine(steps, lasts_ms, echo=echo, way_ms=way_ms, seed=seed, clock=clock, keep=keep)
        made = TwilioCall(self.manners, line, self._client, url, sid=sid, caller=caller, called=called)
        self.calls[made.sid] = made
        try:
            return await made.run()
        finally:
            del self.calls[made.sid]

    def _rest(self) -> FastAPI:
        app = FastAPI()

        @app.post("/2010-04-01/Accounts/{account}/Calls.json")
        async def create(account: str, request: Request) -> JSONResponse:
            return self._create(account, request.headers.get("authorization", ""), await request.body())

        @app.post("/2010-04-01/Accounts/{account}/Calls/{sid}.json")
        async def update(account: str, sid: str, request: Request) -> JSONResponse:
            return self._update(account, sid, request.headers.get("authorization", ""), await request.body())

        return app

    def _may(self, account: str, login: str) -> bool:
        token = self.manners.auth_token
        right = base64.b64encode(f"{self.manners.account}:{token}".encode()).decode()
        return account == self.manners.account and (token is None or login == f"Basic {right}")

    def _create(self, account: str, login: str, body: bytes) -> JSONResponse:
        """Make a call for the application."""
        if not self._may(account, login):
            return _refused(401, BAD_LOGIN, "Authenticate")
        try:
            order = read_order(parse_qs(body.decode("utf-8", "replace")))
        except OrderRefused as error:
            return _refused(400, error.code, str(error))
        self.orders[order.sid] = order

        async def talk(url: str, sid: str, caller: str, called: str) -> Result:
            steps, lasts_ms = self.callee
            return await self.call(url, steps, lasts_ms, sid=sid, caller=caller, called=called)

        task = asyncio.create_task(make_call(order, self.manners, self._client, talk), name=f"ordered {order.sid}")
        self._ordered.add(task)
        task.add_done_callback(self._ordered.discard)
        return JSONResponse({"sid": order.sid, "account_sid": account, "status": "queued"}, 201)

    def _update(self, account: str, sid: str, login: str, body: bytes) -> JSONResponse:
        """Change a live call: Twiml, Url or Status."""
        if not self._may(account, login):
            return _refused(401, BAD_LOGIN, "Authenticate")
        order = self.orders.get(sid)
        if order is not None and order.status in ("queued", "ringing"):
            order.cancelled.set()
            return JSONResponse({"sid": sid, "account_sid": account, "status": "canceled"})
        call = self.calls.get(sid)
        if call is None:
            return _refused(404, UNKNOWN_CALL, f"The requested resource {sid} was not found")
        if not call.live:
            return _refused(400, NOT_LIVE, "Call is not in-progress. Cannot redirect.")
        form = dict(parse_qsl(body.decode("utf-8", "replace")))
        if form.get("Status") in ("completed", "canceled"):
            call.complete()
        elif "Twiml" in form:
            try:
                call.update(document_of(form["Twiml"]))
            except TwimlRefused as error:
                return _refused(400, error.code, str(error))
        elif "Url" in form:
            call.update(form["Url"])
        else:
            return _refused(400, 21218, "Invalid ApplicationSid")
        status = "completed" if form.get("Status") else "in-progress"
        return JSONResponse({"sid": sid, "account_sid": account, "status": status})


def _refused(status: int, code: int, message: str) -> JSONResponse:
    return JSONResponse({"code": code, "message": message, "status": status}, status)
