"""Names of attributes, and what of a call may stand in a span.

Vendors' answers and tools have the attributes of OpenTelemetry's semantic conventions for generative AI, as far as
they exist (https://github.com/open-telemetry/semantic-conventions-genai). What is ours begins with `bargein.`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bargein.agent import Agent

CALL, DOOR, LANGUAGE, PRESET = "bargein.call", "bargein.door", "bargein.language", "bargein.policy"
REPLY, TURN, KIND, CAUSE = "bargein.reply", "bargein.turn", "bargein.kind", "bargein.cause"
ENDED, WHY, END_WHY, SOURCE = "bargein.ended", "bargein.why", "bargein.end_why", "bargein.source"
VERDICT, CONFIDENCE, ONSET_MS = "bargein.verdict", "bargein.confidence", "bargein.onset_ms"
FIRST_AUDIO_MS = "bargein.first_audio_ms"
"""From the floor's order to the first sound."""
PART, CHARS, STOPPED = "bargein.part", "bargein.chars", "bargein.stopped"
HEARD, UNHEARD, TEXT, EXACT = "bargein.heard", "bargein.unheard", "bargein.text", "bargein.exact"
REOPENED = "bargein.reopened"
"""The turn's answer was discarded, and the turn goes on."""
WORDS, OTHER, INTERRUPTS = "bargein.words", "bargein.other", "bargein.interrupts"
HAS_WORDS = "bargein.has_words"

AGENT_NAME, CONVERSATION = "gen_ai.agent.name", "gen_ai.conversation.id"
OPERATION, PROVIDER, MODEL = "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model"
FIRST_CHUNK_S = "gen_ai.response.time_to_first_chunk"
OUTPUT_TYPE, STREAM = "gen_ai.output.type", "gen_ai.request.stream"
INPUT_TOKENS, OUTPUT_TOKENS = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
TOOL, TOOL_CALL, TOOL_TYPE = "gen_ai.tool.name", "gen_ai.tool.call.id", "gen_ai.tool.type"
TOOL_ARGUMENTS, TOOL_RESULT = "gen_ai.tool.call.arguments", "gen_ai.tool.call.result"
ERROR_TYPE = "error.type"

OPERATIONS: Mapping[str, str] = {
    "llm": "chat",
    "tts": "text_to_speech",
    "stt": "speech_to_text",
    "realtime": "generate_content",
}
"""By the part. The conventions have no name for a TTS's and an STT's work; they allow others."""
_PROVIDERS: Mapping[str, str] = {
    "azure": "azure.ai.openai",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "xai": "x_ai",
}
_VENDORS = "bargein.vendors."
# What people said stands in quotes in a reason. An apostrophe within a word opens none.
_QUOTED = re.compile(r"""(?<!\w)(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")


def without_words(why: str) -> str:
    """A reason without what was said: "said 'no thanks'" becomes "said (words)"."""
    return _QUOTED.sub("(words)", why)


def provider_of(part: object) -> str:
    """The vendor of a part, by its name in the conventions. Of a part that is the user's own, the package."""
    module = type(part).__module__
    if not module.startswith(_VENDORS):
        return module.partition(".")[0]
    vendor = module[len(_VENDORS) :].partition(".")[0]
    return _PROVIDERS.get(vendor, vendor)


def providers(agent: Agent) -> dict[str, str]:
    """The vendors of an agent's parts, by the names of the parts."""
    return {str(getattr(part, "name", "")): provider_of(part) for part in agent.parts}
