"""Deepgram Nova against its simulator: every turn, every fault, and no word lost."""

from __future__ import annotations

import asyncio
import traceback
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from deepgram import AsyncDeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.listen.v1.types import (
    ListenV1Error,
    ListenV1Metadata,
    ListenV1Results,
    ListenV1SpeechStarted,
    ListenV1UtteranceEnd,
)

from bargein.errors import Unavailable, UsageError, VendorRefused
from bargein.protocols import TurnUpdate
from bargein.vendors.common import reconnect
from bargein.vendors.common.reconnect import Backoff
from bargein.vendors.deepgram import nova as deepgram_nova
from bargein.vendors.deepgram.listen import environment
from bargein.vendors.deepgram.nova import DeepgramNova
from bargein_simulators import deepgram_nova as simulator
from bargein_simulators.deepgram_nova import Fault, NovaSimulator, nova_app
from bargein_simulators.deepgram_nova_wire import metadata, results
from bargein_simulators.simulated_stt import RecognizedWord, Script
from tests.simulators.serving import serving
from tests.sounds import load
from tests.vendors.stt_connections import (
    RATE,
    assert_one_turn,
    assert_two_turns,
    hear,
    hear_twice,
    losses,
    spoken,
    turns_of,
)

KEY = "secret-key-0123456789"
pytestmark = pytest.mark.asyncio(loop_scope="module")  # one server for all: to start and end it takes 0.2 s

LONG = "one two three four five six seven"  # as many words as fit into the longest of the sounds


class Nova:
    """The simulator at `url`, and transcribers for it."""

    def __init__(self, sim: NovaSimulator, url: str) -> None:
        self.sim, self.url = sim, url
        self.client = AsyncDeepgramClient(api_key=KEY, environment=environment(url))

    def says(
        self, *texts: str, faults: Sequence[Fault] = (), final_ms: float = 3_000, fail_at: int = 1, **options: Any
    ) -> DeepgramNova:
        """The simulator as new, with these words; and a transcriber with these options."""
        script = Script(texts)
        self.sim.words, self.sim.final_ms, self.sim.fail_at, self.sim.idle_s = lambda: script, final_ms, fail_at, 10
        self.sim.connections.clear()
        self.sim.faults.clear()
        self.sim.faults.extend(faults)
        return DeepgramNova(api_key=KEY, base_url=self.url, **options)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nova() -> AsyncIterator[Nova]:
    sim = NovaSimulator(delay_ms=0, api_key=KEY)
    async with serving(nova_app(sim), ws=True) as url:
        yield Nova(sim, url)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken connections are made again at once."""
    monkeypatch.setattr(reconnect, "BACKOFF", Backoff(first_s=0.01))


# ------------------------------------------------------------------------------------------------- turns


async def test_a_turn_begins_with_its_first_words_grows_and_ends_at_the_pause(nova: Nova) -> None:
    transcriber = nova.says("can you help me please")
    heard = await hear(transcriber.open(RATE), spoken("interruption-1"))
    assert nova.sim.connections[0].finals == deque(["can you help me please"])
    kinds = [h.kind for h in heard if isinstance(h, TurnUpdate) and h.kind != "progress"]
    assert kinds[0] == "started"
    assert set(kinds[1:-1]) == {"words"}
    assert kinds[-1] == "ended"
    texts = [h.text for h in heard if isinstance(h, TurnUpdate) and h.kind in ("started", "words", "ended")]
    assert all("can you help me please".startswith(text) for text in texts)
    assert_one_turn(heard, "can you help me please")


async def test_a_cough_is_no_turn_and_each_turn_has_its_own_number(nova: Nova) -> None:
    transcriber = nova.says("the first", "the second")
    heard = await hear(transcriber.open(RATE), spoken("cough-1", "interruption-1", "interruption-2"), turns=2)
    assert_two_turns(heard, "the first", "the second")
    assert isinstance(heard[0], TurnUpdate)
    assert (heard[0].kind, heard[0].text) == ("progress", ""), "it is told how far was listened"


async def test_what_was_final_in_the_middle_of_a_turn_and_what_came_after_is_one_text(nova: Nova) -> None:
    transcriber = nova.says(LONG, final_ms=500)
    heard = await hear(transcriber.open(RATE), spoken("interruption-1"))
    assert len(nova.sim.connections[0].finals) > 1
    assert turns_of(heard, "ended") == [(0, LONG)]


async def test_where_no_pause_ends_a_turn_the_distance_between_words_does_and_only_once(nova: Nova) -> None:
    transcriber = nova.says("the first", "the second", endpointing_ms=None)
    heard = await hear(transcriber.open(RATE), spoken("interruption-1", "interruption-2", pause_ms=2_500), turns=2)
    assert nova.sim.connections[0].query["endpointing"] == "false"
    assert turns_of(heard, "ended") == [(0, "the first"), (1, "the second")]


async def test_a_telephone_is_heard_at_its_own_rate(nova: Nova) -> None:
    transcriber = nova.says("hello")
    await hear(transcriber.open(8_000), spoken("interruption-1")[::2])
    query = nova.sim.connections[0].query
    assert (query["sample_rate"], query["encoding"]) == ("8000", "linear16")


async def test_what_it_is_asked_for_goes_to_deepgram(nova: Nova) -> None:
    transcriber = nova.says("hello", language="en-GB", keyterms=["Bargein"], smart_format=True)
    await hear(transcriber.open(RATE), spoken("interruption-1"))
    assert nova.sim.connections[0].query == {
        "model": "nova-3",
        "language": "en-GB",
        "encoding": "linear16",
        "sample_rate": "16000",
        "channels": "1",
        "interim_results": "true",
        "vad_events": "true",
        "punctuate": "true",
        "smart_format": "true",
        "endpointing": "400",
        "utterance_end_ms": "1000",
        "keyterm": "Bargein",
    }


async def test_an_older_nova_gets_the_words_to_expect_as_it_knows_them(nova: Nova) -> None:
    transcriber = nova.says("hello", model="nova-2", keyterms=["Bargein"])
    await hear(transcriber.open(RATE), spoken("interruption-1"))
    assert nova.sim.connections[0].query["keywords"] == "Bargein"
    assert "keyterm" not in nova.sim.connections[0].query


# ------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize("fault", ["drop", "error", "garbage", "malformed", "timeless", "stall"])
async def test_a_line_that_breaks_in_the_middle_of_a_turn_loses_no_word(fault: Fault, nova: Nova) -> None:
    transcriber = nova.says("can you help me please", "and another", faults=[fault], silence_s=0.3)
    heard = await hear(transcriber.open(RATE), spoken("interruption-1", "interruption-2"), turns=2)
    assert len(nova.sim.connections) == 2
    assert losses(heard) == ["STTLost", "STTRestored"]
    assert_two_turns(heard, "can you help me please", "and another")  # the turn goes on: it does not begin twice


@pytest.mark.parametrize("fault", ["drop", "stall"])
async def test_what_was_final_before_a_line_broke_stays_and_is_not_heard_again(fault: Fault, nova: Nova) -> None:
    transcriber = nova.says(LONG, "and another", faults=[fault], final_ms=600, fail_at=4, silence_s=0.3)
    heard = await hear(transcriber.open(RATE), spoken("interruption-1", "interruption-2"), turns=2)
    first, second = nova.sim.connections
    assert first.finals, "something was final before it broke"
    assert " ".join([*first.finals, *second.finals]) == f"{LONG} and another", "each word was final once"
    assert turns_of(heard, "ended") == [(0, LONG), (1, "and another")]
    # The clock of the second line began later: on ours, the second turn lies behind the first.
    ended = [h for h in heard if isinstance(h, TurnUpdate) and h.kind == "ended"]
    second_began_ms = 2 * 1_200 + load("interruption-1.wav").ms
    assert second_began_ms < ended[1].from_ms < second_began_ms + 330 + 300


@pytest.mark.parametrize("fault", ["429", "500", "silent"])
async def test_a_vendor_that_is_away_is_called_again_and_gets_all_the_sound(fault: Fault, nova: Nova) -> None:
    transcriber = nova.says("hello there", faults=[fault, fault], silence_s=0.3)
    heard = await hear(transcriber.open(RATE), spoken("interruption-1"))
    assert losses(heard) == ["STTLost", "STTRestored"], "told once, not at every try"
    assert turns_of(heard, "ended") == [(0, "hello there")]


async def test_a_slow_vendor_is_waited_for(nova: Nova, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator, "SLOW_MS", 300)
    transcriber = nova.says("hello there", faults=["slow"])
    heard = await hear(transcriber.open(RATE), spoken("interruption-1"))
    assert losses(heard) == []


async def test_a_wrong_key_is_refused_and_never_said(nova: Nova) -> None:
    nova.says("hello")
    wrong = DeepgramNova(api_key="wrong-key", base_url=nova.url)
    with pytest.raises(VendorRefused, match="401") as refused:
        await hear(wrong.open(RATE), spoken("interruption-1"))
    assert "DEEPGRAM_API_KEY" in refused.value.advice
    assert "wrong-key" not in "".join(traceback.format_exception(refused.value))
    assert "wrong-key" not in repr(wrong)


@pytest.mark.parametrize(
    ("fault", "told"), [("402", "credit"), ("403", "may do"), ("404", "model's name"), ("400", "language")]
)
async def test_what_no_retry_helps_against_ends_it(fault: Fault, told: str, nova: Nova) -> None:
    transcriber = nova.says("hello", faults=[fault])
    with pytest.raises(VendorRefused, match=fault) as refused:
        await hear(transcriber.open(RATE), spoken("interruption-1"))
    assert told in refused.value.advice


async def test_for_a_vendor_that_is_away_too_long_the_oldest_sound_goes_and_is_counted(nova: Nova) -> None:
    line = nova.says("hello", keep_ms=2_000).open(RATE)
    line.push_audio(np.zeros(3 * RATE, np.int16))
    assert line.dropped == RATE
    async with asyncio.timeout(20), aclosing(line.events()) as heard:
        # Told after 1,024 ms of what it got, which begins at 1,000 ms of what was fed.
        assert await anext(heard) == TurnUpdate("progress", 0, "", 0.0, 2_024.0)


async def test_a_line_without_sound_is_kept_alive(monkeypatch: pytest.MonkeyPatch, nova: Nova) -> None:
    monkeypatch.setattr(deepgram_nova, "KEEP_ALIVE_S", 0.1)
    transcriber = nova.says("the first", "the second", silence_s=0.2)
    nova.sim.idle_s = 0.3

    async def kept_alive() -> None:
        for _ in range(4):  # longer than what ends a line that is not kept alive
            await nova.sim.connections[0].kept_alive.acquire()

    heard = await hear_twice(transcriber.open(RATE), kept_alive, "the first", "the second")
    assert len(nova.sim.connections) == 1
    assert "KeepAlive" in nova.sim.connections[0].controls
    assert losses(heard) == []
    assert turns_of(heard, "ended") == [(0, "the first"), (1, "the second")]


async def test_closing_it_says_goodbye_and_leaves_nothing_behind(nova: Nova) -> None:
    transcriber = nova.says("hello")
    before = asyncio.all_tasks()
    await hear(transcriber.open(RATE), spoken("interruption-1"))
    async with asyncio.timeout(5):
        await nova.sim.connections[0].over.wait()
    assert nova.sim.connections[0].ended == "closed"
    assert nova.sim.connections[0].controls == deque(["CloseStream"])
    ours = {task.get_name() for task in asyncio.all_tasks() - before}
    assert not [name for name in ours if name.startswith("nova")]


@pytest.mark.parametrize("numbers", [{"endpointing_ms": 5}, {"utterance_end_ms": 500}])
async def test_numbers_that_cannot_be_are_refused_when_it_is_made(numbers: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        DeepgramNova(api_key=KEY, **numbers)  # type: ignore[arg-type]


async def test_another_rate_is_refused() -> None:
    with pytest.raises(UsageError, match="44100"):
        DeepgramNova(api_key=KEY).open(44_100)


async def test_without_the_sdk_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deepgram_nova, "INSTALLED", False)
    with pytest.raises(Unavailable, match=r"bargein\[deepgram\]"):
        DeepgramNova()


# ------------------------------------------------------------------------------------- what the simulator says


async def test_the_simulator_speaks_as_deepgrams_own_types_say() -> None:
    words = (RecognizedWord("Wait,", 4_400, 4_660),)
    said = ListenV1Results.model_validate(results("r", words, 4_160, 4_720, True, True, True))
    best = said.channel.alternatives[0]
    assert (best.transcript, best.words[0].word, best.words[0].start, best.words[0].end) == ("Wait,", "wait", 4.4, 4.66)
    assert (said.start, said.duration, said.is_final, said.speech_final) == (4.16, 0.56, True, True)
    bare = ListenV1Results.model_validate(results("r", words, 4_160, 4_720, False, False, False))
    assert bare.channel.alternatives[0].transcript == "wait"
    assert ListenV1Metadata.model_validate(metadata("r", 1_500)).duration == 1.5


async def test_the_simulator_speaks_with_deepgrams_own_client(nova: Nova) -> None:
    nova.says("Hello, there")
    asked = {"interim_results": "true", "vad_events": "true", "utterance_end_ms": "1000", "endpointing": "300"}
    got: list[Any] = []
    async with nova.client.listen.v1.connect(
        model="nova-3", encoding="linear16", sample_rate="16000", punctuate="true", **asked
    ) as socket:
        await socket.send_media(spoken("interruption-1", pause_ms=1_500).tobytes())
        await socket._send({"type": "Nonsense"})
        await socket.send_close_stream()
        async for message in socket:
            got.append(message)
    kinds = [type(message) for message in got]
    for kind in (ListenV1SpeechStarted, ListenV1Results, ListenV1UtteranceEnd, ListenV1Error, ListenV1Metadata):
        assert kind in kinds
    final = next(m for m in got if isinstance(m, ListenV1Results) and m.speech_final)
    assert final.is_final
    assert final.channel.alternatives[0].transcript == "Hello, there"
    end = next(m for m in got if isinstance(m, ListenV1UtteranceEnd))
    assert end.last_word_end == final.channel.alternatives[0].words[-1].end
    assert kinds.index(ListenV1UtteranceEnd) > got.index(final)


@pytest.mark.parametrize(
    "asked", [{"sample_rate": "100"}, {"utterance_end_ms": "1000"}, {"model": "nova-2", "keyterm": "x"}]
)
async def test_the_simulator_refuses_what_deepgram_refuses(asked: dict[str, str], nova: Nova) -> None:
    nova.says("hello")
    options: Any = {"model": "nova-3", "encoding": "linear16", "sample_rate": "16000", **asked}
    with pytest.raises(ApiError) as refused:
        await nova.client.listen.v1.connect(**options).__aenter__()
    assert refused.value.status_code == 400


async def test_the_simulator_ends_a_line_that_nobody_keeps_alive(nova: Nova) -> None:
    nova.says("hello")
    nova.sim.idle_s = 0.1
    async with nova.client.listen.v1.connect(model="nova-3", encoding="linear16", sample_rate="16000") as socket:
        with pytest.raises(Exception, match=r"1011.*NET-0001"):
            await socket.recv()
