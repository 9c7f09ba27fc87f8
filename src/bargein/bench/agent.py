"""The agent that the benchmarks interrupt: it always has something long to say, and says it at once."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bargein.call.agent import Agent, Greeting
from bargein.contracts import Prompt, TextDelta
from bargein.tts.espeak import EspeakVoice

SENTENCES = (
    "The road to the harbour runs between two rows of old lime trees.",
    "In the morning the carts come down it with fish and salt, and in the evening they go up again, empty and loud.",
    "There is a house at the bend, with blue shutters, where a man mends clocks for people who have left the town.",
    "He says that a clock is a patient animal, and that it only wants to be heard.",
    "When the wind comes from the sea, all of his clocks strike a little late.",
)


class Talker:
    """Talks for about a minute, whatever it is asked."""

    name = "talker"

    async def reply(self, prompt: Prompt) -> AsyncIterator[TextDelta]:
        for sentence in SENTENCES * 3:
            yield TextDelta(sentence + " ")


AGENT = Agent(
    name="talker",
    mind=Talker(),
    voice=EspeakVoice(),
    llm=False,
    description="Talks without end, to be interrupted by a benchmark",
    greeting=Greeting(" ".join(SENTENCES * 3)),
)
