"""The alignment that the simulated ElevenLabs sends."""

from __future__ import annotations

from bargein.audio.pcm import Pcm
from bargein.protocols import Word
from bargein_simulators.elevenlabs_wire import alignment
from bargein_simulators.simulated_tts import Chunk
from bargein_simulators.speech import SynthesizedText

WORDS = (Word(0, 150, 0, 2), Word(150, 420, 3, 6))
SPEECH = SynthesizedText("Hi you. ", Pcm.silence(450, 8_000), WORDS)


def chunk(at_ms: float, *words: Word, last: bool = False) -> Chunk:
    return Chunk(Pcm.silence(100, 8_000), at_ms, words, SPEECH, last)


def test_every_character_comes_once_also_behind_a_word_that_began_in_a_chunk_before() -> None:
    told = [alignment(chunk(0, WORDS[0])), alignment(chunk(100, WORDS[1])), alignment(chunk(400, last=True))]
    assert ["".join(str(char) for char in each["chars"]) for each in told if each] == ["Hi", " you", ". "]
    assert told[2] is not None
    assert (told[2]["charStartTimesMs"], told[2]["charDurationsMs"]) == ([20, 20], [0, 0])


def test_a_chunk_in_which_no_character_begins_has_none() -> None:
    assert alignment(chunk(300)) is None
