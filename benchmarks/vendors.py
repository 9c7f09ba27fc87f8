"""The vendors of the cascade's benchmark: each line hears texts of its own, and everything is recorded with its time.

`python -m benchmarks.vendors` prints its address, and ends when its input closes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from fastapi import FastAPI

from bargein_simulators.all_vendors import serve_until_input_closes
from bargein_simulators.chat import ChatMessage, ChatSimulator, add_chat
from bargein_simulators.deepgram_flux import FluxSimulator, add_flux
from bargein_simulators.elevenlabs import ElevenLabsSimulator, add_elevenlabs
from bargein_simulators.simulated_stt import Script, WordSource

FLUX_MS, TOKEN_MS, AUDIO_MS = 50.0, 200.0, 90.0  # a transcriber's, a model's and a voice's own delays
TURNS = 40
CLAUSE = 10  # the token by which the first clause of an answer is known to be whole


def app() -> FastAPI:
    """Flux, chat and ElevenLabs, with GET /records."""
    numbers = itertools.count(1)

    def words() -> WordSource:
        line = next(numbers)
        return Script([f"this is line {line} turn {turn} please" for turn in range(1, TURNS)])

    flux = FluxSimulator(words=words, delay_ms=FLUX_MS)
    chat = ChatSimulator(respond=answer, first_token_ms=TOKEN_MS, models=())
    voice = ElevenLabsSimulator(first_audio_ms=AUDIO_MS, speed=8.0)
    made = FastAPI(openapi_url=None)
    add_flux(made, flux)
    add_chat(made, chat)
    add_elevenlabs(made, voice)

    @made.get("/records")
    async def records() -> dict[str, object]:
        return {
            "lines": [list(line.told) for line in flux.lines],
            "chats": [
                (served.came_s, served.sent_s[CLAUSE], last_of(served.request.messages))
                for served in chat.served
                if len(served.sent_s) > CLAUSE
            ],
            "voices": [(spoke.came_s, spoke.first_s, spoke.text) for spoke in voice.spoke],
        }

    return made


def last_of(messages: Sequence[ChatMessage]) -> str:
    return next((m.content or "" for m in reversed(messages) if m.role == "user"), "").partition("\n")[0]


def answer(messages: Sequence[ChatMessage]) -> str:
    """Long enough to be interrupted, and it says whom it answers."""
    return (
        f"You said: {last_of(messages)}. And here is a long sentence about the road to the harbour, the old lime trees "
        "and the carts that come down it in the morning with fish and salt. In the evening they go up again, empty and "
        "loud, past the house with the blue shutters, where a man mends clocks for people who have left the town."
    )


if __name__ == "__main__":
    serve_until_input_closes(app())
