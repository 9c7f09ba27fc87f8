"""POST /webrtc/offer: a page's WebRTC connection with this server. All else is as over its WebSocket (browser_calls).

The offer's answer is given at once, and the connection waits a while for its data channel. The hello, its refusal,
coming back, and a full server are told over the data channel.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from bargein.errors import ProtocolError, Unavailable
from bargein.server.access import by_owner, of_caller, of_hub, peer_of
from bargein.server.browser_calls import BrowserCalls
from bargein.server.hub import Hub
from bargein.server.placement import address_of
from bargein.server.refusals import Refusal
from bargein.server.start_call import start_call
from bargein.server.telephone.serve import choose_for_phone
from bargein.server.under_a_path import above_nodes
from bargein.server.webrtc.turn import ice_servers
from bargein.transports.browser.wire import PROTOCOL
from bargein.transports.webrtc.limits import PeerLimits
from bargein.transports.webrtc.peer import WebRTCPeer
from bargein.transports.webrtc.plain import PlainWebRTCTransport
from bargein.transports.webrtc.socket import PeerSocket

log = logging.getLogger(__name__)

OPENING, OPENING_EACH = 64, 8  # connections without a data channel: in all, and of one address
ANSWER_S = 10.0  # that an answer may take: addresses are gathered, perhaps from a STUN server
REPAIR_MS = 60.0  # that the STT waits for packets that are late
NO_CHANNEL = "no data channel was opened"
NETWORK = "webrtc"
GONE = "the client closed the connection"


class WebRTCDoor:
    """The connections of one server."""

    def __init__(self, hub: Hub, calls: BrowserCalls, limits: PeerLimits | None = None) -> None:
        self._hub = hub
        self._calls = calls
        self._limits = limits or PeerLimits()
        self._opening: Counter[str] = Counter()
        self._goodbyes: dict[str, Callable[[], None]] = {}

    def __len__(self) -> int:
        return len(self._goodbyes)

    async def answer(self, offer: str, address: str, wishes: Mapping[str, str], *, owned: bool) -> tuple[str, str]:
        """The answer's SDP, and the name of the connection, by which it can be ended. Raises Refusal.

        wishes: agent, policy and language of a client without a data channel, which cannot say hello.
        """
        if self._opening.total() >= OPENING or self._opening[address] >= OPENING_EACH:
            raise Refusal(
                429, "too_many_offers", "Too many connections are being opened", advice="Try again in a while"
            )
        self._opening[address] += 1  # counted before anything is awaited
        handed = False
        try:
            settings = self._hub.settings
            peer = WebRTCPeer(ice_servers(settings), settings.webrtc_address)
            try:
                async with asyncio.timeout(ANSWER_S):
                    sdp = await peer.answer(offer)
                name = secrets.token_urlsafe(18)
                socket = PeerSocket(peer, self._hub.host.clock, self._limits)
                self._goodbyes[name] = socket.said_goodbye
                work = self._carry(name, peer, socket, address, wishes, owned=owned)
                self._hub.tasks.create_task(work, name="a call by WebRTC")
                handed = True
            finally:
                if not handed:
                    await peer.close()
        except ProtocolError as error:
            raise Refusal(422, error.code, error.message, advice=error.advice) from None
        except Unavailable as error:
            raise Refusal(501, "not_installed", error.message, advice=error.advice) from None
        except TimeoutError:
            advice = "Look at BARGEIN_ICE_SERVERS: one of them may not answer"
            raise Refusal(504, "ice_late", "No address was found in time", advice=advice) from None
        finally:
            if not handed:
                self._opened(address)
        return sdp, name

    def _opened(self, address: str) -> None:
        self._opening[address] -= 1
        self._opening += Counter()  # without those that have none

    async def _carry(
        self,
        name: str,
        peer: WebRTCPeer,
        socket: PeerSocket,
        address: str,
        wishes: Mapping[str, str],
        *,
        owned: bool,
    ) -> None:
        """From the answer to the end of the connection."""
        ticker = self._hub.host.ticker
        counted = True
        try:
            try:
                async with asyncio.timeout(self._limits.open_ms / 1000):
                    await peer.opened.wait()
            except TimeoutError:
                log.info("A WebRTC connection is closed: %s", NO_CHANNEL)
                return
            self._opened(address)
            counted = False
            if peer.plain and not peer.lost:
                await self._talk(name, peer, wishes)
            elif peer.has_channel and not peer.lost:
                ticker.add(socket.tick, lambda error: log.error("A WebRTC connection's tick failed: %s", error))
                await self._calls.serve(self._hub, socket, address, owned=owned, repair_ms=REPAIR_MS)
        finally:
            if counted:
                self._opened(address)
            ticker.remove(socket.tick)
            del self._goodbyes[name]
            await socket.close(1000, "over")

    async def _talk(self, name: str, peer: WebRTCPeer, wishes: Mapping[str, str]) -> None:
        """A call with a client that has no data channel."""
        hub = self._hub
        client = PlainWebRTCTransport(peer, hub.host.clock, hub.host.ticker)
        self._goodbyes[name] = partial(client.over, GONE)
        try:
            await client.start()
            with hub.calls.place():
                agent, policy = choose_for_phone(hub, wishes)
                facts = {"transport": NETWORK}
                async with start_call(hub, agent, policy, client, network=NETWORK, network_id="", facts=facts) as kept:
                    await kept.call.run()
        except Refusal as refusal:
            log.warning("A call by WebRTC found no place: %s", refusal)
        except Exception:
            log.exception("A call by WebRTC failed")
        finally:
            await client.close("over")

    def end(self, name: str) -> None:
        """The client says goodbye to its connection, if there is one of this name."""
        if (goodbye := self._goodbyes.get(name)) is not None:
            goodbye()

    def close(self) -> None:
        """The server closes: connections that are no calls yet are lost. Calls have been hung up before."""
        for goodbye in list(self._goodbyes.values()):
            goodbye()


router = APIRouter()


@router.get("/webrtc/config")
async def webrtc_config(hub: Hub = of_caller) -> dict[str, Any]:
    """What a page's RTCPeerConnection needs."""
    servers = [{k: v for k, v in asdict(each).items() if v is not None} for each in ice_servers(hub.settings)]
    return {"ice_servers": servers, "protocol": PROTOCOL}


@router.post("/webrtc/offer", status_code=201)
async def webrtc_offer(request: Request, hub: Hub = of_hub, owned: bool = by_owner) -> Response:
    """The body is an offer, as JSON ({"sdp", "type": "offer"}) or as application/sdp (as in WHIP); the answer is of the
    same form. `Location` ends the connection with DELETE. A client without a data channel names agent, policy and
    language in the query."""
    body = await request.body()  # bounded, as every body is
    plain = request.headers.get("content-type", "").partition(";")[0].strip() == "application/sdp"
    offer = body.decode("utf-8", "replace") if plain else _offer_in(body)
    if not offer.startswith("v=0"):
        raise Refusal(422, "bad_offer", "The body is no SDP offer", advice="Send RTCPeerConnection's localDescription")
    door: WebRTCDoor = request.app.state.webrtc
    sdp, name = await door.answer(offer, peer_of(request), dict(request.query_params), owned=owned)
    place = request.scope.get("root_path", "").rstrip("/")
    if hub.fleet.shared:  # the connection is this node's, and no other's
        node = address_of(hub.fleet.node, hub.settings.node_url)
        place = above_nodes(place) + node if node.startswith("/") else node.rstrip("/")
    headers = {"location": f"{place}/webrtc/{name}", "cache-control": "no-store"}
    if plain:
        return Response(sdp, 201, headers, media_type="application/sdp")
    return JSONResponse({"sdp": sdp, "type": "answer", "id": name}, 201, headers)


@router.delete("/webrtc/{name}", status_code=204)
async def webrtc_end(request: Request, name: str, hub: Hub = of_hub) -> None:
    """The client goes. The name is the secret; a connection that is over already, or never was, is answered alike."""
    door: WebRTCDoor = request.app.state.webrtc
    door.end(name)


def _offer_in(body: bytes) -> str:
    """The SDP of a JSON offer; "" where there is none."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    sdp = given.get("sdp") if isinstance(given, dict) and given.get("type") == "offer" else None
    return sdp if isinstance(sdp, str) else ""
