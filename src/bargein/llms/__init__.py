"""An agent or a graph of another framework as the LLM of an agent: LangGraph, Pydantic AI, OpenAI's Agents SDK.

    from bargein.llms import LangGraphLLM

    agent = Agent(llm=LangGraphLLM(graph), tts=..., stt=...)

The framework gets the conversation as it was heard, and calls its own tools. Its text is spoken as it is written. A cut
ends its run at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bargein.llms.running import end_call
from bargein.vendors.common.short_names import short_names

if TYPE_CHECKING:
    from bargein.llms.langgraph import LangGraphLLM
    from bargein.llms.openai_agents import AgentsSDKLLM
    from bargein.llms.pydantic_ai import PydanticAILLM

__all__ = ["AgentsSDKLLM", "LangGraphLLM", "PydanticAILLM", "end_call"]

# A module is imported when its class is asked for, and its framework when an object of the class is made.
__getattr__ = short_names(
    __name__,
    {
        "AgentsSDKLLM": "bargein.llms.openai_agents:AgentsSDKLLM",
        "LangGraphLLM": "bargein.llms.langgraph:LangGraphLLM",
        "PydanticAILLM": "bargein.llms.pydantic_ai:PydanticAILLM",
    },
)
