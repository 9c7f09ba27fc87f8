"""Our own sound, come back over a line, told from a caller's."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from bargein.audio.echo import EXPLAINED, LineEcho
from bargein.audio.mulaw import from_mulaw, to_mulaw
from bargein.audio.pcm import Samples
from bargein.audio.resample import resample
from tests.sounds import load

RATE, FRAME = 8000, 160
NOISE_DB = -66.0


def spoken(name: str) -> Samples:
    return resample(load(name), RATE).samples


def coded(x: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Samples:
    """As a line carries it."""
    return from_mulaw(to_mulaw(np.clip(np.rint(x), -32768, 32767).astype(np.int16)))


@dataclass
class Line:
    """We sound from 1500 ms on, ahead by a lead of 100 ms; what comes back is later and weaker; a caller may speak."""

    ours: Samples
    delay_ms: float = 120.0
    db: float | None = -20.0
    taps: tuple[float, ...] = (1.0,)
    caller: Samples | None = None
    caller_at: int = 0
    echo: LineEcho = field(default_factory=LineEcho)
    cleaned: list[Samples] = field(default_factory=list)
    same: list[bool] = field(default_factory=list)
    told: list[tuple[int, float]] = field(default_factory=list)  # (end of a window, its share)
    raw: Samples = field(default_factory=lambda: np.zeros(0, np.int16))

    def run(self, *, ask: bool = True) -> Line:
        lead = 4000
        sent = np.concatenate((np.zeros(lead, np.int16), coded(self.ours.astype(float))))
        sent = sent[: len(sent) // FRAME * FRAME]
        heard = np.random.default_rng(7).normal(0, 32768 * 10 ** (NOISE_DB / 20), len(sent))
        if self.db is not None:
            back = np.convolve(sent, self.taps)[: len(sent)] * 10 ** (self.db / 20)
            shift = int(self.delay_ms * 8)
            heard[shift:] += back[: len(sent) - shift]
        if self.caller is not None:
            room = heard[lead + self.caller_at :][: len(self.caller)]
            room += self.caller[: len(room)]
        self.raw = coded(heard)
        out = 0
        for at in range(0, len(sent), FRAME):
            now = 1000 + (at + FRAME) / 8
            while out < len(sent) and 1000 + out / 8 <= now + 100:
                if out >= lead:
                    self.echo.played(1000 + out / 8, sent[out : out + FRAME])
                out += FRAME
            frame = self.raw[at : at + FRAME]
            clean = self.echo.clean(at, now, frame)
            self.same.append(clean is frame)
            self.cleaned.append(clean)
            if ask and at > lead + 2000 and at % (2 * FRAME) == 0:
                self.told.append((at + FRAME, self.echo.explains(at + FRAME - 256, at + FRAME)))
        return self

    def energy(self, begin: int) -> tuple[float, float]:
        """Of what was heard from a sample on: before, and after."""
        after = np.concatenate(self.cleaned).astype(float)[begin:]
        return float(np.mean(self.raw.astype(float)[begin:] ** 2)), float(np.mean(after**2))


@pytest.mark.parametrize("delay_ms", [20, 133, 310.3, 500])
@pytest.mark.parametrize("db", [-10, -25, -40])
def test_an_echo_is_found_and_explained_whatever_its_delay_and_loudness(delay_ms: float, db: float) -> None:
    line = Line(spoken("speech.wav"), delay_ms, db).run()
    late = [share for end, share in line.told if end > 4000 + 8 * (delay_ms + 600)]
    assert sum(share >= EXPLAINED for share in late) >= 0.98 * len(late)
    assert line.echo.known
    assert line.echo.delay_ms == pytest.approx(delay_ms, abs=3)


def test_a_known_path_is_taken_out_of_what_the_caller_says() -> None:
    line = Line(spoken("speech.wav"), 200, -15).run()
    before, after = line.energy(16_000)
    assert after < before / 30


def test_a_line_that_disperses_is_followed() -> None:
    line = Line(spoken("speech.wav"), 90, -15, taps=(0.3, 0.8, -0.4, 0.2, 0.1, -0.05)).run()
    before, after = line.energy(16_000)
    assert after < before / 10


@pytest.mark.parametrize(
    "clip", ["interruption-1.wav", "interruption-4.wav", "interruption-6.wav", "interruption-5.wav"]
)
@pytest.mark.parametrize("db", [None, -20])
def test_a_caller_is_no_echo_with_or_without_one_on_the_line(clip: str, db: float | None) -> None:
    caller = spoken(clip)[: 8 * 700]
    at = 12_000
    line = Line(spoken("speech.wav"), 150, db, caller=caller, caller_at=at).run()
    loud = np.convolve(caller.astype(float) ** 2, np.ones(256) / 256)
    shares = [
        share
        for end, share in line.told
        if 256 < end - 4000 - at < len(caller) and loud[end - 4000 - at] > 400_000  # -34 dBFS
    ]
    assert len(shares) > 3
    assert sum(share >= EXPLAINED for share in shares) <= 1


def test_without_a_path_nothing_is_touched() -> None:
    line = Line(spoken("speech.wav"), db=None).run()
    assert all(line.same)
    assert not line.echo.known
    assert line.echo.delay_ms is None
    assert line.echo.gain_db is None


def test_cleaning_never_makes_a_frame_louder() -> None:
    line = Line(spoken("speech.wav"), 150, -12, caller=spoken("interruption-2.wav"), caller_at=8000).run()
    for i, clean in enumerate(line.cleaned):
        raw = line.raw[i * FRAME : (i + 1) * FRAME].astype(float)
        assert np.dot(clean.astype(float), clean.astype(float)) <= np.dot(raw, raw) * 1.001 + FRAME


def test_a_sound_before_we_ever_sounded_is_the_callers() -> None:
    echo = LineEcho()
    voice = spoken("interruption-1.wav")
    for at in range(0, 4800, FRAME):
        echo.clean(at, 1000 + at / 8, voice[at : at + FRAME])
    assert echo.explains(4544, 4800) == 0.0


def test_what_was_cleared_before_it_sounded_explains_nothing() -> None:
    echo = LineEcho()
    ours = coded(spoken("speech.wav").astype(float))[2000:]
    for at in range(0, 8000, FRAME):
        echo.played(1000 + at / 8, ours[at : at + FRAME])
    echo.silenced(1000)
    heard = (ours * 0.2).astype(np.int16)
    for at in range(0, 8000, FRAME):
        echo.clean(at, 1000 + (at + FRAME) / 8, heard[at : at + FRAME])
    assert echo.explains(7744, 8000) == 0.0


def test_a_new_stretch_that_stands_otherwise_is_found_again() -> None:
    line = Line(spoken("speech.wav"), 150, -15).run()
    assert line.echo.known
    echo, ours = line.echo, coded(spoken("speech.wav").astype(float))
    position = len(line.raw)
    now = 1000 + position / 8 + 500
    shares = []
    for at in range(0, 16_000, FRAME):
        echo.played(now + at / 8, ours[2400 + at : 2400 + at + FRAME])
    for at in range(0, 16_000, FRAME):
        back = np.zeros(FRAME, np.int16)
        source = at - 8 * 183  # 33 ms later than before
        if source >= 0:
            back = (ours[2400 + source : 2400 + source + FRAME] * 0.18).astype(np.int16)
        echo.clean(position + 4000 + at, now + (at + FRAME) / 8, back)
        if at > 6000 and np.abs(back).max() > 400:
            shares.append(echo.explains(position + 4000 + at + FRAME - 256, position + 4000 + at + FRAME))
    assert sum(share >= EXPLAINED for share in shares) >= len(shares) - 4


def test_gaps_silence_and_clipping_do_no_harm() -> None:
    echo = LineEcho()
    loud = np.full(FRAME, 32767, np.int16)
    for at in range(0, 40 * FRAME, FRAME):
        echo.played(1000 + at / 8, loud)
    echo.played(9000, np.zeros(FRAME, np.int16))
    echo.clean(0, 1000, np.zeros(FRAME, np.int16))
    echo.clean(90_000, 12_000, loud)
    echo.clean(90_000 + FRAME, 12_020, loud)
    assert 0 <= echo.explains(90_000, 90_000 + 256) <= 1
    echo.silenced(0)
    assert 0 <= echo.explains(90_000, 90_000 + 256) <= 1


def test_our_own_sound_at_another_rate_is_found_all_the_same() -> None:
    class Thrice(LineEcho):
        def played(self, at_ms: float, samples: np.ndarray[tuple[int, ...], np.dtype[np.integer]]) -> None:
            super().played(at_ms, np.repeat(samples, 3))

    line = Line(spoken("speech.wav"), 133, -20, echo=Thrice(8000, 24000)).run()
    late = [share for end, share in line.told if end > 4000 + 8 * 733]
    assert sum(share >= EXPLAINED for share in late) >= 0.98 * len(late)


def test_after_a_stream_has_lost_its_pace_the_echo_is_found_in_its_new_place() -> None:
    class Shifted(LineEcho):
        """From the third second on, positions are 700 ms further on: silence was put in that was none."""

        moved = False

        def clean(self, first_sample: int, at_ms: float, samples: Samples) -> Samples:
            if first_sample > 24_000 and not self.moved:
                self.moved = True
                self.restart()
            return super().clean(first_sample + 5_600 * self.moved, at_ms, samples)

        def explains(self, first_sample: int, last_sample: int) -> float:
            return super().explains(first_sample + 5_600 * self.moved, last_sample + 5_600 * self.moved)

    line = Line(spoken("speech.wav"), 133, -20, echo=Shifted()).run()
    assert isinstance(line.echo, Shifted)
    assert line.echo.moved
    late = [share for end, share in line.told if end > 24_000 + 8 * 500]
    assert len(late) > 20
    assert sum(share >= EXPLAINED for share in late) >= 0.8 * len(late)
