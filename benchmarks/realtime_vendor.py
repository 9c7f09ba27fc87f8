"""The speech model of the realtime benchmark: each session has texts of its own, and what came to it is recorded.

`python -m benchmarks.realtime_vendor` prints its address, and ends when its input closes.
"""

from __future__ import annotations

import itertools
from base64 import b64encode
from collections.abc import Iterable, Sequence

from fastapi import FastAPI

from bargein.audio.mulaw import to_mulaw
from bargein_simulators.all_vendors import serve_until_input_closes
from bargein_simulators.openai_realtime import RealtimeSimulator, add_realtime
from bargein_simulators.realtime_session import RealtimeSession, ServerItem

TURNS = 40
SPEED = 1.5  # times real time: slow enough that most cuts find a response that is still being made
FIRST_MS = 150.0


def app() -> FastAPI:
    """OpenAI Realtime, with GET /records."""
    numbers = itertools.count(1)

    def script() -> Iterable[str]:
        number = next(numbers)
        return [f"this is line {number} turn {turn} please" for turn in range(1, TURNS)]

    sim = RealtimeSimulator(respond=answer, scripts=script, first_audio_ms=FIRST_MS, speed=SPEED)
    server = FastAPI(openapi_url=None)
    add_realtime(server, sim)

    @server.get("/records")
    async def records() -> list[dict[str, object]]:
        return [record(session) for session in sim.sessions]

    return server


def record(session: RealtimeSession) -> dict[str, object]:
    """The record of one session.

    came: events, with their time by the monotonic clock in ms. cut: items that were truncated, with their text, the
    length they were truncated to, the words heard, the true ends of their words, and their audio as mu-law.
    """
    words = next((item.text for item in session.items.values() if item.wire.get("role") == "user"), "")
    return {
        "line": words.split()[3] if len(words.split()) > 3 else "",
        "came": [(at_s * 1000, event["type"]) for at_s, event in session.received],
        "cut": [
            {
                "text": item.spoken,
                "told_ms": item.truncated_ms,
                "heard": item.heard(),
                "ends": [(word.end_ms, word.end) for word in item.truth],
                "sound": b64encode(to_mulaw(item.pcm.samples)).decode(),
            }
            for item in session.items.values()
            if item.truncated_ms is not None and item.pcm is not None
        ],
        "errors": [event["error"]["code"] for _, event in session.sent if event["type"] == "error"],
    }


def answer(words: str, items: Sequence[ServerItem]) -> str:
    """An answer that is long enough to be interrupted, and repeats the user's words."""
    return (
        f"You said: {words}. And here is a long sentence about the road to the harbour, the old lime trees and the "
        "carts that come down it in the morning with fish and salt. In the evening they go up again, empty and loud, "
        "past the house with the blue shutters, where a man mends clocks for people who have left the town."
    )


if __name__ == "__main__":
    serve_until_input_closes(app())
