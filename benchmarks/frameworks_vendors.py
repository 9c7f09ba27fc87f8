"""The vendors of the frameworks' benchmark: Nova with the callers' true words, chat that talks at length, Cartesia.

`python -m benchmarks.frameworks_vendors SPEECH.npz [tales]` prints its address, and ends when its input closes. tales:
each story begins with a number of its own.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Sequence
from functools import partial
from itertools import count
from pathlib import Path

from fastapi import FastAPI

from bargein.clock import MonotonicClock
from bargein_bench.agent import OPENERS, SENTENCES
from bargein_simulators.all_vendors import serve_until_input_closes
from bargein_simulators.cartesia import CartesiaSimulator, add_cartesia
from bargein_simulators.chat import ChatMessage, ChatSimulator, add_chat
from bargein_simulators.deepgram_nova import NovaSimulator, add_nova
from bargein_simulators.openai_speech import SpeechSimulator, add_speech
from bargein_simulators.speech import SimulatedSpeech, SynthesizedText
from benchmarks.known_words import CallersWords, SpeechIndex, load

NOVA_MS, FIRST_TOKEN_MS, AUDIO_MS = 60.0, 200.0, 90.0  # the delays of the STT, the LLM and the TTS
TOKEN_MS = 20.0  # between two tokens: with a minute of reply at once each bot spends 100 ms on nothing else
SPEED = 2.5  # of the TTS, times real time
KEPT = 4_000  # replies whose text and times are kept


class RememberedSpeech(SimulatedSpeech):
    """Speaks each text once, and then from memory: espeak says no text twice alike."""

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[tuple[str, int], SynthesizedText] = {}
        """By text and rate."""
        self._one = asyncio.Lock()  # calls that ask for a text at the same time get the same audio

    async def say(self, text: str, rate: int = 24_000) -> SynthesizedText:
        async with self._one:
            if (text, rate) not in self.said:
                self.said[text, rate] = await super().say(text, rate)
            return self.said[text, rate]


def story(number: int) -> str:
    """About a minute. No two stories that follow each other begin alike."""
    first = number % len(SENTENCES)
    return " ".join((OPENERS[number % len(OPENERS)], *(SENTENCES[first:] + SENTENCES[:first]) * 3))


def app(speech: Path, *, tales: bool = False) -> FastAPI:
    """Nova, chat, Cartesia and OpenAI's speech.

    GET /replies: each answer, when it was asked for, and the messages before. GET /spoken: each text that was spoken,
    its length in ms, and where each of its words begins (in the text, in ms) and ends.
    """
    index, voice = SpeechIndex(load(speech)), RememberedSpeech()
    numbers, clock = count(1), MonotonicClock()
    replies: deque[dict[str, object]] = deque(maxlen=KEPT)

    def respond(messages: Sequence[ChatMessage]) -> str:
        number = next(numbers)
        text = f"Tale {number}. {story(number)}" if tales else story(len(messages))
        said = [[m.role, m.content or ""] for m in messages if m.role in ("user", "assistant")]
        replies.append({"number": number, "at_ms": clock.now_ms(), "text": text, "before": said[-4:]})
        return text

    server = FastAPI(openapi_url=None)
    add_nova(server, NovaSimulator(words=partial(CallersWords, index), delay_ms=NOVA_MS))
    add_chat(server, ChatSimulator(respond=respond, first_token_ms=FIRST_TOKEN_MS, token_ms=TOKEN_MS, models=()))
    add_cartesia(server, CartesiaSimulator(speech=voice, first_audio_ms=AUDIO_MS, speed=SPEED))
    add_speech(server, SpeechSimulator(speech=voice, first_audio_ms=AUDIO_MS, speed=SPEED))

    @server.get("/replies")
    async def told() -> list[dict[str, object]]:
        return list(replies)

    @server.get("/spoken")
    async def spoken() -> list[dict[str, object]]:
        return [
            {"text": s.text, "ms": s.pcm.ms, "words": [[w.begin, w.start_ms, w.end_ms] for w in s.words]}
            for s in voice.said.values()
        ]

    return server


if __name__ == "__main__":
    serve_until_input_closes(app(Path(sys.argv[1]), tales="tales" in sys.argv))
