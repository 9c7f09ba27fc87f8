"""Any server with OpenAI's chat completions (OpenAI, Ollama, vLLM, llama.cpp, ...), through the official SDK.

Closing the iterator, or cancelling the task that reads it, closes the HTTP stream at once, so that an interrupted
reply is not generated to its end. Nothing of what the server says in an error is passed on: real servers say the key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

from pydantic import SecretStr

from bargein.contracts import Prompt, TextDelta
from bargein.errors import Unavailable, VendorLost, VendorRefused
from bargein.llm.messages import as_messages

try:
    import openai
    from openai.types.chat import ChatCompletionMessageParam

    INSTALLED = True
except ImportError:  # the extra "openai" is not there: `OpenAIChat` says so when it is made
    INSTALLED = False

OLLAMA_URL = "http://127.0.0.1:11434/v1"  # where Ollama listens unless told otherwise
LOOK_TIMEOUT_MS = 300  # a server on this machine answers in a few ms; longer would be felt at start
NO_KEY = "none"  # local servers take any key, the SDK insists on one


class OpenAIChat:
    """A ChatModel by shape.

    model: the server's name for it. base_url: up to and with "/v1"; None is OpenAI itself. api_key: None for local
    servers. temperature: 0..2; max_tokens: bound of one reply; either None leaves it to the server (some models take
    no other). timeout_s: to connect, and between two pieces. Raises Unavailable where the SDK is not installed.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: SecretStr | str | None = None,
        temperature: float | None = 0.3,
        max_tokens: int | None = 150,
        timeout_s: float = 10.0,
    ) -> None:
        if not INSTALLED:
            raise Unavailable("The package openai is not installed", advice="Install the extra: bargein[openai]")
        key = api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key
        self.name = model
        self._temperature = temperature if temperature is not None else openai.omit
        self._max_tokens = max_tokens if max_tokens is not None else openai.omit
        self._client = openai.AsyncOpenAI(
            base_url=base_url, api_key=key or NO_KEY, timeout=timeout_s, max_retries=0
        )  # retries are ours: the SDK's wait half a second and more, which is a silence on the line

    async def reply(self, prompt: Prompt) -> AsyncGenerator[TextDelta, None]:
        """The reply's text as it is written.

        What is lost before the first piece is tried once more; after it, saying the beginning twice would be worse
        than stopping. Raises VendorRefused (key, quota, model) or VendorLost (away, late, broken off).
        """
        for last_try in (False, True):
            spoke = False
            try:
                async with aclosing(self._texts(prompt)) as texts:
                    async for text in texts:
                        spoke = True
                        yield TextDelta(text)
            except VendorLost:
                if spoke or last_try:
                    raise
            else:
                return

    async def _texts(self, prompt: Prompt) -> AsyncGenerator[str, None]:
        """One request's pieces of text. `from None`: what the SDK's errors quote may hold the key."""
        messages = cast("list[ChatCompletionMessageParam]", as_messages(prompt))
        try:
            stream = await self._client.chat.completions.create(
                model=self.name,
                messages=messages,
                stream=True,
                temperature=self._temperature,
                max_tokens=self._max_tokens,
            )
            async with stream:
                async for chunk in stream:
                    if chunk.choices and (text := chunk.choices[0].delta.content):
                        yield text
        except openai.APIStatusError as error:
            raise self._answered_no(error.status_code, error.code) from None
        except openai.APITimeoutError:
            raise self._lost("did not answer in time") from None
        except openai.APIConnectionError:
            raise self._lost("could not be reached, or broke off") from None
        except (openai.OpenAIError, ValueError, AttributeError):  # an error in the stream, or what is no chunk
            raise self._lost("sent something that is no answer") from None

    def _answered_no(self, status: int, code: str | None) -> VendorRefused | VendorLost:
        """401 and the like: no retry helps. 408, 409, 429 without a spent quota, and 5xx: one may."""
        if status >= 500 or status in (408, 409) or (status == 429 and code != "insufficient_quota"):
            return self._lost(f"answered {status}")
        advice = {
            401: "Check the API key",
            403: "Check what the API key may do",
            404: "Check the model's name and the base URL",
            429: "The account's quota is used up: check its billing",
        }.get(status, "Check the model's name and whether it takes temperature and max_tokens")
        return VendorRefused(f"The chat model {self.name} was refused with {status}", advice=advice)

    def _lost(self, what: str) -> VendorLost:
        return VendorLost(f"The server of the chat model {self.name} {what}", advice="Try again, or look at the server")

    async def aclose(self) -> None:
        """Close the connections that are kept open between replies."""
        await self._client.close()


@dataclass(frozen=True, slots=True)
class FoundChat:
    """A server that is there, and the first model it offers. base_url: as `OpenAIChat` takes it."""

    base_url: str
    model: str


async def find_local(
    base_url: str | None = None,
    *,
    api_key: SecretStr | str | None = None,
    ollama_url: str = OLLAMA_URL,
    timeout_ms: float = LOOK_TIMEOUT_MS,
) -> FoundChat | None:
    """The server at base_url (a setting, such as OPENAI_BASE_URL) or else a local Ollama, with its first chat model.

    None when nobody answers within timeout_ms, no model is there or the SDK is not installed. Raises nothing.
    """
    if not INSTALLED:
        return None
    key = api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key
    url = base_url or ollama_url
    try:
        async with (
            asyncio.timeout(timeout_ms / 1000),
            openai.AsyncOpenAI(base_url=url, api_key=key or NO_KEY, max_retries=0) as client,
        ):
            names = [model.id for model in (await client.models.list()).data]
    except Exception:
        return None
    chat = [name for name in names if "embed" not in name.lower()]
    return FoundChat(url, chat[0]) if chat else None
