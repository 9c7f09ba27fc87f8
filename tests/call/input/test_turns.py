"""The user's turns, and where their words come from: a stream, a batch reading, or nowhere."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from bargein.audio.pcm import Pcm
from bargein.call.input.turns import Turn, Turns
from bargein.floor import STTChanged
from bargein.protocols import SaidOver
from tests.call.kit import ScriptedSTT
from tests.call.parts import Parts, settle


class Audio:
    """The user's audio, as far as a turn asks for it."""

    def __init__(self) -> None:
        self.keep_from_ms: float | None = None
        self.newest_ms = 2_000.0
        self.asked: list[float] = []

    def since(self, from_ms: float) -> Pcm:
        self.asked.append(from_ms)
        return Pcm(np.zeros(1_600, np.int16), 16_000)


class Stream:
    """A streaming STT that knows one text; late: what it will know when it is waited for."""

    def __init__(self, text: str = "", late: str | None = None) -> None:
        self.text, self.late = text, late
        self.connected, self.gone, self.turns = True, False, True
        self.listened_ms = 0.0
        self.waits: list[float] = []

    def words(self, turn: int, from_ms: float, until_ms: float = 0.0) -> str:
        return self.text

    async def wait_words(self, turn: int, from_ms: float, most_s: float) -> str | None:
        self.waits.append(most_s)
        return self.late

    async def wait_words_since(self, from_ms: float, now_ms: float, most_s: float) -> str | None:
        self.waits.append(most_s)
        return self.late


class World:
    def __init__(self, stt: ScriptedSTT | None = None, stream: Stream | None = None, *, slow: bool = False) -> None:
        self.parts, self.audio, self.stt, self.stream = Parts(), Audio(), stt, stream
        self.turns = Turns(self.parts.context, stt, self.audio, stream, slow=slow)  # type: ignore[arg-type]

    def can(self) -> tuple[bool, bool]:
        """What the floor knows of the STT: words, turns."""
        self.turns.announce()
        event = self.parts.events[-1]
        assert isinstance(event, STTChanged)
        return event.words, event.turns


# ------------------------------------------------------------------------------------------------------ turns


def test_a_turn_keeps_its_audio_until_no_turn_is_open() -> None:
    world = World()
    turn = world.turns.open(1, 700, None)
    assert world.turns.newest is turn
    assert world.audio.keep_from_ms == 700
    assert world.turns.audio(turn).ms == 100
    assert world.audio.asked == [700]
    world.turns.close()
    assert world.audio.keep_from_ms is None


def test_a_turn_that_goes_on_is_the_same_and_keeps_what_it_was_said_over() -> None:
    world, over = World(), SaidOver(1, "once there")
    turn = world.turns.open(1, 700, None)
    assert world.turns.open(1, 1_400, over) is turn
    assert (turn.from_ms, turn.over) == (700, over)
    world.turns.open(1, 1_600, SaidOver(1, "was a fox"))
    assert turn.over == over


def test_a_new_turn_begins_anew() -> None:
    world = World()
    world.turns.open(1, 700, SaidOver(1, "hello")).typed.append("4")
    assert world.turns.open(2, 3_000, None) == Turn(2, 3_000, None)


def test_words_that_were_never_read_begin_the_next_turn() -> None:
    world, over = World(), SaidOver(1, "hello")
    first = world.turns.open(1, 700, over)
    first.typed.append("4")
    first.unread = True
    assert world.turns.open(2, 3_000, SaidOver(2, "later")) == Turn(2, 700, over, ["4"])


# ------------------------------------------------------------------------------------------- what can be read


def test_the_floor_knows_what_the_stt_can_do() -> None:
    assert World().can() == (False, False)
    assert World(ScriptedSTT()).can() == (True, False)
    stream = Stream()
    world = World(stream=stream)
    assert world.can() == (True, True)
    stream.connected = False
    assert world.can() == (False, False)
    assert World(ScriptedSTT(), stream).can() == (True, False), "a batch STT reads meanwhile"
    assert World(stream=Stream(), slow=True).can() == (False, True), "its words come too late for a verdict"


def test_only_without_a_batch_stt_do_missing_words_mean_that_the_stt_is_away() -> None:
    assert World(stream=Stream()).turns.expects_words
    assert not World(ScriptedSTT(), Stream()).turns.expects_words
    assert not World().turns.expects_words


# ------------------------------------------------------------------------------------------------------ words


async def test_words_that_the_stream_has_are_taken_without_waiting_typed_ones_after_them() -> None:
    world = World(ScriptedSTT("never asked"), Stream("what are owls"))
    turn = Turn(1, 700, None, ["4"])
    assert await world.turns.words(turn, spoken=True) == "what are owls 4"
    assert world.turns.known(turn) == "what are owls 4"
    assert world.audio.asked == []


async def test_a_stream_that_is_late_is_waited_for() -> None:
    stream = Stream(late="what are owls")
    assert (
        await World(ScriptedSTT("never asked"), stream).turns.words(Turn(1, 700, None), spoken=True) == "what are owls"
    )
    assert stream.waits == [2.5]


async def test_a_stream_that_listened_to_all_of_it_and_found_no_word_is_believed() -> None:
    stream = Stream()
    stream.listened_ms = 2_000.0
    assert await World(ScriptedSTT("never asked"), stream).turns.words(Turn(1, 700, None), spoken=True) == ""


@pytest.mark.parametrize("gone", [True, False])
async def test_while_the_stream_is_away_the_batch_stt_reads(*, gone: bool) -> None:
    stream = Stream()
    stream.connected, stream.gone = False, gone
    world = World(ScriptedSTT(" read in one piece "), stream)
    assert await world.turns.words(Turn(1, 700, None), spoken=True) == "read in one piece"
    assert stream.waits == []


async def test_without_any_stt_no_words_are_known() -> None:
    assert await World().turns.words(Turn(1, 700, None), spoken=True) is None
    assert await World().turns.words(Turn(1, 700, None), spoken=False) == ""
    assert await World().turns.words(Turn(1, 700, None, ["4", "2"]), spoken=False) == "4 2"
    assert World().turns.known(Turn(1, 700, None, ["4", "2"])) == "4 2"


async def test_a_part_that_was_read_for_a_verdict_stands_in_for_a_whole_that_was_not() -> None:
    world = World(ScriptedSTT("tell me", None, None))
    assert await world.turns.words_since(900) == "tell me"
    assert await world.turns.words(Turn(1, 700, None), spoken=True) == "tell me"
    assert await world.turns.words(Turn(2, 1_000, None), spoken=True) is None, "it belongs to the turn before"


async def test_for_a_verdict_the_stream_is_asked_first_and_the_batch_stt_when_it_is_slow() -> None:
    stream = Stream(late="tell me")
    assert await World(ScriptedSTT("never asked"), stream).turns.words_since(900) == "tell me"
    assert stream.waits == [0.9]
    assert await World(ScriptedSTT("read"), Stream(), slow=True).turns.words_since(900) == "read"
    waiting = asyncio.create_task(World(ScriptedSTT(None)).turns.words_since(900))
    await settle()
    assert waiting.result() is None, "an STT that is late is no fault of the call's"


class SmallSTT(ScriptedSTT):
    small = True


@pytest.mark.parametrize(
    ("stt", "stream", "small"),
    [(SmallSTT(), None, True), (ScriptedSTT(), None, False), (SmallSTT(), Stream(), False), (None, Stream(), False)],
)
def test_the_floor_learns_whether_verdicts_are_read_by_a_small_stt(
    stt: ScriptedSTT | None, stream: Stream | None, small: bool
) -> None:
    world = World(stt, stream)
    world.turns.announce()
    event = world.parts.events[-1]
    assert isinstance(event, STTChanged)
    assert event.small is small
