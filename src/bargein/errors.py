"""Every error Bargein raises. The classes say what a caller would do differently:

BargeinError
  UsageError        our API was used wrongly: fix the code that called it
  AudioShapeError   samples of another dtype, rank or rate than the function takes
  ProtocolError     a client or vendor sent what the protocol does not allow: the call may go on
  VendorRefused     the vendor answered no (key, quota, unknown model): trying again will not help
  VendorLost        the vendor went away: the call can go on, another try may work
  Unavailable       a part is not installed or not configured on this machine
"""

from __future__ import annotations


class BargeinError(Exception):
    """Base of all we raise. advice: one sentence, what the reader should do now. Neither part may hold a key."""

    def __init__(self, message: str, *, advice: str) -> None:
        super().__init__(f"{message}. {advice}")
        self.message = message
        self.advice = advice


class UsageError(BargeinError):
    """Our API was called in a way it does not allow; the calling code is to be changed."""


class AudioShapeError(UsageError):
    """An array of another dtype, rank, length or rate than the function takes."""


class ProtocolError(BargeinError):
    """A client or vendor sent something outside the protocol. code: stable, machine-readable; the call may go on."""

    def __init__(self, message: str, *, advice: str, code: str) -> None:
        super().__init__(message, advice=advice)
        self.code = code


class VendorRefused(BargeinError):
    """It answered no (key, quota, unknown voice): trying again will not help."""


class VendorLost(BargeinError):
    """It went away: the call can go on, another try may work."""


class Unavailable(BargeinError):
    """A part is not installed or configured here; the advice says which extra or setting brings it."""
