"""What `bargein doctor` says of WebRTC: whether it is installed, and whether the STUN and TURN servers answer."""

from __future__ import annotations

import asyncio

from bargein.errors import Unavailable
from bargein.server.doctor_findings import Finding
from bargein.server.settings import Settings
from bargein.server.webrtc.turn import ice_servers
from bargein.transports.webrtc.opus import demand_av
from bargein.transports.webrtc.peer import WebRTCPeer

GATHER_S = 8.0
WANTED = {"stun": " typ srflx", "turn": " typ relay"}


async def webrtc_finding(settings: Settings) -> Finding:
    """Raises nothing."""
    try:
        demand_av()
        peer = WebRTCPeer(ice_servers(settings), settings.webrtc_address)
    except Unavailable as error:
        return Finding("WebRTC", "off", error.message, error.advice)
    try:
        async with asyncio.timeout(GATHER_S):
            offer = await peer.offer()
    except TimeoutError:
        advice = "Look at BARGEIN_ICE_SERVERS: one of them does not answer"
        return Finding("WebRTC", "fails", f"no addresses within {GATHER_S:g} s", advice)
    except Exception as error:  # of aiortc: a TURN server's refusal comes as it likes
        return Finding("WebRTC", "fails", f"no addresses ({type(error).__name__})", "Look at BARGEIN_ICE_SERVERS")
    finally:
        await peer.close()
    silent = [kind for kind in WANTED if _named(settings, kind) and WANTED[kind] not in offer]
    if silent:
        advice = "Look at BARGEIN_ICE_SERVERS, at the TURN password or secret, and at the network"
        return Finding("WebRTC", "fails", f"no address by {' and '.join(silent).upper()}", advice)
    count = offer.count("a=candidate:")
    return Finding("WebRTC", "works", f"{count} addresses; {len(settings.ice_servers)} STUN and TURN servers named")


def _named(settings: Settings, kind: str) -> bool:
    return any(url.startswith(kind) for url in settings.ice_servers)
