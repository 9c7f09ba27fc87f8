"""Azure OpenAI's LLMs: OpenAI's chat completions, at a deployment of one's own."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import SecretStr

from bargein.vendors.azure.access import KEY, TokenProvider, azure_access
from bargein.vendors.common.chat_completions import ChatCompletions

DEPLOYMENT = "gpt-4.1-mini"


class AzureChat(ChatCompletions):
    """protocols.LLM by shape. deployment: the name that the model has in the resource. base_url, endpoint, api_key,
    tokens: as `azure_access` tells. The others are the arguments of ChatCompletions."""

    def __init__(
        self,
        deployment: str = DEPLOYMENT,
        *,
        endpoint: str | None = None,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        tokens: TokenProvider | None = None,
        temperature: float | None = 0.3,
        max_tokens: int | None = 150,
        top_p: float | None = 1.0,
        stop: Sequence[str] = (),
        context_tokens: int | None = None,
        timeout_s: float = 5.0,
        first_token_s: float = 6.0,
    ) -> None:
        at = azure_access(api_key=api_key, base_url=base_url, endpoint=endpoint, tokens=tokens)
        super().__init__(
            deployment,
            server="Azure OpenAI",
            key=KEY,
            extra="azure",
            base_url=at.base_url,
            api_key=at.sdk_key,
            headers=at.headers,
            temperature=temperature,
            max_tokens=max_tokens,
            top_p=top_p,
            stop=stop,
            bound="max_completion_tokens",
            context_tokens=context_tokens,
            timeout_s=timeout_s,
            first_token_s=first_token_s,
        )
