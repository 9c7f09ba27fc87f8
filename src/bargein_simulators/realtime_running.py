"""A response under way, and the tokens that it may still cost."""

from __future__ import annotations

import asyncio
import math
import re
from dataclasses import dataclass, field

from bargein_simulators.realtime_config import ResponseConfig
from bargein_simulators.realtime_events import Json

AUDIO_TOKEN_MS = 50.0  # of the model's audio, that one token stands for
TEXT_TOKEN = re.compile(r"\s*\S+")  # the simulator counts a word as a token
CALL_TOKEN_CHARS = 4  # of a tool call, that one token stands for


@dataclass(slots=True)
class RunningResponse:
    """A response under way."""

    id: str
    params: Json
    """Of the response.create."""
    config: ResponseConfig
    default: bool
    """Whether its items go into the conversation."""
    reason: str | None = None
    """Why it is cancelled. None: it is not."""
    exhausted: bool = False
    """Whether it has reached its max_output_tokens."""
    text_tokens: int = 0
    """Tokens of text and tool calls so far."""
    audio_tokens: int = 0
    """Tokens of audio so far."""
    audio_ms: float = 0.0
    """Length of its audio so far."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    output: list[Json] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    def cancelled(self) -> bool:
        return self.reason is not None

    def over(self) -> bool:
        """Whether nothing more is made."""
        return self.reason is not None or self.exhausted

    def spend_text(self, text: str) -> str:
        """Count the tokens of a text. Returns the part of it for which there are tokens."""
        words = TEXT_TOKEN.findall(text)
        left = self._left()
        if left is not None and len(words) > left:
            self.exhausted = True
            words, text = words[:left], "".join(words[:left])
        self.text_tokens += len(words)
        return text

    def spend_call(self, name: str, arguments: str) -> bool:
        """Count the tokens of a tool call. Returns False where there are fewer."""
        tokens = math.ceil((len(name) + len(arguments)) / CALL_TOKEN_CHARS)
        left = self._left()
        if left is not None and tokens > left:
            self.text_tokens += left
            self.exhausted = True
            return False
        self.text_tokens += tokens
        return True

    def spend_audio(self, ms: float) -> float:
        """Count audio. Returns the length for which there are tokens."""
        tokens = math.ceil((self.audio_ms + ms) / AUDIO_TOKEN_MS) - self.audio_tokens
        left = self._left()
        if left is not None and tokens > left:
            self.exhausted = True
            tokens, ms = left, max(0.0, (self.audio_tokens + left) * AUDIO_TOKEN_MS - self.audio_ms)
        self.audio_tokens += tokens
        self.audio_ms += ms
        return ms

    def _left(self) -> int | None:
        """Tokens that are left. None: there is no limit."""
        most = self.config.max_tokens
        return None if most is None else max(0, most - self.text_tokens - self.audio_tokens)

    def usage(self, input_tokens: int) -> Json:
        """The usage in response.done. input_tokens: of all that the model read."""
        output_tokens = self.text_tokens + self.audio_tokens
        return {
            "total_tokens": input_tokens + output_tokens,
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "input_token_details": {"text_tokens": input_tokens, "audio_tokens": 0, "cached_tokens": 0},
            "output_token_details": {"text_tokens": self.text_tokens, "audio_tokens": self.audio_tokens},
        }
