"""Agents for the verdicts' benchmark, with STT on this machine. BARGEIN_BENCH_POLICY has numbers of their policy, as
JSON."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace

from bargein.agent import Agent, Greeting
from bargein.floor import Policy
from bargein.protocols import AgentSaid, Prompt, TextDelta
from bargein.vendors.local.espeak import EspeakTTS
from bargein.vendors.local.moonshine import MoonshineSTT
from bargein_bench.agent import AGENT, COMPANION_WITH_STT

SETTING = "BARGEIN_BENCH_POLICY"
POLICY = Policy.balanced().with_(json.loads(os.environ.get(SETTING) or "{}"))
ANSWERS = ("I see, thank you.", "Good, I have noted that.", "Certainly, that is fine.", "All right, no problem.")


class BriefLLM:
    """An LLM that answers in a few words, so that the floor is the user's again."""

    name = "brief"

    async def reply(self, prompt: Prompt) -> AsyncIterator[TextDelta]:
        turns = sum(isinstance(item, AgentSaid) for item in prompt.items)
        yield TextDelta(ANSWERS[turns % len(ANSWERS)])


# Talks from the first moment on. The greeting has every sentence of the replies but their first ones.
TALKER = replace(COMPANION_WITH_STT, greeting=AGENT.greeting, policy=POLICY)
BRIEF = Agent(
    name="brief",
    stt=MoonshineSTT(),
    llm=BriefLLM(),
    tts=EspeakTTS(),
    scripted=True,
    policy=POLICY,
    description="Answers in a few words, so that turns can be timed",
    greeting=Greeting("Hello."),
)
