"""Frames that go together: the same audio, the same places for marks, and never more of it at the client."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein.audio.mulaw import Mulaw
from bargein.call.output.playout import Playout
from bargein.call.output.reply import Replies, Reply
from bargein.call.output.track import Track
from bargein.protocols import AudioOut, Held, SpeechChunk, TransportCapabilities, Word
from bargein.transports.telephone.marks import Marks
from tests.call.kit import Notes

RATE, FRAME, LEAD_MS = 8000, 160, 100
lengths = st.lists(st.integers(1, 900), min_size=1, max_size=12)  # samples of a TTS's chunks
ends = st.lists(st.integers(1, 400), max_size=12)  # ms between the ends of words


def track_of(chunks: list[int], words: list[int]) -> Track:
    """A complete reply in which every sample tells its place."""
    track = Track(1, RATE, RATE, mulaw=True, whole=True)
    codes = np.random.default_rng(len(chunks)).integers(0, 256, sum(chunks)).astype(np.uint8)
    times, at_ms = list[Word](), 0.0
    for n, ms in enumerate(words):
        times.append(Word(at_ms, at_ms + ms, n, n + 1))
        at_ms += ms
    at = 0
    for n, size in enumerate(chunks):
        text, said = ("x" * len(words), tuple(times)) if n == 0 else ("", ())
        track.push_audio(SpeechChunk(Mulaw(codes[at : at + size]), text, said))
        at += size
    track.finish()
    return track


def sent(track: Track, most: int) -> list[AudioOut]:
    frames: list[AudioOut] = []
    while not track.done_sending and (frame := track.next_frame(most)) is not None:
        track.sent_frame(frame)
        frames.append(frame)
    return frames


@given(lengths, ends, st.integers(2, 4))
def test_batches_hold_the_same_audio_and_end_where_words_end(chunks: list[int], words: list[int], most: int) -> None:
    one, many = sent(track_of(chunks, words), 1), sent(track_of(chunks, words), most)
    assert np.concatenate([f.samples for f in one]).tolist() == np.concatenate([f.samples for f in many]).tolist()
    assert max(len(f.samples) for f in many) <= most * FRAME
    places = [f.first_sample + len(f.samples) for f in one if f.word_ends]
    assert [f.first_sample + len(f.samples) for f in many if f.word_ends] == places
    assert [f.last for f in many] == [False] * (len(many) - 1) + [True]
    assert [f.sequence for f in many] == list(range(len(many)))
    at = 0
    for frame in many:
        assert frame.first_sample == at
        at += len(frame.samples)


@given(lengths, ends)
def test_there_is_a_mark_at_each_words_end_and_at_the_end(chunks: list[int], words: list[int]) -> None:
    for most in (1, 2):
        marks, frames = Marks(RATE), sent(track_of(chunks, words), most)
        marked = [f.first_sample + len(f.samples) for f in frames if marks.sent(0.0, f) is not None]
        needed = {f.first_sample + len(f.samples) for f in frames if f.word_ends or f.last}
        assert needed <= set(marked)
        steps = np.diff([0, *marked])
        assert steps.max() <= 800 + (most - 1) * FRAME


class Line:
    """A network that plays as audio comes."""

    rate_out = RATE

    def __init__(self, batch: int) -> None:
        self.capabilities = TransportCapabilities(
            pause=False, reports=True, plays_immediately=True, mulaw=True, batch=batch
        )
        self.frames: list[AudioOut] = []

    def send(self, frame: AudioOut) -> bool:
        self.frames.append(frame)
        return True

    def hold(self, reply: int) -> None: ...

    def flush(self, reply: int) -> int:
        return 0


@pytest.mark.parametrize("late_ms", [0.0, 7.0, 19.9])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_the_client_never_has_more_than_before_and_never_runs_dry(batch: int, late_ms: float) -> None:
    line, replies = Line(batch), Replies()
    playout = Playout(replies, line, Notes(), LEAD_MS)  # type: ignore[arg-type]
    reply = Reply(1, "reply", 0.0)
    replies.begin(reply)
    playout.begin(reply, RATE)
    playout.push_audio(1, SpeechChunk(Mulaw(np.zeros(RATE * 2, np.uint8)), "", ()))
    for n in range(80):
        now_ms = 20.0 * n + (late_ms if n % 3 else 0.0)
        before_ms = sum(len(f.samples) for f in line.frames) / 8 - now_ms
        playout.tick(now_ms)
        after_ms = sum(len(f.samples) for f in line.frames) / 8 - now_ms
        assert after_ms <= LEAD_MS + 20
        assert n == 0 or before_ms >= LEAD_MS - 20 * batch - late_ms
    assert len(line.frames) <= 80 / batch + 6


def test_after_a_hold_the_audio_goes_on_in_batches_from_the_sample_that_was_heard() -> None:
    line, replies = Line(2), Replies()
    playout = Playout(replies, line, Notes(), LEAD_MS)  # type: ignore[arg-type]
    reply = Reply(1, "reply", 0.0)
    replies.begin(reply)
    playout.begin(reply, RATE)
    playout.push_audio(1, SpeechChunk(Mulaw(np.arange(RATE).astype(np.uint8)), "", ()))
    for now_ms in range(0, 300, 20):
        playout.tick(now_ms)
    playout.hold(300)
    playout.on_held(320, Held(1, 2_345, 10.0))
    playout.resume(340)
    line.frames.clear()
    for now_ms in range(340, 500, 20):
        playout.tick(now_ms)
    assert line.frames[0].first_sample == 2_345
    whole = np.concatenate([f.samples for f in line.frames])
    assert whole.tolist() == np.arange(2_345, 2_345 + len(whole)).astype(np.uint8).tolist()
    assert {len(f.samples) for f in line.frames} <= {FRAME, 2 * FRAME}
