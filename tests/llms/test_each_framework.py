"""What one framework has and the others do not: nodes and checkpoints, dependencies, handoffs; and what is refused."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest
from agents import Agent as SDKAgent
from agents import RunConfig
from langchain_core.language_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph, add_messages
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai import RunContext
from pydantic_ai.models.test import TestModel

from bargein import Agent, UsageError
from bargein.llms import AgentsSDKLLM, LangGraphLLM, PydanticAILLM, end_call
from bargein.protocols import AgentSaid, HangUp, Prompt, TextDelta, Transfer, UserSaid
from bargein.testing import ToneTTS, call
from tests.llms.frameworks import Script, ScriptedModel, answered, graph_of

HELLO = Prompt("You are a porter.", (UserSaid(1, "Hello"),), call="call-1")


class Booking(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    asked: Annotated[int, operator.add]


def text(parts: list[Any]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextDelta))


def booking_graph(saver: InMemorySaver | None = None) -> Any:
    """Counts its replies in its state, and says the number and what it has heard."""

    async def say(state: Booking) -> dict[str, Any]:
        heard = [str(message.text) for message in state["messages"] if isinstance(message, HumanMessage)]
        return {"messages": [AIMessage(f"{state['asked']} before. {len(heard)} heard.")], "asked": 1}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Booking)
    builder.add_node("say", say)
    builder.add_edge(START, "say")
    return builder.compile(checkpointer=saver)


async def test_a_graph_without_a_model_of_its_own_is_spoken_too() -> None:
    llm = LangGraphLLM(booking_graph(), inputs=lambda prompt: {"asked": 5})
    assert text(await answered(llm, HELLO)) == "5 before. 1 heard."


async def test_with_a_checkpointer_the_state_lasts_for_the_call_and_the_messages_are_those_heard() -> None:
    llm = LangGraphLLM(booking_graph(InMemorySaver()))
    longer = (UserSaid(1, "Hello"), AgentSaid(1, "0 before."), UserSaid(2, "And?"))
    assert text(await answered(llm, HELLO)) == "0 before. 1 heard."
    assert text(await answered(llm, Prompt("", longer, call="call-1"))) == "1 before. 2 heard."
    assert text(await answered(llm, Prompt("", longer, call="call-2"))) == "0 before. 2 heard."


async def test_a_call_gives_its_id() -> None:
    calls: list[str] = []

    def inputs(prompt: Prompt) -> dict[str, Any]:
        calls.append(prompt.call)
        return {"asked": 0}

    llm = LangGraphLLM(booking_graph(), inputs=inputs)
    async with call(Agent(llm=llm, tts=ToneTTS(), greeting="Hello.")) as c:
        await c.user_says("Is a room free?")
        await c.agent_says("heard")
    assert len(calls) == 1
    assert calls[0]


async def test_only_the_chosen_nodes_are_spoken() -> None:
    async def think(state: Booking) -> dict[str, Any]:
        model = GenericFakeChatModel(messages=iter(["a thought"]))
        await model.ainvoke(state["messages"])
        return {"asked": 1}

    async def speak(state: Booking) -> dict[str, Any]:
        return {"messages": [await FakeListChatModel(responses=["Good evening."]).ainvoke(state["messages"])]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Booking)
    builder.add_node("think", think)
    builder.add_node("speak", speak)
    builder.add_edge(START, "think")
    builder.add_edge("think", "speak")
    graph = builder.compile()
    assert text(await answered(LangGraphLLM(graph), HELLO)) == "a thought Good evening."
    assert text(await answered(LangGraphLLM(graph, nodes=["speak"]), HELLO)) == "Good evening."


async def test_nodes_without_async_stream_from_their_thread_and_may_end_the_call() -> None:
    def think(state: Booking) -> dict[str, Any]:
        return {"messages": [FakeListChatModel(responses=["Goodbye."]).invoke(state["messages"])]}

    def leave(state: Booking) -> dict[str, Any]:
        end_call(Transfer("+4930000000"))
        return {"asked": 1}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Booking)
    builder.add_node("think", think)
    builder.add_node("leave", leave)
    builder.add_edge(START, "think")
    builder.add_edge("think", "leave")
    parts = await answered(LangGraphLLM(builder.compile()), HELLO)
    assert text(parts) == "Goodbye."
    assert len(parts) > 2, "letter by letter, as the model writes"
    assert parts[-1] == Transfer("+4930000000")


async def test_a_graph_in_a_graph_is_spoken_as_it_writes() -> None:
    script = Script([["Good ", "evening."]])
    inner = graph_of(script).compile()
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Booking)
    builder.add_node("inner", inner)
    builder.add_edge(START, "inner")
    parts = await answered(LangGraphLLM(builder.compile()), HELLO)
    assert [part.text for part in parts] == ["Good ", "evening."]


async def test_a_message_in_blocks_is_spoken_without_its_reasoning() -> None:
    blocks: list[str | dict[Any, Any]] = [
        {"type": "reasoning", "reasoning": "secret thought"},
        {"type": "text", "text": "Good evening."},
    ]

    async def say(state: Booking) -> dict[str, Any]:
        return {"messages": [AIMessage(blocks)]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Booking)
    builder.add_node("say", say)
    builder.add_edge(START, "say")
    assert text(await answered(LangGraphLLM(builder.compile()), HELLO)) == "Good evening."


async def test_a_tool_without_async_may_end_the_call() -> None:
    agent = PydanticAgent(TestModel())

    @agent.tool_plain
    def leave() -> str:
        end_call()
        return "done"

    assert (await answered(PydanticAILLM(agent), HELLO))[-1] == HangUp()


async def test_the_dependencies_are_made_of_the_prompt() -> None:
    agent: Any = PydanticAgent(TestModel(), deps_type=str)

    @agent.tool  # type: ignore[untyped-decorator]
    async def whose(ctx: RunContext[str]) -> str:
        return f"deps of {ctx.deps}"

    assert "deps of call-1" in text(await answered(PydanticAILLM(agent, deps=lambda prompt: prompt.call), HELLO))


async def test_an_agent_hands_off_to_another_whose_words_are_spoken() -> None:
    script = Script([["transfer_to_desk"], ["This is the desk."]])
    desk: SDKAgent[Any] = SDKAgent(name="desk", model=ScriptedModel(script))
    hall: SDKAgent[Any] = SDKAgent(name="hall", model=ScriptedModel(script), handoffs=[desk])
    llm = AgentsSDKLLM(hall, run_config=RunConfig(tracing_disabled=True))
    assert llm.name == "hall"
    assert text(await answered(llm, HELLO)) == "This is the desk."


@pytest.mark.parametrize("kind", [LangGraphLLM, PydanticAILLM, AgentsSDKLLM])
def test_what_is_no_agent_is_refused_with_the_remedy(kind: Any) -> None:
    for wrong in (None, "agent", object()):
        with pytest.raises(UsageError, match="cannot run a"):
            kind(wrong)


def test_a_graph_that_is_not_compiled_is_refused() -> None:
    with pytest.raises(UsageError, match=r"builder.compile\(\)"):
        LangGraphLLM(graph_of(Script([])))  # type: ignore[arg-type]


def test_an_output_that_is_no_text_is_refused() -> None:
    with pytest.raises(UsageError, match="output is text"):
        PydanticAILLM(PydanticAgent(TestModel(), output_type=int))  # type: ignore[arg-type]


def test_a_session_of_the_sdk_is_refused() -> None:
    with pytest.raises(UsageError, match="did not hear"):
        AgentsSDKLLM(SDKAgent(name="porter"), session=object())
