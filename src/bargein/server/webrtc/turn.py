"""STUN and TURN servers as the settings name them, for pages and for this server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time

from bargein.server.settings import Settings
from bargein.transports.webrtc.peer import IceServer

VALID_S = 3600  # of a name and a password that are made for one page


def ice_servers(settings: Settings, *, now_s: float | None = None) -> list[IceServer]:
    """All servers, with a name and a password where they need one. Those of a shared secret are made for an hour
    (coturn's use-auth-secret): the secret itself stays here."""
    urls = settings.ice_servers
    stun = tuple(url for url in urls if url.startswith("stun"))
    turn = tuple(url for url in urls if url.startswith("turn"))
    found = [IceServer(stun)] if stun else []
    if turn:
        name, password = settings.turn_username, settings.turn_password
        if settings.turn_secret is not None:
            until = int((time.time() if now_s is None else now_s) + VALID_S)
            name = f"{until}:{secrets.token_hex(4)}"
            digest = hmac.new(settings.turn_secret.get_secret_value().encode(), name.encode(), hashlib.sha1).digest()
            found.append(IceServer(turn, name, base64.b64encode(digest).decode()))
        else:
            found.append(IceServer(turn, name, None if password is None else password.get_secret_value()))
    return found
