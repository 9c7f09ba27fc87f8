"""Ollama, on this machine or another of the user's own."""

from __future__ import annotations

from collections.abc import Sequence

from bargein.vendors.common.chat_completions import ChatCompletions
from bargein.vendors.common.environment import Environment
from bargein.vendors.common.keys import web_address

URL = "BARGEIN_OLLAMA_URL"
CONTEXT_TOKENS = 4_000  # as Ollama serves a model unless told otherwise; it drops the beginning without a word
BASE_URL = "http://127.0.0.1:11434/v1"  # where Ollama listens unless told otherwise


class OllamaChat(ChatCompletions):
    """protocols.LLM by shape. The arguments are those of ChatCompletions.

    model: None takes the first that Ollama lists. base_url: None is BARGEIN_OLLAMA_URL, or this machine.
    Raises Unavailable for a malformed address.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        base_url: str | None = None,
        temperature: float | None = 0.3,
        max_tokens: int | None = 150,
        top_p: float | None = 1.0,
        stop: Sequence[str] = (),
        context_tokens: int = CONTEXT_TOKENS,
        timeout_s: float = 5.0,
        first_token_s: float = 6.0,
    ) -> None:
        super().__init__(
            model,
            server="Ollama",
            key=URL,
            extra="ollama",
            base_url=web_address(base_url) or web_address(Environment.of_process().get(URL), URL) or BASE_URL,
            temperature=temperature,
            max_tokens=max_tokens,
            top_p=top_p,
            stop=stop,
            context_tokens=context_tokens,
            timeout_s=timeout_s,
            first_token_s=first_token_s,
        )
