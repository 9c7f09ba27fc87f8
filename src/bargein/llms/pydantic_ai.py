"""An agent of Pydantic AI as the LLM of an agent."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from bargein.errors import Unavailable, UsageError
from bargein.llms.heard import HeardTurn, heard_conversation
from bargein.llms.running import RunText, reply_of_run
from bargein.protocols import EndRequest, Prompt, TextDelta

if TYPE_CHECKING:
    from pydantic_ai.agent import AbstractAgent

try:
    from pydantic_ai import AgentRunResultEvent
    from pydantic_ai.messages import (
        ModelMessage,
        ModelRequest,
        ModelResponse,
        PartDeltaEvent,
        PartStartEvent,
        TextPart,
        TextPartDelta,
        UserPromptPart,
    )

    INSTALLED = True
except ImportError:  # the extra is not there: `PydanticAILLM` says so when it is made
    INSTALLED = False


class PydanticAILLM:
    """protocols.LLM by shape: an agent whose output is text."""

    takes_tools = False

    def __init__(
        self,
        agent: AbstractAgent[Any, str],
        *,
        name: str = "",
        deps: Callable[[Prompt], Any] | None = None,
        prepares: bool = False,
        **options: Any,
    ) -> None:
        """Wrap an agent. Nothing runs before `reply`.

        name: in logs and on the page; "" is the agent's own. deps: the agent's dependencies, made of each prompt
        (`prompt.call` names the call). options: more arguments of `agent.run_stream_events`, such as usage_limits.
        prepares: a run may begin before it is certain that the user's turn is over, and be cancelled again. Only for an
        agent whose tools change nothing.

        Raises Unavailable where Pydantic AI is not installed, UsageError for what is no agent or has no text.
        """
        if not INSTALLED:
            raise Unavailable(
                "The package pydantic_ai is not installed", advice="Install the extra: bargein[pydantic-ai]"
            )
        if not hasattr(agent, "run_stream_events"):
            raise UsageError(
                f"PydanticAILLM cannot run a {type(agent).__name__}", advice="Give an Agent of pydantic_ai"
            )
        if getattr(agent, "output_type", str) is not str:
            raise UsageError(
                "PydanticAILLM needs an agent whose output is text",
                advice="Make it without output_type, and let a tool take what is to be structured",
            )
        self.name = name or str(getattr(agent, "name", "") or "pydantic-ai")
        self.prepares = prepares
        self._agent, self._deps, self._options = agent, deps, options

    def reply(self, prompt: Prompt) -> AsyncIterator[TextDelta | EndRequest]:
        """The text of the agent's model, as it writes. Raises as `LLM.reply` does."""
        return reply_of_run(self.name, lambda: self._texts(prompt))

    async def _texts(self, prompt: Prompt) -> AsyncGenerator[RunText, None]:
        heard = heard_conversation(prompt)
        *before, last = heard.turns
        run: Any = self._agent.run_stream_events(
            last.text,
            message_history=[_message(turn) for turn in before] or None,
            instructions=heard.instructions,
            deps=self._deps(prompt) if self._deps else None,
            **self._options,
        )
        part, written = 0, False
        async with run as events:
            async for event in events:
                text = ""
                match event:
                    case PartStartEvent(part=TextPart(content=text)):
                        part += 1
                    case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                        pass
                    case AgentRunResultEvent() if not written:  # a tool's result that is the output, or no streaming
                        text = str(event.result.output)
                if text:
                    written = True
                    yield RunText(text, str(part))


def _message(turn: HeardTurn) -> ModelMessage:
    if turn.role == "user":
        return ModelRequest(parts=[UserPromptPart(turn.text)])
    return ModelResponse(parts=[TextPart(turn.text)])
