"""Whatever a client reports, and whenever it stops: what is recorded as heard is reported, and little more."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bargein.audio.pcm import Pcm
from bargein.call.output.playout import Playout
from bargein.call.output.reply import Reply
from bargein.call.output.track import BEYOND_REPORT_MS
from bargein.call.record.conversation import Conversation
from bargein.call.record.ledger import Ledger
from bargein.call.reply_progress import ReplyProgress
from bargein.floor import ReplyEnded, ReplyFailed, ReplyStalled
from bargein.protocols import Finished, Flushed, Held, Played, SpeechChunk, Word
from tests.call.output.test_playout import LEAD_MS, RATE, Wire
from tests.call.parts import Parts

MS = RATE // 1000
WORD_MS = 200
WORDS = 30
STEP = st.tuples(
    st.sampled_from(["plays", "stands", "lies", "holds", "old", "finished"]),
    st.integers(1, 40),  # ticks that it lasts
    st.integers(-20_000, 60_000),  # samples away from the truth, of a lie
)


class World:
    """A reply of 6 s to a client that does as it is told; the call's parts around it as in a call."""

    def __init__(self, *, pause: bool) -> None:
        self.parts = Parts()
        self.wire = Wire(pause=pause)
        self.conversation = Conversation()
        self.playout = Playout(self.parts.replies, self.wire, self.parts.notes, LEAD_MS)  # type: ignore[arg-type]
        self.ledger = Ledger(self.parts.context, self.parts.replies, self.conversation, reports=True)
        self.progress = ReplyProgress(
            self.parts.context, self.parts.replies, self.playout, self.ledger, lambda reply: None
        )
        text = " ".join(f"word{k}" for k in range(WORDS))
        self.reply = Reply(1, "reply", 0.0, text=text)
        self.parts.replies.begin(self.reply)
        self.playout.begin(self.reply, RATE)
        at = 0
        for k, word in enumerate(text.split()):
            times = Word(k * WORD_MS, (k + 1) * WORD_MS, at, at + len(word))
            self.playout.push_audio(1, SpeechChunk(Pcm(np.ones(WORD_MS * MS, np.int16), RATE), f"{word} ", (times,)))
            at += len(word) + 1
        self.playout.finish(1)
        self.at = 0  # samples that the client has played
        self.most = 0  # of its reports that can be true, the furthest
        self.over = False

    @property
    def sent(self) -> int:
        return max((f.first_sample + len(f.samples) for f in self.wire.frames), default=0)

    def report(self, kind: str, reply: int, samples: int) -> None:
        now, before = self.parts.clock.now_ms(), len(self.parts.events)
        if reply == 1 and 0 <= samples <= self.sent:
            self.most = max(self.most, samples)
        if kind == "finished":
            item = Finished(reply, samples)
            self.playout.on_held(now, Held(reply, samples))
            if (event := self.playout.on_finished(now, item.reply)) is not None:
                self.progress.happened(event)
        elif kind == "held":
            self.playout.on_held(now, Held(reply, samples))
        elif kind == "flushed":
            self.ledger.on_flushed(now, Flushed(reply, samples))
        else:
            self.playout.on_played(now, Played(reply, samples, playing=True))
        self.look(before)

    def tick(self, *, plays: bool) -> None:
        self.parts.clock.advance(20)
        before = len(self.parts.events)
        self.progress.tick(self.parts.clock.now_ms())
        self.look(before)
        if plays and not self.playout.held:
            self.at = min(self.at + 20 * MS, self.sent)
            if self.parts.clock.now_ms() % 100 == 0:
                self.report("played", 1, self.at)

    def look(self, before: int) -> None:
        """Do what the floor would order."""
        for event in self.parts.events[before:]:
            if isinstance(event, ReplyStalled):
                self.stop(stalled=True)
            self.over = self.over or isinstance(event, ReplyEnded | ReplyFailed | ReplyStalled)

    def done(self) -> bool:
        return self.over

    def stop(self, *, stalled: bool) -> None:
        cleared = self.playout.cut(self.parts.clock.now_ms(), stalled=stalled)
        self.parts.replies.end(1)
        self.over = True
        if self.parts.replies.has_sounded(self.reply):
            self.ledger.cut(self.reply, cleared.position)


@settings(max_examples=150, deadline=None)
@given(
    pause=st.booleans(), steps=st.lists(STEP, min_size=1, max_size=14), cut=st.booleans(), last=st.integers(-10, 10**6)
)
def test_what_is_heard_is_what_was_reported_and_little_more(
    pause: bool, steps: list[tuple[str, int, int]], cut: bool, last: int
) -> None:
    world = World(pause=pause)
    for kind, ticks, away in steps:
        if world.done():
            break
        if kind == "holds":
            world.playout.hold(world.parts.clock.now_ms())
            world.report("held", 1, max(0, world.at + (away if away % 3 == 0 else 0)))
            world.playout.resume(world.parts.clock.now_ms())
        for _ in range(ticks):
            if world.done():
                break
            world.tick(plays=kind in ("plays", "holds"))
            match kind:
                case "lies":
                    world.report("played", 1, max(0, world.at + away))
                case "old":
                    world.report("played", abs(away) % 3 + 2, abs(away))
                case "finished":
                    world.report("finished", 1, max(0, world.at + away))
                case _:
                    pass
    if cut and not world.over:
        world.stop(stalled=False)
    for _ in range(2_000):
        if world.done():
            break
        world.tick(plays=False)
    assert world.over, "a client that reports nothing more holds the floor for a bound"
    world.report("flushed", 1, max(0, last))
    said = world.conversation.agent(1)
    assert said is not None
    most_ms = world.most / MS + BEYOND_REPORT_MS
    assert world.reply.heard_ms <= most_ms
    assert len(said.text.split()) * WORD_MS <= most_ms + 1
    if said.ended == "completed":
        assert world.most >= WORDS * WORD_MS * MS - BEYOND_REPORT_MS * MS
