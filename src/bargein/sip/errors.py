"""SIP's own errors. A stranger's malformed bytes are a ProtocolError with code "sip_message" or "sdp"."""

from __future__ import annotations

from bargein.errors import BargeinError, ProtocolError


class SipRefused(BargeinError):
    """The far end answered a request of ours with a final status that is no success. status: 300-699."""

    def __init__(self, status: int, reason: str, *, advice: str) -> None:
        super().__init__(f"The SIP peer answered {status} {reason}", advice=advice)
        self.status = status
        self.reason = reason


class SipTimeout(BargeinError):
    """The far end gave no final answer in time, or cannot be reached."""


class SipRefusal(BargeinError):
    """Raised by a handler of ours to refuse a request of the far end. status: 400-699."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"The request is refused with {status} {reason}", advice="The SIP peer gets this status")
        self.status = status
        self.reason = reason


def malformed(text: str) -> ProtocolError:
    return ProtocolError(f"Malformed SIP message: {text}", advice="The message is refused", code="sip_message")


def malformed_sdp(text: str) -> ProtocolError:
    return ProtocolError(f"Malformed session description: {text}", advice="Offer audio as RFC 8866 says", code="sdp")
