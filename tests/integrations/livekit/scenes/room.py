"""LiveKit's own room output behind our floor: its native queue, its transcript synchronizer."""

from __future__ import annotations

import asyncio
import logging

import numpy as np
from kit import LONG, LONG_MS, VOICE_RATE, WORD_S, RoomEar, ramp, scene, sound, tell

from bargein.errors import UsageError
from bargein.integrations.livekit import BargeinFloor, attach, turn_handling


async def holds() -> None:
    """Ten holds in one reply."""
    ear = RoomEar()
    async with scene(LONG, ear=ear) as call:
        call.session.generate_reply()
        ahead = 0.0
        for n in range(10):
            await call.sounds(300 + 400 * n)
            call.attached.hold("a try")
            await asyncio.sleep(0.3)
            shown = len("".join(text for _, text in ear.subtitles.shown).split())
            ahead = max(ahead, shown - len(ear.samples) / VOICE_RATE / WORD_S)
            call.attached.resume("a try")
        await call.until(lambda: call.messages("assistant"))
        await call.sounds(LONG_MS)  # the native track is heard a little later than LiveKit says
        heard = ear.samples
        tell(
            "room_holds",
            exact=bool(np.array_equal(heard, ramp(len(heard)))),
            heard=len(heard) / VOICE_RATE,
            words_ahead=ahead,
            shown="".join(text for _, text in ear.subtitles.shown).strip(),
        )
    await ear.aclose()


async def cut() -> None:
    ear = RoomEar()
    async with scene(LONG, "Oslo is far.", ear=ear) as call:
        call.session.generate_reply()
        await call.sounds(1_500)
        call.mic.play(sound("interruption"))
        await asyncio.sleep(0.4)
        call.stt.read("what about Oslo")
        await call.until(lambda: call.floor.counts["cuts"])
        await asyncio.sleep(0.3)
        first = len(ear.samples)
        call.stt.read("What about Oslo?", final=True)
        await call.until(lambda: len(call.messages("assistant")) == 2)
        tell(
            "room_cut",
            text=call.messages("assistant")[0].text_content,
            heard_words=int(first / VOICE_RATE / WORD_S),
            more=len(ear.samples) - first,
            shown="".join(text for _, text in ear.subtitles.shown),
        )
    await ear.aclose()


async def emptied() -> None:
    """The room does not know its position to the sample."""
    ear = RoomEar()
    async with scene(LONG, ear=ear, own=False, vad=None, turn_handling=turn_handling()) as call:
        try:
            await attach(BargeinFloor(), call.session, empties=True)
        except UsageError as error:
            tell("refused", why="room emptied", text=str(error))
    await ear.aclose()


async def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    await asyncio.gather(holds(), cut(), emptied())


asyncio.run(main())
