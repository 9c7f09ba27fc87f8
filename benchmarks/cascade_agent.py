"""The agent of the cascade's benchmark. The environment says where its vendors are."""

from __future__ import annotations

import os

from bargein.agent import Agent, Greeting
from bargein.floor import Policy
from bargein.vendors.deepgram.flux import DeepgramFlux
from bargein.vendors.elevenlabs.speech import ElevenLabsSpeech
from bargein.vendors.groq.chat import GroqChat

URL = os.environ.get("BARGEIN_BENCH_VENDORS", "http://127.0.0.1:1")
GUESSES = os.environ.get("BARGEIN_BENCH_GUESSES") == "1"
FLUX_ALONE = os.environ.get("BARGEIN_BENCH_FLUX_ALONE") == "1"  # our own VAD never holds: only Flux interrupts
NEVER = 0.999999  # no window is so sure
DEAF = {
    "hold_threshold": NEVER,
    "decide_threshold": NEVER,
    "sure_threshold": NEVER,
    "loud_threshold": NEVER,
    "echo_guard_ms": 0,
}

AGENT = Agent(
    name="cascade",
    stt=DeepgramFlux(api_key="k", base_url=URL, eager_eot_threshold=0.4 if GUESSES else None),
    llm=GroqChat(api_key="k", base_url=f"{URL}/v1"),
    tts=ElevenLabsSpeech(api_key="k", base_url=URL.replace("http", "ws", 1)),
    instructions="Be short.",
    greeting=Greeting("Hello, and welcome to the benchmark. I have a lot to tell you, about one thing and another."),
    policy=Policy.balanced().with_(DEAF if FLUX_ALONE else {}),
)
