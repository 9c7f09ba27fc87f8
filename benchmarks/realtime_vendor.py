"""The speech model of the realtime benchmark: each session hears texts of its own, and what came to it is recorded.

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
        line = next(numbers)
        return [f"this is line {line} turn {turn} please" for turn in range(1, TURNS)]

    sim = RealtimeSimulator(respond=answer, scripts=script, first_audio_ms=FIRST_MS, speed=SPEED)
    made = FastAPI(openapi_url=None)
    add_realtime(made, sim)

    @made.get("/records")
    async def records() -> list[dict[str, object]]:
        return [record(session) for session in sim.sessions]

    return made


def record(session: RealtimeSession) -> dict[str, object]:
    """What came, with its time by the monotonic clock in ms; and the items that were shortened: their text, to how
    many ms, what ends before that; the true ends of their words, and their sound as mu-law."""
    said = next((item.text for item in session.items.values() if item.wire.get("role") == "user"), "")
    return {
        "line": said.split()[3] if len(said.split()) > 3 else "",
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


def answer(said: str, items: Sequence[ServerItem]) -> str:
    """Long enough to be interrupted, and it says whom it answers."""
    return (
        f"You said: {said}. And here is a long sentence about the road to the harbour, the old lime trees and the "
        "carts that come down it in the morning with fish and salt. In the evening they go up again, empty and loud, "
        "past the house with the blue shutters, where a man mends clocks for people who have left the town."
    )


if __name__ == "__main__":
    serve_until_input_closes(app())
