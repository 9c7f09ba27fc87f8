"""LiveKit's plugins for Deepgram, Cartesia, ElevenLabs and OpenAI: each hears or says one text."""

from __future__ import annotations

import asyncio

import aiohttp
from livekit import rtc
from livekit.agents import stt, tts
from livekit.agents.types import USERDATA_TIMED_TRANSCRIPT
from livekit.plugins import cartesia, deepgram, elevenlabs, openai
from told import RATE, TEXT, address, frames, speech, tell


async def hear(name: str, plugin: stt.STT) -> None:
    """Tell the first final transcript."""
    stream = plugin.stream()

    async def say() -> None:
        async for data in frames(speech()):
            stream.push_frame(rtc.AudioFrame(data, RATE, 1, len(data) // 2))

    saying = asyncio.create_task(say())
    events = []
    async for event in stream:
        events.append(event.type.value)
        if event.type == stt.SpeechEventType.FINAL_TRANSCRIPT:
            tell("heard", service=name, text=event.alternatives[0].text, events=sorted(set(events)))
            break
    saying.cancel()
    await stream.aclose()
    await plugin.aclose()


async def say(name: str, plugin: tts.TTS) -> None:
    """Tell what the voice gave for a text that comes in words, where the plugin takes words."""
    ms, words = 0.0, []
    if plugin.capabilities.streaming:
        stream = plugin.stream()
        for word in TEXT.split():
            stream.push_text(word + " ")
        stream.end_input()
    else:
        stream = plugin.synthesize(TEXT)
    async for audio in stream:
        ms += audio.frame.duration * 1000
        words += [str(word) for word in audio.frame.userdata.get(USERDATA_TIMED_TRANSCRIPT, [])]
    tell("said", service=name, ms=ms, words="".join(words).split())
    await stream.aclose()
    await plugin.aclose()


async def main() -> None:
    http, ws = address(), address().replace("http", "ws")
    async with aiohttp.ClientSession() as session:
        more = {"api_key": "k", "http_session": session}
        await asyncio.gather(
            hear("flux", deepgram.STTv2(base_url=f"{ws}/v2/listen", **more)),
            hear("nova", deepgram.STT(base_url=f"{http}/v1/listen", **more)),
            say("openai-tts", openai.TTS(base_url=f"{http}/v1", api_key="k")),
            say("aura", deepgram.TTS(base_url=f"{http}/v1/speak", **more)),
            say("cartesia", cartesia.TTS(base_url=http, **more)),
            say("elevenlabs", elevenlabs.TTS(base_url=f"{http}/v1", **more)),
        )


asyncio.run(main())
