"""Whether a client goes on playing what it is sent, told by its reports alone. All times in ms on the call's clock."""

from __future__ import annotations

AHEAD_MS = (
    2_000.0  # sent and not reported as played: then nothing more is sent. A client 500 ms away each way lags 1,200
)
UNPLAYED_MS = 1_000.0  # sent and not reported as played: less is the way of the reports, and a loudspeaker's own delay
LOST_MS = 3_500.0  # with more than that unplayed and no report that moves on: the client does not play
FIRST_MS = 7_000.0  # the same for a client that has not reported once in the call: it may be slow to begin
END_MS = 1_500.0  # after the last sample should have sounded, for the client's "finished"; it no longer holds the floor
REFILL_MS = 800.0  # so much unplayed audio is left when sending goes on: the newest report is old by its way


class ReportWatch:
    """Reports that stand still. A report moves on when it names a later sample than every one before."""

    def __init__(self) -> None:
        self.lost_ms = FIRST_MS
        """How long reports may stand still now."""
        self._moved_ms = 0.0
        self._still_ms: float | None = None  # since when more than UNPLAYED_MS waits, and no report has moved on
        self._full = False

    def begin(self, now_ms: float) -> None:
        """The client begins to play a reply, or goes on after a hold."""
        self._moved_ms = now_ms
        self._still_ms = None
        self._full = False

    @property
    def has_reported(self) -> bool:
        """The client has reported once in this call."""
        return self.lost_ms == LOST_MS

    def came(self) -> None:
        """A report came, whatever it says: the client can report."""
        self.lost_ms = LOST_MS

    def moved(self, now_ms: float) -> None:
        """A report has moved on."""
        self._moved_ms = now_ms
        self._still_ms = None

    def may_send(self, unplayed_ms: float) -> tuple[bool, bool]:
        """Whether audio may be sent now, and whether it may again after it might not.

        unplayed_ms: sent, and not reported as played.
        """
        if self.has_reported and unplayed_ms >= AHEAD_MS:
            self._full = True
            return False, False
        again, self._full = self._full, False
        return True, again

    def lost(self, now_ms: float, unplayed_ms: float) -> bool:
        """Whether the client does not play what it has. To be asked at each tick."""
        if unplayed_ms <= UNPLAYED_MS:
            self._still_ms = None
        elif self._still_ms is None:
            self._still_ms = now_ms
        return self._still_ms is not None and now_ms - self._still_ms >= self.lost_ms

    def end_overdue(self, now_ms: float, silent_ms: float) -> bool:
        """Whether the report of a reply's end is overdue. silent_ms: when its last sample should have sounded."""
        return now_ms >= max(silent_ms, self._moved_ms) + END_MS
