"""POST /openai/calls: a page's own WebRTC connection with OpenAI, made by us, so that the key stays here.

The page sends its offer and gets OpenAI's answer, and with it the name under which its call waits here: it says that
name in the hello of its socket to us, and the floor of that call then runs here, joined by the sideband. A call that is
never claimed is hung up.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from bargein.agent import Agent
from bargein.errors import BargeinError, UsageError, VendorLost, VendorRefused
from bargein.protocols import RealtimeModel, SessionConfig
from bargein.server.access import caller
from bargein.server.hub import Hub
from bargein.server.placement import address_of
from bargein.server.refusals import Refusal
from bargein.server.under_a_path import above_nodes

log = logging.getLogger(__name__)

CLAIM_S = 20.0  # from the answer to the hello: ICE and a socket take a second or two
OFFER_BYTES = 64 * 1024
RATE = 16_000  # of the sound that the page shows us


class CreatedCall(Protocol):
    """A call between a page and its model. answer: SDP."""

    @property
    def call_id(self) -> str: ...

    @property
    def answer(self) -> str: ...


@runtime_checkable
class WebRTCModel(Protocol):
    """A speech model that a page can talk with by itself (realtime.openai.OpenAIRealtime, which is imported only where
    it is used)."""

    async def create_call(self, offer: str, brief: SessionConfig) -> CreatedCall: ...

    async def hang_up(self, call_id: str) -> None: ...

    def joined(self, call_id: str) -> RealtimeModel: ...


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A call that OpenAI has with a page, and that no socket has claimed yet."""

    agent: Agent
    model: WebRTCModel
    call_id: str
    sweeper: asyncio.Task[None]


class WebRTCCalls:
    """Those of one server. Bounded by the calls that it takes."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._waiting: dict[str, PendingCall] = {}
        self._making = 0

    async def create(self, offer: str, name: str | None) -> tuple[str, str]:
        """OpenAI's answer to an offer, and the name of the call. Raises Refusal."""
        agent = self._agent(name)
        model: object = agent.realtime
        if not isinstance(model, WebRTCModel):
            raise Refusal(409, "not_direct", f"{agent.name} has no WebRTC", advice="Choose an agent on OpenAI Realtime")
        if self._making + len(self._waiting) + self._hub.calls.taken >= self._hub.settings.max_calls:
            raise Refusal(503, "full", "All lines are taken", advice="Try again in a while")
        specs = tuple(tool.spec for tool in agent.tools)
        self._making += 1  # counted before anything is awaited: those who ask at once find it
        try:
            made = await model.create_call(offer, SessionConfig(agent.instructions, agent.language, specs, RATE))
        except VendorRefused as error:
            raise Refusal(502, "vendor_refused", error.message, advice=error.advice) from None
        except VendorLost as error:
            raise Refusal(503, "vendor_lost", error.message, advice=error.advice) from None
        finally:
            self._making -= 1
        token = secrets.token_urlsafe(18)
        sweeper = self._hub.tasks.create_task(self._unclaimed(token, model, made.call_id), name="unclaimed call")
        self._waiting[token] = PendingCall(agent, model, made.call_id, sweeper)
        return made.answer, token

    def waits(self, token: str) -> Agent:
        """The agent of a call that waits to be claimed. Raises UsageError."""
        waiting = self._waiting.get(token)
        if waiting is None:
            raise UsageError("There is no such call", advice="Ask POST /openai/calls for one, and claim it at once")
        return waiting.agent

    @asynccontextmanager
    async def claimed(self, token: str) -> AsyncIterator[Agent]:
        """The agent of a call that waits, joined; the page's connection ends with the block. Raises UsageError."""
        self.waits(token)
        waiting = self._waiting.pop(token)
        waiting.sweeper.cancel()
        try:
            yield dataclasses.replace(waiting.agent, realtime=waiting.model.joined(waiting.call_id))
        finally:
            await _hang_up(waiting.model, waiting.call_id)

    def _agent(self, name: str | None) -> Agent:
        catalogue = self._hub.catalogue
        try:
            if name is not None:
                return catalogue.get(name)
        except UsageError as error:
            raise Refusal(404, "unknown_agent", error.message, advice=error.advice) from None
        able = (agent for agent in catalogue.agents.values() if hasattr(agent.realtime, "create_call"))
        return next(able, catalogue.default)

    async def _unclaimed(self, token: str, model: WebRTCModel, call_id: str) -> None:
        try:
            await asyncio.sleep(CLAIM_S)
            log.info("A call over WebRTC was not claimed; it is hung up")
        finally:
            if self._waiting.pop(token, None) is not None:
                await _hang_up(model, call_id)

    def close(self) -> None:
        """The server closes: no call can be claimed any more."""
        for waiting in list(self._waiting.values()):
            waiting.sweeper.cancel()


async def _hang_up(model: WebRTCModel, call_id: str) -> None:
    try:
        await model.hang_up(call_id)
    except BargeinError as error:
        log.warning("%s", error)
    except Exception:  # a model from another package: its fault is no other call's
        log.exception("A call over WebRTC could not be hung up")


router = APIRouter()
of_caller = Depends(caller)


@router.post("/openai/calls", status_code=201)
async def openai_calls(request: Request, agent: str | None = None, hub: Hub = of_caller) -> Response:
    """The body is an SDP offer (application/sdp), the answer too; `Location` ends in the name to say in the hello."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/sdp":
        raise Refusal(415, "not_sdp", "The body is no SDP offer", advice="Send it as application/sdp")
    offer = (await request.body()).decode("utf-8", "replace")
    if not offer.startswith("v=0") or len(offer) > OFFER_BYTES:
        advice = "Send RTCPeerConnection's localDescription.sdp"
        raise Refusal(422, "bad_offer", "The body is no SDP offer", advice=advice)
    direct: WebRTCCalls = request.app.state.direct
    answer, token = await direct.create(offer, agent)
    # The call waits on this node, and on no other: the address leads there.
    place = request.scope.get("root_path", "").rstrip("/")
    if hub.fleet.shared:
        node = address_of(hub.fleet.node, hub.settings.node_url)
        place = above_nodes(place) + node if node.startswith("/") else node.rstrip("/")
    headers = {"location": f"{place}/openai/calls/{token}", "cache-control": "no-store"}
    return Response(answer, 201, headers, media_type="application/sdp")
