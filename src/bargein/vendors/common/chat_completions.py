"""A server with OpenAI's chat completions (OpenAI, Groq, Ollama, vLLM, llama.cpp, ...), through the official SDK.

Closing the iterator, or cancelling the task that reads it, closes the HTTP stream at once, so that an interrupted
reply is not generated to its end. Nothing of what the server says in an error is passed on: real servers say the key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from pydantic import SecretStr

from bargein.errors import Unavailable, UsageError, VendorLost, VendorRefused
from bargein.protocols import Prompt, TextDelta, ToolCall, tell_tokens
from bargein.vendors.common.context_sizes import context_tokens, is_too_long, prompt_too_long
from bargein.vendors.common.messages import Message, as_messages, as_tools
from bargein.vendors.common.requests import kept, short_wait, tried_twice

try:
    import openai
    from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam, ChatCompletionToolParam

    INSTALLED = True
except ImportError:  # the extra is not there: `ChatCompletions` says so when it is made
    INSTALLED = False

MOST_STOPS = 4  # stop sequences, as the vendors allow
Bound = Literal["max_tokens", "max_completion_tokens"]
LOOK_S = 0.3  # for the list of models: a server on this machine answers in a few ms, more is felt at start
CHECK_S = 5.0
NO_KEY = "none"  # local servers take any key, the SDK insists on one


class ChatCompletions:
    """protocols.LLM by shape: one model of one server. The vendors' LLMs inherit from it."""

    def __init__(
        self,
        model: str | None,
        *,
        server: str,
        key: str,
        base_url: str,
        extra: str = "openai",
        api_key: SecretStr | str | Callable[[], Awaitable[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        temperature: float | None = 0.3,
        max_tokens: int | None = 150,
        top_p: float | None = 1.0,
        stop: Sequence[str] = (),
        bound: Bound = "max_tokens",
        body: Mapping[str, object] | None = None,
        context_tokens: int | None = None,
        timeout_s: float = 5.0,
        first_token_s: float = 6.0,
    ) -> None:
        """Make a client. No request is sent before `start` or `reply`.

        model: the server's name for the model. None: the first chat model that the server lists, asked for at start.
        server, key: the server's name and its key's variable, for errors. extra: brings the SDK.
        base_url: up to and with "/v1". api_key: None for local servers; a function gives a key before each request.
        headers: of each request, besides the SDK's own.
        temperature (0..2), top_p (0..1), max_tokens (of one reply): None leaves the number to the server.
        bound: the name under which max_tokens is sent. Newer vendors want max_completion_tokens, local servers do not
        know it.
        stop: up to four sequences that end a reply. body: more fields of every request.
        context_tokens: how much the model takes in one prompt; the call gives it no more. None: by the model's name.
        timeout_s: to connect, and between two pieces. first_token_s: to the first piece.

        Raises Unavailable where the SDK is not installed, UsageError for more than four stop sequences.
        """
        if not INSTALLED:
            raise Unavailable("The package openai is not installed", advice=f"Install the extra: bargein[{extra}]")
        if len(stop) > MOST_STOPS:
            raise UsageError(f"{len(stop)} stop sequences are too many", advice=f"Give at most {MOST_STOPS}")
        self.name = model or server
        self._model, self._server, self._key_variable = model, server, key
        self._first_token_s, self._context_tokens = first_token_s, context_tokens
        chosen = {"temperature": temperature, "top_p": top_p, bound: max_tokens, "stop": list(stop) or None}
        self._options: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
        if body:
            self._options["extra_body"] = dict(body)
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=(api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key) or NO_KEY,
            default_headers=headers,
            timeout=timeout_s,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(limits=kept(type(openai.DEFAULT_CONNECTION_LIMITS))),
        )  # retries are ours: the SDK's wait half a second and more, which is a silence on the line

    @property
    def context_tokens(self) -> int:
        """How much the model takes in one prompt."""
        return self._context_tokens or context_tokens(self._model)

    async def start(self) -> None:
        """Find the model, if none was named. Raises Unavailable when the server does not answer, or has none."""
        if self._model is None:
            self._model = await self._first_model()
            self.name = self._model

    async def check(self) -> None:
        """Ask the server for its models, which costs nothing. Raises VendorRefused or VendorLost."""
        try:
            await self._client.models.list(timeout=CHECK_S)
        except openai.APIStatusError as error:
            if error.status_code not in (404, 405, 501):  # a server without a list still answers
                raise self._answered_no(error.status_code, error.code) from None
        except openai.APIConnectionError:
            raise self._lost("could not be reached") from None
        except (openai.OpenAIError, ValueError, AttributeError):
            raise self._lost("sent something that is no list of models") from None

    def reply(self, prompt: Prompt) -> AsyncGenerator[TextDelta | ToolCall, None]:
        """The reply's text as it is written, and then the tools that the model calls.

        What is lost before the first piece is tried once more. Raises VendorRefused (key, quota, model) or VendorLost
        (away, late, broken off, nothing said).
        """
        return tried_twice(lambda: self._pieces(prompt), self._lost)

    async def _pieces(self, prompt: Prompt) -> AsyncGenerator[TextDelta | ToolCall, None]:
        """One request's answer. `from None`: what the SDK's errors quote may hold the key."""
        await self.start()
        messages = cast("list[ChatCompletionMessageParam]", self._messages(prompt))
        tools = cast("list[ChatCompletionToolParam]", as_tools(prompt.tools))
        calls = _Calls()
        try:
            # Until the first piece: servers that take the request and then never answer are found here.
            async with asyncio.timeout(self._first_token_s) as first:
                stream = await self._client.chat.completions.create(
                    model=self._model or "",
                    messages=messages,
                    stream=True,
                    tools=tools or openai.omit,
                    **self._options,
                )
                async with stream:
                    async for chunk in stream:
                        _refuse_errors(chunk)
                        _tell_usage(chunk)
                        if not chunk.choices:
                            continue
                        delta = chunk.choices[0].delta
                        for part in delta.tool_calls or ():
                            first.reschedule(None)
                            calls.add(part)
                        if delta.content:
                            first.reschedule(None)
                            yield TextDelta(delta.content)
            for call in calls.whole():
                yield call
        except TimeoutError:
            raise self._lost("did not answer in time") from None
        except openai.APIStatusError as error:
            if is_too_long(error.status_code, error.code, error.body):  # the message leaves out what is no object
                raise prompt_too_long(self.name, error.status_code) from None
            if (wait := short_wait(error.status_code, error.response.headers.get("retry-after"))) is not None:
                raise wait from None
            raise self._answered_no(error.status_code, error.code) from None
        except openai.APITimeoutError:
            raise self._lost("did not answer in time") from None
        except openai.APIConnectionError:
            raise self._lost("could not be reached, or broke off") from None
        except (openai.OpenAIError, ValueError, AttributeError) as error:  # an error in the stream, or what is no chunk
            if isinstance(error, openai.APIError) and is_too_long(400, error.code, (error.message, error.body)):
                raise prompt_too_long(self.name, 400) from None
            raise self._lost("sent something that is no answer") from None

    def _messages(self, prompt: Prompt) -> list[Message]:
        return as_messages(prompt)

    def _answered_no(self, status: int, code: str | None) -> VendorRefused | VendorLost:
        """401 and the like: no retry helps. 408, 409, 429 without a spent quota, and 5xx: one may."""
        if status >= 500 or status in (408, 409) or (status == 429 and code != "insufficient_quota"):
            return self._lost(f"answered {status}")
        advice = {
            401: f"Check {self._key_variable}",
            403: f"Check what {self._key_variable} may do",
            404: "Check the model's name, and the server's address (up to and with /v1)",
            429: "The account's quota is used up: check its billing",
        }.get(status, "Check the model's name and whether it takes temperature and max_tokens")
        return VendorRefused(f"The chat model {self.name} was refused with {status}", advice=advice)

    def _lost(self, what: str) -> VendorLost:
        return VendorLost(f"The server of the chat model {self.name} {what}", advice="Try again, or look at the server")

    async def _first_model(self) -> str:
        """The first of the server's models that is no embedding. `from None`: the SDK's errors may hold the key."""
        try:
            async with asyncio.timeout(LOOK_S):
                names = [model.id for model in (await self._client.models.list()).data]
        except openai.APIStatusError as error:
            advice = {
                401: f"Check {self._key_variable}",
                403: f"Check what {self._key_variable} may do",
                404: "Give its address up to and with /v1, or name its model",
            }.get(error.status_code, "Look at the server, or name its model")
            what = f"{self._server} answered {error.status_code} when it was asked for its models"
            raise Unavailable(what, advice=advice) from None
        except (openai.OpenAIError, OSError):
            advice = f"Start it, name its model, or check its address and {self._key_variable}"
            raise Unavailable(f"{self._server} did not answer", advice=advice) from None
        except (ValueError, AttributeError, TypeError):
            advice = "Give its address up to and with /v1, or name its model"
            raise Unavailable(
                f"{self._server} answered with something that is no list of models", advice=advice
            ) from None
        chat = [name for name in names if "embed" not in name.lower()]
        if not chat:
            raise Unavailable(f"{self._server} has no chat model", advice="Load a model there") from None
        return chat[0]

    async def aclose(self) -> None:
        """Close the connections that are kept open between replies."""
        await self._client.close()


@dataclass(slots=True)
class _Calls:
    """Tool calls, put together from their pieces. Some servers number them, some only name them, some do neither."""

    parts: dict[int, list[str]] = field(default_factory=dict)  # index -> id, name, arguments

    def add(self, part: Any) -> None:
        index, function = part.index, part.function
        if index is None:  # a whole call at once, or more of the last
            begins = bool(function and function.name)
            index = len(self.parts) if begins or not self.parts else max(self.parts)
        known = self.parts.setdefault(index, ["", "", ""])
        known[0] = known[0] or part.id or ""
        if function is not None:
            known[1] = known[1] or function.name or ""
            known[2] += function.arguments or ""

    def whole(self) -> list[ToolCall]:
        return [
            ToolCall(call_id or f"call_{index}_{name}", name, arguments or "{}")
            for index, (call_id, name, arguments) in sorted(self.parts.items())
            if name
        ]


def _tell_usage(chunk: ChatCompletionChunk) -> None:
    """OpenAI tells in a chunk of its own, where it is asked to; Groq with the last one, in its own place."""
    groq = (chunk.model_extra or {}).get("x_groq")
    told: Any = chunk.usage or (groq.get("usage") if isinstance(groq, Mapping) else None)
    if isinstance(told, Mapping):
        tell_tokens(input_tokens=told.get("prompt_tokens"), output_tokens=told.get("completion_tokens"))
    elif told is not None:
        details = getattr(told, "prompt_tokens_details", None)
        cached = getattr(details, "cached_tokens", None)
        read, written = getattr(told, "prompt_tokens", None), getattr(told, "completion_tokens", None)
        tell_tokens(input_tokens=read, output_tokens=written, cached_tokens=cached)


def _refuse_errors(chunk: ChatCompletionChunk) -> None:
    """Groq tells of a failure in the middle of a stream in a chunk like any other. Raises ValueError."""
    groq = (chunk.model_extra or {}).get("x_groq")
    if isinstance(groq, Mapping) and groq.get("error"):
        raise ValueError("an error in the stream")
