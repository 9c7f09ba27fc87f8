"""When a connection to Gemini Live is replaced by the next one, with the session's newest handle.

A connection lives about 10 minutes and is told so about 60 s before its end (`goAway`); some live for 58 minutes and
are not told. Both are left at a quiet moment before.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

LIFE_S = 50 * 60.0  # of a connection that is never told to go
GRACE_S = 5 * 60.0  # to find a quiet moment then
MARGIN_S = 2.0  # before the end that the server named
TIME_LEFT = re.compile(r"\A(\d+(?:\.\d+)?)s\Z")


class Renewal(Exception):
    """The connection is to be replaced now."""


class LiveRenewal:
    """quiet: whether nothing is under way; leave: ends the connection with a Renewal."""

    def __init__(self, quiet: Callable[[], bool], leave: Callable[[], None]) -> None:
        self._quiet, self._leave = quiet, leave
        self._timer: asyncio.TimerHandle | None = None
        self.wanted = False
        """The connection is left at the next quiet moment."""

    def began(self) -> None:
        """A connection is up."""
        self.wanted = False
        self._after(LIFE_S, self._old)

    def go_away(self, time_left: object) -> None:
        """The server ends the connection after this duration, such as "57.5s"."""
        found = TIME_LEFT.match(str(time_left or ""))
        left_s = float(found[1]) if found else 0.0
        self.wanted = True
        self._after(max(0.0, left_s - min(MARGIN_S, left_s / 4)), self._leave)
        self.look()

    def look(self) -> None:
        """Something has changed: is this a quiet moment?"""
        if self.wanted and self._quiet():
            self.ended()
            self._leave()

    def ended(self) -> None:
        """The connection is over."""
        self.wanted = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _old(self) -> None:
        self.wanted = True
        self._after(GRACE_S, self._leave)
        self.look()

    def _after(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, then)
