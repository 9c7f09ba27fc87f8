"""Which parts a call gets: by its agent, and by what its transport can do."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bargein import floor as f
from bargein import protocols as c
from bargein.agent import Agent
from bargein.call.assembly import CallParts, assemble
from bargein.call.output.client_playout import ClientPlayout
from bargein.call.output.playout import Playout
from bargein.call.responders.chat import ChatResponder
from bargein.call.responders.realtime import RealtimeResponder
from bargein.call.runtime import Runtime
from bargein.call.ticker import Ticker
from tests.call.kit import FakeClient, ScriptedLLM, ScriptedSTT, ToneTTS
from tests.call.parts import Parts, settle
from tests.call.scripted_realtime import ScriptedRealtime
from tests.call.scripted_stt import ScriptedStreamingSTT
from tests.call.scripted_tool import ScriptedTool
from tests.call.scripted_vad import ScriptedVAD


class World:
    def __init__(self, agent: Agent, **can: bool) -> None:
        self.parts = Parts()
        clock = self.parts.clock
        client = FakeClient(clock)
        client.capabilities = c.TransportCapabilities(**({"pause": True, "reports": True} | can))
        self.runtime = Runtime(clock, Ticker(clock), ScriptedVAD(), self.parts.notes)
        self.floor = f.Floor(f.Policy.balanced())
        self.made: CallParts = assemble(
            self.parts.context,
            agent=agent,
            transport=client,
            runtime=self.runtime,
            floor=self.floor,
            control=None,
        )

    def announced(self) -> tuple[bool, bool]:
        self.made.turns.announce()
        event = self.parts.events[-1]
        assert isinstance(event, f.STTChanged)
        return event.words, event.turns


def chat(stt: c.StreamingSTT | c.BatchSTT | None = None, *tools: ScriptedTool) -> Agent:
    return Agent(name="a", llm=ScriptedLLM("fine"), tts=ToneTTS(), stt=stt, tools=tools)


def test_without_an_stt_no_words_are_read() -> None:
    world = World(chat())
    assert world.made.stt_stream is None
    assert world.announced() == (False, False)
    assert isinstance(world.made.responder, ChatResponder)


def test_a_batch_stt_reads_words_and_announces_no_turns() -> None:
    world = World(chat(ScriptedSTT()))
    assert world.made.stt_stream is None
    assert world.announced() == (True, False)


async def test_a_streaming_stt_gets_the_users_audio_and_tells_the_turns() -> None:
    stt = ScriptedStreamingSTT()
    world = World(chat(stt))
    stream = world.made.stt_stream
    assert stream is not None
    assert world.announced() == (True, True)
    assert world.made.user_audio.on_audio == stream.push_audio
    assert stream.on_words == world.made.responder.words_came
    assert stream.on_connected == world.made.turns.announce


def test_a_realtime_model_is_both_the_stt_and_the_responder_and_its_words_are_no_verdict() -> None:
    model = ScriptedRealtime()
    tool = ScriptedTool("book", "commit")
    world = World(Agent(name="a", realtime=model, instructions="Be short.", tools=(tool,)))
    assert isinstance(world.made.responder, RealtimeResponder)
    assert world.made.stt_stream is not None
    assert world.announced() == (False, False)
    assert model.config == c.SessionConfig("Be short.", "en", (tool.spec,), 16_000, False)
    world.made.conversation.user(1, "hello", None)
    assert list(model.items()) == [c.UserSaid(1, "hello")], "a session that is made anew gets the conversation"


@pytest.mark.parametrize(("carries_audio", "kind"), [(True, Playout), (False, ClientPlayout)])
def test_a_client_that_gets_its_audio_elsewhere_is_only_followed(kind: type, *, carries_audio: bool) -> None:
    assert type(World(chat(), carries_audio=carries_audio).made.playout) is kind


@pytest.mark.parametrize("plays_immediately", [True, False])
def test_only_a_telephone_line_is_watched(*, plays_immediately: bool) -> None:
    assert (World(chat(), plays_immediately=plays_immediately).made.line_watch is not None) is plays_immediately


async def test_the_result_of_a_tool_whose_reply_was_cut_is_said_as_soon_as_the_floor_is_free() -> None:
    world = World(chat(None, ScriptedTool("book", "commit", "table 7")))
    responder = world.made.responder
    assert isinstance(responder, ChatResponder)
    responder._on_late_result(c.ToolResult("a", "book", "{}", "table 7"))
    assert world.parts.events == [f.SayRequested(0)]
    assert world.made.utterances.next().kind == "say"
    world.made.ending.hang_up("the caller hung up")
    responder._on_late_result(c.ToolResult("b", "book", "{}", "table 8"))
    assert len(world.parts.events) == 1, "a call that is over says no more"


@pytest.fixture
async def transfers() -> AsyncIterator[World]:
    world = World(chat())
    yield world
    await world.parts.end()


async def test_a_caller_who_cannot_be_handed_on_hears_an_apology(transfers: World) -> None:
    reply = transfers.made.responder.new_reply(1, 1)
    reply.end_request = c.Transfer("+4930123456")
    transfers.made.ending.reply_completed(reply)
    await settle()
    assert transfers.made.utterances.next().kind == "reprompt"
