"""From windows with a probability to speech that began, grew firm and ended, with the times it really did so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from bargein.floor.events import SpeechWindow
from bargein.floor.policy_groups import HoldPolicy

RELEASE = 0.15  # below hold_threshold by this much a window counts as quiet: no flutter at the threshold


class Evidence(IntEnum):
    """How good the evidence is that the user is speaking."""

    SILENT = 0
    FAINT = 1
    """A run of windows reached hold_threshold: enough to hold."""
    FIRM = 2
    """One window reached decide_threshold: enough to decide."""


@dataclass(slots=True)
class UserSpeech:
    """The user's running stretch of speech; in silence, the last one. Times in ms on the call's clock."""

    evidence: Evidence = Evidence.SILENT
    """How good the evidence of running speech is. SILENT: no speech runs."""
    onset_ms: float = 0.0
    """Where the speech began: the first sample of its first window."""
    until_ms: float = 0.0
    """Where its last window of speech ends."""
    noticed_ms: float = 0.0
    """When the newest window came, of speech or of quiet. `deaf_ms` counts from here."""
    peak: float = 0.0
    """The highest probability in it, 0..1."""
    level_db: float | None = None
    """Level of its loudest window, dB of full scale. None: the level was not measured."""
    run_windows: int = 0
    """Windows of speech in a row, while they are too few for an onset."""
    run_from_ms: float = 0.0
    """Where the first of those windows began."""

    def push(self, w: SpeechWindow, p: HoldPolicy) -> bool:
        """Take one window; True when by it the speech is over."""
        self.noticed_ms = max(self.noticed_ms, w.noticed_ms)
        if self.evidence is Evidence.SILENT:
            loud = w.speech >= p.loud_threshold and w.rise_db >= p.loud_rise_db
            if w.speech < p.hold_threshold and not loud:
                self.run_windows = 0
                return False
            if self.run_windows == 0:
                self.run_from_ms = w.at_ms
                self.peak = 0.0
                self.level_db = None
            self.run_windows += 1
            self._raise_peaks(w)
            if self.run_windows >= p.hold_windows:
                self.run_windows = 0
                self.onset_ms, self.until_ms = self.run_from_ms, w.until_ms
                self.evidence = Evidence.FIRM if self.peak >= p.decide_threshold else Evidence.FAINT
            return False
        if w.speech >= max(p.hold_threshold - RELEASE, 0.01):
            self.until_ms = w.until_ms
            self._raise_peaks(w)
            if w.speech >= p.decide_threshold:
                self.evidence = Evidence.FIRM
            return False
        return w.until_ms - self.until_ms >= p.speech_gap_ms

    def _raise_peaks(self, w: SpeechWindow) -> None:
        self.peak = max(self.peak, w.speech)
        if w.level_db is not None and (self.level_db is None or w.level_db > self.level_db):
            self.level_db = w.level_db

    def end(self) -> None:
        """The speech is over; its times, peak and level stay readable."""
        self.evidence = Evidence.SILENT
        self.run_windows = 0

    @property
    def lasted_ms(self) -> float:
        return self.until_ms - self.onset_ms
