"""The agent of the realtime benchmark, its model where the environment says."""

from __future__ import annotations

import os

from bargein.call.agent import Agent, Greeting
from bargein.realtime.openai import OpenAIRealtime

URL = os.environ.get("BARGEIN_BENCH_VENDORS", "http://127.0.0.1:1")

AGENT = Agent(
    name="realtime",
    realtime=OpenAIRealtime(api_key="k", base_url=f"{URL}/v1"),
    instructions="Be short.",
    greeting=Greeting("Hello, and welcome to the benchmark. I have a lot to tell you, about one thing and another."),
)
