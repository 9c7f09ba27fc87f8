"""Any server with OpenAI's chat completions (OpenAI, Ollama, vLLM, llama.cpp, ...), through the official SDK.

Closing the iterator, or cancelling the task that reads it, closes the HTTP stream at once, so that an interrupted
reply is not generated to its end. Nothing of what the server says in an error is passed on: real servers say the key.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, cast

from pydantic import SecretStr

from bargein.errors import Unavailable, UsageError, VendorLost, VendorRefused
from bargein.protocols import Prompt, TextDelta, ToolCall
from bargein.vendors.common.audio_turns import VOXTRAL_MODEL, as_turns
from bargein.vendors.common.keys import key_of
from bargein.vendors.common.messages import Message, as_messages, as_tools, wav, with_sound
from bargein.vendors.common.requests import kept, short_wait, tried_twice

try:
    import openai
    from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam, ChatCompletionToolParam

    INSTALLED = True
except ImportError:  # the extra "openai" is not there: `OpenAIChat` says so when it is made
    INSTALLED = False

GROQ_URL = "https://api.groq.com/openai/v1"
GROQ_MODEL = "openai/gpt-oss-20b"
OPENAI_MODEL = "gpt-4.1-mini"
MOST_STOPS = 4  # stop sequences, as the vendors allow
Bound = Literal["max_tokens", "max_completion_tokens"]
OLLAMA_URL = "http://127.0.0.1:11434/v1"  # where Ollama listens unless told otherwise
LOOK_TIMEOUT_MS = 300  # a server on this machine answers in a few ms; longer would be felt at start
NO_KEY = "none"  # local servers take any key, the SDK insists on one


class OpenAIChat:
    """A ChatModel by shape.

    model: the server's name for it. base_url: up to and with "/v1"; None is OpenAI itself. api_key: None for local
    servers. temperature: 0..2; top_p: 0..1; max_tokens: bound of one reply; any of them None leaves it to the server
    (some models take no other). bound: the name under which it is sent; newer vendors want max_completion_tokens, which
    local servers do not know. stop: up to four sequences that end a reply. extra: whatever else the server takes.
    timeout_s: to connect, and between two pieces; first_token_s: to the first piece. Raises Unavailable where the SDK
    is not installed, Misuse for too many stop sequences.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: SecretStr | str | None = None,
        temperature: float | None = 0.3,
        max_tokens: int | None = 150,
        top_p: float | None = 1.0,
        stop: Sequence[str] = (),
        bound: Bound = "max_tokens",
        extra: Mapping[str, object] | None = None,
        timeout_s: float = 5.0,
        first_token_s: float = 6.0,
    ) -> None:
        if not INSTALLED:
            raise Unavailable("The package openai is not installed", advice="Install the extra: bargein[openai]")
        if len(stop) > MOST_STOPS:
            raise UsageError(f"{len(stop)} stop sequences are too many", advice=f"Give at most {MOST_STOPS}")
        key = key_of(api_key, "OPENAI_API_KEY", base_url)
        self.name = model
        self._first_token_s = first_token_s
        chosen = {"temperature": temperature, "top_p": top_p, bound: max_tokens, "stop": list(stop) or None}
        self._options: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
        if extra:
            self._options["extra_body"] = dict(extra)
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=key or NO_KEY,
            timeout=timeout_s,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(limits=kept(type(openai.DEFAULT_CONNECTION_LIMITS))),
        )  # retries are ours: the SDK's wait half a second and more, which is a silence on the line

    @classmethod
    def groq(
        cls,
        *,
        model: str = GROQ_MODEL,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        **more: Any,
    ) -> Self:
        """Groq. Its models think before they speak: little is asked of that, and none of it is ever said."""
        thinks = model.startswith("openai/gpt-oss")
        extra = {"reasoning_effort": "low", "reasoning_format": "hidden"} if thinks else {}
        extra |= dict(more.pop("extra", None) or {})
        bound: Bound = "max_completion_tokens"
        key = key_of(api_key, "GROQ_API_KEY", base_url)
        return cls(model, base_url=base_url or GROQ_URL, api_key=key, bound=bound, extra=extra, **more)

    @classmethod
    def openai(
        cls,
        *,
        model: str = OPENAI_MODEL,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        **more: Any,
    ) -> Self:
        """OpenAI itself."""
        return cls(model, base_url=base_url, api_key=api_key, bound="max_completion_tokens", **more)

    @classmethod
    def ollama(cls, model: str, *, base_url: str | None = None, **more: Any) -> Self:
        """Ollama, on this machine unless base_url says otherwise."""
        return cls(model, base_url=base_url or OLLAMA_URL, **more)

    @classmethod
    def voxtral(
        cls, *, base_url: str, model: str = VOXTRAL_MODEL, api_key: SecretStr | str | None = None, **more: Any
    ) -> AudioChat:
        """Voxtral on a vLLM server: it hears the user's turn itself."""
        return AudioChat(model, base_url=base_url, api_key=api_key, **more)

    def reply(self, prompt: Prompt) -> AsyncGenerator[TextDelta | ToolCall, None]:
        """The reply's text as it is written, and then the tools that the model calls.

        What is lost before the first piece is tried once more. Raises VendorRefused (key, quota, model) or VendorLost
        (away, late, broken off, nothing said).
        """
        return tried_twice(lambda: self._pieces(prompt), self._lost)

    async def _pieces(self, prompt: Prompt) -> AsyncGenerator[TextDelta | ToolCall, None]:
        """One request's answer. `from None`: what the SDK's errors quote may hold the key."""
        messages = cast("list[ChatCompletionMessageParam]", self._messages(prompt))
        tools = cast("list[ChatCompletionToolParam]", as_tools(prompt.tools))
        calls = _Calls()
        try:
            # Until the first piece: servers that take the request and then never answer are found here.
            async with asyncio.timeout(self._first_token_s) as first:
                stream = await self._client.chat.completions.create(
                    model=self.name,
                    messages=messages,
                    stream=True,
                    tools=tools or openai.omit,
                    **self._options,
                )
                async with stream:
                    async for chunk in stream:
                        _refuse_errors(chunk)
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
            if (wait := short_wait(error.status_code, error.response.headers.get("retry-after"))) is not None:
                raise wait from None
            raise self._answered_no(error.status_code, error.code) from None
        except openai.APITimeoutError:
            raise self._lost("did not answer in time") from None
        except openai.APIConnectionError:
            raise self._lost("could not be reached, or broke off") from None
        except (openai.OpenAIError, ValueError, AttributeError):  # an error in the stream, or what is no chunk
            raise self._lost("sent something that is no answer") from None

    def _messages(self, prompt: Prompt) -> list[Message]:
        return as_messages(prompt)

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


class AudioChat(OpenAIChat):
    """protocols.AudioLLM by shape: a server whose model takes the user's turn as sound (Voxtral on vLLM)."""

    hears_audio: Literal[True] = True

    def _messages(self, prompt: Prompt) -> list[Message]:
        messages = as_messages(prompt)
        if prompt.audio is not None:
            data = b64encode(wav(prompt.audio)).decode()
            messages = with_sound(messages, {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}})
        return as_turns(messages)


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


def _refuse_errors(chunk: ChatCompletionChunk) -> None:
    """Groq tells of a failure in the middle of a stream in a chunk like any other. Raises ValueError."""
    groq = (chunk.model_extra or {}).get("x_groq")
    if isinstance(groq, Mapping) and groq.get("error"):
        raise ValueError("an error in the stream")


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
