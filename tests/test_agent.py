"""An agent is its parts, and says at once, by name and with a remedy, which of them do not fit."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterator

import pytest

from bargein import Agent, Greeting, Policy, UsageError, hang_up
from bargein.testing import ScriptedBatchSTT, ScriptedLLM, ScriptedSTT, ToneTTS


class Realtime:
    """A RealtimeModel by shape."""

    name, rate, turns, transcribes_user = "speech model", 24_000, True, True

    def open(self, *_: object) -> None: ...


LLM, TTS, STT, BATCH, REALTIME = ScriptedLLM(), ToneTTS(), ScriptedSTT(), ScriptedBatchSTT(), Realtime()


def made(**parts: object) -> Agent:
    return Agent(**parts)  # type: ignore[arg-type]  # a user's parts, right and wrong


# ------------------------------------------------------------------------------------------------------ refused


class Nameless:
    """An LLM and a batch STT that have no name."""

    rate = 16_000

    async def reply(self, prompt: object) -> AsyncIterator[str]:
        yield "Yes."

    async def read(self, pcm: object) -> None: ...


class Returning:
    """An LLM that returns its answer."""

    name = "returning"

    async def reply(self, prompt: object) -> str:
        return "Yes."


class Plain:
    """A TTS that is a plain generator."""

    name, rate = "plain", 16_000

    def speak(self, text: object) -> Iterator[None]:
        yield None


MISFITS: list[tuple[dict[str, object], str]] = [
    (
        {},
        (
            "Agent 'agent' needs either llm and tts, or realtime; llm and tts not given. "
            "Give llm=... and tts=..., or realtime=... alone"
        ),
    ),
    (
        {"llm": LLM},
        "Agent 'agent' needs either llm and tts, or realtime; tts not given. Give tts=..., or realtime=... alone",
    ),
    (
        {"tts": TTS, "name": "porter"},
        "Agent 'porter' needs either llm and tts, or realtime; llm not given. Give llm=..., or realtime=... alone",
    ),
    (
        {"realtime": REALTIME, "tts": TTS},
        "Agent 'agent' has realtime and also tts. Give either realtime, or llm and tts (with or without stt)",
    ),
    (
        {"realtime": REALTIME, "stt": STT, "llm": LLM, "tts": TTS},
        (
            "Agent 'agent' has realtime and also stt and llm and tts. "
            "Give either realtime, or llm and tts (with or without stt)"
        ),
    ),
    (
        {"llm": "gpt", "tts": TTS},
        "Agent 'agent': llm cannot be a str. Give an object with `name` and `async def reply(prompt)`",
    ),
    (
        {"llm": ScriptedLLM, "tts": TTS},
        (
            "Agent 'agent': llm cannot be the class ScriptedLLM (make one of it: ScriptedLLM()). "
            "Give an object with `name` and `async def reply(prompt)`"
        ),
    ),
    (
        {"llm": LLM, "tts": LLM},
        "Agent 'agent': tts cannot be a ScriptedLLM. Give an object with `name`, `rate` and `async def speak(text)`",
    ),
    (
        {"llm": LLM, "tts": TTS, "stt": TTS},
        (
            "Agent 'agent': stt cannot be a ToneTTS. "
            "Give a streaming STT (`open`, such as deepgram.Flux()) or a batch STT (`read`, such as local.Moonshine())"
        ),
    ),
    (
        {"llm": LLM, "tts": TTS, "stt": ScriptedSTT},
        (
            "Agent 'agent': stt cannot be the class ScriptedSTT (make one of it: ScriptedSTT()). "
            "Give a streaming STT (`open`, such as deepgram.Flux()) or a batch STT (`read`, such as local.Moonshine())"
        ),
    ),
    (
        {"realtime": LLM},
        "Agent 'agent': realtime cannot be a ScriptedLLM. Give a realtime model, such as openai.Realtime()",
    ),
    (
        {"llm": LLM, "tts": TTS, "fallback_tts": STT},
        (
            "Agent 'agent': fallback_tts cannot be a ScriptedSTT. "
            "Give an object with `name`, `rate` and `async def speak(text)`"
        ),
    ),
    (
        {"llm": LLM, "tts": TTS, "fallback_stt": STT},
        (
            "Agent 'agent': fallback_stt cannot be a ScriptedSTT. "
            "Give a batch STT: an object with `name`, `rate` and `async def read(pcm)`"
        ),
    ),
    (
        {"llm": LLM, "tts": TTS, "tools": [hang_up, print]},
        (
            "Agent 'agent': a builtin_function_or_method is no tool. "
            'Make a tool of a function with @tool("read"), @tool("commit") or @tool("terminal")'
        ),
    ),
    (
        {"llm": LLM, "tts": TTS, "policy": "patient"},
        "Agent 'agent': policy cannot be a str. Give Policy.instant(), Policy.balanced() or Policy.patient()",
    ),
    (
        {"llm": LLM, "tts": TTS, "greeting": None},
        "Agent 'agent': greeting cannot be a NoneType. Give a string, or Greeting(text, protected)",
    ),
    ({"llm": LLM, "tts": TTS, "instructions": None}, "Agent 'agent': instructions cannot be a NoneType. Give a string"),
    ({"llm": LLM, "tts": TTS, "tools": hang_up}, "Agent 'agent': tools cannot be a FunctionTool. Give a list of tools"),
    (
        {"llm": Nameless(), "tts": TTS},
        "Agent 'agent': llm has no name. Write `name = \"...\"` in the class Nameless",
    ),
    (
        {"llm": LLM, "tts": TTS, "stt": Nameless()},
        "Agent 'agent': stt has no name. Write `name = \"...\"` in the class Nameless",
    ),
    (
        {"llm": Returning(), "tts": TTS},
        "Agent 'agent': llm.reply is no async generator. Write `async def reply(...)` with `yield` in it",
    ),
    (
        {"llm": LLM, "tts": Plain()},
        "Agent 'agent': tts.speak is no async generator. Write `async def speak(...)` with `yield` in it",
    ),
]


@pytest.mark.parametrize(("parts", "says"), MISFITS, ids=[text[:60] for _, text in MISFITS])
def test_parts_that_do_not_fit_are_named_with_the_remedy(parts: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError) as refused:
        made(**parts)
    assert str(refused.value) == says


def test_no_value_is_shown_that_may_hold_a_key() -> None:
    with pytest.raises(UsageError) as refused:
        made(llm="sk-secret", tts=TTS)
    assert "sk-secret" not in str(refused.value)


# ------------------------------------------------------------------------------------------------------ accepted


@pytest.mark.parametrize(
    ("parts", "names"),
    [
        ({"llm": LLM, "tts": TTS}, ("", "scripted LLM", "tone")),
        ({"llm": LLM, "tts": TTS, "stt": STT}, ("scripted STT", "scripted LLM", "tone")),
        ({"llm": LLM, "tts": TTS, "stt": BATCH}, ("scripted batch STT", "scripted LLM", "tone")),
        (
            {"llm": LLM, "tts": TTS, "stt": STT, "fallback_stt": BATCH},
            ("scripted STT and scripted batch STT", "scripted LLM", "tone"),
        ),
        ({"realtime": REALTIME}, ("speech model", "speech model", "speech model")),
    ],
)
def test_the_parts_are_known_by_their_names(parts: dict[str, object], names: tuple[str, str, str]) -> None:
    agent = made(**parts)
    assert (agent.stt_name, agent.llm_name, agent.tts_name) == names


def test_an_stt_is_known_as_streaming_or_batch_by_its_shape() -> None:
    assert made(llm=LLM, tts=TTS, stt=STT).streaming_stt is STT
    assert made(llm=LLM, tts=TTS, stt=STT).batch_stt is None
    assert made(llm=LLM, tts=TTS, stt=BATCH).streaming_stt is None
    assert made(llm=LLM, tts=TTS, stt=BATCH).batch_stt is BATCH
    assert made(llm=LLM, tts=TTS, stt=STT, fallback_stt=BATCH).batch_stt is BATCH


def test_a_greeting_is_a_string_or_has_a_protected_beginning() -> None:
    assert made(llm=LLM, tts=TTS, greeting="Hello").opening == Greeting("Hello")
    both = Greeting("Hello", protected="This call is recorded.")
    assert made(llm=LLM, tts=TTS, greeting=both).opening is both
    assert made(llm=LLM, tts=TTS).opening == Greeting()


def test_an_agent_cannot_be_changed_and_its_tools_are_kept_as_they_were() -> None:
    tools = [hang_up]
    agent = made(llm=LLM, tts=TTS, tools=tools)
    tools.clear()
    assert agent.tools == (hang_up,)
    with pytest.raises(dataclasses.FrozenInstanceError):
        agent.name = "other"  # type: ignore[misc]  # that is the point
    assert agent.policy == Policy.balanced()


def test_every_part_is_there_to_be_started_and_closed() -> None:
    other = ToneTTS()
    agent = made(llm=LLM, tts=TTS, stt=STT, fallback_tts=other, fallback_stt=BATCH)
    assert agent.parts == (LLM, TTS, STT, other, BATCH)
