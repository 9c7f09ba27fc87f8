"""What tests and the dummy call are heard with: made here, or cut from a package, and what their labels say."""

from __future__ import annotations

import importlib.util
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

import bargein
from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein.audio.silero import CONTEXT, STATE, WINDOW
from bargein.errors import Unavailable
from bargein.floor import Policy
from bargein.floor.lexicon import Lexicon, WordClass
from bargein.vendors.local.moonshine import MoonshineSTT
from bargein_bench.scenarios import formants, readers
from bargein_bench.scenarios.clips import RATE
from bargein_simulators.simulated_stt import silero
from tests.sounds import Label, labels, load

PACKAGE = Path(bargein.__file__).parent
CALLER = PACKAGE / "server" / "web" / "caller"
TOOL = Path(__file__).parents[1] / "tools" / "make_caller.py"


@pytest.fixture
async def reader() -> AsyncIterator[MoonshineSTT]:
    ears = MoonshineSTT()
    yield ears
    await ears.aclose()


def caller(name: str) -> Samples:
    with wave.open(str(CALLER / f"{name}.wav"), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


def in_a_room(samples: Samples) -> Samples:
    return np.pad(samples, RATE // 4)


def speech(samples: Samples, rate: int = RATE) -> list[float]:
    """The detector's probability for each window."""
    model, state = silero(), np.zeros((2, 1, STATE), np.float32)
    size, context = WINDOW[rate], CONTEXT[rate]
    padded = np.concatenate((np.zeros(context, np.int16), samples)).astype(np.float32) / np.float32(32768)
    told = []
    for i in range(0, len(samples) - size + 1, size):
        p, state = model.run(padded[None, i : i + context + size], state, rate)
        told.append(float(p[0]))
    return told


# ---------------------------------------------------------------------------------------------------- the readers


async def test_the_readers_say_what_their_labels_say(reader: MoonshineSTT) -> None:
    for label in labels("interruption"):
        assert label.text is not None
        said = (await reader.read(load(label.file), deadline_ms=30_000)).text
        heard = "".join(c for c in said.lower() if c.isalpha() or c == " ").split()
        wanted = label.text.lower().replace(",", "").split()
        assert sum(word in heard for word in wanted) >= 0.7 * len(wanted), f"{label.file}: {said!r}"


def test_before_the_onset_there_is_a_pause_and_at_it_there_is_sound() -> None:
    for label in labels("interruption"):
        samples = load(label.file).samples.astype(float)
        onset = int(label.onset_ms * 16)
        before, first = (np.sqrt(np.mean(part**2)) for part in (samples[: onset - 16], samples[onset:][:1_600]))
        assert 20 * np.log10(first / before) > 6, label.file


def test_another_release_of_the_package_is_not_taken_for_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(readers.LENGTHS, "two_cities.wav", 1)
    with pytest.raises(Unavailable, match="another recording"):
        readers.interruptions()


def test_without_the_package_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "PACKAGE", "no_such_package")
    with pytest.raises(Unavailable, match=r"bargein\[moonshine\]"):
        readers.interruptions()


# ---------------------------------------------------------------------------------------------- what is made


def test_what_is_made_is_the_same_each_time() -> None:
    for make in (formants.cough, formants.mm_hmm, formants.mm):
        first, again, other = (make(np.random.default_rng(seed)) for seed in (1, 1, 2))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)


def test_a_tract_rings_at_its_formants_and_not_at_its_zeros() -> None:
    click = np.zeros(RATE)
    click[0] = 1.0
    spectrum = np.abs(np.fft.rfft(formants.tract(click, ((500, 50), (1_500, 50)), ((1_000, 50),))))
    assert spectrum[0] == pytest.approx(1.0, abs=0.01)
    assert spectrum[500] > 5 * spectrum[250]
    assert spectrum[1_500] > 5 * spectrum[1_250]
    assert spectrum[1_000] < spectrum[900] / 3


@pytest.mark.parametrize("pitch_hz", [105.0, 112.0, 125.0])
async def test_a_hum_is_heard_as_speech_and_read_as_a_backchannel(reader: MoonshineSTT, pitch_hz: float) -> None:
    signal = formants.mm_hmm(np.random.default_rng(1), pitch_hz=pitch_hz)
    hum = in_a_room(np.rint(signal / np.abs(signal).max() * 5_000).astype(np.int16))
    assert sum(p >= 0.5 for p in speech(hum)) * 32 > 400
    lexicon = Lexicon.of("en")
    # As the floor looks: in the middle of it, and at its end.
    looks = [Pcm(hum[: (250 + ms) * 16], RATE) for ms in (300, 400, 500, 600, 700, 830)]
    said = [(await reader.read(look, deadline_ms=30_000)).text for look in looks]
    judged = [lexicon.judge(text)[0] for text in said]
    assert {*judged} <= {WordClass.NOTHING, WordClass.BACKCHANNEL}, said
    assert judged[-1] is WordClass.BACKCHANNEL, said


@pytest.mark.parametrize("rate", [8_000, 16_000])
@pytest.mark.parametrize("label", labels("cough"), ids=lambda label: label.file)
def test_a_cough_begins_like_speech_and_is_none_wherever_the_windows_begin(label: Label, rate: int) -> None:
    samples = resample(load(label.file), rate).samples
    for first in range(0, WINDOW[rate], WINDOW[rate] // 8):
        told = speech(np.pad(samples, (first + rate // 4, 0)), rate)
        assert max(told) >= Policy().hold.loud_threshold
        assert sum(p >= Policy().hold.decide_threshold for p in told) <= 5


async def test_a_cough_is_not_read(reader: MoonshineSTT) -> None:
    for label in labels("cough"):
        assert (await reader.read(load(label.file), deadline_ms=30_000)).text == ""


# --------------------------------------------------------------------------------------------- the dummy caller


def test_the_package_carries_no_sound_but_the_callers() -> None:
    sounds = {path for end in ("wav", "flac", "mp3", "ogg", "opus") for path in PACKAGE.rglob(f"*.{end}")}
    assert sounds == {CALLER / f"{name}.wav" for name in ("story", "cough", "mmhmm", "laugh", "stop", "where")}


def test_the_callers_cough_and_hum_are_what_the_tool_makes() -> None:
    spec = importlib.util.spec_from_file_location("make_caller", TOOL)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    for name, samples in tool.made().items():
        # Another machine's arithmetic may round the other way.
        assert np.abs(samples.astype(int) - caller(name).astype(int)).max() <= 1
    assert {*tool.LINES, *tool.made()} == {path.stem for path in CALLER.glob("*.wav")}
