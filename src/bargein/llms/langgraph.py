"""A graph of LangGraph as the LLM of an agent."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from bargein.errors import Unavailable, UsageError
from bargein.llms.heard import HeardConversation, heard_conversation
from bargein.llms.running import RunText, reply_of_run
from bargein.protocols import EndRequest, Prompt, TextDelta

if TYPE_CHECKING:
    from langgraph.pregel import Pregel

try:
    from langchain_core.messages import (
        AIMessage,
        AIMessageChunk,
        BaseMessage,
        HumanMessage,
        RemoveMessage,
        SystemMessage,
    )
    from langgraph.graph.message import REMOVE_ALL_MESSAGES

    INSTALLED = True
except ImportError:  # the extra is not there: `LangGraphLLM` says so when it is made
    INSTALLED = False

KEY = "messages"


class LangGraphLLM:
    """protocols.LLM by shape: a compiled graph, whose state has a list of messages."""

    takes_tools = False

    def __init__(
        self,
        graph: Pregel[Any, Any, Any, Any],
        *,
        name: str = "",
        nodes: Collection[str] | None = None,
        key: str = KEY,
        inputs: Callable[[Prompt], Mapping[str, Any]] | None = None,
        config: Callable[[Prompt], Mapping[str, Any]] | None = None,
        context: Callable[[Prompt], Any] | None = None,
        prepares: bool = False,
    ) -> None:
        """Wrap a graph. Nothing runs before `reply`.

        name: in logs and on the page; "" is the graph's own. nodes: those whose text is spoken; None: every node's.
        key: of the messages in the graph's state. inputs: more of the state at a reply's beginning. config, context:
        for `graph.astream`, made of each prompt (`prompt.call` names the call).
        prepares: a run may begin before it is certain that the user's turn is over, and be cancelled again. Only for a
        graph whose tools change nothing.

        With a checkpointer the call's id is the thread's: what else the state holds lasts from reply to reply, and the
        messages are replaced by those that were heard. Without one each reply begins anew.

        Raises Unavailable where LangGraph is not installed, UsageError for a graph that is not compiled.
        """
        if not INSTALLED:
            raise Unavailable("The package langgraph is not installed", advice="Install the extra: bargein[langgraph]")
        if not hasattr(graph, "astream"):
            raise UsageError(
                f"LangGraphLLM cannot run a {type(graph).__name__}", advice="Give a compiled graph: builder.compile()"
            )
        self.name = name or str(getattr(graph, "name", "") or "langgraph")
        self.prepares = prepares
        self._graph, self._key = graph, key
        self._nodes = None if nodes is None else frozenset(nodes)
        self._inputs, self._config, self._context = inputs, config, context

    def reply(self, prompt: Prompt) -> AsyncIterator[TextDelta | EndRequest]:
        """The text of the graph's models, as they write. Raises as `LLM.reply` does."""
        return reply_of_run(self.name, lambda: self._texts(prompt))

    async def _texts(self, prompt: Prompt) -> AsyncGenerator[RunText, None]:
        keeps = bool(getattr(self._graph, "checkpointer", None))
        messages = _messages(heard_conversation(prompt))
        if keeps:
            messages.insert(0, RemoveMessage(id=REMOVE_ALL_MESSAGES))
        config: Any = dict(self._config(prompt)) if self._config else {}
        if keeps:
            thread = {"thread_id": prompt.call or uuid.uuid4().hex}
            config["configurable"] = thread | dict(config.get("configurable") or {})
        given = dict(self._inputs(prompt)) if self._inputs else {}
        more = {"context": self._context(prompt)} if self._context else {}
        stream: Any = self._graph.astream(
            given | {self._key: messages}, config or None, stream_mode="messages", subgraphs=True, **more
        )
        async with aclosing(stream):
            async for _namespace, (message, about) in stream:
                if not isinstance(message, AIMessage | AIMessageChunk):
                    continue
                node = str(about.get("langgraph_node", ""))
                text = str(message.text)
                if text and (self._nodes is None or node in self._nodes):
                    yield RunText(text, message.id or node)


def _messages(heard: HeardConversation) -> list[BaseMessage]:
    kinds: Mapping[str, type[HumanMessage | AIMessage]] = {"user": HumanMessage, "assistant": AIMessage}
    return [SystemMessage(heard.instructions), *(kinds[turn.role](turn.text) for turn in heard.turns)]
