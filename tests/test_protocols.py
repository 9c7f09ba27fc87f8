"""The example in each Protocol's docstring is run as it stands there."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bargein import Agent, protocols, run_call
from bargein.audio.pcm import Pcm
from bargein.protocols import (
    LLM,
    TTS,
    BatchSTT,
    Prompt,
    RealtimeModel,
    SpeechChunk,
    StreamingSTT,
    TextDelta,
    Transport,
    TurnUpdate,
    UserSaid,
)
from bargein.testing import ScriptedLLM, ToneTTS

WITH_EXAMPLE = (LLM, TTS, StreamingSTT, BatchSTT, RealtimeModel, Transport)


def example(protocol: type, **names: object) -> Any:
    """An instance of the first class in the docstring of the Protocol. names: replace names that the example uses."""
    text = inspect.getdoc(protocol) or ""
    code = re.search(r"^class .*(?:\n+(?:class |    ).*)*", text, re.MULTILINE)
    assert code is not None, f"{protocol.__name__} shows no example"
    namespace: dict[str, Any] = {**vars(protocols), "Pcm": Pcm, "asyncio": asyncio, **names}
    exec(code.group(), namespace)  # our own docstring
    first = code.group().partition("class ")[2].partition(":")[0]
    return namespace[first]()


def members(protocol: type) -> set[str]:
    """Names that the Protocol, and those that it extends, demand."""
    bases = [base for base in protocol.__mro__ if getattr(base, "_is_protocol", False)]
    names = {name for base in bases for name in (*vars(base), *inspect.get_annotations(base))}
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("protocol", WITH_EXAMPLE)
def test_an_example_has_every_member_of_its_protocol(protocol: type) -> None:
    made = example(protocol)
    assert {name for name in members(protocol) if not hasattr(made, name)} == set()


async def test_the_llm_answers_what_the_user_said() -> None:
    llm: LLM = example(LLM)
    deltas = [delta async for delta in llm.reply(Prompt("", [UserSaid(1, "two rooms")]))]
    assert deltas == [TextDelta("You said: two rooms")]


async def test_the_tts_speaks_all_of_the_text() -> None:
    async def text() -> AsyncIterator[str]:
        yield "Good "
        yield "evening"

    tts: TTS = example(TTS)
    chunks: list[SpeechChunk] = [chunk async for chunk in tts.speak(text())]
    assert "".join(chunk.text for chunk in chunks) == "Good evening"
    assert {chunk.pcm.rate for chunk in chunks} == {tts.rate}
    assert sum(chunk.pcm.ms for chunk in chunks) == 60 * len("Good evening")


async def test_the_batch_stt_reads_a_recording() -> None:
    stt = example(BatchSTT)
    assert isinstance(stt, BatchSTT)
    assert not isinstance(stt, StreamingSTT)
    assert (await stt.read(Pcm.silence(250, stt.rate), deadline_ms=100)).text == "250 milliseconds"
    await stt.aclose()


async def test_the_streaming_stt_says_how_far_it_has_listened() -> None:
    stt = example(StreamingSTT)
    assert isinstance(stt, StreamingSTT)
    assert not isinstance(stt, BatchSTT)
    connection = stt.open(16_000)
    for _ in range(2):
        connection.push_audio(np.zeros(320, np.int16))
    events = connection.events()
    assert [await anext(events), await anext(events)] == [
        TurnUpdate("progress", 0, "", 0.0, 20.0),
        TurnUpdate("progress", 0, "", 0.0, 40.0),
    ]


def test_an_agent_takes_the_realtime_model_by_its_shape() -> None:
    assert Agent(realtime=example(RealtimeModel)).llm_name == "parrot"


async def test_the_transport_carries_a_call_to_its_end() -> None:
    async def moment(_: float) -> None:
        await asyncio.sleep(0)

    transport = example(Transport, asyncio=SimpleNamespace(sleep=moment))
    status = await run_call(Agent(llm=ScriptedLLM(), tts=ToneTTS()), transport)
    assert "five seconds are over" in repr(status)
