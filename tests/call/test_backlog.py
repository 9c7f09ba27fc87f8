"""What a user says while the connection is lost is kept by the client, and heard when it is back."""

from __future__ import annotations

import pytest

from bargein.agent import Agent, Greeting
from bargein.audio.pcm import FRAME_MS, Pcm
from bargein.protocols import BatchTranscript, UserSaid
from bargein.testing import ScriptedLLM, ToneTTS, call
from bargein.testing.simulated_call import SimulatedCall

WORD_MS = 240


class CountingSTT:
    """Reads one word for each 240 ms of speech, and notes the silence within it."""

    name = "counting"
    rate = 16_000

    def __init__(self) -> None:
        self.longest_ms = 0.0
        self.pause_ms = 0.0

    async def read(self, pcm: Pcm, *, deadline_ms: float) -> BatchTranscript:
        loud = (pcm.samples != 0).nonzero()[0]
        if not len(loud):
            return BatchTranscript("")
        ms = len(loud) * 1000 / pcm.rate
        if ms >= self.longest_ms:
            self.longest_ms, self.pause_ms = ms, (loud[-1] - loud[0] + 1) * 1000 / pcm.rate - ms
        return BatchTranscript(" ".join(["word"] * round(ms / WORD_MS)))

    async def aclose(self) -> None: ...


def agent(stt: CountingSTT, greeting: str = "") -> Agent:
    return Agent(name="a", llm=ScriptedLLM("Fine.", "Fine again."), stt=stt, tts=ToneTTS(), greeting=Greeting(greeting))


async def speak(c: SimulatedCall, words: float) -> None:
    for _ in range(int(words * WORD_MS // FRAME_MS)):
        await c._step(loud=True)


def user_words(c: SimulatedCall) -> list[int]:
    return [len((item.text or "").split()) for item in c.messages if isinstance(item, UserSaid)]


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("meanwhile", [1, 4, 11])
async def test_a_turn_that_is_spoken_over_a_gap_is_heard_whole(before: int, meanwhile: int) -> None:
    stt = CountingSTT()
    async with call(agent(stt), stt=stt) as c:
        await c.passes(600)
        await speak(c, before)
        await c.loses_connection()
        await speak(c, meanwhile)
        await c.reconnects()
        await speak(c, 2)
        await c.agent_says("Fine")
        assert user_words(c) == [before + meanwhile + 2]
        assert stt.pause_ms < 1


async def test_words_that_were_begun_and_ended_in_the_gap_are_answered() -> None:
    stt = CountingSTT()
    async with call(agent(stt), stt=stt) as c:
        await c.passes(600)
        await c.loses_connection()
        await c.passes(400)
        await speak(c, 3)
        await c.passes(800)
        await c.reconnects()
        await c.agent_says("Fine")
        assert user_words(c) == [3]


async def test_of_a_long_gap_the_newest_three_seconds_are_heard() -> None:
    stt = CountingSTT()
    async with call(agent(stt), stt=stt) as c:
        await c.passes(600)
        await speak(c, 4)
        await c.loses_connection()
        await c.passes(5_000)
        await speak(c, 4)
        await c.reconnects()
        await speak(c, 2)
        await c.agent_says("Fine")
        assert sum(user_words(c)) == 10


async def test_words_over_a_reply_that_the_loss_cut_are_a_turn_of_their_own() -> None:
    stt = CountingSTT()
    async with call(agent(stt, "One two three four five six seven eight nine ten."), stt=stt) as c:
        await c.agent_says("one two three")
        await c.loses_connection()
        await c.passes(300)
        await speak(c, 5)
        await c.reconnects()
        await speak(c, 2)
        await c.agent_says("Fine")
        assert user_words(c) == [7]
