"""Our own server's agent for the frameworks' benchmark, with the same vendors. The environment says where they are."""

from __future__ import annotations

import os

from bargein.agent import Agent, Greeting
from bargein.vendors.cartesia.speech import CartesiaSpeech
from bargein.vendors.deepgram.nova import DeepgramNova
from bargein.vendors.groq.chat import GroqChat
from benchmarks.frameworks_vendors import story

URL = os.environ.get("BARGEIN_BENCH_VENDORS", "http://127.0.0.1:1")

AGENT = Agent(
    name="bargein",
    stt=DeepgramNova(api_key="k", base_url=URL),
    llm=GroqChat(api_key="k", base_url=f"{URL}/v1", max_tokens=None),
    tts=CartesiaSpeech(api_key="k", base_url=URL.replace("http", "ws", 1)),
    instructions="You tell long stories.",
    greeting=Greeting(story(0)),
)
