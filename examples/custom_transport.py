"""A transport of your own: the agent speaks into a WAV file. Every part is keyless and offline."""

import asyncio
import wave
from collections.abc import AsyncIterator

from bargein import Agent, notices, protocols, run_call, testing


class WavFile:
    rate_in, rate_out, capabilities = 16_000, 24_000, protocols.TransportCapabilities(pause=False, reports=False)

    def __init__(self, file: wave.Wave_write) -> None:
        self.inbox: asyncio.Queue[protocols.Inbound] = asyncio.Queue()  # a microphone's AudioIn would go in here
        self.file = file
        file.setparams((1, 2, self.rate_out, 0, "NONE", ""))

    async def receive(self) -> AsyncIterator[protocols.Inbound]:
        yield await self.inbox.get()

    def send(self, frame: protocols.AudioOut) -> bool:
        self.file.writeframes(frame.samples.tobytes())
        return True  # False would mean: no room, offer this frame again

    def hold(self, reply: int) -> None: ...  # there is no queue from which frames could be taken back

    def flush(self, reply: int) -> int:
        return 0

    def notify(self, notice: notices.Notice) -> None:
        if isinstance(notice, notices.Transcript):  # the greeting was heard
            self.inbox.put_nowait(protocols.ClientHangUp("heard enough"))

    async def close(self, reason: str) -> None: ...


if __name__ == "__main__":
    with wave.open("agent.wav", "wb") as file:
        agent = Agent(llm=testing.ScriptedLLM(), tts=testing.ToneTTS(), greeting="Good evening")
        print(asyncio.run(run_call(agent, WavFile(file))).conversation)
