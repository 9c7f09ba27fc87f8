"""Sounds over a reply of a LiveKit session: each scene tells what the ear heard."""

from __future__ import annotations

import asyncio
import logging

from kit import LONG, VOICE_RATE, WORD_S, scene, sound, tell


async def cough() -> None:
    async with scene(LONG) as call:
        call.session.generate_reply()
        await call.sounds(1_000)
        onset = call.mic.play(sound("cough"))
        await call.sounds(24 * WORD_S * 1000)
        await call.until(lambda: call.messages("assistant"))
        tell(
            "cough",
            whole=call.whole(),
            heard=len(call.ear.samples) / VOICE_RATE,
            hold_ms=(call.ear.silent_from(onset) - onset) * 1000,
            counts=call.floor.counts,
            text=call.messages("assistant")[0].text_content,
            interrupted=call.messages("assistant")[0].interrupted,
        )


async def words(*, aligned: bool) -> None:
    async with scene(LONG, "Oslo is far.", aligned=aligned) as call:
        call.session.generate_reply()
        await call.sounds(1_500)
        onset = call.mic.play(sound("interruption"))
        await asyncio.sleep(0.4)
        call.stt.read("what about Oslo")
        await call.until(lambda: call.floor.counts["cuts"])
        await asyncio.sleep(0.3)
        first = len(call.ear.samples)
        call.stt.read("What about Oslo?", final=True)
        await call.until(lambda: len(call.messages("assistant")) == 2)
        cut = call.messages("assistant")[0]
        tell(
            "words",
            aligned=aligned,
            whole_before_the_cut=bool((call.ear.samples[:first] == list(range(1, first + 1))).all())
            if first < 32_000
            else first,
            hold_ms=(call.ear.silent_from(onset) - onset) * 1000,
            heard_words=int(first / VOICE_RATE / WORD_S),
            text=cut.text_content,
            interrupted=cut.interrupted,
            asked=call.llm.asked[-1],
            counts=call.floor.counts,
        )


async def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    await asyncio.gather(cough(), words(aligned=True), words(aligned=False))


asyncio.run(main())
