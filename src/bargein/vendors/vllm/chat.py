"""Voxtral on a vLLM server of one's own: the LLM hears the user's turn itself."""

from __future__ import annotations

from base64 import b64encode
from typing import Literal

from pydantic import SecretStr

from bargein.protocols import Prompt
from bargein.vendors.common.audio_turns import VOXTRAL_MODEL, as_turns
from bargein.vendors.common.chat_completions import ChatCompletions
from bargein.vendors.common.keys import address_of, plain_key
from bargein.vendors.common.messages import Message, as_messages, wav, with_sound


class VLLMVoxtralChat(ChatCompletions):
    """protocols.AudioLLM by shape. The arguments are those of ChatCompletions.

    base_url: the server's address, up to and with "/v1". None: BARGEIN_VLLM_URL. api_key: the key that the server asks
    for; no variable of the environment holds it. Raises UsageError without an address.
    """

    hears_audio: Literal[True] = True

    def __init__(
        self,
        base_url: str | None = None,
        *,
        model: str = VOXTRAL_MODEL,
        api_key: SecretStr | str | None = None,
        temperature: float | None = 0.3,
        max_tokens: int | None = 150,
        context_tokens: int | None = None,
        timeout_s: float = 5.0,
        first_token_s: float = 6.0,
    ) -> None:
        super().__init__(
            model,
            server="vLLM",
            key="the server's --api-key",
            extra="vllm",
            base_url=address_of(base_url, "BARGEIN_VLLM_URL"),
            api_key=plain_key(api_key),
            temperature=temperature,
            max_tokens=max_tokens,
            context_tokens=context_tokens,
            timeout_s=timeout_s,
            first_token_s=first_token_s,
        )

    def _messages(self, prompt: Prompt) -> list[Message]:
        messages = as_messages(prompt)
        if prompt.audio is not None:
            data = b64encode(wav(prompt.audio)).decode()
            messages = with_sound(messages, {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}})
        return as_turns(messages)
