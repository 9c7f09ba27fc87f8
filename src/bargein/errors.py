"""Every error Bargein raises. The classes say what a caller would do differently:

BargeinError
  UsageError        our API was used wrongly: fix the calling code
    AudioShapeError   samples of another dtype, rank, length or rate than the function takes
  ProtocolError     a client or vendor sent a message outside its protocol: the call may go on
  VendorRefused     the vendor answered no (key, quota, unknown model): another try is useless
  VendorLost        the vendor went away: the call can go on, another try may work
  Unavailable       a part is not installed or not configured on this machine
"""

from __future__ import annotations


class BargeinError(Exception):
    """Base of every error that Bargein raises. Neither `message` nor `advice` may hold a key."""

    message: str
    """What happened, to which call, vendor or option."""
    advice: str
    """One sentence: what the reader should do now."""

    def __init__(self, message: str, *, advice: str) -> None:
        super().__init__(f"{message}. {advice}")
        self.message = message
        self.advice = advice


class UsageError(BargeinError):
    """Our API was called in a way that it does not allow. The calling code must change."""


class AudioShapeError(UsageError):
    """An array of another dtype, rank, length or rate than the function takes."""


class ProtocolError(BargeinError):
    """A client or vendor sent a message outside its protocol. The call may go on."""

    code: str
    """Stable, for machines."""

    def __init__(self, message: str, *, advice: str, code: str) -> None:
        super().__init__(message, advice=advice)
        self.code = code


class VendorRefused(BargeinError):
    """The vendor answered no (key, quota, unknown model). Another try is useless."""


class VendorLost(BargeinError):
    """The vendor went away. The call can go on, and another try may work."""


class Unavailable(BargeinError):
    """A part is not installed or configured on this machine. The advice names the missing extra or setting."""
