"""The agent's own sound, come from a loudspeaker through a room, told from a caller's."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from bargein.audio.echo import EXPLAINED
from bargein.audio.mulaw import mulaw_codes
from bargein.audio.pcm import Samples
from bargein.audio.room_echo import LATEST, RATE, RING, WINDOW, RoomEcho
from tests.sounds import load

FRAME = 256
LEAD = 8_000  # samples of a quiet room before the agent sounds
NOISE_DB = -66.0

Signal = NDArray[np.float64]


def response(tail_ms: float, direct_db: float) -> Signal:
    """A room: the direct sound, and reflections that fall by 60 dB in tail_ms."""
    size = int(tail_ms * RATE / 1000)
    path = np.random.default_rng(5).normal(0, 1, size) * 10 ** (-3 * np.arange(size) / size)
    path *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(path**2))
    path[0] = 1.0
    unit: Signal = path / np.sqrt(np.sum(path**2))
    return unit


LAPTOP, CAR, FAR = response(300, 5), response(100, 0), response(400, -4)


@dataclass
class Place:
    """The agent speaks from LEAD on. db: of the echo, relative to the agent's samples. A caller may speak."""

    db: float | None = -12.0
    delay_ms: float = 90.0
    path: Signal = field(default_factory=lambda: LAPTOP)
    drive: float = 0.0
    caller: Samples | None = None
    caller_at: int = 40_000  # after LEAD
    told: bool = True
    """The client tells what its loudspeaker plays."""
    echo: RoomEcho = field(default_factory=RoomEcho)
    raw: Samples = field(default_factory=lambda: np.zeros(0, np.int16))
    cleaned: list[Samples] = field(default_factory=list)
    shares: list[tuple[int, float]] = field(default_factory=list)  # (end of a loud window after LEAD, its share)

    def run(self, frame: int = FRAME) -> Place:
        agent = load("speech.wav").samples
        sent = np.concatenate((np.zeros(LEAD, np.int16), agent, agent))[: 6 * RATE]
        heard = np.random.default_rng(7).normal(0, 32768 * 10 ** (NOISE_DB / 20), len(sent))
        if self.db is not None:
            x = sent / 32768
            x = np.tanh(x * self.drive * 4) / (self.drive * 4) if self.drive else x
            back = np.convolve(x, self.path)[: len(sent)] * 32768 * 10 ** (self.db / 20)
            shift = int(self.delay_ms * RATE / 1000)
            heard[shift:] += back[: len(sent) - shift]
        if self.caller is not None:
            room = heard[LEAD + self.caller_at :][: len(self.caller)]
            room += self.caller[: len(room)]
        self.raw = np.clip(np.rint(heard), -32768, 32767).astype(np.int16)
        for at in range(0, len(sent) - frame + 1, frame):
            if self.told and np.any(sent[at : at + frame]):
                self.echo.sounded(at, mulaw_codes(sent[at : at + frame]))
            self.cleaned.append(self.echo.clean(at, at / 16, self.raw[at : at + frame]))
            end = at + frame
            window = self.raw[max(0, end - WINDOW) : end].astype(float)
            loud = np.mean(window**2) > 32768**2 * 10 ** ((NOISE_DB + 20) / 10)
            if end > LEAD and end // WINDOW != at // WINDOW and loud:
                self.shares.append((end - LEAD, self.echo.explains(end - WINDOW, end)))
        return self

    @property
    def runs(self) -> int:
        """Pairs of windows in a row that were taken for the caller's: holds of more than 60 ms."""
        own = [(end, share >= EXPLAINED) for end, share in self.shares]
        return sum(not a and not b and j - i <= 2 * WINDOW for (i, a), (j, b) in pairwise(own))


@pytest.mark.parametrize("delay_ms", [15, 130, 400])
@pytest.mark.parametrize("db", [-24, -12, 0])
@pytest.mark.parametrize("path", [LAPTOP, CAR], ids=["laptop", "car"])
def test_an_echo_alone_makes_no_hold_longer_than_two_windows(path: Signal, db: float, delay_ms: float) -> None:
    place = Place(db, delay_ms, path).run()
    assert len(place.shares) > 20
    assert place.echo.known
    assert place.runs == 0


@pytest.mark.parametrize("place", [Place(-6, 70, drive=1.0), Place(0, 130, FAR), Place(-12, 300, FAR)])
def test_a_loudspeaker_at_its_limit_and_one_far_away_are_nearly_always_known(place: Place) -> None:
    place.run()
    assert place.echo.known
    assert place.runs <= 1


@pytest.mark.parametrize("clip", ["interruption-1.wav", "interruption-4.wav", "interruption-6.wav"])
@pytest.mark.parametrize("db", [None, -20, -8])
def test_a_caller_is_known_within_150_ms_with_and_without_an_echo(clip: str, db: float | None) -> None:
    caller = load(clip).samples[:RATE]
    begins = int(np.argmax(np.abs(caller.astype(float)) > 1500))  # the label is the test's own: clearly audible
    place = Place(db, caller=caller).run()
    onset = place.caller_at + begins
    first = next(end for end, share in place.shares if end > onset and share < EXPLAINED)
    assert (first - onset) / 16 <= 150


def test_a_known_path_is_taken_out_of_what_the_caller_says() -> None:
    place = Place(-6, path=CAR).run()
    after, late = np.concatenate(place.cleaned).astype(float), slice(3 * RATE, None)
    before = place.raw[: len(after)].astype(float)
    assert np.mean(after[late] ** 2) < np.mean(before[late] ** 2) / 8


@pytest.mark.parametrize("frame", [160, 320, 1024])
def test_frames_of_any_length_will_do(frame: int) -> None:
    place = Place(-8).run(frame)
    assert place.echo.known
    assert place.runs == 0


def test_a_client_that_does_not_tell_has_every_sound_for_the_callers() -> None:
    place = Place(-6, told=False).run()
    assert {share for _, share in place.shares} == {0.0}
    assert all(np.shares_memory(clean, place.raw) for clean in place.cleaned)


def test_without_an_echo_nothing_is_touched_and_no_path_is_believed() -> None:
    place = Place(None, caller=load("interruption-4.wav").samples).run()
    assert not place.echo.known
    assert place.echo.delay_ms is None
    assert all(np.shares_memory(clean, place.raw) for clean in place.cleaned)


def test_cleaning_never_makes_a_frame_louder() -> None:
    place = Place(-6, caller=load("interruption-2.wav").samples).run()
    assert place.echo.known
    for i, clean in enumerate(place.cleaned):
        raw = place.raw[i * FRAME : (i + 1) * FRAME].astype(float)
        assert np.dot(clean.astype(float), clean.astype(float)) <= np.dot(raw, raw) * 1.001 + FRAME


def test_another_loudspeaker_is_found_again() -> None:
    near, far = Place(-8, 40).run(), Place(-8, 260)
    far.echo = near.echo
    offset = len(near.raw) // FRAME * FRAME

    class Later(RoomEcho):
        """The same echo test, further on in the call."""

        def sounded(self, first_sample: int, samples: NDArray[np.integer]) -> None:
            near.echo.sounded(first_sample + offset, samples)

        def clean(self, first_sample: int, at_ms: float, samples: Samples) -> Samples:
            return near.echo.clean(first_sample + offset, at_ms, samples)

        def explains(self, first_sample: int, last_sample: int) -> float:
            return near.echo.explains(first_sample + offset, last_sample + offset)

    far.echo = Later()
    far.run()
    assert near.echo.delay_ms == pytest.approx(260, abs=10)
    late = [share for end, share in far.shares if end > 2 * RATE]
    assert sum(share >= EXPLAINED for share in late) >= 0.9 * len(late)


def test_nonsense_does_no_harm_and_takes_no_room() -> None:
    echo, loud = RoomEcho(), np.full(20_000, 32767, np.int16)
    noise = np.random.default_rng(1).integers(0, 256, 20_000).astype(np.uint8)
    for i in range(300):
        echo.sounded(i * 20_000, noise if i % 2 else loud)
        echo.clean(i * 20_000, 0.0, loud)
    assert 0 <= echo.explains(300 * 20_000 - WINDOW, 300 * 20_000) <= 1
    for first in (0, 10**9, 5, 10**9 + 3):
        echo.sounded(first, noise[:257])
        echo.clean(first, 0.0, loud[:3])
        assert 0 <= echo.explains(first - WINDOW, first) <= 1
    echo.restart()
    echo.clean(10**9 + LATEST + RING, 0.0, np.zeros(0, np.int16))
    assert echo.explains(0, WINDOW) >= 0
