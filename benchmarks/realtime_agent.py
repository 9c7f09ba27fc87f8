"""The agent of the realtime benchmark. The environment says where its model is. It notes when each cancel leaves."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bargein.agent import Agent, Greeting
from bargein.vendors.openai.realtime import OpenAIRealtime

URL = os.environ.get("BARGEIN_BENCH_VENDORS", "http://127.0.0.1:1")
LEFT = os.environ.get("BARGEIN_BENCH_LEFT")  # a file: the machine's time in ms at which each cancel went out


class Timed(OpenAIRealtime):
    """OpenAI Realtime, with the times at which cancels leave."""

    @asynccontextmanager
    async def connect(self, call_id: str | None = None) -> AsyncIterator[Any]:
        async with super().connect(call_id) as connection:
            send = connection.send_raw

            async def watched(data: bytes | str) -> None:
                await send(data)
                if "response.cancel" in str(data[:40]):
                    left.append(time.monotonic_ns() / 1e6)

            connection.send_raw = watched  # type: ignore[method-assign]
            left: list[float] = []
            try:
                yield connection
            finally:
                if LEFT is not None and left:
                    with Path(LEFT).open("a") as file:  # noqa: ASYNC230  # the call is over
                        file.writelines(f"{at_ms}\n" for at_ms in left)


AGENT = Agent(
    name="realtime",
    realtime=Timed(api_key="k", base_url=f"{URL}/v1"),
    instructions="Be short.",
    greeting=Greeting("Hello, and welcome to the benchmark. I have a lot to tell you, about one thing and another."),
)
