"""An agent of OpenAI's Agents SDK as the LLM of an agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from bargein.errors import Unavailable, UsageError
from bargein.llms.heard import heard_conversation
from bargein.llms.running import RunText, reply_of_run
from bargein.protocols import EndRequest, Prompt, TextDelta

if TYPE_CHECKING:
    from agents import Agent as SDKAgent

try:
    from agents import ItemHelpers, Runner

    INSTALLED = True
except ImportError:  # the extra is not there: `AgentsSDKLLM` says so when it is made
    INSTALLED = False

# The SDK starts these for a run, and its `cancel` does not wait for them. Old versions have the first of them.
TASKS = ("_run_impl_task", "run_loop_task", "_input_guardrails_task", "_output_guardrails_task")


class AgentsSDKLLM:
    """protocols.LLM by shape: an agent, with the agents that it hands off to."""

    takes_tools = False

    def __init__(
        self,
        agent: SDKAgent[Any],
        *,
        name: str = "",
        context: Callable[[Prompt], Any] | None = None,
        prepares: bool = False,
        **options: Any,
    ) -> None:
        """Wrap an agent. Nothing runs before `reply`.

        name: in logs and on the page; "" is the agent's own. context: of a run, made of each prompt (`prompt.call`
        names the call). options: more arguments of `Runner.run_streamed`, such as run_config and max_turns; a session
        is refused, since it would keep words that were not heard.
        prepares: a run may begin before it is certain that the user's turn is over, and be cancelled again. Only for an
        agent whose tools change nothing.

        Each reply begins with this agent. Raises Unavailable where the SDK is not installed, UsageError for what is no
        agent, and for an option that would keep the conversation elsewhere.
        """
        if not INSTALLED:
            raise Unavailable(
                "The package openai-agents is not installed", advice="Install the extra: bargein[openai-agents]"
            )
        if not (hasattr(agent, "instructions") and hasattr(agent, "handoffs")):
            raise UsageError(f"AgentsSDKLLM cannot run a {type(agent).__name__}", advice="Give an Agent of agents")
        kept = sorted({"session", "previous_response_id", "conversation_id"} & options.keys())
        if kept:
            raise UsageError(
                f"AgentsSDKLLM takes no {kept[0]}: it would keep words that the caller did not hear",
                advice="Leave it out: each run gets the conversation as it was heard",
            )
        self.name = name or str(getattr(agent, "name", "") or "openai-agents")
        self.prepares = prepares
        self._agent, self._context, self._options = agent, context, options

    def reply(self, prompt: Prompt) -> AsyncIterator[TextDelta | EndRequest]:
        """The text of the agents' models, as they write. Raises as `LLM.reply` does."""
        return reply_of_run(self.name, lambda: self._texts(prompt))

    async def _texts(self, prompt: Prompt) -> AsyncGenerator[RunText, None]:
        heard = heard_conversation(prompt)
        items: Any = [
            {"role": "system", "content": heard.instructions},
            *({"role": turn.role, "content": turn.text} for turn in heard.turns),
        ]
        context = self._context(prompt) if self._context else None
        result: Any = Runner.run_streamed(self._agent, items, context=context, **self._options)
        stream = result.stream_events()
        message, written = 0, False
        try:
            async for event in stream:
                if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                    written = True
                    yield RunText(event.data.delta, str(message))
                elif event.type == "run_item_stream_event" and event.name == "message_output_created":
                    if not written:  # its model does not stream
                        yield RunText(ItemHelpers.text_message_output(event.item), str(message))
                    message, written = message + 1, False
        finally:
            result.cancel()
            tasks = {getattr(result, name, None) for name in TASKS}
            await asyncio.gather(*(task for task in tasks if isinstance(task, asyncio.Task)), return_exceptions=True)
            await stream.aclose()
        # Old versions end their stream as if it were complete when the reader is cancelled.
        reader = asyncio.current_task()
        if reader is not None and reader.cancelling():
            raise asyncio.CancelledError
