"""OpenAI's LLMs, and those of any server that speaks OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import SecretStr

from bargein.vendors.common.chat_completions import ChatCompletions
from bargein.vendors.common.environment import Environment
from bargein.vendors.common.keys import key_of, web_address
from bargein.vendors.openai.address import BASE_URL, KEY, OTHER_SERVER, openai_access

MODEL = "gpt-4.1-mini"


class OpenAIChat(ChatCompletions):
    """protocols.LLM by shape: OpenAI itself. The arguments are those of ChatCompletions.

    base_url and api_key: what None means is told at `openai_access`.
    """

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
        context_tokens: int | None = None,
        timeout_s: float = 5.0,
        first_token_s: float = 6.0,
    ) -> None:
        url, api_key = openai_access(api_key=api_key, base_url=base_url)
        super().__init__(
            model,
            server="OpenAI",
            key=KEY,
            base_url=url,
            api_key=api_key,
            temperature=temperature,
            max_tokens=max_tokens,
            top_p=top_p,
            stop=stop,
            bound="max_completion_tokens",
            body={"stream_options": {"include_usage": True}},
            context_tokens=context_tokens,
            timeout_s=timeout_s,
            first_token_s=first_token_s,
        )


class OpenAICompatibleChat(ChatCompletions):
    """protocols.LLM by shape: any server with OpenAI's chat completions. The arguments are those of ChatCompletions.

    model: None takes the first that the server lists. base_url: None is OPENAI_BASE_URL, or OpenAI itself.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        base_url: str | None = None,
        api_key: SecretStr | str | None = None,
        temperature: float | None = 0.3,
        max_tokens: int | None = 150,
        top_p: float | None = 1.0,
        stop: Sequence[str] = (),
        context_tokens: int | None = None,
        timeout_s: float = 5.0,
        first_token_s: float = 6.0,
    ) -> None:
        given = web_address(base_url)
        super().__init__(
            model,
            server="The OpenAI-compatible server",
            key=KEY,
            base_url=given or web_address(Environment.of_process().get(OTHER_SERVER), OTHER_SERVER) or BASE_URL,
            api_key=key_of(api_key, KEY, given),
            temperature=temperature,
            max_tokens=max_tokens,
            top_p=top_p,
            stop=stop,
            context_tokens=context_tokens,
            timeout_s=timeout_s,
            first_token_s=first_token_s,
        )
