"""Voxtral as a chat model, hosted by Mistral, through the official SDK: it hears the user's turn itself, and writes.

The same model on a vLLM server: vendors/vllm/chat.py. On this machine: vendors/local/voxtral.py.
"""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Literal, cast
from uuid import uuid4

from pydantic import SecretStr

from bargein.errors import Unavailable, VendorLost, VendorRefused
from bargein.protocols import Prompt, TextDelta, ToolCall, tell_tokens
from bargein.vendors.common.audio_turns import as_turns
from bargein.vendors.common.context_sizes import context_tokens as known_context_tokens
from bargein.vendors.common.context_sizes import is_too_long, prompt_too_long
from bargein.vendors.common.keys import access
from bargein.vendors.common.messages import as_messages, as_tools, wav, with_sound
from bargein.vendors.common.requests import kept, short_wait, tried_twice

try:
    import httpx2 as httpx
    from mistralai.client import Mistral
    from mistralai.client.errors import MistralError
    from mistralai.client.models import CompletionEvent
    from pydantic import ValidationError

    from bargein.vendors.mistral.streams import to_the_end

    INSTALLED = True
except ImportError:  # the extra "mistral" is not there: `VoxtralChat` says so when it is made
    INSTALLED = False

MODEL = "voxtral-small-latest"
NO_KEY = "none"
NO_ID = (None, "", "null")  # the SDK writes the last where the server gave none


class VoxtralChat:
    """protocols.AudioLLM by shape.

    base_url: without "/v1"; None is BARGEIN_MISTRAL_URL, or Mistral itself. temperature: 0..1. max_tokens: bound of one
    reply. context_tokens: how much the model takes in one prompt; None: by the model's name. timeout_s: to connect, and
    between two pieces. first_token_s: to the first piece. Raises Unavailable without the SDK.
    """

    hears_audio: Literal[True] = True

    def __init__(
        self,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        model: str = MODEL,
        temperature: float = 0.3,
        max_tokens: int = 150,
        context_tokens: int | None = None,
        timeout_s: float = 5.0,
        first_token_s: float = 6.0,
    ) -> None:
        if not INSTALLED:
            raise Unavailable("The package mistralai is not installed", advice="Install the extra: bargein[mistral]")
        at = access("mistral", "MISTRAL_API_KEY", api_key=api_key, base_url=base_url)
        self.name = model
        self.context_tokens = context_tokens or known_context_tokens(model)
        self._options: dict[str, Any] = {"temperature": temperature, "max_tokens": max_tokens}
        self._timeout_s, self._first_token_s = timeout_s, first_token_s
        self._http = httpx.AsyncClient(
            timeout=timeout_s, limits=kept(httpx.Limits), event_hooks={"response": [to_the_end]}
        )
        # Retries are ours: the SDK's waits are a silence on the line.
        self._client = Mistral(api_key=at.key or NO_KEY, server_url=at.base_url, async_client=self._http)

    def reply(self, prompt: Prompt) -> AsyncGenerator[TextDelta | ToolCall, None]:
        """protocols.LLM.reply: text as it is written, then the tools that it calls. What is lost before the first
        piece is tried once more, after a short wait where a rate limit asks for one. Raises VendorRefused (key, quota,
        model) or VendorLost."""
        return tried_twice(lambda: self._pieces(prompt), self._lost)

    async def _pieces(self, prompt: Prompt) -> AsyncGenerator[TextDelta | ToolCall, None]:
        """One request's answer. `from None`: what the SDK's errors quote may hold the key."""
        calls: list[ToolCall] = []
        try:
            async with asyncio.timeout(self._first_token_s) as first:
                stream = await self._client.chat.stream_async(
                    model=self.name,
                    messages=_messages(prompt),
                    tools=cast("Any", as_tools(prompt.tools)) or None,
                    timeout_ms=int(self._timeout_s * 1000),  # else the SDK's own five minutes count, not the client's
                    **self._options,
                )
                async with stream:
                    async for event in stream:
                        text = _taken(event, calls)
                        if text or calls:
                            first.reschedule(None)
                        if text:
                            yield TextDelta(text)
            for call in calls:
                yield call
        except TimeoutError:
            raise self._lost("did not answer in time") from None
        except MistralError as error:
            body = error.body
            code = found[1] if (found := re.search(r'"code"\s*:\s*"?(\w+)', body)) else None
            if is_too_long(error.status_code, code, body):
                raise prompt_too_long(self.name, error.status_code) from None
            if (wait := short_wait(error.status_code, error.headers.get("retry-after"))) is not None:
                raise wait from None
            raise self._answered_no(error.status_code) from None
        except httpx.TimeoutException:
            raise self._lost("did not answer in time") from None
        except httpx.HTTPError:
            raise self._lost("could not be reached, or broke off") from None
        except (ValidationError, ValueError, AttributeError, TypeError):  # what is no event of the SDK's
            raise self._lost("sent something that is no answer") from None

    def _answered_no(self, status: int) -> VendorRefused | VendorLost:
        if status < 400:  # it answered, with what the SDK cannot read
            return self._lost("sent something that is no answer")
        if status >= 500 or status in (408, 409, 429):
            return self._lost(f"answered {status}")
        advice = {
            401: "Check MISTRAL_API_KEY",
            402: "The account's credit is used up: check its billing",
            403: "Check what the API key may do",
        }.get(status, "Check the model's name, and whether it hears")
        return VendorRefused(f"The model {self.name} was refused with {status}", advice=advice)

    def _lost(self, what: str) -> VendorLost:
        return VendorLost(f"Mistral's server of {self.name} {what}", advice="Try again, or look at Mistral's status")

    async def aclose(self) -> None:
        """Close the connections that are kept open between replies."""
        await self._http.aclose()


def _messages(prompt: Prompt) -> Any:
    messages = as_messages(prompt)
    if prompt.audio is not None:
        sound = b64encode(wav(prompt.audio)).decode()
        messages = with_sound(messages, {"type": "input_audio", "input_audio": sound})
    return as_turns(messages)


def _taken(event: CompletionEvent, calls: list[ToolCall]) -> str:
    """The text of one event; tools that it calls are put by: each comes whole."""
    if (usage := event.data.usage) is not None:
        tell_tokens(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens)
    if not event.data.choices:
        return ""
    delta = event.data.choices[0].delta
    for part in delta.tool_calls or ():
        arguments = part.function.arguments
        written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        call_id = f"call_{uuid4().hex}" if part.id in NO_ID else str(part.id)
        calls.append(ToolCall(call_id, part.function.name, written or "{}"))
    content = delta.content
    if isinstance(content, str):
        return content
    return "".join(str(getattr(chunk, "text", "")) for chunk in cast("Sequence[Any]", content or ()))
