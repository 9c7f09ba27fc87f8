"""An LLM of your own: any object with a `name` and `async def reply(prompt)`. It inherits from nothing.

python examples/custom_llm.py
"""

from collections.abc import AsyncIterator

from bargein import Agent, serve
from bargein.protocols import AgentSaid, Prompt, TextDelta, UserSaid
from bargein.vendors import local


class Porter:
    """Answers with what it knows: the user's words, and how much of its own the user heard."""

    name = "porter"

    async def reply(self, prompt: Prompt) -> AsyncIterator[TextDelta]:
        """prompt.items: the conversation as it was heard, in order. Stopped by a cut in the middle of any line."""
        said = next((item.text for item in reversed(prompt.items) if isinstance(item, UserSaid)), None)
        yield TextDelta(f"You said: {said or 'something'}. ")
        cut = [item for item in prompt.items if isinstance(item, AgentSaid) and item.ended == "cut"]
        if cut:
            yield TextDelta(f"You stopped me after: {cut[-1].text}.")


agent = Agent(
    stt=local.Moonshine(),
    llm=Porter(),
    tts=local.Espeak(),
    greeting="Good evening, how may I help?",
)

if __name__ == "__main__":
    serve(agent)
