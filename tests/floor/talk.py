"""A floor, and a user who speaks into it window by window."""

from __future__ import annotations

from bargein import floor as f
from bargein.floor import Floor, Policy

WINDOW = 32.0


class Talk:
    """did: every action so far. Time moves by the windows that are spoken, or kept quiet."""

    def __init__(self, policy: Policy | None = None, *, stt: bool = False) -> None:
        self.floor = Floor(policy or Policy.balanced())
        self.now = 0.0
        self.did: list[f.Action] = []
        if stt:
            self.feed(f.STTChanged(0, words=True, turns=False))

    def feed(self, event: f.Event) -> list[f.Action]:
        actions = self.floor.handle(event)
        self.did += actions
        return actions

    def ticks(self) -> None:
        while (due := self.floor.deadline) is not None and due <= self.now:
            self.feed(f.Tick(due))

    def speak(self, ms: float, speech: float = 0.95) -> list[f.Action]:
        before = len(self.did)
        for _ in range(int(ms // WINDOW)):
            self.feed(f.SpeechWindow(self.now, self.now + WINDOW, speech))
            self.now += WINDOW
            self.ticks()
        return self.did[before:]

    def quiet(self, ms: float) -> list[f.Action]:
        return self.speak(ms, 0.01)

    def speaking(self, *, guard_over: bool = True) -> int:
        """Have the agent say something, and be in the middle of it."""
        self.feed(f.SayRequested(self.now))
        self.feed(f.ReplyStarted(self.now, self.floor.reply.id))
        if guard_over:
            self.quiet(500)
        self.did.clear()
        return self.floor.reply.id

    def last(self, kind: type[f.Action]) -> f.Action:
        return [a for a in self.did if isinstance(a, kind)][-1]

    def names(self) -> list[str]:
        shown = (
            f.Hold,
            f.Resume,
            f.Cut,
            f.DiscardReply,
            f.Answer,
            f.Say,
            f.Reprompt,
            f.CloseTurn,
            f.CutStalledReply,
            f.FlushClient,
        )
        return [type(a).__name__ for a in self.did if isinstance(a, shown)]

    def all(self) -> list[str]:
        return [type(action).__name__ for action in self.did]

    def words(self, text: str | None) -> None:
        """Answer the newest reading that was asked for."""
        reading = self.last(f.ReadWords)
        assert isinstance(reading, f.ReadWords)
        self.feed(f.Words(reading.from_ms + self.floor.policy.endpointing.pre_roll_ms, text, reading.reading))
