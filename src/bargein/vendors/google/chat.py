"""Gemini as a chat model, through Google's SDK.

Closing the iterator, or cancelling the task that reads it, closes the HTTP stream at once. Nothing of what Google says
in an error is passed on: it may quote the key.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, Literal, cast, get_args
from uuid import uuid4

from pydantic import SecretStr, ValidationError

from bargein.errors import Unavailable, UsageError, VendorLost, VendorRefused
from bargein.protocols import Prompt, TextDelta, ToolCall, tell_tokens
from bargein.vendors.common.context_sizes import context_tokens as known_context_tokens
from bargein.vendors.common.context_sizes import is_too_long, prompt_too_long
from bargein.vendors.common.requests import Wait, kept, short_wait, tried_twice
from bargein.vendors.google.address import HOST, NO_KEY, VERSION, google_access

try:
    import httpx
    from google import genai
    from google.genai import errors, types

    from bargein.vendors.google.contents import ThoughtSignatures, as_contents

    INSTALLED = True
except ImportError:  # the extra "google" is not there: `GeminiChat` says so when it is made
    INSTALLED = False

MODEL = "gemini-3.8-flash"
Thinking = Literal["minimal", "low", "medium", "high"]
CHECK_S = 5.0
TOO_LONG = re.compile(r"token count .*exceeds", re.IGNORECASE)
RETRY_DELAY = re.compile(r"""['"]retryDelay['"]:\s*['"](\d+(?:\.\d+)?)s['"]""")
KEY_ADVICE = "Check GEMINI_API_KEY"
_opened: ContextVar[list[Any]] = ContextVar("gemini responses")  # HTTP responses of the present request


async def _keep(response: httpx.Response) -> None:
    """The SDK's generators stand in each other, and closing the outer one leaves the HTTP stream open."""
    _opened.get([]).append(response)


class GeminiChat:
    """protocols.LLM by shape.

    base_url: without the version; None is BARGEIN_GOOGLE_URL, or Google itself. thinking: how much the model thinks
    before it speaks; None leaves it to the model, which is a second and more of silence. temperature: 0..2; None leaves
    it to the model. max_tokens: bound of one reply, thoughts included. context_tokens: how much the model takes in one
    prompt; None: by the model's name. timeout_s: to connect, and between two pieces. first_token_s: to the first piece.
    Raises Unavailable without the SDK, UsageError for an unknown `thinking`.
    """

    def __init__(
        self,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        model: str = MODEL,
        thinking: Thinking | None = "minimal",
        temperature: float | None = None,
        max_tokens: int | None = 300,
        context_tokens: int | None = None,
        timeout_s: float = 5.0,
        first_token_s: float = 6.0,
    ) -> None:
        if not INSTALLED:
            raise Unavailable("The package google-genai is not installed", advice="Install the extra: bargein[google]")
        if thinking is not None and thinking not in get_args(Thinking):
            raise UsageError(f"thinking is {thinking!r}", advice=f"Choose one of {get_args(Thinking)}")
        at = google_access(api_key=api_key, base_url=base_url)
        self.name = model
        self.context_tokens = context_tokens or known_context_tokens(model)
        self._thinking = _thinking(model, thinking)
        self._temperature, self._max_tokens, self._first_token_s = temperature, max_tokens, first_token_s
        self._signatures = ThoughtSignatures()
        self._http = httpx.AsyncClient(timeout=timeout_s, limits=kept(httpx.Limits), event_hooks={"response": [_keep]})
        self._client = genai.Client(
            api_key=at.key or NO_KEY,
            vertexai=False,  # else variables of the environment would choose another service
            http_options=types.HttpOptions(
                base_url=at.base_url or HOST,
                api_version=VERSION,
                timeout=int(timeout_s * 1000),
                httpx_async_client=self._http,
                # Retries are ours: the SDK's waits are a silence on the line.
                retry_options=types.HttpRetryOptions(attempts=1),
            ),
        )

    async def check(self) -> None:
        """Ask for the model, which costs nothing. Raises VendorRefused or VendorLost."""
        try:
            async with asyncio.timeout(CHECK_S):
                await self._client.aio.models.get(model=self.name)
        except TimeoutError:
            raise self._lost("did not answer in time") from None
        except errors.APIError as error:
            raise self._answered_no(error) from None
        except httpx.HTTPError:
            raise self._lost("could not be reached") from None
        except (ValueError, AttributeError, TypeError):
            raise self._lost("sent something that is no model") from None

    def reply(self, prompt: Prompt) -> AsyncGenerator[TextDelta | ToolCall, None]:
        """protocols.LLM.reply: text as it is written, then the tools that it calls. What is lost before the first piece
        is tried once more. Raises VendorRefused (key, quota, model, a prompt that Google blocks) or VendorLost."""
        return tried_twice(lambda: self._pieces(prompt), self._lost)

    async def _pieces(self, prompt: Prompt) -> AsyncGenerator[TextDelta | ToolCall, None]:
        """One request's answer."""
        system, contents = as_contents(prompt, self._signatures)
        calls: list[ToolCall] = []
        spoke = False
        opened: list[httpx.Response] = []
        _opened.set(opened)
        try:
            async with asyncio.timeout(self._first_token_s) as first:
                stream = await self._client.aio.models.generate_content_stream(
                    model=self.name, contents=cast("Any", contents), config=self._config(prompt, system)
                )
                async with aclosing(cast("AsyncGenerator[types.GenerateContentResponse, None]", stream)) as chunks:
                    async for text in self._texts(chunks, calls):
                        first.reschedule(None)
                        if text:
                            spoke = True
                            yield TextDelta(text)
            for call in calls:
                yield call
        except TimeoutError:
            raise self._lost("did not answer in time") from None
        except _BlockedError as blocked:
            if spoke:
                raise self._lost("broke off its answer") from None
            advice = "Look at the agent's instructions, and at what the caller said"
            raise VendorRefused(f"{self.name} gave no answer ({blocked.reason})", advice=advice) from None
        except errors.APIError as error:
            raise self._answered_no(error) from None
        except httpx.TimeoutException:
            raise self._lost("did not answer in time") from None
        except (httpx.HTTPError, OSError):
            raise self._lost("could not be reached, or broke off") from None
        except (ValidationError, ValueError, AttributeError, TypeError):
            raise self._lost("sent something that is no answer") from None
        finally:
            for response in opened:
                await response.aclose()

    def _config(self, prompt: Prompt, system: str) -> types.GenerateContentConfig:
        declared = [
            types.FunctionDeclaration(
                name=spec.name, description=spec.description, parameters_json_schema=dict(spec.parameters)
            )
            for spec in prompt.tools
        ]
        return types.GenerateContentConfig(
            system_instruction=system,
            temperature=self._temperature,
            max_output_tokens=self._max_tokens,
            thinking_config=self._thinking,
            tools=[types.Tool(function_declarations=declared)] if declared else None,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )

    async def _texts(
        self, chunks: AsyncIterator[types.GenerateContentResponse], calls: list[ToolCall]
    ) -> AsyncIterator[str]:
        """The text of each chunk, "" for a chunk that shows life alone; tools that it calls are put by."""
        async for chunk in chunks:
            if (usage := chunk.usage_metadata) is not None:
                tell_tokens(
                    input_tokens=usage.prompt_token_count,
                    output_tokens=usage.candidates_token_count,
                    cached_tokens=usage.cached_content_token_count,
                )
            if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason is not None:
                raise _BlockedError(chunk.prompt_feedback.block_reason.name)
            candidate = chunk.candidates[0] if chunk.candidates else None
            for part in (candidate.content.parts if candidate and candidate.content else None) or ():
                if part.function_call is not None:
                    call = part.function_call
                    name = f"call_{uuid4().hex}" if not call.id else call.id
                    self._signatures.keep(name, part.thought_signature)
                    arguments = json.dumps(call.args or {}, ensure_ascii=False)
                    calls.append(ToolCall(name, call.name or "", arguments))
                    yield ""
                elif part.text and not part.thought:
                    yield part.text
            reason = candidate.finish_reason if candidate else None
            if reason is not None and reason not in (types.FinishReason.STOP, types.FinishReason.MAX_TOKENS):
                if reason == types.FinishReason.MALFORMED_FUNCTION_CALL:
                    raise self._lost("called a tool in a way that cannot be read")
                raise _BlockedError(reason.name)

    def _answered_no(self, error: errors.APIError) -> VendorRefused | VendorLost | Wait:
        status, text = int(error.code or 0), f"{error.status} {error.message} {error.details}"
        if is_too_long(status, None, text) or (status == 400 and TOO_LONG.search(text)):
            return prompt_too_long(self.name, status)
        delay = RETRY_DELAY.search(text)
        if status == 429 and "PerDay" not in text:
            return short_wait(429, delay[1] if delay else None) or self._lost("answered 429")
        if not 400 <= status < 500 or status in (408, 409):
            return self._lost(f"answered {status}")
        if status == 429:
            advice = "The quota of the day is used up: check the account's billing"
        elif status in (401, 403) or "API_KEY_INVALID" in text or "API key" in text:
            advice = KEY_ADVICE
        else:
            advice = "Check the model's name, and the tools' parameters"
        return VendorRefused(f"The chat model {self.name} was refused with {status}", advice=advice)

    def _lost(self, what: str) -> VendorLost:
        return VendorLost(f"Google's server of {self.name} {what}", advice="Try again, or look at Google's status")

    async def aclose(self) -> None:
        """Close the connections that are kept open between replies."""
        await self._http.aclose()


class _BlockedError(Exception):
    """Google blocks the prompt or the answer. reason: Google's name for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _thinking(model: str, wish: Thinking | None) -> types.ThinkingConfig | None:
    """Gemini 2.5 counts tokens of thought, later models have levels."""
    if wish is None or model.startswith(("gemini-2.0", "gemini-1")):
        return None
    if model.startswith("gemini-2.5"):
        budget = {"minimal": 0, "low": 512, "medium": 4_096, "high": 16_384}[wish]
        return types.ThinkingConfig(thinking_budget=max(budget, 128) if "pro" in model else budget)
    return types.ThinkingConfig(thinking_level=types.ThinkingLevel(wish.upper()))
