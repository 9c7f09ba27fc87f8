"""From windows with a probability to speech that began, grew firm and ended, with the times it really did so."""

from __future__ import annotations

from enum import IntEnum

from bargein.floor.events import SpeechWindow
from bargein.floor.policy import Policy

RELEASE = 0.15  # below hold_threshold by this much a window counts as quiet: no flutter at the threshold


class Evidence(IntEnum):
    """How good the evidence is that the user is speaking."""

    SILENT = 0
    FAINT = 1  # reached hold_threshold: enough to hold
    FIRM = 2  # reached decide_threshold: enough to decide


class UserSpeech:
    """The user's running or last stretch of speech. Times in ms on the call's clock.

    onset_ms: where it began; until_ms: where its last window of speech ends; peak: highest probability in it;
    level_db: of its loudest window, None where nobody looked.
    """

    __slots__ = ("_run", "_run_from_ms", "level_db", "onset_ms", "peak", "until_ms", "voice")

    def __init__(self) -> None:
        self.voice = Evidence.SILENT
        self.onset_ms = 0.0
        self.until_ms = 0.0
        self.peak = 0.0
        self.level_db: float | None = None
        self._run = 0
        self._run_from_ms = 0.0

    def window(self, w: SpeechWindow, policy: Policy) -> bool:
        """Take one window; True when by it the speech is over."""
        if self.voice is Evidence.SILENT:
            loud = w.speech >= policy.loud_threshold and w.rise_db >= policy.loud_rise_db
            if w.speech < policy.hold_threshold and not loud:
                self._run = 0
                return False
            if self._run == 0:
                self._run_from_ms = w.at_ms
                self.peak = 0.0
                self.level_db = None
            self._run += 1
            self._louder(w)
            if self._run >= policy.hold_windows:
                self._run = 0
                self.onset_ms, self.until_ms = self._run_from_ms, w.until_ms
                self.voice = Evidence.FIRM if self.peak >= policy.decide_threshold else Evidence.FAINT
            return False
        if w.speech >= max(policy.hold_threshold - RELEASE, 0.01):
            self.until_ms = w.until_ms
            self._louder(w)
            if w.speech >= policy.decide_threshold:
                self.voice = Evidence.FIRM
            return False
        return w.until_ms - self.until_ms >= policy.speech_gap_ms

    def _louder(self, w: SpeechWindow) -> None:
        self.peak = max(self.peak, w.speech)
        if w.level_db is not None and (self.level_db is None or w.level_db > self.level_db):
            self.level_db = w.level_db

    def over(self) -> None:
        """It is over; all that it was stays readable."""
        self.voice = Evidence.SILENT
        self._run = 0

    @property
    def lasted_ms(self) -> float:
        return self.until_ms - self.onset_ms
