"""A background goes on without a seam, at its level, and is no speech."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest

from bargein.audio.ambience import OFFICE, Ambience
from bargein.audio.beep import has_beep
from bargein.audio.mulaw import from_mulaw, mulaw_codes
from bargein.audio.pcm import Pcm
from bargein.audio.vad import SileroVAD, VADWindow
from bargein.errors import UsageError


def rms_db(samples: np.ndarray) -> float:
    return 20 * float(np.log10(np.sqrt(np.square(samples.astype(np.float64)).mean()) / 32768))


@pytest.mark.parametrize("rate", [8000, 16_000, 24_000])
def test_an_office_has_its_level_and_goes_on(rate: int) -> None:
    sound = Ambience.of(OFFICE, rate, -45.0)
    whole = np.concatenate([sound.next(rate // 50) for _ in range(50 * 45)])  # twice round
    assert abs(rms_db(whole) + 45) < 0.5
    loop = whole[: len(sound._loop)]
    jump = np.abs(np.diff(whole.astype(np.int32)))
    assert jump[len(loop) - 2 : len(loop) + 2].max() <= np.percentile(jump, 99.9), "no click at the seam"


def test_what_is_said_stays_and_lies_over_it() -> None:
    speech = (np.sin(np.arange(8000) * 0.3) * 8000).astype(np.int16)
    mixed = Ambience.of(OFFICE, 8000, -45.0).under(speech)
    assert rms_db(mixed.astype(np.int32) - speech) == pytest.approx(-45, abs=3)
    codes = Ambience.of(OFFICE, 8000, -45.0).under_mulaw(mulaw_codes(speech))
    assert np.corrcoef(from_mulaw(codes.tobytes()), speech)[0, 1] > 0.99
    loud = np.full(100, 32767, np.int16)
    assert Ambience.of(OFFICE, 8000, -24.0).under(loud).max() == 32767, "it is clipped, and does not wrap"


async def test_no_vad_takes_it_for_speech_and_no_beep_is_in_it() -> None:
    office = Ambience.of(OFFICE, 16_000, -45.0)
    windows: list[VADWindow] = []
    done = asyncio.Event()

    def judged(window: VADWindow) -> None:
        windows.append(window)
        if len(windows) == 30:
            done.set()

    async with SileroVAD() as vad:
        stream = vad.open(16_000, judged)
        for _ in range(30):
            stream.push_audio(office.next(512))
        await asyncio.wait_for(done.wait(), 10)
        stream.close()
    assert max(window.speech for window in windows) < 0.3
    assert not has_beep(Pcm(Ambience.of(OFFICE, 8000, -30.0).next(8000 * 20), 8000))


def test_a_file_is_taken_at_every_rate_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "room.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 22_050, 0, "NONE", ""))
        noise = np.random.default_rng(1).normal(0, 900, 2 * 22_050 * 3).astype("<i2")
        file.writeframes(noise.tobytes())
    sound = Ambience.of(str(path), 8000, -50.0)
    assert abs(rms_db(sound.next(8000 * 2)) + 50) < 1
    (tmp_path / "text.wav").write_text("no sound")
    for name, what in (("missing.wav", "cannot be read"), ("text.wav", "cannot be read")):
        with pytest.raises(UsageError, match=what):
            Ambience.of(str(tmp_path / name), 8000, -50.0)
    with wave.open(str(tmp_path / "silent.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16_000))
    with pytest.raises(UsageError, match="silent"):
        Ambience.of(str(tmp_path / "silent.wav"), 8000, -50.0)
