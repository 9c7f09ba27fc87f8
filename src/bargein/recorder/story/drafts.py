"""Turns and replies of a story while the record is still being read."""

from __future__ import annotations

from dataclasses import dataclass, field

from bargein.recorder.story.call_story import Ended, StoryHold, StoryOver, StoryReply, StoryTurn, StoryWord, Verdict
from bargein.recorder.story.word_times import ReplyPause, SpeechStretches, after, placed, sounding, spread


@dataclass(slots=True)
class TurnDraft:
    """See StoryTurn."""

    turn: int
    from_ms: float
    decided_ms: float | None = None
    text: str | None = None
    over: StoryOver | None = None
    typed: bool = False
    keys: str = ""
    reply: int | None = None
    closed: str | None = None
    why: str = ""
    stt: str | None = None
    stt_ms: float | None = None

    def finish(self, speech: SpeechStretches, end_ms: float) -> StoryTurn:
        """end_ms: of the record."""
        until_ms = end_ms if self.decided_ms is None else self.decided_ms
        spoken = speech.between(self.from_ms, max(until_ms, self.from_ms + 1))
        begins, ends = (spoken[0][0], spoken[-1][1]) if spoken else (self.from_ms, until_ms)
        return StoryTurn(
            turn=self.turn,
            from_ms=begins,
            until_ms=ends,
            decided_ms=self.decided_ms,
            text=self.text,
            words=spread(self.text or "", spoken),
            over=self.over,
            typed=self.typed,
            keys=self.keys,
            reply=self.reply,
            closed=self.closed,
            why=self.why,
            stt=self.stt,
            stt_ms=self.stt_ms,
        )


@dataclass(slots=True)
class HoldDraft:
    """A hold without its verdict."""

    reply: int
    onset_ms: float
    at_ms: float
    source: str
    why: str

    def finish(self, until_ms: float, verdict: Verdict, why: str, text: str) -> StoryHold:
        return StoryHold(
            reply=self.reply,
            onset_ms=self.onset_ms,
            at_ms=self.at_ms,
            until_ms=until_ms,
            source=self.source,
            why=self.why,
            verdict=verdict,
            verdict_why=why,
            text=text,
        )


@dataclass(slots=True)
class ReplyDraft:
    """See StoryReply."""

    reply: int
    kind: str | None
    turn: int | None
    why: str
    asked_ms: float
    started_ms: float | None = None
    ended_ms: float | None = None
    ended: Ended | None = None
    ended_why: str = ""
    text: str = ""
    unheard: str = ""
    exact: bool = False
    texts: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    heard: int = 0
    timed: bool = False
    hold: HoldDraft | None = None
    """The hold that waits for its verdict."""
    holds: list[StoryHold] = field(default_factory=list)

    def end(self, at_ms: float, ended: Ended, why: str) -> None:
        """The first end counts."""
        if self.ended is None:
            self.ended_ms, self.ended, self.ended_why = at_ms, ended, why
        self.close_hold(at_ms, "cut" if ended == "cut" else "ended", why, "")

    def close_hold(self, at_ms: float, verdict: Verdict, why: str, text: str) -> None:
        if self.hold is not None:
            self.holds.append(self.hold.finish(at_ms, verdict, why, text))
            self.hold = None

    def finish(self, turn: StoryTurn | None, end_ms: float) -> StoryReply:
        """turn: that it answers. end_ms: of the record."""
        self.close_hold(end_ms, "ended", "the record ends here", "")
        pauses = [ReplyPause(hold.at_ms, hold.until_ms) for hold in self.holds if hold.verdict == "resume"]
        started_ms = self.started_ms
        words: tuple[StoryWord, ...] = ()
        if started_ms is not None:
            if self.texts:
                words = placed(self.texts, self.times, self.heard, started_ms, pauses)
            else:
                ended_ms = self._silent_ms(end_ms)
                words = spread(self.text, sounding(started_ms, ended_ms, pauses)) + after(self.unheard, ended_ms)
        response_ms = None
        if started_ms is not None and turn is not None and not (turn.typed or turn.keys):
            response_ms = started_ms - turn.until_ms
        return StoryReply(
            reply=self.reply,
            kind=self.kind,
            turn=self.turn,
            why=self.why,
            asked_ms=self.asked_ms,
            started_ms=started_ms,
            ended_ms=self.ended_ms,
            ended=self.ended,
            ended_why=self.ended_why,
            text=self.text or "".join(self.texts[: self.heard]).strip(),
            unheard=self.unheard,
            exact=self.exact,
            words=words,
            timed=bool(self.texts) and self.timed,
            response_ms=response_ms,
            holds=tuple(self.holds),
        )

    def _silent_ms(self, end_ms: float) -> float:
        """When it fell silent for good: a reply that was cut in a hold has been silent since the hold."""
        last = self.holds[-1] if self.holds else None
        if last is not None and last.verdict != "resume":
            return last.at_ms
        return end_ms if self.ended_ms is None else self.ended_ms
