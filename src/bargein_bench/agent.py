"""The agents that the benchmarks interrupt: they have long replies, and begin them at once."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bargein.agent import Agent, Greeting
from bargein.protocols import AgentSaid, Prompt, TextDelta
from bargein.vendors.local.espeak import EspeakTTS
from bargein.vendors.local.moonshine import MoonshineSTT

SENTENCES = (
    "The road to the harbour runs between two rows of old lime trees.",
    "In the morning the carts come down it with fish and salt, and in the evening they go up again, empty and loud.",
    "There is a house at the bend, with blue shutters, where a man mends clocks for people who have left the town.",
    "He says that a clock is a patient animal, and that it only wants to be heard.",
    "When the wind comes from the sea, all of his clocks strike a little late.",
)


OPENERS = (
    "Gladly, and let me begin at the harbour.",
    "Of course. My grandmother told it differently.",
    "Yes, that reminds me of the lighthouse keeper.",
    "Very well, here is how the winter went.",
    "Indeed. It is years since I was asked that.",
)


class Talker:
    """An LLM that talks for about a minute, whatever it is asked.

    No two replies of a call begin alike, so a reply that goes on differs from the next one in its audio.
    """

    name = "talker"

    async def reply(self, prompt: Prompt) -> AsyncIterator[TextDelta]:
        turns = sum(isinstance(item, AgentSaid) for item in prompt.items)
        first = turns % len(SENTENCES)
        for sentence in (OPENERS[turns % len(OPENERS)], *(SENTENCES[first:] + SENTENCES[:first]) * 3):
            yield TextDelta(sentence + " ")


AGENT = Agent(
    name="talker",
    stt=None,
    llm=Talker(),
    tts=EspeakTTS(),
    scripted=True,
    description="Talks without end, to be interrupted by a benchmark",
    greeting=Greeting(" ".join(SENTENCES * 3)),
)

# With a short greeting: `bargein bench` then asks for the long replies.
COMPANION = Agent(
    name="companion",
    stt=None,
    llm=Talker(),
    tts=EspeakTTS(),
    scripted=True,
    description="Greets in a sentence, and then talks at length, to be interrupted by `bargein bench`",
    greeting=Greeting("Good morning, this is the harbour office. What would you like to hear about?"),
)

# With local STT, which reads short sounds.
COMPANION_WITH_STT = Agent(
    name="companion-with-stt",
    llm=Talker(),
    tts=EspeakTTS(),
    stt=MoonshineSTT(),
    scripted=True,
    description="As the companion, with STT on this machine",
    greeting=COMPANION.greeting,
)
