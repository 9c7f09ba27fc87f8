"""What every adapter for OpenAI's transcriptions must do, through the real SDK and a real socket."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from pydantic import SecretStr

from bargein.audio.pcm import Pcm
from bargein.errors import AudioShapeError, BargeinError, Unavailable, VendorLost, VendorRefused
from bargein.protocols import BatchSTT, BatchTranscript
from bargein.vendors.common import transcriptions
from bargein.vendors.groq.whisper import GroqWhisper
from bargein.vendors.openai.whisper import OpenAIWhisper
from bargein_simulators.openai_transcriptions import Fault, Segment, TranscriptionsSimulator, transcriptions_app
from tests.simulators.serving import serving
from tests.sounds import load

KEY = "sk-very-secret-0123456789"
SPEECH = load("interruption-6.wav")
MAKERS = [OpenAIWhisper, GroqWhisper]

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one server for all: to start and end it takes 0.2 s

Served = tuple[TranscriptionsSimulator, str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served() -> AsyncIterator[Served]:
    sim = TranscriptionsSimulator(api_key=KEY)
    async with serving(transcriptions_app(sim)) as root:
        yield sim, f"{root}/v1"


@pytest.fixture
def url(served: Served) -> str:
    return served[1]


@pytest.fixture
def sim(served: Served) -> TranscriptionsSimulator:
    """As new."""
    sim = served[0]
    sim.transcribe = None
    sim.faults.clear()
    sim.served.clear()
    return sim


@pytest_asyncio.fixture(params=MAKERS, loop_scope="module")
async def reader(request: pytest.FixtureRequest, url: str) -> AsyncIterator[BatchSTT]:
    made = request.param(base_url=url, api_key=SecretStr(KEY))
    yield made
    await made.aclose()


def says(sim: TranscriptionsSimulator, *words: str | list[Segment]) -> None:
    sim.texts.clear()
    sim.texts.extend(words)


# --------------------------------------------------------------------------------------------- what is read


async def test_the_words_of_a_turn_are_read_from_exactly_its_sound(
    reader: BatchSTT, sim: TranscriptionsSimulator
) -> None:
    says(sim, "Eight of spades, four of clubs.")
    assert await reader.read(SPEECH, deadline_ms=5_000) == BatchTranscript("Eight of spades, four of clubs.")
    got = sim.served[0].pcm
    assert got is not None
    assert got.rate == 16_000
    np.testing.assert_array_equal(got.samples, SPEECH.samples)


async def test_what_is_shorter_than_a_word_costs_no_request(reader: BatchSTT, sim: TranscriptionsSimulator) -> None:
    assert await reader.read(Pcm.silence(99, 16_000), deadline_ms=5_000) == BatchTranscript("")
    assert not sim.served


async def test_another_rate_is_an_error_of_the_caller(reader: BatchSTT) -> None:
    with pytest.raises(AudioShapeError, match="8000 Hz"):
        await reader.read(Pcm.silence(500, 8_000), deadline_ms=5_000)


async def test_of_a_very_long_stretch_the_end_is_read(
    reader: BatchSTT, sim: TranscriptionsSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcriptions, "LONGEST_MS", 1_000)
    await reader.read(SPEECH, deadline_ms=5_000)
    got = sim.served[0].pcm
    assert got is not None
    np.testing.assert_array_equal(got.samples, SPEECH.samples[-16_000:])


# ------------------------------------------------------------------------------------ what nobody has said


@pytest.mark.parametrize("words", ["Thank you.", "Thanks for watching!", "you", "Bye-bye.", " Thank you, "])
async def test_words_from_subtitles_over_a_noise_are_left_out(
    words: str, reader: BatchSTT, sim: TranscriptionsSimulator
) -> None:
    says(sim, [Segment(words, no_speech_prob=0.8, avg_logprob=-0.3)])
    assert await reader.read(SPEECH, deadline_ms=5_000) == BatchTranscript("")


async def test_somebody_who_really_says_thank_you_is_heard(reader: BatchSTT, sim: TranscriptionsSimulator) -> None:
    says(sim, [Segment("Thank you.", no_speech_prob=0.3, avg_logprob=-0.4)])
    assert await reader.read(SPEECH, deadline_ms=5_000) == BatchTranscript("Thank you.")


@pytest.mark.parametrize(
    ("no_speech", "sure", "kept"),
    [(0.9, -1.5, False), (0.61, -1.01, False), (0.9, -0.9, True), (0.6, -1.5, True), (0.1, -2.0, True)],
)
async def test_other_words_are_left_out_only_when_both_marks_are_bad(
    no_speech: float, sure: float, kept: bool, reader: BatchSTT, sim: TranscriptionsSimulator
) -> None:
    says(sim, [Segment("A fine day.", no_speech, sure)])
    assert (await reader.read(SPEECH, deadline_ms=5_000)).text == ("A fine day." if kept else "")


async def test_what_was_said_beside_an_invention_stays(reader: BatchSTT, sim: TranscriptionsSimulator) -> None:
    says(sim, [Segment("Four of clubs."), Segment("Thanks for watching!", 0.9), Segment("And one more.")])
    assert await reader.read(SPEECH, deadline_ms=5_000) == BatchTranscript("Four of clubs. And one more.")


# ------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize("fault", ["429", "500", "drop", "garbage", "page"])
async def test_a_vendor_that_stumbles_is_lost_for_this_reading_only(
    fault: Fault, reader: BatchSTT, sim: TranscriptionsSimulator
) -> None:
    sim.faults.append(fault)
    says(sim, "Here I am.")
    with pytest.raises(VendorLost) as lost:
        await reader.read(SPEECH, deadline_ms=5_000)
    assert_says_no_key(lost.value)
    assert await reader.read(SPEECH, deadline_ms=5_000) == BatchTranscript("Here I am.")


@pytest.mark.parametrize(
    ("fault", "advice"), [("401", "API key"), ("403", "may do"), ("404", "model's name"), ("quota", "billing")]
)
async def test_what_no_retry_helps_against_says_what_to_check(
    fault: Fault, advice: str, reader: BatchSTT, sim: TranscriptionsSimulator
) -> None:
    sim.faults.append(fault)
    with pytest.raises(VendorRefused) as refused:
        await reader.read(SPEECH, deadline_ms=5_000)
    assert advice in refused.value.advice
    assert_says_no_key(refused.value)
    assert len(sim.served) == 1, "it was not tried again"


@pytest.mark.parametrize("fault", ["silent", "slow"])
async def test_a_late_vendor_is_lost_at_the_deadline_and_let_go(
    fault: Fault, reader: BatchSTT, sim: TranscriptionsSimulator
) -> None:
    sim.faults.append(fault)
    with pytest.raises(VendorLost, match="150 ms"):
        await reader.read(SPEECH, deadline_ms=150)
    async with asyncio.timeout(5):
        await sim.served[0].over.wait()
    assert sim.served[0].ended == "disconnected"


@pytest.mark.parametrize("maker", MAKERS)
async def test_a_wrong_key_is_refused_and_never_said(maker: type[OpenAIWhisper], url: str) -> None:
    wrong = maker(base_url=url, api_key="sk-wrong-secret")
    with pytest.raises(VendorRefused) as refused:
        await wrong.read(SPEECH, deadline_ms=5_000)
    assert "sk-wrong-secret" not in "".join(traceback.format_exception(refused.value))
    assert "sk-wrong-secret" not in repr(wrong)
    await wrong.aclose()


@pytest.mark.parametrize("maker", MAKERS)
async def test_a_server_that_is_not_there_is_lost(maker: type[OpenAIWhisper], unused_tcp_port: int) -> None:
    away = maker(base_url=f"http://127.0.0.1:{unused_tcp_port}/v1")
    with pytest.raises(VendorLost, match="could not be reached"):
        await away.read(SPEECH, deadline_ms=5_000)
    await away.aclose()


@pytest.mark.parametrize("maker", MAKERS)
async def test_beyond_its_bound_it_is_busy_and_afterwards_free_again(
    maker: type[OpenAIWhisper], url: str, sim: TranscriptionsSimulator
) -> None:
    release, arrived = asyncio.Event(), asyncio.Semaphore(0)

    async def read(_: Pcm) -> str:
        arrived.release()
        await release.wait()
        return "Read."

    sim.transcribe = read
    reader = maker(base_url=url, api_key=KEY, most_waiting=2)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        two = [group.create_task(reader.read(SPEECH, deadline_ms=5_000)) for _ in range(2)]
        for _ in two:
            await arrived.acquire()
        with pytest.raises(VendorLost, match="busy"):
            await reader.read(SPEECH, deadline_ms=5_000)
        release.set()
    assert [task.result() for task in two] == [BatchTranscript("Read.")] * 2
    assert await reader.read(SPEECH, deadline_ms=5_000) == BatchTranscript("Read.")
    assert len(sim.served) == 3
    await reader.aclose()


@pytest.mark.parametrize("maker", MAKERS)
async def test_without_the_sdk_it_says_what_to_install(
    maker: type[OpenAIWhisper], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcriptions, "INSTALLED", False)
    with pytest.raises(Unavailable, match=r"bargein\[(openai|groq)\]"):
        maker()


def assert_says_no_key(error: BargeinError) -> None:
    assert KEY not in "".join(traceback.format_exception(error))
