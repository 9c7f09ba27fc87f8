"""The embedded voice, by the real espeak-ng: its words, its streams, and what happens when it is killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bargein.audio.pcm import Pcm
from bargein.errors import Unavailable, VendorLost, VendorRefused
from bargein.protocols import TTS, SpeechChunk, Word
from bargein.vendors.local.espeak import EspeakTTS, say, worker
from bargein.vendors.local.worker_process import WorkerProcess

ROUNDING_MS = 1e-6


@pytest.fixture
async def process() -> AsyncIterator[WorkerProcess]:
    child = worker()
    yield child
    await child.aclose()


@pytest.fixture
def voice(process: WorkerProcess) -> EspeakTTS:
    return EspeakTTS(process)


async def pieces(*parts: str) -> AsyncIterator[str]:
    for part in parts:
        yield part


def speaking(voice: TTS, *parts: str) -> AsyncGenerator[SpeechChunk, None]:
    return cast("AsyncGenerator[SpeechChunk, None]", voice.speak(pieces(*parts)))


async def spoken(voice: TTS, *parts: str) -> list[SpeechChunk]:
    return [stretch async for stretch in voice.speak(pieces(*parts))]


def words_of(stretches: list[SpeechChunk]) -> list[Word]:
    return [word for stretch in stretches for word in stretch.words or ()]


def tokens(text: str, stretches: list[SpeechChunk]) -> list[str]:
    return [text[word.begin : word.end] for word in words_of(stretches)]


def check(text: str, stretches: list[SpeechChunk]) -> None:
    """What holds for every text: nothing lost, words in order, each inside the stretch that it came with."""
    assert "".join(stretch.text for stretch in stretches) == text
    words = words_of(stretches)
    assert all(before.end_ms <= after.start_ms + ROUNDING_MS for before, after in pairwise(words))
    assert all(before.end <= after.begin for before, after in pairwise(words))
    sound_ms, chars = 0.0, 0
    for stretch in stretches:
        assert stretch.words is not None
        for word in stretch.words:
            assert sound_ms - ROUNDING_MS <= word.start_ms <= word.end_ms
            assert word.end_ms <= sound_ms + stretch.pcm.ms + ROUNDING_MS
            assert chars <= word.begin < word.end <= chars + len(stretch.text)
            assert text[word.begin : word.end] == text[word.begin : word.end].strip()
        sound_ms += stretch.pcm.ms
        chars += len(stretch.text)


# ------------------------------------------------------------------------------------------------ words


async def test_every_token_of_a_hard_text_has_its_time(voice: EspeakTTS) -> None:
    text = "Dr. Smith paid $5 at 7:30 for 23 cafés, e.g. in Zürich. It was 3.14 or 10,000!"
    stretches = await spoken(voice, text)
    check(text, stretches)
    assert tokens(text, stretches) == text.split()
    assert all(word.end_ms - word.start_ms > 50 for word in words_of(stretches))


async def test_punctuation_alone_belongs_to_the_word_before(voice: EspeakTTS) -> None:
    text = "One — two ... three ! four"
    stretches = await spoken(voice, text)
    check(text, stretches)
    assert tokens(text, stretches) == ["One —", "two ...", "three !", "four"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Grüß Gott, Frau Müller. Wie geht's?"),
        ("es", "¡Hola! ¿Cómo estás hoy, señor?"),
        ("fr", "Ça va très bien, n'est-ce pas?"),
        ("he", "שלום, מה שלומך היום?"),
        ("hi", "नमस्ते, आप कैसे हैं? मैं ठीक हूँ।"),
        ("ar", "مرحبا، كيف حالك؟"),
    ],
)
async def test_words_of_every_script_are_its_tokens(voice: EspeakTTS, language: str, text: str) -> None:
    stretches = await spoken(EspeakTTS(voice._process, language=language), text)
    check(text, stretches)
    assert tokens(text, stretches) == text.split()


async def test_a_phrase_that_espeak_speaks_as_one_word_is_told_in_its_words(voice: EspeakTTS) -> None:
    text = "One of the best things in the world would have to be here, there was no one."
    stretches = await spoken(voice, text)
    check(text, stretches)
    assert tokens(text, stretches) == text.split()
    assert all(word.end_ms - word.start_ms > 25 for word in words_of(stretches))


@pytest.mark.parametrize(
    ("language", "text"), [("zh", "你好，我是你的助手。今天天气很好！"), ("ja", "こんにちは、元気ですか。")]
)
async def test_where_nobody_writes_spaces_words_are_as_espeak_hears_them(
    voice: EspeakTTS, language: str, text: str
) -> None:
    stretches = await spoken(EspeakTTS(voice._process, language=language), text)
    check(text, stretches)
    assert "".join(tokens(text, stretches)) == text
    assert len(words_of(stretches)) > len(stretches)


async def test_scripts_mixed_with_signs_and_pictures_do_not_shift_a_word(voice: EspeakTTS) -> None:
    text = "Hi 👍🏽 你好 hello\u200b \ud800 x\0y नमस्ते \U0001f600 end."
    stretches = await spoken(voice, text)
    check(text, stretches)
    assert tokens(text, stretches)[-1].endswith("end.")


@pytest.mark.parametrize("odd", ["\0", " \0 ", " \ud800 "])
async def test_a_character_that_cannot_be_sent_does_not_end_the_text(voice: EspeakTTS, odd: str) -> None:
    (stretch,) = await spoken(voice, f"one{odd}two three four")
    (plain,) = await spoken(voice, "one two three four")
    assert stretch.pcm.ms >= plain.pcm.ms - 60


Many = Callable[[str, str], list[SpeechChunk]]


@pytest.fixture(scope="module")
def many() -> Iterator[Many]:
    """Speaks a text in a language; all of them by one process, in one loop."""
    process = worker()
    with asyncio.Runner() as runner:
        yield lambda language, text: runner.run(spoken(EspeakTTS(process, language=language), text))
        runner.run(process.aclose())


@settings(max_examples=150, deadline=None)
@given(
    language=st.sampled_from(["en-us", "de", "zh", "ja", "hi", "he", "ar"]),
    text=st.one_of(
        st.text(max_size=40),
        st.text("ab 12.,!?;:-—'\"()$%€éß你好か。、שלוםनम۔😀\n\t\xa0\u200d\u0301\0\x01<>&[]{}_*#/\\@", max_size=60),
    ),
)
def test_whatever_a_model_writes_is_spoken_with_words_in_order(many: Many, language: str, text: str) -> None:
    check(text, many(language, text))


# ------------------------------------------------------------------------------------------------ sound


async def test_a_word_begins_and_ends_where_its_sound_does(voice: EspeakTTS) -> None:
    """The words between the pauses of a text, against the sound itself."""
    stretches = await spoken(voice, "Stop. ", "Wait. ", "Go.")
    sound = np.concatenate([stretch.pcm.samples for stretch in stretches]).astype(int)
    per_ms = voice.rate / 1000
    for word in words_of(stretches):
        inside = np.abs(sound[round(word.start_ms * per_ms) : round(word.end_ms * per_ms)])
        assert inside.max() > 5_000
        assert inside[-1] > 60  # the last sample that anybody hears
        behind = np.abs(sound[round(word.end_ms * per_ms) :][: round(100 * per_ms)])
        assert behind.max() <= 60


@pytest.mark.parametrize(
    ("mark", "least_ms", "most_ms"), [(".", 200, 250), ("?", 200, 250), (";", 100, 120), (",", 30, 120), ("", 0, 20)]
)
async def test_the_pause_behind_a_clause_is_that_of_a_speaker(
    voice: EspeakTTS, mark: str, least_ms: float, most_ms: float
) -> None:
    (stretch,) = await spoken(voice, f"Hello there{mark}")
    assert stretch.words is not None
    pause_ms = stretch.pcm.ms - stretch.words[-1].end_ms
    assert least_ms <= pause_ms <= most_ms + 0.1


async def test_a_clause_ends_in_silence_so_that_nothing_clicks(voice: EspeakTTS) -> None:
    for stretch in await spoken(voice, "Well, I never said so, not at all, and that is that. Did I? Take a cab."):
        assert np.abs(stretch.pcm.samples[-20:].astype(int)).max() <= 60


async def test_the_default_voice_is_loud_and_never_clips(voice: EspeakTTS) -> None:
    stretches = await spoken(voice, "She sells sea shells by the sea shore, and my shop is open all day long. Oh! Why?")
    sound = np.concatenate([stretch.pcm.samples for stretch in stretches]).astype(float)
    assert 10_000 < np.abs(sound).max() < 32_767
    assert 0.03 < np.sqrt(np.mean(sound**2)) / 32_768 < 0.3


async def test_speed_is_as_asked_for(process: WorkerProcess) -> None:
    text = "This is a sentence of some length, spoken at a certain speed."
    lengths = [
        sum(stretch.pcm.ms for stretch in await spoken(EspeakTTS(process, words_per_minute=speed), text))
        for speed in (120, 165, 300)
    ]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > 1.8 * lengths[2]


async def test_text_without_words_is_no_sound_but_is_not_lost(voice: EspeakTTS) -> None:
    for text in ("", " ", "...", "— !"):
        stretches = await spoken(voice, text)
        check(text, stretches)
        assert sum(len(stretch.pcm.samples) for stretch in stretches) == 0


async def test_say_is_the_whole_text_at_once() -> None:
    pcm, words = await say("Guten Tag. Wie geht es?", language="de")
    assert [(word.begin, word.end) for word in words] == [(0, 5), (6, 10), (11, 14), (15, 19), (20, 23)]
    assert words[-1].end_ms <= pcm.ms
    empty, none = await say("")
    assert (len(empty.samples), none) == (0, ())
    assert isinstance(empty, Pcm)


# ------------------------------------------------------------------------------------------------ streams


async def test_the_first_clause_sounds_before_the_second_is_asked_for(voice: EspeakTTS) -> None:
    pulled: list[str] = []

    async def text() -> AsyncIterator[str]:
        for piece in ("Hello", " there. ", "I am", " late."):
            pulled.append(piece)
            yield piece

    stream = cast("AsyncGenerator[SpeechChunk, None]", voice.speak(text()))
    async with contextlib.aclosing(stream):
        first = await anext(stream)
        assert (first.text, pulled) == ("Hello there. ", ["Hello", " there. "])
        assert first.pcm.ms > 300
        second = await anext(stream)
        assert second.text == "I am late."
        assert second.words is not None
        assert second.words[0].start_ms == pytest.approx(first.pcm.ms, abs=ROUNDING_MS)


async def test_two_at_once_do_not_mix(process: WorkerProcess) -> None:
    english = "One two three. Four five six. Seven eight nine."
    german = "Eins zwei. Drei vier. Fünf sechs. Sieben acht."
    voices = EspeakTTS(process), EspeakTTS(process, language="de", variant="+m3")
    alone = [await spoken(voices[0], english), await spoken(voices[1], german)]
    both = await asyncio.gather(spoken(voices[0], english), spoken(voices[1], german))
    for text, by_itself, together in zip((english, german), alone, both, strict=True):
        check(text, together)
        assert [stretch.text for stretch in together] == [stretch.text for stretch in by_itself]
        for one, other in zip(by_itself, together, strict=True):
            # espeak is not the same to the sample twice: its noise and its pitch go on from where they were
            assert one.pcm.ms == pytest.approx(other.pcm.ms, abs=60)


async def test_who_stops_listening_leaves_the_next_with_its_own_sound_only(voice: EspeakTTS) -> None:
    alone = (await spoken(voice, "Yes, of course."))[0].pcm.ms
    pid = voice._process.pid
    async with contextlib.aclosing(speaking(voice, "One. ", "Two. ", "Three. ")) as stream:
        await anext(stream)
    long = asyncio.create_task(spoken(voice, "word " * 39 + "end. "))
    await asyncio.sleep(0)
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    (after,) = await spoken(voice, "Yes, of course.")
    assert after.text == "Yes, of course."
    assert after.pcm.ms == pytest.approx(alone, abs=60)
    assert voice._process.pid == pid


# ------------------------------------------------------------------------------------------------ trouble


async def test_killed_while_it_speaks_the_reply_is_lost_and_the_next_is_spoken(voice: EspeakTTS) -> None:
    async with contextlib.aclosing(speaking(voice, "One. ", "Two. ", "Three. ")) as stream:
        await anext(stream)
        pid = voice._process.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)  # so that it is surely killed in the middle of the second
        second = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(VendorLost):
            await second
    assert (await spoken(voice, "Here I am."))[0].text == "Here I am."
    assert voice._process.pid != pid


@pytest.mark.parametrize("language", ["xx-garbage", "klingon!", "", "../../etc/passwd"])
async def test_a_language_that_it_does_not_have_is_refused_with_a_hint(process: WorkerProcess, language: str) -> None:
    with pytest.raises(VendorRefused) as refused:
        await spoken(EspeakTTS(process, language=language), "Hello.")
    assert "en-us" in refused.value.advice
    assert (await spoken(EspeakTTS(process), "Hello."))[0].pcm.ms > 300


async def test_without_the_extra_it_is_unavailable_and_says_what_to_install(
    voice: EspeakTTS, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "espeakng_loader.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(Unavailable) as missing:
        await spoken(voice, "Hello.")
    assert "bargein[espeak]" in missing.value.advice


async def test_closing_a_voice_ends_its_own_process_and_never_a_shared_one(process: WorkerProcess) -> None:
    alone, sharing = EspeakTTS(), EspeakTTS(process)
    await alone.start()
    await sharing.start()
    pid = alone._process.pid
    assert pid is not None
    await alone.aclose()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    await sharing.aclose()
    assert process.pid is not None


async def test_the_library_is_in_the_child_alone(voice: EspeakTTS) -> None:
    await spoken(voice, "Hello.")
    assert "libespeak-ng" in libraries(voice._process.pid)
    assert "libespeak-ng" not in libraries("self")


def libraries(pid: int | str | None) -> str:
    return Path(f"/proc/{pid}/maps").read_text()
