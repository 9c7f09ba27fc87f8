"""What the frameworks' benchmark stands on: true words for the STT, bots alone, and the words heard of a reply."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from bargein.audio.pcm import Pcm, Samples
from bargein_bench.callers.telephone import SimulatedTelephone
from bargein_bench.results import CallResult, Event
from bargein_bench.scenarios import synthetic
from bargein_bench.scenarios.clips import RATE, Clip
from bargein_bench.scenarios.readers import INTERRUPTIONS, clip
from benchmarks.frameworks_bots import BOTS, EXAMPLES, LIVEKIT, OURS, PIPECAT, untimed, without_ours
from benchmarks.frameworks_context import ContextCut, judged
from benchmarks.frameworks_table import figures
from benchmarks.known_words import CallersWords, SpeechIndex, known

LEAD = 150 * RATE // 1000  # of audio that a turn has before its speech
CLIPS = [clip("interruption", phrase) for phrase in INTERRUPTIONS]


def heard(samples: Samples, seed: int = 1) -> Pcm:
    """The samples after a turn's lead-in, in a quiet room."""
    whole = np.concatenate((np.zeros(LEAD, np.int16), samples))
    noise = np.random.default_rng(seed).normal(0, 16, len(whole))
    return Pcm((whole + noise).astype(np.int16), RATE)


def speech(sound: Clip) -> Samples:
    return sound.samples[int(sound.onset_ms * RATE / 1000) :]


async def test_each_speech_has_its_own_words_from_its_first_half_second_on() -> None:
    index = SpeechIndex(known(CLIPS))
    for sound in CLIPS:
        words = CallersWords(index)
        said = speech(sound)
        first = await words.words(heard(said[: RATE // 2]), 0, 500, over=False)
        assert sound.name.startswith(" ".join(first))
        assert first
        assert " ".join(await words.words(heard(said), 0, 2_000, over=True)) == sound.name


async def test_a_turn_that_begins_within_a_speech_has_the_rest_of_its_words() -> None:
    sound = CLIPS[0]
    begin = int(RATE * sound.active_ms / 2_000)  # in its middle
    said = speech(sound)
    pcm = Pcm(said[begin - LEAD :], RATE)
    rest = list(await CallersWords(SpeechIndex(known(CLIPS))).words(pcm, 0, 1_000, over=True))
    assert 0 < len(rest) < len(sound.name.split())
    assert sound.name.endswith(" ".join(rest))


async def test_coughs_and_noises_have_no_words() -> None:
    index = SpeechIndex(known(CLIPS))
    for sound in [*synthetic.throats(), *synthetic.noises()]:
        assert await CallersWords(index).words(heard(speech(sound)[:RATE]), 0, 1_000, over=True) == ()


@pytest.mark.parametrize("example", [PIPECAT, LIVEKIT])
def test_a_bot_alone_has_nothing_of_ours_and_is_a_program(example: str) -> None:
    text = (EXAMPLES / example).read_text()
    alone = without_ours(example, text)
    ast.parse(alone)
    code = alone.partition('"""')[2].partition('"""')[2]
    assert "bargein" not in code
    assert OURS not in code
    ast.parse(untimed(example, text))
    assert sum(bot.example == example for bot in BOTS) == 2


def test_the_words_heard_of_a_cut_reply_are_those_whose_middle_sounded() -> None:
    spoken = [
        {
            "text": "Tale 1. One two. ",
            "ms": 400.0,
            "words": [[n, at, at + 100] for n, at in zip((0, 5, 8, 12), (0, 100, 200, 300), strict=True)],
        },
        {"text": "Three four.", "ms": 200.0, "words": [[0, 0, 100], [6, 100, 200]]},
    ]
    replies = [
        {"number": 1, "at_ms": 0.0, "text": "Tale 1. One two. Three four.", "before": [["user", "hello"]]},
        {
            "number": 2,
            "at_ms": 2_000.0,
            "text": "Tale 2.",
            "before": [["assistant", "Tale 1. One two."], ["user", "one two please"]],
        },
    ]
    telephone = SimulatedTelephone(3_000)
    telephone.media(0, bytes(8 * 460))  # up to past the middle of "Three"
    telephone.media(8 * 2_400, bytes(8 * 200))
    (cut,) = judged(0, telephone.runs, 0.0, replies[1:], replies, spoken)
    assert cut == ContextCut(call=0, reply=1, kept=4, heard=5, heard_ms=460.0, unlike=False)
    assert cut.apart == -1


def test_figures_tell_false_cuts_from_holds() -> None:
    def event(scene: str, outcome: str, **more: float) -> Event:
        want = "yield" if scene == "interruption" else "ignore"
        return Event(scene, "", want, 0, 0.0, 500.0, outcome, **more)  # type: ignore[arg-type]

    events = (
        event("interruption", "stopped", hold_ms=60.0, stop_ms=60.0, answer_ms=700.0),
        event("cough", "held", gap_ms=400.0, lost_ms=0.0, repeated_ms=0.0),
        event("backchannel", "stopped", stop_ms=80.0),
        event("cough", "unheard"),
    )
    found = figures("a bot", 5, [CallResult(0, "x", events)], 12.0)
    assert str(found.false_both) == "50.0 % of 2"
    assert found.resumed == 1
    assert str(found.silence) == "60 / 60 / 60 of 1"
    assert str(found.held) == "50.0 % of 2"
