"""Sounds over a reply of a LiveKit session: each scene tells what the ear heard."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import scene_time
from kit import LONG, LONG_MS, VOICE_RATE, WORD_S, Ear, scene, sound, tell
from livekit.agents.voice import TranscriptSynchronizer, io


async def cough() -> None:
    async with scene(LONG) as call:
        call.session.generate_reply()
        await call.sounds(1_000)
        onset = call.mic.play(sound("cough"))
        await call.sounds(LONG_MS)
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
        whole, first = call.whole(), len(call.ear.samples)
        call.stt.read("What about Oslo?", final=True)
        await call.until(lambda: len(call.messages("assistant")) == 2)
        cut = call.messages("assistant")[0]
        tell(
            "words",
            aligned=aligned,
            whole=whole,
            hold_ms=(call.ear.silent_from(onset) - onset) * 1000,
            heard_words=int(first / VOICE_RATE / WORD_S),
            text=cut.text_content,
            interrupted=cut.interrupted,
            asked=call.llm.asked[-1],
            counts=call.floor.counts,
            later=len(call.ear.samples) - first,
        )


async def hum() -> None:
    """A hum with words resumes, and does not stand before the user's next words."""
    async with scene(LONG, "Oslo is far.") as call:
        call.session.generate_reply()
        await call.sounds(1_000)
        call.mic.play(sound("hum"))
        await asyncio.sleep(0.25)
        call.stt.read("mm-hmm")
        await call.until(lambda: call.floor.counts["resumes"])
        await call.sounds(LONG_MS)
        whole = call.whole()
        await call.until(lambda: call.messages("assistant"))
        call.mic.play(sound("interruption"))
        await asyncio.sleep(0.5)
        call.stt.read("and Oslo?", final=True)
        await call.until(lambda: len(call.messages("assistant")) == 2)
        tell("hum", whole=whole, counts=call.floor.counts, asked=call.llm.asked[-1][-1], streams=len(call.stt.streams))


async def lasting() -> None:
    """Speech that lasts cuts where no words are read; without words it is no turn."""
    async with scene(LONG, "Oslo is far.") as call:
        call.session.generate_reply()
        await call.sounds(1_000)
        call.mic.play(sound("speech")[:32_000])
        await call.until(lambda: call.messages("assistant"))
        cut = call.messages("assistant")[0].text_content
        first = len(call.ear.samples)
        await asyncio.sleep(3.5)
        tell(
            "lasting",
            counts=call.floor.counts,
            text=cut,
            heard_words=int(first / VOICE_RATE / WORD_S),
            asked=len(call.llm.asked),
            state=call.floor.floor.state.value,
        )


async def again() -> None:
    """Three coughs in one reply, the last in its last word."""
    async with scene(LONG) as call:
        call.session.generate_reply()
        for at_ms in (700, 2_500, LONG_MS - 150):
            await call.sounds(at_ms, 15)
            call.mic.play(sound("cough"))
            await asyncio.sleep(0.5)
        await call.until(lambda: call.messages("assistant"), 15)
        tell("again", whole=call.whole(), heard=len(call.ear.samples) / VOICE_RATE, counts=call.floor.counts)


async def emptied() -> None:
    """Holds that empty an output which knows its position."""
    async with scene(LONG, empties=True) as call:
        call.session.generate_reply()
        for n in range(8):
            await call.sounds(300 + 400 * n)
            call.attached.hold("a try")
            await asyncio.sleep(0.1)
            call.attached.resume("a try")
        await call.sounds(LONG_MS)
        tell("emptied", whole=call.whole(), heard=len(call.ear.samples) / VOICE_RATE, segments=call.ear.segments)


class Guessing(Ear):
    """Says wrongly how far it has played: a part of a sample too far, or nothing at all."""

    def __init__(self, *, nothing: bool) -> None:
        super().__init__()
        self.nothing, self.told = nothing, 0

    def on_playback_finished(self, *, playback_position: float, interrupted: bool, **more: Any) -> None:
        if interrupted:
            self.told += 1
            playback_position = 0.0 if self.nothing else playback_position + 0.3 / VOICE_RATE
        super().on_playback_finished(playback_position=playback_position, interrupted=interrupted, **more)


class Pausing(Ear):
    """An output that can pause. drops: what it has then is lost."""

    def __init__(self, *, drops: bool) -> None:
        super().__init__()
        self._capabilities = io.AudioOutputCapabilities(pause=True)
        self.drops, self.lost = drops, 0

    def pause(self) -> None:
        self.enabled = False
        if self.drops:
            self.lost += len(self._queue)
            self._queue.clear()

    def resume(self) -> None:
        self.enabled = True


async def paused(*, drops: bool, below: bool = False) -> None:
    """Holds that pause an output, a cut in the last of them, and an end of the call. below: LiveKit's transcript
    synchronizer stands above the output, and is paused, too."""
    ear = Pausing(drops=drops)
    if below:
        synchronizer = TranscriptSynchronizer(next_in_chain_audio=ear, next_in_chain_text=None)
        ear.top, ear.text = synchronizer.audio_output, synchronizer.text_output
    async with scene(LONG, LONG, "Oslo is far.", ear=ear) as call:
        call.session.generate_reply()
        before = call.attached.output.sink_hold.name
        for n in range(8):
            await call.sounds(300 + 300 * n)
            call.attached.hold("a try")
            await asyncio.sleep(0.1)
            call.attached.resume("a try")
        await call.until(lambda: call.messages("assistant"))
        heard, whole = len(ear.samples) / VOICE_RATE, call.whole()
        call.session.generate_reply()
        await call.sounds(LONG_MS + 1_000)
        onset = call.mic.play(sound("interruption"))
        await asyncio.sleep(0.4)
        call.stt.read("what about Oslo")
        await call.until(lambda: len(call.messages("assistant")) == 2)
        before_last = len(ear.samples) / VOICE_RATE
        call.stt.read("What about Oslo?", final=True)
        await call.until(lambda: len(call.messages("assistant")) == 3)
        tell(
            "paused_below" if below else "paused",
            drops=drops,
            before=before_last,
            whole=whole,
            heard=heard,
            lost=ear.lost / VOICE_RATE,
            holds=[before, call.attached.output.sink_hold.name],
            hold_ms=(ear.silent_from(onset) - onset) * 1000,
            cut=call.messages("assistant")[1].text_content,
            interrupted=[message.interrupted for message in call.messages("assistant")],
            last=len(ear.samples) / VOICE_RATE,
        )


async def guessed(*, nothing: bool) -> None:
    """An output that does not know its position is emptied once."""
    ear = Guessing(nothing=nothing)
    async with scene(LONG, ear=ear) as call:
        call.session.generate_reply()
        before = call.attached.output.sink_hold.name
        for at_ms in (800, 1_800):
            await call.sounds(at_ms)
            call.attached.hold("a try")
            await asyncio.sleep(0.2)
            call.attached.resume("a try")
        await call.until(lambda: call.messages("assistant"))
        tell(
            "guessed",
            nothing=nothing,
            whole=call.whole(),
            heard=len(ear.samples) / VOICE_RATE,
            told=ear.told,
            holds=[before, call.attached.output.sink_hold.name],
        )


async def waits(words: str) -> None:
    """Speech that is asked for while the user speaks: it waits, and is said if the user's turn needs no answer."""
    async with scene("Oslo is far.") as call:
        call.mic.play(sound("speech")[:32_000])
        await call.until(lambda: call.floor.floor.talking)
        call.session.say("One two three four five.")
        await asyncio.sleep(1)
        early = len(call.ear.samples)
        if words:
            call.stt.read(words, final=True)
        await call.until(lambda: call.messages("assistant"))
        last = call.messages("assistant")[-1]
        tell("waits", words=words, early=early, whole=call.whole(), heard=len(call.ear.samples), text=last.text_content)


async def said() -> None:
    """Speech that allows no interruption is not held."""
    async with scene(LONG) as call:
        call.session.say("One two three four five six seven eight nine ten.", allow_interruptions=False)
        await call.sounds(500)
        call.mic.play(sound("interruption"))
        await call.sounds(10 * WORD_S * 1000)
        tell("said", whole=call.whole(), counts=call.floor.counts, segments=call.ear.segments)


async def main() -> None:
    logging.basicConfig(level=logging.ERROR)
    await asyncio.gather(
        cough(),
        words(aligned=True),
        words(aligned=False),
        hum(),
        lasting(),
        again(),
        emptied(),
        guessed(nothing=False),
        guessed(nothing=True),
        paused(drops=False),
        paused(drops=True),
        paused(drops=False, below=True),
        waits(""),
        waits("what about Oslo"),
        said(),
    )


scene_time.run(main())
