"""What an LLM gives for a prompt, checked: an LLM may be anybody's object."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bargein.call.output.text_streams import closing, own_cancellation
from bargein.errors import UsageError
from bargein.protocols import LLM, EndRequest, HangUp, Prompt, TextDelta, ToolCall, Transfer

ADVICE = "Let reply(prompt) be an async generator that yields TextDelta or str, and then ToolCall, HangUp or Transfer"


async def llm_pieces(llm: LLM, prompt: Prompt) -> AsyncIterator[TextDelta | EndRequest | ToolCall]:
    """The pieces of one answer. A `str` is taken as a TextDelta.

    Raises UsageError, which names the LLM, for what is no piece, and whatever the LLM raises.
    """
    given: object = llm.reply(prompt)
    if not isinstance(given, AsyncIterator):
        if (close := getattr(given, "close", None)) is not None:
            close()  # a coroutine that is awaited by no task
        raise UsageError(f"The LLM {llm.name} answered with a {type(given).__name__}", advice=ADVICE)
    with own_cancellation(f"The LLM {llm.name}"):
        async with closing(given) as pieces:
            async for piece in pieces:
                if isinstance(piece, str):
                    yield TextDelta(piece)
                elif isinstance(piece, TextDelta | ToolCall | HangUp | Transfer):
                    yield piece
                else:
                    raise UsageError(f"The LLM {llm.name} yielded a {type(piece).__name__}", advice=ADVICE)
