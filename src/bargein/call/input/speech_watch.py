"""Hands the VAD's windows to the floor, and tells the client when the user begins and stops speaking."""

from __future__ import annotations

from collections.abc import Callable

from bargein.call.context import CallContext
from bargein.floor import Floor, SpeechWindow
from bargein.notices import SpeechNoticed


def _nowhere(_: SpeechWindow) -> None:
    """No other part wants the windows."""


class SpeechWatch:
    """Called for every window of every call: nothing here waits or searches."""

    def __init__(self, context: CallContext, floor: Floor) -> None:
        self._context = context
        self._floor = floor
        self._on = False
        self.last_firm_ms = float("-inf")
        """Where the newest window ends that is clearly speech."""
        self.also: Callable[[SpeechWindow], None] = _nowhere
        """Gets every window before the floor does."""

    def window(self, window: SpeechWindow) -> None:
        """The VAD has judged a window."""
        floor = self._floor
        self.also(window)
        if window.speech >= floor.policy.hold.decide_threshold:
            self.last_firm_ms = window.until_ms
        self._context.feed(window)
        speech = floor.speech
        if (on := speech.evidence > 0) is not self._on:
            self._on = on
            self._context.notify(
                SpeechNoticed("started" if on else "ended", speech.onset_ms if on else speech.until_ms)
            )
