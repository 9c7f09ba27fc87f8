"""An agent of LiveKit Agents with Bargein's floor. No key: the plugins speak to simulators.

pip install 'bargein[livekit,espeak]' livekit-plugins-deepgram livekit-plugins-openai livekit-plugins-cartesia
bargein simulate deepgram & bargein simulate chat & bargein simulate cartesia &
python examples/frameworks/livekit_agent.py console
"""

import os
from typing import Any

from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli
from livekit.plugins import cartesia, deepgram, openai

from bargein.integrations.livekit import BargeinFloor, attach, turn_handling

STT = os.environ.get("SIMULATED_STT", "http://127.0.0.1:8082")
LLM = os.environ.get("SIMULATED_LLM", "http://127.0.0.1:8081")
TTS = os.environ.get("SIMULATED_TTS", "http://127.0.0.1:8084")
server = AgentServer()


def make_session(**more: Any) -> AgentSession[None]:
    stt = deepgram.STT(base_url=f"{STT}/v1/listen", api_key="any", **more)
    llm = openai.LLM(base_url=f"{LLM}/v1", api_key="any")
    tts = cartesia.TTS(base_url=TTS, api_key="any", **more)
    return AgentSession(stt=stt, llm=llm, tts=tts, vad=None, aec_warmup_duration=None, turn_handling=turn_handling())


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    session = make_session()
    await session.start(agent=Agent(instructions="Answer in one sentence."), room=ctx.room)
    await attach(BargeinFloor("balanced"), session)


if __name__ == "__main__":
    cli.run_app(server)
