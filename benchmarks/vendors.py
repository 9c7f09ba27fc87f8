"""The vendors of the cascade's benchmark: each STT connection has texts of its own, and each event has its time.

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

FLUX_MS, TOKEN_MS, AUDIO_MS = 50.0, 200.0, 90.0  # the delays of the STT, the LLM and the TTS
TURNS = 40
CLAUSE = 10  # the token that ends the first clause of an answer


def app() -> FastAPI:
    """Flux, chat and ElevenLabs, with GET /records."""
    numbers = itertools.count(1)

    def words() -> WordSource:
        number = next(numbers)
        return Script([f"this is line {number} turn {turn} please" for turn in range(1, TURNS)])

    flux = FluxSimulator(words=words, delay_ms=FLUX_MS)
    chat = ChatSimulator(respond=answer, first_token_ms=TOKEN_MS, models=())
    tts = ElevenLabsSimulator(first_audio_ms=AUDIO_MS, speed=8.0)
    server = FastAPI(openapi_url=None)
    add_flux(server, flux)
    add_chat(server, chat)
    add_elevenlabs(server, tts)

    @server.get("/records")
    async def records() -> dict[str, object]:
        return {
            "lines": [list(connection.sent_turns) for connection in flux.connections],
            "chats": [
                (served.came_s, served.sent_s[CLAUSE], last_of(served.request.messages))
                for served in chat.served
                if len(served.sent_s) > CLAUSE
            ],
            "voices": [(spoke.came_s, spoke.first_s, spoke.text) for spoke in tts.spoke],
        }

    return server


def last_of(messages: Sequence[ChatMessage]) -> str:
    return next((m.content or "" for m in reversed(messages) if m.role == "user"), "").partition("\n")[0]


def answer(messages: Sequence[ChatMessage]) -> str:
    """An answer that is long enough to be interrupted, and repeats the user's words."""
    return (
        f"You said: {last_of(messages)}. And here is a long sentence about the road to the harbour, the old lime trees "
        "and the carts that come down it in the morning with fish and salt. In the evening they go up again, empty and "
        "loud, past the house with the blue shutters, where a man mends clocks for people who have left the town."
    )


if __name__ == "__main__":
    serve_until_input_closes(app())
