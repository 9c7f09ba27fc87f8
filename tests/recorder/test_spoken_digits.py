"""With digits redacted, spoken digits are silence in the audio, on both sides."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bargein.audio.pcm import Samples
from bargein.call.record.audio import RecordingPlan
from bargein.floor import Dismiss, KeyPressed, Listen, SpeechWindow
from bargein.recorder.audio_file import AUDIO_FILE
from bargein.recorder.audio_recorder import BLOCK_MS, AudioRecorder
from bargein.recorder.spoken_digits import SpokenDigits
from bargein.units import digit_words
from tests.call.kit import LOUD, WORD_MS, Notes, ToneTTS, scene


def lanes(folder: Path) -> tuple[Samples, Samples]:
    audio, _ = soundfile.read(folder / AUDIO_FILE, dtype="int16", always_2d=True)
    return audio[:, 0], audio[:, 1]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("my code is 4829 , please", "4829"),
        ("it is four eight two nine, please", "four eight two nine,"),
        ("one moment, I have two of them", ""),
        ("vier acht, zwei neun", "vier acht, zwei neun"),
        ("double 0 seven", "double 0 seven"),
        ("", ""),
    ],
)
def test_figures_and_rows_of_spelled_out_digits_are_digits(text: str, hidden: str) -> None:
    words = text.split()
    assert " ".join(word for word, flag in zip(words, digit_words(words), strict=True) if flag) == hidden


@pytest.mark.parametrize("timed", [True, False])
async def test_the_agents_digits_are_silence_and_its_other_words_are_not(timed: bool, tmp_path: Path) -> None:
    notes = Notes()
    digits = SpokenDigits(notes)
    plan = RecordingPlan("on", partial(AudioRecorder, tmp_path, notes, digits=digits))
    tts = ToneTTS(timed=timed)
    async with scene(greeting="your code is 4829 and nothing else", tts=tts, recording=plan) as s:
        await s.until(lambda: s.state == "idle" and bool(s.call.conversation.items))
    _, agent = lanes(tmp_path)
    if not timed:
        assert not agent.any(), "without times of its words, all of a reply with digits is left out"
        return
    first = int(np.flatnonzero(np.abs(agent) > LOUD // 2)[0])
    heard = agent[first + WORD_MS * 8 :: WORD_MS * 16][:7] / LOUD
    assert heard == pytest.approx([1, 2, 3, 0, 5, 6, 7], abs=0.05)


class Told:
    """A recorder of 16 kHz whose user sounds all the time, and the watcher that the call tells."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes = Notes()
        self.digits = SpokenDigits(self.notes)
        self.recorder = AudioRecorder(
            folder, self.notes, rate=16_000, agent_rate=16_000, at=lambda sample: sample / 16, digits=self.digits
        )
        self.now_ms = 0.0

    def until(self, ms: float, *, speech: float = 0.0) -> None:
        """Time passes; the VAD finds speech with this probability."""
        while self.now_ms < ms:
            self.recorder.user(int(self.now_ms * 16), np.full(512, 500, np.int16))
            self.now_ms += 32
            self.digits.event(SpeechWindow(self.now_ms - 32, self.now_ms, speech))
            self.recorder.tick(self.now_ms)

    def silent_ms(self) -> list[tuple[float, float]]:
        """The end of the call; where the user's lane is silent."""
        self.recorder.close(self.now_ms)
        user, _ = lanes(self.folder)
        edges = np.flatnonzero(np.diff(np.concatenate(([1], user != 0, [1])).astype(int)))
        return [(float(a) / 16, float(b) / 16) for a, b in edges.reshape(-1, 2)]


def test_a_turn_with_digits_is_left_out_and_the_turns_about_it_are_not(tmp_path: Path) -> None:
    told = Told(tmp_path)
    for begin, turn, text in ((1_000, 1, "hello there"), (6_000, 2, "it is 4929"), (12_000, 3, "thank you")):
        told.until(begin)
        told.until(begin + 300, speech=0.9)
        told.digits.action(told.now_ms, Listen(turn, float(begin), "speech"))
        told.until(begin + 2_000, speech=0.9)
        told.until(begin + 3_000)
        told.digits.note(told.now_ms, "user", turn=turn, text=text)
    told.until(16_000)
    ((begin_ms, end_ms),) = told.silent_ms()
    assert 5_500 < begin_ms < 6_000
    assert 8_000 < end_ms < 8_500


def test_a_sound_of_digits_and_a_key_are_left_out(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.until(2_000)
    told.until(2_500, speech=0.9)
    told.until(3_000)
    told.digits.action(told.now_ms, Dismiss(2_000.0, 2_500.0, "7 7 7", "a backchannel"))
    told.until(8_000)
    told.digits.event(KeyPressed(8_000.0, "4"))
    told.until(12_000)
    (sound, key) = told.silent_ms()
    assert sound == pytest.approx((1_700, 2_800), abs=50)
    assert key == pytest.approx((7_400, 8_200), abs=50)


def test_speech_whose_words_never_come_is_not_kept(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.until(2_000)
    told.digits.action(told.now_ms, Listen(1, 2_000.0, "speech"))
    told.until(40_000, speech=0.9)
    told.digits.note(told.now_ms, "user", turn=1, text="a very long story")
    told.until(42_000)
    (silent,) = told.silent_ms()
    assert silent[0] == pytest.approx(1_700, abs=50)
    assert 14_000 < silent[1] < 40_000 - 20_000 + 2 * BLOCK_MS, "what was written before its words were known"


def test_noise_that_becomes_no_turn_is_kept(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.until(2_000)
    told.until(2_300, speech=0.6)
    told.until(10_000)
    assert told.silent_ms() == []
