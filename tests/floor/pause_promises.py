"""What must always be true of the quiet that ends a turn. A part of the monitor."""

from __future__ import annotations

from bargein.floor import events as ev
from bargein.floor.actions import Action
from bargein.floor.rules import Floor
from tests.floor.world import Seen

NEAR = 1e-6  # floats are rounded


class PausePromises:
    """Checks one step, of which the monitor knows these."""

    floor: Floor
    was: Seen
    event: ev.Event
    actions: list[Action]
    open: bool
    away: bool
    hangs: bool

    def need(self, holds: bool, promise: str) -> None:
        raise NotImplementedError

    def look(self, reading: int) -> None:
        """A turn is read."""
        self.need(reading == self.was.turn_reading + 1, "readings are numbered as they come")
        quiet_ms = self.floor.now_ms - self.was.spoken_until_ms
        self.need(quiet_ms > self.floor.policy.endpointing.end_look_ms - NEAR, "a turn is read in a pause")
        self.need(not self.was.read, "a turn is read once in each pause")

    def pause(self) -> None:
        """After each step."""
        self.read()
        self.bounded()

    def quiet(self, *, whole: bool) -> None:
        """What time alone answers has had its quiet. whole: no more can come."""
        p = self.floor.policy.endpointing
        quiet_ms = self.floor.now_ms - self.was.spoken_until_ms
        if whole or not isinstance(self.event, ev.Tick):
            return
        self.need(not self.was.talking, "a turn is not answered while the user speaks")
        self.need(quiet_ms > min(p.end_sure_ms, p.end_of_turn_ms) - NEAR, "a turn that is answered has had its quiet")
        unread = self.was.awaiting or not self.was.read
        self.need(self.owed_end() or not unread or quiet_ms > p.end_of_turn_ms - NEAR, "words that were not read")
        self.need(not self.hangs or quiet_ms > p.end_hang_ms - NEAR, "after words that hang more is awaited")

    def bounded(self) -> None:
        """No turn waits longer than its longest quiet, unless its end is owed, or keys may follow."""
        f, p = self.floor, self.floor.policy.endpointing
        if (
            f.state == "listening"
            and not f.talking
            and not self.owed_end()
            and not self.away
            and f.deadline is not None
        ):
            longest_ms = max(f.turn.spoken_until_ms + max(p.end_hang_ms, p.end_of_turn_ms), f.turn.keys_until_ms)
            self.need(f.deadline < longest_ms + NEAR, "a turn waits no longer than its longest quiet")
        e = self.event
        if isinstance(e, ev.TurnRead) and not self.fresh():
            self.need(not self.actions and f.deadline == self.was.due_ms, "an old reading changes nothing")

    def owed_end(self) -> bool:
        """An STT owes the end of the turn."""
        return self.floor.stt_turns and self.floor.policy.verdict.trust_transcriber_turns

    def made_ahead(self) -> None:
        """A reply is made ahead."""
        hanging = self.hangs or (isinstance(self.event, ev.TurnRead) and self.event.text == "and")
        guess = isinstance(self.event, ev.TurnEnding | ev.TurnRead)
        self.need(guess and not hanging, "only a guess makes a reply ahead, and no words that hang")

    def read(self) -> None:
        """The words of the open turn, as they were read in this pause."""
        e, f = self.event, self.floor
        spoken = f.turn.spoken_until_ms != self.was.spoken_until_ms
        self.hangs = self.hangs and self.open and not spoken and not isinstance(e, ev.PolicyChanged)
        if isinstance(e, ev.TurnRead) and self.fresh() and e.text == "and" and f.pause_read:
            self.hangs = self.open and not f.mute and f.state.value == "listening"

    def fresh(self) -> bool:
        """The event answers a reading that is waited for."""
        e, was = self.event, self.was
        return isinstance(e, ev.TurnRead) and was.awaiting and (e.reading, e.turn) == (was.turn_reading, was.turn)
