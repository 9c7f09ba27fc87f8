"""What Deepgram's answer to a handshake means."""

from __future__ import annotations

from bargein.errors import VendorLost, VendorRefused

KEY = "DEEPGRAM_API_KEY"
LOST = "Look at Deepgram's status, and at this machine's network"


def refused(status: int | None, names: str) -> VendorRefused | VendorLost:
    """VendorRefused for a status that another attempt would get again. names: advice on the names that were sent."""
    if status in (400, 401, 402, 403, 404):
        advice = {
            401: f"Check {KEY}",
            402: "The account's credit is used up: check its billing",
            403: f"Check what {KEY} may do",
        }.get(status, names)
        return VendorRefused(f"Deepgram refused with {status}", advice=advice)
    return VendorLost(f"answered {status}", advice=LOST)
