"""Twilio's questions: POST /twilio/voice for a call that comes in, POST /twilio/next for what follows a stream or a
transfer. Any node answers either, for calls of every node.

The answer streams the call to the node that has room, or that has the call. `/twilio/next` is asked of that node, too,
by `/n/{node}` before the path: it knows what became of the call, and a balancer sends the question elsewhere once the
node is gone. A full fleet says so to the caller, and Twilio asks again after a pause, a few times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import ImmutableMultiDict

from bargein.agent import Agent
from bargein.errors import FleetAway, UsageError
from bargein.fleet.records import CALM_CALLS, NodeRecord
from bargein.server.hub import Hub
from bargein.server.placement import has_room
from bargein.server.start_call import language_for
from bargein.server.telephone.busy import busy_text
from bargein.server.telephone.recent_calls import CallState
from bargein.server.telephone.serve import SocketRequest
from bargein.server.telephone.twilio import MEDIA, NEXT, VOICE, Twilio
from bargein.server.telephone.whereabouts import Transferred, whereabouts
from bargein.server.under_a_path import above_nodes, joined

try:
    from bargein.server.telephone import twilio_sdk as sdk
except ImportError:  # Twilio.demand_twilio says so
    sdk = None  # type: ignore[assignment]

PASSED_ON = ("agent", "policy", "language", "record", "dialed")  # of a query, to the stream and the webhooks after it
BUSY_TRIES = 3  # of a caller who finds no place; then the call ends
BUSY_PAUSE_S = 8  # between two of them
NOT_ANSWERED = {  # Twilio's DialCallStatus, for the model
    "busy": "the line is busy",
    "no-answer": "there is no answer",
    "failed": "the number cannot be reached",
    "canceled": "the call was given up",
}
router = APIRouter()


@dataclass(frozen=True, slots=True)
class TwilioAsks:
    """One webhook of Twilio's."""

    hub: Hub
    vendor: Twilio
    caller: SocketRequest
    form: ImmutableMultiDict[str, str]
    query: Mapping[str, str]
    base: str
    """Our public address, without a path of ours."""
    mounted: str
    """The path before every path of ours, without a node."""
    path: str
    """VOICE, NEXT or STATUS."""

    @property
    def call(self) -> str:
        return self.form.get("CallSid", "")

    @property
    def network(self) -> str:
        return f"twilio {self.form.get('AccountSid', '')}"

    def number(self, name: str) -> int:
        """A count in the query; 0 where there is none."""
        given = self.query.get(name, "")
        return int(given) if given.isdecimal() and len(given) < 4 else 0

    def address(self, path: str, node: str | None = None, **more: object) -> str:
        """A webhook's address, with what is passed on."""
        told = {name: self.query[name] for name in PASSED_ON if name in self.query}
        told |= {name: str(value) for name, value in more.items() if value}
        at = f"{self.mounted}/n/{node}{path}" if node else self.mounted + path
        return joined(self.base, at) + (f"?{urlencode(told)}" if told else "")


@router.post(VOICE)
async def voice(request: Request) -> Response:
    """Twilio's webhook for a call that comes in: TwiML that streams the call to the node with the most room."""
    asked = await read_webhook(request, VOICE)
    if (node := await _awaits(asked)) is not None:
        return _xml(_stream(asked, node))
    return _xml(await _placed(asked))


@router.post(NEXT)
async def following(request: Request) -> Response:
    """Twilio's webhook after a stream or a transfer: a call that goes on gets a stream again, any other one ends."""
    asked = await read_webhook(request, NEXT)
    status = asked.form.get("DialCallStatus")
    transferred = None if status is None else Transferred(NOT_ANSWERED.get(status))
    found = await whereabouts(asked.hub, asked.network, asked.call, transferred)
    if found.state is CallState.OVER or (transferred is not None and transferred.why is None):
        return _xml(sdk.hang_up())
    own = asked.hub.fleet.record()
    if found.state is CallState.UNKNOWN:
        return _xml(_stream(asked, own))  # the stream's start decides
    if found.state is CallState.LIVE:
        node = await _node(asked.hub, found.node)
        return _xml(_stream(asked, node or own, hops=0 if found.node == own.id else asked.number("hops") + 1))
    if found.state is CallState.HOMELESS:
        return _xml(await _placed(asked, lost=True, hops=asked.number("hops") + 1))
    return _xml(await _placed(asked))


async def read_webhook(request: Request, path: str) -> TwilioAsks:
    """Raises Refusal for a webhook that Twilio did not call."""
    vendor: Twilio = request.app.state.phones[MEDIA]
    client, query = request.client, request.url.query
    called = f"{request.url.path}?{query}" if query else request.url.path
    caller = SocketRequest(client.host if client else "", request.headers, called)
    form = ImmutableMultiDict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
    secure = request.url.scheme == "https"
    vendor.demand_twilio(caller, form, secure=secure)
    return TwilioAsks(
        request.app.state.hub,
        vendor,
        caller,
        form,
        dict(parse_qsl(query)),
        vendor.public or f"{'https' if secure else 'http'}://{caller.headers.get('host', '')}",
        above_nodes(request.scope.get("root_path", "").rstrip("/")),
        path,
    )


async def _awaits(asked: TwilioAsks) -> NodeRecord | None:
    """The node that has ordered this call, and awaits its stream. None: it is no call of ours."""
    hub, call_id = asked.hub, asked.query.get("dialed", "")
    if call_id in hub.ringing:
        return hub.fleet.record()
    try:
        record = await hub.fleet.find_call(call_id) if call_id and hub.fleet.shared else None
    except FleetAway:
        return None
    return None if record is None else await _node(hub, record.node)


async def _placed(asked: TwilioAsks, *, lost: bool = False, hops: int = 0) -> str:
    """TwiML that streams the call to a node with room, or says that there is none. lost: it is a call that has lost its
    node."""
    hub = asked.hub
    node = await hub.fleet.place()
    if node is None and has_room(hub) and (lost or hub.calls.taken < CALM_CALLS or not hub.calls.is_late()):
        node = hub.fleet.record()  # no node is ready, or all are late and this one not by its calls
    return _busy(asked) if node is None else _stream(asked, node, hops=hops)


def _stream(asked: TwilioAsks, node: NodeRecord, *, hops: int = 0) -> str:
    """TwiML that streams the call to a node."""
    fleet = asked.hub.fleet
    alone = node.id == fleet.node and not fleet.shared
    named = None if alone or node.url is not None else node.id
    media = joined(node.url, asked.mounted + MEDIA) if node.url and not alone else asked.address(MEDIA, named)
    parameters = {name: asked.query[name] for name in PASSED_ON if name in asked.query}
    parameters |= {name.lower(): asked.form[name] for name in ("From", "To") if name in asked.form}
    parameters["token"] = asked.vendor.token(asked.call)
    parameters["next"] = asked.address(NEXT, named, hops=hops)
    if hops:
        parameters["hops"] = str(hops)
    url = media.partition("?")[0].replace("http", "ws", 1)
    return sdk.connect(url, parameters, parameters["next"])


def _busy(asked: TwilioAsks) -> str:
    """TwiML for a caller who finds no place: a sentence, and another try after a pause; in the end the call ends."""
    agent, language = _agent(asked)
    tries = asked.number("busy_tries")
    again = None
    if tries < BUSY_TRIES:
        again = asked.address(asked.path, busy_tries=tries + 1, hops=asked.number("hops"))
    asked.hub.metrics.call_refused("busy")
    return sdk.busy(busy_text(agent, language), language, BUSY_PAUSE_S, again)


def _agent(asked: TwilioAsks) -> tuple[Agent, str]:
    """Whose sentence the caller gets, and in which language."""
    catalogue = asked.hub.catalogue
    try:
        agent = catalogue.get(asked.query.get("agent"))
    except UsageError:
        agent = catalogue.default
    try:
        return agent, language_for(agent, asked.query.get("language"))
    except UsageError:
        return agent, agent.language


async def _node(hub: Hub, node: str) -> NodeRecord | None:
    """The record of a node. None: it cannot be had."""
    if node == hub.fleet.node:
        return hub.fleet.record()
    try:
        return next((each for each in await hub.fleet.nodes() if each.id == node), None)
    except FleetAway:
        return None


def _xml(twiml: str) -> Response:
    return Response(twiml, media_type="application/xml")
