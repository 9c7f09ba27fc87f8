"""What a client tells the test: a line of JSON for each thing that it saw."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

RATE = 24_000
FRAME_BYTES = RATE // 50 * 2  # 20 ms
FASTER = 4  # times real time; at once, and a turn would be over before the client has cancelled the answer before it
UNTIL_INTERRUPTED_S = 0.4  # of playback
TEXT = "The first room is free. The second room is taken today."
INSTRUCTIONS = "You tell long stories, and look up the weather."


def tell(kind: str, **facts: object) -> None:
    """Tell the test of one thing."""
    sys.stdout.write(json.dumps({"kind": kind, **facts}) + "\n")
    sys.stdout.flush()


def speech() -> bytes:
    """The user's speech and the silence behind it: PCM of RATE, from the file named by the second argument."""
    return Path(sys.argv[2]).read_bytes()


async def frames(audio: bytes) -> AsyncIterator[bytes]:
    """The audio in frames of 20 ms, FASTER than a microphone gives them."""
    for at in range(0, len(audio), FRAME_BYTES):
        yield audio[at : at + FRAME_BYTES]
        await asyncio.sleep(0.02 / FASTER)


def address() -> str:
    """The simulator's address, http://host:port."""
    return sys.argv[1]
