"""Every error Bargein raises. The classes say what a caller would do differently:

BargeinError
  UsageError        our API was used wrongly: fix the code that called it
  AudioShapeError   samples of another dtype, rank or rate than the function takes
  ProtocolError     a client or vendor sent a message outside its protocol: the call may go on
  VendorRefused     the vendor answered no (key, quota, unknown model): another try is useless
    PromptTooLong   the prompt is longer than the model takes: ask with a shorter one
  VendorLost        the vendor went away: the call can go on, another try may work
  Unavailable       a part is not installed or not configured on this machine
  FleetAway         what the nodes share cannot be reached now: this node's own calls go on, another try may work
  NodeSilent        another node did not answer in time: whether it did what it was asked is unknown
  CommandRefused    another node answered no, as its own HTTP route would have
  MemoryRefused     what is remembered of a call cannot be read or trusted: the call begins anew
"""

from __future__ import annotations

from bargein.foreign import printable

TEXT_CHARS = 2000  # of a message or an advice: either may quote a client or a vendor


class BargeinError(Exception):
    """Base of every error of Bargein. advice: one sentence, the reader's next step. Neither text may hold a key.

    Both texts become one line each, of at most TEXT_CHARS characters."""

    def __init__(self, message: str, *, advice: str) -> None:
        self.message = printable(message, TEXT_CHARS)
        self.advice = printable(advice, TEXT_CHARS)
        super().__init__(f"{self.message}. {self.advice}")


class UsageError(BargeinError):
    """Our API was used wrongly. Change the calling code."""


class AudioShapeError(UsageError):
    """An array of another dtype, rank, length or rate than the function takes."""


class ProtocolError(BargeinError):
    """A client or a vendor sent a message outside the protocol. The call may go on. code: stable, for programs."""

    def __init__(self, message: str, *, advice: str, code: str) -> None:
        super().__init__(message, advice=advice)
        self.code = code


class VendorRefused(BargeinError):
    """The vendor refused the request (key, quota, unknown voice). Another attempt will not help."""


class PromptTooLong(VendorRefused):
    """The prompt is longer than the model takes. A shorter one may be taken."""


class VendorLost(BargeinError):
    """The vendor is not reachable, or broke off. The call can go on, and another attempt may work."""


class Unavailable(BargeinError):
    """A part is not installed or not configured. The advice names the extra or the setting."""


class FleetAway(BargeinError):
    """What the nodes of a fleet share (Redis, the supervisor) cannot be reached now. Calls of this node go on."""


class NodeSilent(BargeinError):
    """Another node of the fleet did not answer in time. The command may have been done all the same."""


class CommandRefused(BargeinError):
    """Another node answered no. status, code: as its own HTTP route would have answered."""

    def __init__(self, status: int, code: str, message: str, *, advice: str) -> None:
        super().__init__(message, advice=advice)
        self.status = status
        self.code = code


class MemoryRefused(BargeinError):
    """What is remembered of a call was sealed by another key, for another call, by another version, or was changed."""
