"""Anthropic's LLMs, by Anthropic's SDK.

Closing the iterator, or cancelling the task that reads it, closes the HTTP stream at once, so that an interrupted
reply is not generated to its end. Thinking is off: a caller would hear it as silence. Nothing of what the server says
in an error is passed on: it may quote the key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import SecretStr

from bargein.errors import Unavailable, UsageError, VendorLost, VendorRefused
from bargein.protocols import Prompt, TextDelta, ToolCall, tell_tokens
from bargein.vendors.anthropic.messages import as_anthropic_tools, system_and_turns
from bargein.vendors.common.chat_completions import CHECK_S, MOST_STOPS, NO_KEY
from bargein.vendors.common.context_sizes import context_tokens, is_too_long, prompt_too_long
from bargein.vendors.common.keys import access
from bargein.vendors.common.requests import kept, short_wait, tried_twice

try:
    import anthropic
    import httpx2 as httpx
    from anthropic.types import RawMessageStreamEvent

    INSTALLED = True
except ImportError:  # the extra "anthropic" is not there: `AnthropicChat` says so when it is made
    INSTALLED = False

BASE_URL = "https://api.anthropic.com"  # given to the SDK, which else takes the address of another server
KEY = "ANTHROPIC_API_KEY"
OTHER_SERVER = "ANTHROPIC_BASE_URL"
MODEL = "claude-haiku-4-5"


class AnthropicChat:
    """protocols.LLM by shape.

    api_key, base_url: None is ANTHROPIC_API_KEY, and BARGEIN_ANTHROPIC_URL or Anthropic itself; while
    ANTHROPIC_BASE_URL is set and BARGEIN_ANTHROPIC_URL is not, that key is for the other server, and is not sent to
    Anthropic. max_tokens: of one reply. stop: up to four sequences that end a reply. context_tokens: how much the model
    takes in one prompt; None: by the model's name. timeout_s: to connect, and between two pieces. first_token_s: to the
    first piece. Raises Unavailable without the SDK, UsageError for numbers that cannot be.
    """

    def __init__(
        self,
        *,
        model: str = MODEL,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        max_tokens: int = 300,
        stop: Sequence[str] = (),
        context_tokens: int | None = None,
        timeout_s: float = 5.0,
        first_token_s: float = 6.0,
    ) -> None:
        if not INSTALLED:
            raise Unavailable("The package anthropic is not installed", advice="Install the extra: bargein[anthropic]")
        if len(stop) > MOST_STOPS:
            raise UsageError(f"{len(stop)} stop sequences are too many", advice=f"Give at most {MOST_STOPS}")
        if max_tokens < 1:
            raise UsageError(f"max_tokens is {max_tokens}", advice="Give 1 or more")
        self.name = model
        self._first_token_s, self._context_tokens = first_token_s, context_tokens
        self._options: dict[str, Any] = {"max_tokens": max_tokens, "thinking": {"type": "disabled"}}
        if stop:
            self._options["stop_sequences"] = list(stop)
        at = access("anthropic", KEY, api_key=api_key, base_url=base_url, for_server_of=OTHER_SERVER)
        self._client = anthropic.AsyncAnthropic(
            base_url=at.base_url or BASE_URL,
            api_key=at.key or NO_KEY,  # given, so that the SDK looks for no credentials of its own
            timeout=timeout_s,
            max_retries=0,
            http_client=anthropic.DefaultAsyncHttpxClient(limits=kept(type(anthropic.DEFAULT_CONNECTION_LIMITS))),
        )  # retries are ours: the SDK's wait half a second and more, which is a silence on the line

    @property
    def context_tokens(self) -> int:
        """How much the model takes in one prompt."""
        return self._context_tokens or context_tokens(self.name)

    async def check(self) -> None:
        """Ask the server for its models, which costs nothing. Raises VendorRefused or VendorLost."""
        try:
            await self._client.models.list(limit=1, timeout=CHECK_S)
        except anthropic.APIStatusError as error:
            raise self._answered_no(error.status_code) from None
        except anthropic.APIConnectionError:
            raise self._lost("could not be reached") from None
        except (anthropic.AnthropicError, ValueError, AttributeError):
            raise self._lost("sent something that is no list of models") from None

    def reply(self, prompt: Prompt) -> AsyncGenerator[TextDelta | ToolCall, None]:
        """protocols.LLM.reply: text as it is written, then the tools that it calls. What is lost before the first
        piece (an overloaded server, too) is tried once more, after a short wait where a rate limit asks for one.
        Raises VendorRefused (key, credit, model) or VendorLost."""
        return tried_twice(lambda: self._pieces(prompt), self._lost)

    async def _pieces(self, prompt: Prompt) -> AsyncGenerator[TextDelta | ToolCall, None]:
        """One request's answer. `from None`: what the SDK's errors quote may hold the key."""
        system, turns = system_and_turns(prompt)
        answer = _Answer()
        try:
            async with asyncio.timeout(self._first_token_s) as first:
                stream = await self._client.messages.create(
                    model=self.name,
                    system=cast("Any", system),
                    messages=cast("Any", turns),
                    tools=cast("Any", as_anthropic_tools(prompt.tools)) or anthropic.omit,
                    stream=True,
                    **self._options,
                )
                async with stream:
                    async for event in stream:
                        text = answer.push_event(event)
                        _tell_usage(event)
                        if text or answer.calls:
                            first.reschedule(None)
                        if text:
                            yield TextDelta(text)
            if not answer.over:
                raise self._lost("broke off")
            if answer.stopped == "model_context_window_exceeded" and not answer.any:
                raise prompt_too_long(self.name, 200)
            if answer.stopped == "refusal":
                raise self._lost("declined to answer")
            for call in answer.whole_calls():
                yield call
        except TimeoutError:
            raise self._lost("did not answer in time") from None
        except anthropic.APIStatusError as error:
            if error.status_code < 400:  # an error in the stream
                raise self._lost(f"broke off ({_safe(error.type)})") from None
            if is_too_long(error.status_code, error.error_code, error.api_message):
                raise prompt_too_long(self.name, error.status_code) from None
            if (wait := short_wait(error.status_code, error.response.headers.get("retry-after"))) is not None:
                raise wait from None
            raise self._answered_no(error.status_code, str(error.api_message or "")) from None
        except (anthropic.APITimeoutError, httpx.TimeoutException):  # httpx's own: within a stream the SDK wraps none
            raise self._lost("did not answer in time") from None
        except (anthropic.APIConnectionError, httpx.HTTPError):
            raise self._lost("could not be reached, or broke off") from None
        except (anthropic.AnthropicError, ValueError, AttributeError, TypeError):  # what is no event of the SDK's
            raise self._lost("sent something that is no answer") from None

    def _answered_no(self, status: int, message: str = "") -> VendorRefused | VendorLost:
        """message: the server's own words, which are never shown."""
        if status >= 500 or status in (408, 409, 429):
            return self._lost(f"answered {status}")
        advice = {
            401: f"Check {KEY}",
            402: "The account's credit is used up: check its billing",
            403: f"Check what {KEY} may do",
            404: "Check the model's name",
        }.get(status, "Check the model's name, and whether it can answer without thinking")
        if status == 400 and "credit balance" in message:  # Anthropic's status for a spent credit
            advice = "The account's credit is used up: check its billing"
        return VendorRefused(f"The chat model {self.name} was refused with {status}", advice=advice)

    def _lost(self, what: str) -> VendorLost:
        return VendorLost(
            f"Anthropic's server of {self.name} {what}", advice="Try again, or look at Anthropic's status"
        )

    async def aclose(self) -> None:
        """Close the connections that are kept open between replies."""
        await self._client.close()


@dataclass(slots=True)
class _Answer:
    """What has come of one answer."""

    calls: dict[int, tuple[str, str, list[str]]] = field(default_factory=dict)
    """Index of the content block -> id, name and the pieces of the arguments."""
    any: bool = False
    stopped: str | None = None
    over: bool = False
    """The server said that the answer is whole."""

    def push_event(self, event: RawMessageStreamEvent) -> str:
        """The text in one event. Kinds of events and of content that are new are skipped."""
        text = ""
        if event.type == "content_block_start":
            block = event.content_block
            if block.type == "tool_use":
                self.calls[event.index] = (block.id, block.name, [])
            elif block.type == "text":
                text = block.text
        elif event.type == "content_block_delta":
            if event.delta.type == "text_delta":
                text = event.delta.text
            elif event.delta.type == "input_json_delta" and event.index in self.calls:
                self.calls[event.index][2].append(event.delta.partial_json)
        elif event.type == "message_delta":
            self.stopped = event.delta.stop_reason
        elif event.type == "message_stop":
            self.over = True
        self.any = self.any or bool(text) or bool(self.calls)
        return text

    def whole_calls(self) -> list[ToolCall]:
        """The tools that are called. A call that was cut short at max_tokens is none."""
        if self.stopped == "max_tokens":
            return []
        return [ToolCall(id_, name, "".join(pieces) or "{}") for id_, name, pieces in self.calls.values()]


def _safe(kind: object) -> str:
    return "".join(char for char in str(kind or "an error")[:40] if char.isalnum() or char in "_ ")


def _tell_usage(event: object) -> None:
    """The first event tells of the input, and the last but one of the output."""
    usage = getattr(getattr(event, "message", event), "usage", None)
    if usage is not None:
        tell_tokens(
            input_tokens=getattr(usage, "input_tokens", None),
            output_tokens=getattr(usage, "output_tokens", None),
            cached_tokens=getattr(usage, "cache_read_input_tokens", None),
        )
