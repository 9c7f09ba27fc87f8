"""`--simulate`: our simulators stand in for every vendor, in a process of their own, and need no key."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import SecretStr

from bargein.errors import Unavailable, VendorLost
from bargein.server.settings import Settings

log = logging.getLogger(__name__)

START_S = 30.0
END_S = 5.0
KEY = SecretStr("simulated")


@asynccontextmanager
async def simulated(settings: Settings) -> AsyncIterator[Settings]:
    """The settings, their vendors replaced by simulators that live as long as the block. Raises Unavailable."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bargein.simulators.every",
        stdin=asyncio.subprocess.PIPE,  # it ends when this closes, also if we are killed
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            line = (await process.stdout.readline()).decode().strip()
        if not line.startswith("http://"):
            raise Unavailable(
                "The simulators did not start", advice="Run `python -m bargein.simulators.every` to see why"
            )
        yield settings.model_copy(update=pointed_at(line))
    except TimeoutError:
        raise Unavailable("The simulators did not start in time", advice="Try again") from None
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def pointed_at(url: str) -> dict[str, object]:
    """The settings that make every vendor the server of simulators at that address."""
    socket = url.replace("http", "ws", 1)
    found: dict[str, object] = {"simulator_url": url, "openai_base_url": None, "openai_model": None}
    for vendor, where in (
        ("deepgram", socket),
        ("groq", f"{url}/v1"),
        ("openai", f"{url}/v1"),
        ("elevenlabs", socket),
        ("cartesia", socket),
    ):
        found[f"{vendor}_url"] = where
        found[f"{vendor}_api_key"] = KEY
    return found


async def inject(url: str, simulator: str, fault: str) -> None:
    """Have a simulator fail once. Raises VendorLost when it cannot be told."""
    body = json.dumps({"faults": [fault]}).encode()
    request = urllib.request.Request(  # noqa: S310  # our own loopback address
        f"{url}/simulator/{simulator}/faults", body, {"content-type": "application/json"}, method="POST"
    )
    try:
        await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=2).close())  # noqa: S310
    except OSError as error:
        raise VendorLost(f"The simulator {simulator} took no fault", advice="Look at the server's log") from error
