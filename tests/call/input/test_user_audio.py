"""The user's audio: on the call's clock, kept for a while, and judged window by window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bargein.audio.pcm import Samples
from bargein.audio.room_echo import RoomEcho
from bargein.audio.vad import VADWindow
from bargein.call.input.user_audio import UserAudio
from bargein.floor import SpeechWindow
from bargein.protocols import AudioIn

RATE, FRAME = 8000, 160


class Stream:
    """A detector that says what the test wants, of the newest 32 ms."""

    dropped = 0
    closed = False

    def __init__(self) -> None:
        self.on_window: Callable[[VADWindow], None] = lambda _: None
        self.end = 0

    def open(self, rate: int, on_window: Callable[[VADWindow], None]) -> Stream:
        self.on_window = on_window
        return self

    def push_audio(self, samples: Samples) -> None:
        self.end += len(samples)

    def skip(self, samples: int) -> None:
        self.end += samples

    def close(self) -> None:
        self.closed = True

    def says(self, speech: float) -> None:
        self.on_window(VADWindow(self.end - 256, self.end, speech))


class World:
    """A call's audio at `rate`. The test moves the clock, in ms."""

    def __init__(self, rate: int = RATE, echo: object | None = None) -> None:
        self.windows: list[SpeechWindow] = []
        self.vad = Stream()
        self.now_ms = 0.0
        self.audio = UserAudio(rate, self.vad, lambda: self.now_ms, self.windows.append, echo)  # type: ignore[arg-type]
        self.at = 0
        self.rate = rate

    def push(self, ms: float, *, value: int = 1, gap_ms: float = 0) -> None:
        """Audio in frames of 20 ms, each when it was spoken."""
        size = self.rate // 50
        self.at += int(gap_ms * self.rate / 1000)
        self.now_ms += gap_ms
        for _ in range(int(ms // 20)):
            self.now_ms += 20
            self.audio.push_audio(AudioIn(np.full(size, value, np.int16), self.at))
            self.at += size


# ----------------------------------------------------------------------------------------------------- kept


def test_audio_since_a_moment_is_that_long_and_its_newest_is_now() -> None:
    world = World()
    world.push(1_000, value=1)
    world.push(500, value=2)
    assert world.audio.newest_ms == 1_500
    assert world.audio.since(900).samples.tolist() == [1] * 800 + [2] * 4_000
    assert world.audio.since(-100).ms == 1_500
    assert world.audio.last_ms == 1_500


def test_before_any_audio_there_is_none() -> None:
    assert World().audio.since(0).ms == 0


def test_five_seconds_are_kept_and_all_of_an_open_turn() -> None:
    world = World()
    world.push(8_000)
    assert world.audio.since(0).ms == 5_000
    world.audio.keep_from_ms = 6_000
    world.push(8_000)
    assert world.audio.since(6_000).ms == 10_000
    world.audio.keep_from_ms = None
    world.push(20)
    assert world.audio.since(0).ms == 5_000


def test_a_gap_in_the_stream_is_silence() -> None:
    world = World()
    world.push(100, value=5)
    world.push(100, value=6, gap_ms=60)
    assert world.audio.since(0).samples.tolist() == [5] * 800 + [0] * 480 + [6] * 800


def test_a_long_gap_is_not_filled_and_what_lay_before_it_goes() -> None:
    got: list[tuple[int, int]] = []
    world = World()
    world.push(100, value=5)
    world.audio.on_audio = lambda position, samples: got.append((position, len(samples)))
    world.push(20, value=6, gap_ms=10_000)
    assert got == [(64_800, 16_000), (80_800, 160)]
    assert world.audio.since(0).ms == 2_020


def test_another_rate_than_the_vads_is_resampled() -> None:
    world = World(48_000)
    world.push(400, value=100)
    assert world.audio.rate == 16_000
    assert world.audio.since(0).rate == 16_000
    assert world.audio.since(0).ms == pytest.approx(400, abs=20)


def test_a_window_comes_with_when_it_was_spoken() -> None:
    world = World()
    world.push(320)
    world.vad.says(0.01)
    world.now_ms += 7
    world.vad.says(0.02)
    assert world.windows == [
        SpeechWindow(288, 320, 0.01, came_ms=320),
        SpeechWindow(288, 320, 0.02, came_ms=327),
    ]


def test_after_the_end_of_the_call_the_vad_is_closed() -> None:
    world = World()
    world.audio.close()
    assert world.vad.closed


def test_the_agents_own_audio_is_taken_out_and_a_window_says_how_much_of_it_was_that() -> None:
    class Echo:
        def clean(self, first: int, now_ms: float, samples: Samples) -> Samples:
            return samples // 2

        def explains(self, first: int, last: int) -> float:
            return 0.75

    world = World(echo=Echo())
    world.push(320, value=100)
    assert set(world.audio.since(0).samples.tolist()) == {50}
    world.vad.says(0.6)
    world.vad.says(0.01)
    assert [w.echo for w in world.windows] == [0.75, 0.0]


def test_a_client_that_tells_what_its_loudspeaker_plays_gets_a_test_of_its_room_with_the_first_of_it() -> None:
    world = World(16_000)
    world.push(320)
    before = world.audio.echo
    world.now_ms += 20
    world.audio.push_audio(AudioIn(np.full(320, 5, np.int16), world.at, np.zeros(320, np.uint8)))
    after = world.audio.echo
    assert before is None
    assert isinstance(after, RoomEcho)
    assert not after.known
    assert world.audio.since(320).samples.tolist() == [5] * 320


def test_at_another_rate_a_loudspeaker_is_not_listened_to() -> None:
    world = World(8_000)
    world.audio.push_audio(AudioIn(np.zeros(160, np.int16), 0, np.zeros(160, np.uint8)))
    assert world.audio.echo is None


# ---------------------------------------------------------------------------------------------------- levels


def window(db_before: float, db_after: float, *, speech: float = 0.1, frames: int = 60) -> SpeechWindow:
    windows: list[SpeechWindow] = []
    stream = Stream()
    audio = UserAudio(RATE, stream, lambda: 0.0, windows.append)
    rng = np.random.default_rng(1)
    for i in range(frames):
        db = db_after if i >= frames - 2 else db_before
        samples = rng.normal(0, 32768 * 10 ** (db / 20), FRAME)
        audio.push_audio(AudioIn(np.clip(np.rint(samples), -32768, 32767).astype(np.int16), i * FRAME))
    stream.says(speech)
    (made,) = windows
    return made


def test_a_sound_that_begins_clearly_says_how_clearly() -> None:
    assert window(-66, -40).rise_db == pytest.approx(26.5, abs=2)
    assert window(-66, -66).rise_db == pytest.approx(0, abs=3)
    assert window(-40, -38).rise_db < 5


def test_no_level_is_measured_where_it_would_change_nothing() -> None:
    assert window(-66, -30, speech=0.01).rise_db == 0
    assert window(-66, -30, speech=0.9).rise_db == 0


def test_digital_silence_before_it_makes_no_sound_infinitely_loud() -> None:
    assert window(-200, -50).rise_db == pytest.approx(20, abs=2)


def test_a_call_that_has_just_begun_has_no_quiet_to_compare_with() -> None:
    assert window(-66, -30, frames=4).rise_db == 0
