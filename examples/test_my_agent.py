"""How to test an agent: offline, without a key, in moved time. Needs pytest and pytest-asyncio (asyncio_mode = "auto").

pytest examples/test_my_agent.py
"""

from custom_llm import agent

import bargein.testing


async def test_it_stops_at_the_word_that_was_heard() -> None:
    async with bargein.testing.call(agent) as call:
        await call.agent_says("Good evening")
        await call.user_says("wait, stop", over="how may")
        assert call.heard == "Good evening, how may"
        await call.agent_says("You stopped me after: Good evening, how may")


async def test_a_listener_does_not_stop_it() -> None:
    async with bargein.testing.call(agent) as call:
        await call.backchannel("mm-hmm", over="good evening")
        await call.agent_says("how may I help")
