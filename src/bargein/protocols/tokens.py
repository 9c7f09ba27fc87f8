"""How many tokens an answer of an LLM took, as its server tells: for the record and the trace.

An LLM's adapter calls `tell_tokens` where it learns of them, within `reply`; where no call asks, nothing is kept.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class TokenUsage:
    """Of one answer. None: the server does not tell."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    """Of the input, those that the server had in a cache."""

    def known(self) -> dict[str, int]:
        """The numbers that are known, by their names."""
        numbers = {name: getattr(self, name) for name in self.__slots__}
        return {name: number for name, number in numbers.items() if number is not None}


COUNTED: ContextVar[TokenUsage | None] = ContextVar("COUNTED", default=None)
"""The usage of the answer that the running task reads. None: no call asks."""


def tell_tokens(*, input_tokens: object = None, output_tokens: object = None, cached_tokens: object = None) -> None:
    """The answer that is being read took so many. What is no number is passed over: it comes from a server."""
    usage = COUNTED.get()
    if usage is None:
        return
    if isinstance(input_tokens, int):
        usage.input_tokens = input_tokens
    if isinstance(output_tokens, int):
        usage.output_tokens = output_tokens
    if isinstance(cached_tokens, int):
        usage.cached_tokens = cached_tokens
