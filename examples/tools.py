"""An agent with tools: what an interruption does to each is the tool's effect. Needs Ollama on this machine, no key.

python examples/tools.py
"""

from typing import Annotated

from bargein import Agent, hang_up, serve, tool
from bargein.vendors import local

ROOMS = {"friday": 3, "saturday": 0}
booked: list[str] = []


@tool("read")
def free_rooms(day: Annotated[str, "a weekday, in English"]) -> int:
    """How many rooms are free on a day. (A read: an interruption cancels it.)"""
    return ROOMS.get(day.lower(), 1)


@tool("commit")
async def book(day: str, name: str) -> str:
    """Book a room. (A commit: begun once the words before it were heard, and then never cancelled.)"""
    booked.append(f"{name}, {day}")
    return "booked"


agent = Agent(
    stt=local.Moonshine(),
    llm=local.Ollama(),
    tts=local.Espeak(),
    instructions="You take bookings for a small hotel. Say goodbye before you hang up.",
    greeting="Good evening, the hotel is listening.",
    tools=[free_rooms, book, hang_up],  # hang_up is terminal: it runs when the goodbye was heard to its end
)

if __name__ == "__main__":
    serve(agent)
