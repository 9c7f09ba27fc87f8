"""The three frameworks with models that a test scripts: what a model writes, and what a test sees of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from agents import Agent as SDKAgent
from agents import Model, ModelResponse, RunConfig, function_tool
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCallChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool as langchain_tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseTextDeltaEvent,
)
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from bargein.llms import AgentsSDKLLM, LangGraphLLM, PydanticAILLM
from bargein.protocols import LLM, Prompt

ROOMS = "rooms"  # a script's item: the model calls the tool of this name


class ServerAnswered(Exception):
    """An HTTP error as the vendors' SDKs raise it."""

    def __init__(self, status: int, code: str = "", text: str = "secret sk-123") -> None:
        super().__init__(text)
        self.status_code, self.code = status, code


@dataclass
class Script:
    """What the model writes, one list for each of its messages, and what it saw."""

    messages: list[Sequence[str | Exception]]
    tool: Callable[[], str] = lambda: "three"
    asked: list[list[tuple[str, str]]] = field(default_factory=list)
    """Role and text of each message that the model got, for each time it was asked."""
    ended: list[str] = field(default_factory=list)
    waits: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the model waits at a "..." in its script, for ever."""

    async def write(self, asked: list[tuple[str, str]]) -> AsyncIterator[str]:
        self.asked.append(asked)
        try:
            for part in self.messages[len(self.asked) - 1]:
                if isinstance(part, Exception):
                    raise part
                if part == "...":
                    self.waits.set()
                    await asyncio.Event().wait()
                yield part
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        else:
            self.ended.append("completed")


class Framework(Protocol):
    """Makes an LLM of a framework's agent, whose model is scripted and which has the tool ROOMS."""

    def __call__(self, script: Script, **options: Any) -> LLM: ...


# ----------------------------------------------------------------------------------------------------- LangGraph


class ScriptedChatModel(BaseChatModel):
    """langchain's chat model."""

    script: Any

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content="never asked so"))])

    async def _astream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        async for part in self.script.write([(message.type, str(message.text)) for message in messages]):
            chunk = AIMessageChunk(content=part)
            if part == ROOMS:
                call = ToolCallChunk(name=ROOMS, args="{}", id="call_1", index=0)
                chunk = AIMessageChunk(content="", tool_call_chunks=[call])
            yield ChatGenerationChunk(message=chunk)


def graph_of(script: Script) -> StateGraph[Any, Any, Any, Any]:
    model = ScriptedChatModel(script=script)

    @langchain_tool
    async def rooms() -> str:
        """How many rooms are free."""
        return script.tool()

    async def answer(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("answer", answer)
    builder.add_node("tools", ToolNode([rooms]))
    builder.add_edge(START, "answer")
    builder.add_conditional_edges("answer", tools_condition)
    builder.add_edge("tools", "answer")
    return builder


def langgraph(script: Script, **options: Any) -> LLM:
    return LangGraphLLM(graph_of(script).compile(), **options)


# --------------------------------------------------------------------------------------------------- Pydantic AI


def pydantic_ai(script: Script, **options: Any) -> LLM:
    async def write(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | dict[int, DeltaToolCall]]:
        asked = [("system", info.instructions or "")]
        for message in messages:
            role = "human" if message.kind == "request" else "ai"
            asked += [(role, str(getattr(part, "content", ""))) for part in message.parts]
        async for part in script.write(asked):
            yield {0: DeltaToolCall(ROOMS, "{}", tool_call_id="call_1")} if part == ROOMS else part

    agent = PydanticAgent(FunctionModel(stream_function=write))

    @agent.tool_plain
    async def rooms() -> str:
        """How many rooms are free."""
        return script.tool()

    return PydanticAILLM(agent, **options)


# ---------------------------------------------------------------------------------------------------- Agents SDK


class ScriptedModel(Model):
    """The Agents SDK's model."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def get_response(self, *_: Any, **__: Any) -> ModelResponse:
        raise NotImplementedError

    async def stream_response(  # type: ignore[override]
        self, instructions: Any, items: Any, *_: Any, **__: Any
    ) -> AsyncIterator[Any]:
        roles = {"user": "human", "assistant": "ai"}
        asked = [
            (roles.get(item.get("role", ""), item.get("role", "tool")), str(item.get("content", ""))) for item in items
        ]
        text = ""
        output: list[Any] = []
        async for part in self.script.write(asked):
            if part == ROOMS or part.startswith("transfer_to_"):
                call = ResponseFunctionToolCall(
                    id="1", call_id="call_1", type="function_call", name=part, arguments="{}"
                )
                output.append(call)
                continue
            text += part
            yield ResponseTextDeltaEvent.model_construct(
                content_index=0, delta=part, item_id="m", output_index=0, sequence_number=0,
                type="response.output_text.delta", logprobs=[],
            )  # fmt: skip
        if text:
            written = ResponseOutputText(annotations=[], text=text, type="output_text", logprobs=[])
            output.insert(
                0,
                ResponseOutputMessage(id="m", content=[written], role="assistant", status="completed", type="message"),
            )
        response = Response.model_construct(id="r", output=output, usage=None, model="scripted", object="response")
        yield ResponseCompletedEvent.model_construct(response=response, sequence_number=1, type="response.completed")


def agents_sdk(script: Script, **options: Any) -> LLM:
    @function_tool
    async def rooms() -> str:
        """How many rooms are free."""
        return script.tool()

    agent = SDKAgent(name="porter", model=ScriptedModel(script), tools=[rooms])
    return AgentsSDKLLM(agent, run_config=RunConfig(tracing_disabled=True), **options)


FRAMEWORKS: tuple[Framework, ...] = (langgraph, pydantic_ai, agents_sdk)


async def answered(llm: LLM, prompt: Prompt) -> list[Any]:
    """All of a reply."""
    return [part async for part in llm.reply(prompt)]
