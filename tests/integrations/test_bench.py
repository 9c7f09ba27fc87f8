"""Both frameworks' telephone bots with our floor, called over the wire as Twilio calls, and judged by the bench."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI

from bargein.audio.pcm import Samples
from bargein.floor import Action, Cut, Hold, Resume
from bargein.recorder.reading import Ordered, Recording, read
from bargein.recorder.replay import replay
from bargein_bench.callers.caller_audio import SayLine
from bargein_bench.record import RATE, Record
from bargein_bench.scenarios import synthetic
from bargein_bench.scenarios.clips import Clip
from bargein_bench.scenarios.readers import INTERRUPTIONS, clip
from bargein_bench.targets.twilio import TwilioTarget
from bargein_simulators.cartesia import CartesiaSimulator, add_cartesia
from bargein_simulators.chat import ChatSimulator, add_chat
from bargein_simulators.deepgram_nova import NovaSimulator, add_nova
from benchmarks.frameworks_bots import BOTS, FrameworkBot, running
from benchmarks.frameworks_vendors import RememberedSpeech, story
from benchmarks.known_words import CallersWords, SpeechIndex, known
from tests.simulators.serving import serving

pytestmark = pytest.mark.slow

LASTS_MS = 8_000.0
OVER = "call is over"
SAME = 0.9
AT_MS = 1_700.0  # into the agent's greeting
LEVEL_DB = -24.0
FLOORS = [bot for bot in BOTS if bot.example and bot.floor]


@dataclass(frozen=True, slots=True)
class CalledBot:
    """What became of a bot's calls."""

    cough: Record
    interruption: Record
    quiet: Record
    """The caller of this call listens."""
    log: str
    journals: Sequence[Recording]

    def orders(self, kind: type[Action]) -> int:
        """How many of the calls had an order of that kind, the end of the call left out."""
        found = [
            any(
                isinstance(entry, Ordered) and isinstance(entry.action, kind) and OVER not in entry.action.why
                for entry in journal.entries
            )
            for journal in self.journals
        ]
        return sum(found)


def sounded(record: Record) -> Samples:
    """The agent's audio without the silences: they are longer on a busy machine."""
    return np.concatenate([record.agent[span.begin : span.end] for span in record.spans])


async def called(bot: FrameworkBot, urls: str, records: Path, cough: Clip, words: Clip) -> CalledBot:
    """Three calls at once: one with a cough, one with an interruption, and one that listens."""
    async with running(bot, urls, 3, RECORDS=str(records)) as process:

        async def call(sound: Clip | None) -> Record:
            steps = [] if sound is None else [SayLine(AT_MS, sound.at_rate(RATE), 0, after_agent=True)]
            return await TwilioTarget(process.url).call(steps, LASTS_MS)

        calls = await asyncio.gather(call(cough), call(words), call(None))
        log = process.log.read_text()
    return CalledBot(*calls, log, [read(folder) for folder in sorted(records.iterdir())])  # noqa: ASYNC240


async def all_called(folder: Path) -> dict[str, CalledBot]:
    cough = next(c for c in synthetic.throats() if c.kind == "cough").trimmed(1_000).at_level(LEVEL_DB)
    words = clip("interruption", INTERRUPTIONS[0]).trimmed(2_000).at_level(LEVEL_DB)
    app, speech = FastAPI(), RememberedSpeech()  # espeak says no text twice alike
    add_nova(app, NovaSimulator(words=partial(CallersWords, SpeechIndex(known([words])))))
    add_chat(app, ChatSimulator(respond=lambda messages: story(len(messages)), models=()))
    add_cartesia(app, CartesiaSimulator(speech=speech))
    folders: Sequence[Path] = [folder / bot.example for bot in FLOORS]
    for each in folders:
        each.mkdir()
    try:
        async with serving(app, ws=True) as urls:
            done = await asyncio.gather(
                *(called(bot, urls, each, cough, words) for bot, each in zip(FLOORS, folders, strict=True))
            )
    finally:
        await speech.aclose()
    return {bot.name: each for bot, each in zip(FLOORS, done, strict=True)}


@pytest.fixture(scope="module")
def bots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CalledBot]:
    return asyncio.run(all_called(tmp_path_factory.mktemp("bots")))


NAMES = pytest.mark.parametrize("name", [bot.name for bot in FLOORS])


@NAMES
def test_a_cough_silences_the_bot_and_costs_no_sample(bots: dict[str, CalledBot], name: str) -> None:
    bot = bots[name]
    assert bot.cough.spoken
    assert not bot.cough.notes  # nothing was cleared
    heard, whole = sounded(bot.cough), sounded(bot.quiet)
    size = min(len(heard), len(whole))
    # LiveKit's resampler rounds now and then in another way. After a lost sample, few codes would be the same.
    assert np.mean(heard[size - RATE : size] == whole[size - RATE : size]) > SAME
    assert bot.orders(Hold) == 2
    assert bot.orders(Resume) >= 1, bot.log[-3_000:]


@NAMES
def test_an_interruption_is_yielded_to(bots: dict[str, CalledBot], name: str) -> None:
    bot = bots[name]
    assert bot.orders(Cut) == 1, bot.log[-3_000:]
    heard, whole = sounded(bot.interruption), sounded(bot.quiet)
    size = min(len(heard), len(whole))
    assert size < len(whole) - RATE or np.mean(heard[size - RATE : size] == whole[size - RATE : size]) < SAME


@NAMES
def test_no_fault_is_heard_or_logged_and_each_call_can_be_replayed(bots: dict[str, CalledBot], name: str) -> None:
    bot = bots[name]
    assert [call.faults for call in (bot.cough, bot.interruption, bot.quiet)] == [{}, {}, {}]
    told = [line for line in bot.log.splitlines() if "WARNING" in line or "ERROR" in line]
    assert not [line for line in told if "Bargein: " in line]
    assert "Traceback" not in bot.log
    assert len(bot.journals) == 3
    for record in bot.journals:
        assert record.complete
        assert not replay(record).differences
