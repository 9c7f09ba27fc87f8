"""The agent of Gemini Live's benchmark. The environment says where its model is."""

from __future__ import annotations

import os

from bargein.agent import Agent, Greeting
from bargein.vendors.google.live.model import GeminiLive

AGENT = Agent(
    name="gemini",
    realtime=GeminiLive(api_key="k", base_url=os.environ.get("BARGEIN_BENCH_VENDORS", "http://127.0.0.1:1")),
    instructions="Be short.",
    greeting=Greeting("Hello, and welcome to the benchmark. I have a lot to tell you, about one thing and another."),
)
