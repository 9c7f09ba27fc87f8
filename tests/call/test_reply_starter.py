"""Replies that the floor asks for: answers, utterances that waited, re-prompts, prepared ones."""

from __future__ import annotations

import pytest

from bargein.agent import Agent
from bargein.audio.pcm import Pcm
from bargein.call.input.turns import Turn
from bargein.call.output.reply import Reply, ReplyContent, ReplySource
from bargein.call.output.utterance_queue import Utterance
from bargein.call.reply_starter import ReplyStarter
from tests.call.kit import ScriptedLLM, ToneTTS
from tests.call.parts import Parts


class World:
    """Responder, speaker, turns and queue in one. began: the replies that the speaker got."""

    def __init__(self, newest: Turn | None = None) -> None:
        self.parts = Parts()
        self.newest = newest
        self.last_firm_ms = float("-inf")
        self.waiting: list[Utterance] = []
        self.learnt: list[float] = []
        self.prepared: list[int] = []
        self.discarded: list[str] = []
        self.began: list[tuple[Reply, ReplySource]] = []
        self.answers: list[tuple[int, int, bool]] = []
        self.agent = Agent(
            name="a",
            llm=ScriptedLLM(),
            tts=ToneTTS(),
            language="de",
            reprompts={"failed": "Wie bitte?", "silence": "Sind Sie noch da?"},
        )
        self.starter = ReplyStarter(self.parts.context, self.agent, *[self] * 8)  # type: ignore[arg-type]

    # SoundWatch and Turns
    def turn_over(self, pcm: Pcm) -> None:
        self.learnt.append(pcm.ms)

    def audio(self, turn: Turn) -> Pcm:
        return Pcm.silence(1_000, 8_000)

    # Responder
    def prepare(self, turn: Turn) -> None:
        self.prepared.append(turn.id)

    def discard_prepared(self, cause: str) -> None:
        self.discarded.append(cause)

    def new_reply(self, reply: int, turn: int) -> Reply:
        return Reply(reply, "reply", 0.0)

    async def answer(self, reply: Reply, turn: Turn, *, spoken: bool) -> ReplyContent:
        self.answers.append((reply.id, turn.id, spoken))
        return None

    def source_of(self, text: str) -> ReplySource:
        async def source(reply: Reply) -> ReplyContent:
            reply.text = text
            return None

        return source

    # Speaker
    def begin(self, reply: Reply, source: ReplySource) -> None:
        self.began.append((reply, source))

    # UtteranceQueue
    def next(self) -> Utterance:
        return self.waiting.pop(0)


@pytest.mark.parametrize(("firm_ms", "spoken"), [(1_200.0, True), (1_000.0, False)])
async def test_an_answer_knows_whether_there_was_speech_in_its_turn(firm_ms: float, *, spoken: bool) -> None:
    world = World(Turn(4, 1_000.0, None))
    world.last_firm_ms = firm_ms
    world.starter.answer(2, 4, "quiet")
    ((reply, source),) = world.began
    assert reply.id == 2
    await source(reply)
    assert world.answers == [(2, 4, spoken)]
    assert world.learnt == [1_000.0] * spoken
    assert world.parts.decisions() == [("answer", "quiet")]


def test_a_turn_that_is_not_the_newest_is_not_answered() -> None:
    world = World()
    world.starter.answer(2, 4, "quiet")
    world.newest = Turn(5, 0.0, None)
    world.starter.answer(2, 4, "quiet")
    assert world.began == []


def test_a_turn_that_is_probably_over_is_prepared_and_taken_back() -> None:
    world = World(Turn(4, 0.0, None))
    world.starter.prepare(3, "a guess")
    world.starter.prepare(4, "a guess")
    assert world.prepared == [4]
    world.starter.discard_prepared("it went on")
    assert world.discarded == ["taken back"]
    assert world.parts.decisions() == [("prepare", "a guess"), ("prepare", "a guess"), ("forget", "it went on")]


def test_the_oldest_utterance_is_said_with_its_protection() -> None:
    world = World()
    utterance = Utterance("greeting", world.source_of("good evening"), 4)
    world.waiting = [utterance]
    world.parts.clock.advance(60)
    world.starter.say(1, "the floor is free")
    ((reply, source),) = world.began
    assert (reply.id, reply.kind, reply.asked_ms, reply.protected) == (1, "greeting", 60, 4)
    assert source is utterance.source


@pytest.mark.parametrize(("cause", "text"), [("silence", "Sind Sie noch da?"), ("late", "Wie bitte?"), ("goodbye", "")])
async def test_a_reprompt_says_the_agents_words_for_its_cause(cause: str, text: str) -> None:
    world = World()
    world.starter.reprompt(3, cause, "no word")
    ((reply, source),) = world.began
    await source(reply)
    assert (reply.kind, reply.text) == ("reprompt", text)
    assert world.parts.decisions() == [("reprompt", "no word")]
