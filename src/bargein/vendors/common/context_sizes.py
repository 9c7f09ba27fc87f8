"""How much LLMs take in one prompt, and how servers say that a prompt was too long.

The sizes are of the vendors' documentation; a model that is not listed is taken to be small. Our own estimate of tokens
is coarse, so the size is a bound and no measure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bargein.errors import PromptTooLong

DEFAULT_TOKENS = 8_000  # of a model that is not listed: servers of one's own are often started with so little
KNOWN_TOKENS: Mapping[str, int] = {  # by the beginning of the model's name; the longest that fits counts
    "gpt-3.5": 16_000,
    "gpt-4": 8_000,
    "gpt-4-turbo": 128_000,
    "gpt-4o": 128_000,
    "gpt-4.1": 1_000_000,
    "gpt-5": 400_000,
    "o1": 200_000,
    "o3": 200_000,
    "o4": 200_000,
    "openai/gpt-oss": 131_000,
    "llama-3": 131_000,
    "meta-llama/llama-4": 131_000,
    "qwen/qwen3": 131_000,
    "moonshotai/kimi-k2": 262_000,
    "claude": 200_000,
    "voxtral": 32_000,
    "mistralai/Voxtral": 32_000,
    "mistral": 32_000,
    "gemini-": 1_000_000,
}
# What servers write: OpenAI and Groq by a code; vLLM, Mistral, llama.cpp, TGI, xAI, Qwen, GLM and Kimi in words alone.
CODES = frozenset(("context_length_exceeded", "string_above_max_length", "exceed_context_size_error", "3051"))
WORDS = re.compile(
    r"maximum (?:context|prompt|model|allowed) length|context (?:size|window|length|limit)|too large for model|"
    r"request too large|reduce the length|longer than the maximum|exceeded model token limit|"
    r"(?:prompt|inputs?|request)\b.{0,60}\b(?:too long|too large|exceeds)|range of input length|"
    r"(?:prompt|inputs)\b.{0,60}\bmust (?:be (?:<=|less than)|have less than) \d|prompt (?:超长|过长)",
    re.IGNORECASE,
)
LARGE = re.compile("request too large", re.IGNORECASE)
STATUSES = (400, 413, 422, 429, 500)  # the last: older servers of llama.cpp


def context_tokens(model: str | None) -> int:
    """How many tokens a model takes, by its name."""
    fits = [name for name in KNOWN_TOKENS if (model or "").casefold().startswith(name.casefold())]
    return KNOWN_TOKENS[max(fits, key=len)] if fits else DEFAULT_TOKENS


def is_too_long(status: int, code: object, message: object) -> bool:
    """Whether an error says that the prompt was too long. message: the server's own words, which are never shown.
    A 429 says so only in words: the request is larger than the account's tokens of one minute."""
    if status not in STATUSES:
        return False
    if status == 413 or (status != 429 and str(code) in CODES):
        return True
    wanted = LARGE if status == 429 else WORDS
    return wanted.search(str(message or "")[:2_000]) is not None


def prompt_too_long(model: str, status: int) -> PromptTooLong:
    """The error of a prompt that was refused for its length."""
    return PromptTooLong(
        f"The prompt is longer than the chat model {model} takes ({status})",
        advice="Shorten the instructions and the tools' results, or give the agent a smaller max_prompt_tokens",
    )
