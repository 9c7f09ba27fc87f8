"""The simulated Gemini Live of its benchmark, with a record of what came to it.

`python -m benchmarks.gemini_vendor` prints its address, and ends when its input closes.
"""

from __future__ import annotations

from collections import deque

from fastapi import FastAPI

from bargein_simulators.all_vendors import serve_until_input_closes
from bargein_simulators.gemini_live import add_gemini_live
from bargein_simulators.gemini_live_behavior import GeminiLiveSimulator

SPEED = 1.5  # times real time: slow enough that most cuts find a reply that is still being made
WORDS = ("tell me about the harbour", "and about the trees", "and about the town", "and about the house")
ANSWER = (
    "Here is a long sentence about the road to the harbour, the old lime trees and the carts that come down it in the "
    "morning with fish and salt. In the evening they go up again, empty and loud, past the house with the blue "
    "shutters, where a man mends clocks for people who have left the town."
)


def app() -> FastAPI:
    """Gemini Live, with GET /records."""
    sim = GeminiLiveSimulator(respond=lambda *_: ANSWER, script=deque(WORDS), first_audio_ms=150, speed=SPEED)
    server = FastAPI(openapi_url=None)
    add_gemini_live(server, sim)

    @server.get("/records")
    async def records() -> list[dict[str, object]]:
        return [{"starts_ms": session.starts_ms, "closed": session.closed} for session in sim.sessions]

    return server


if __name__ == "__main__":
    serve_until_input_closes(app())
