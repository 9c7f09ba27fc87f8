"""Test an agent offline: no key, no network, no microphone, and in moved time, so that a test takes milliseconds.

    import bargein.testing
    from my_agent import agent

    async def test_the_agent_stops_when_told_to() -> None:
        async with bargein.testing.call(agent) as call:
            await call.agent_says("Good evening")
            await call.user_says("wait, stop", over="how may")
            assert call.heard == "Good evening, how may"

The agent's own LLM and tools run for real; its stt and tts are replaced by scripted ones. `ScriptedLLM` stands in for
an LLM that needs a network: `bargein.testing.call(agent, llm=ScriptedLLM("We have three rooms."))`.
"""

from bargein.clock import ManualClock
from bargein.testing.client import ClientReply, SimulatedClient
from bargein.testing.parts import ScriptedBatchSTT, ScriptedLLM, ScriptedSTT, ScriptedVAD, ToneTTS
from bargein.testing.simulated_call import SimulatedCall, call

__all__ = [
    "ClientReply",
    "ManualClock",
    "ScriptedBatchSTT",
    "ScriptedLLM",
    "ScriptedSTT",
    "ScriptedVAD",
    "SimulatedCall",
    "SimulatedClient",
    "ToneTTS",
    "call",
]
