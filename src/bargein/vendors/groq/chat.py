"""LLMs at Groq, by OpenAI's SDK, whose protocol Groq speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import SecretStr

from bargein.vendors.common.chat_completions import ChatCompletions
from bargein.vendors.common.keys import access

BASE_URL = "https://api.groq.com/openai/v1"
KEY = "GROQ_API_KEY"
MODEL = "openai/gpt-oss-20b"
# The model thinks before it speaks: little is asked of that, and none of it is ever said.
THINKS: Mapping[str, object] = {"reasoning_effort": "low", "reasoning_format": "hidden"}


class GroqChat(ChatCompletions):
    """protocols.LLM by shape. The arguments are those of ChatCompletions. base_url: None is BARGEIN_GROQ_URL, or Groq
    itself."""

    def __init__(
        self,
        *,
        model: str = MODEL,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        temperature: float | None = 0.3,
        max_tokens: int | None = 150,
        top_p: float | None = 1.0,
        stop: Sequence[str] = (),
        body: Mapping[str, object] | None = None,
        context_tokens: int | None = None,
        timeout_s: float = 5.0,
        first_token_s: float = 6.0,
    ) -> None:
        thinks = THINKS if model.startswith("openai/gpt-oss") else {}
        at = access("groq", KEY, api_key=api_key, base_url=base_url)
        super().__init__(
            model,
            server="Groq",
            key=KEY,
            extra="groq",
            base_url=at.base_url or BASE_URL,
            api_key=at.key,
            temperature=temperature,
            max_tokens=max_tokens,
            top_p=top_p,
            stop=stop,
            bound="max_completion_tokens",
            body={**thinks, **(body or {})},
            context_tokens=context_tokens,
            timeout_s=timeout_s,
            first_token_s=first_token_s,
        )
