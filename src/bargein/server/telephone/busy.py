"""The sentence for callers who find no place: no line is dead, and none is silent.

Twilio says the sentence itself, from its text (twilio_webhooks.py). To the networks of which we see a stream only, and
to a Twilio stream without an action, this server plays it: the agent's TTS makes it once, when the server is ready, and
each caller gets the same frames. Where no TTS has made it, the caller hears a busy tone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import numpy as np

from bargein.agent import REPROMPTS, Agent
from bargein.audio.mulaw import mulaw_codes
from bargein.audio.pcm import FRAME_MS, Pcm, Samples
from bargein.audio.resample import resample
from bargein.protocols import AudioOut, ClientHangUp, Transport, WireSamples

log = logging.getLogger(__name__)

TEXTS = {  # for an agent without a text of its own, by language, besides English
    "de": "Leider sind gerade alle Leitungen belegt. Bitte warten Sie, oder rufen Sie in einigen Minuten wieder an.",
    "fr": "Toutes nos lignes sont occupées. Veuillez patienter, ou rappeler dans quelques minutes.",
    "es": "Todas nuestras líneas están ocupadas. Espere, por favor, o vuelva a llamar en unos minutos.",
    "it": "Tutte le nostre linee sono occupate. Attenda, o richiami tra qualche minuto.",
    "pt": "Todas as nossas linhas estão ocupadas. Aguarde, ou ligue novamente em alguns minutos.",
    "nl": "Al onze lijnen zijn bezet. Blijf aan de lijn, of bel over enkele minuten terug.",
}
AT_ONCE = 32  # callers who hear the sentence; what is more is closed at once
MAKE_S = 20.0  # for the TTS
LONGEST_MS = 15_000.0  # of the sentence
LEAD_FRAMES = 5  # sent ahead of time
LEFT_MS = 500.0  # for what the network has buffered, after the last frame
TONE_HZ, TONE_MS, TONES = 425.0, 480, 6  # a busy tone: as long on as off
NO_REPLY = 0  # the id of the sentence: no call has a reply of this id


def busy_text(agent: Agent, language: str) -> str:
    """The agent's sentence for a caller who finds no place."""
    spoken, own = (each.partition("-")[0].lower() for each in (language, agent.language))
    text = agent.reprompts.get("busy")
    if text is not None and spoken == own and text != REPROMPTS["busy"]:
        return text
    return TEXTS.get(spoken, REPROMPTS["busy"])


class BusyLine:
    """Plays the sentence to callers."""

    def __init__(self) -> None:
        self._sentence: Pcm | None = None
        self._frames: dict[tuple[int, bool], list[WireSamples]] = {}  # by rate and form
        self._callers = 0
        self._closing = asyncio.Event()

    @property
    def made(self) -> bool:
        """The sentence is there."""
        return self._sentence is not None

    async def make_once(self, ready: asyncio.Event, agent: Agent) -> None:
        """Make the sentence as soon as the server is ready."""
        await ready.wait()
        await self.make(agent)

    async def make(self, agent: Agent) -> None:
        """Have the agent's TTS say the sentence. Raises nothing: without one, callers hear a tone."""
        tts = agent.tts or agent.fallback_tts
        text = busy_text(agent, agent.language)
        if tts is None or not text:
            return

        async def words() -> AsyncIterator[str]:
            yield text

        pieces: list[Samples] = []
        try:
            async with asyncio.timeout(MAKE_S), contextlib.AsyncExitStack() as stack:
                spoken = tts.speak(words())
                if (close := getattr(spoken, "aclose", None)) is not None:
                    stack.push_async_callback(close)
                rate = tts.rate
                async for chunk in spoken:
                    pcm = resample(Pcm(chunk.pcm.samples, chunk.pcm.rate), rate)
                    pieces.append(pcm.samples)
                    if sum(map(len, pieces)) * 1000 / rate > LONGEST_MS:
                        break
        except Exception:
            log.exception("The sentence for callers without a place could not be made: they hear a busy tone")
            return
        if pieces:
            self._sentence = Pcm(np.concatenate(pieces), rate)
            self._frames.clear()

    async def play(self, telephone: Transport) -> None:
        """The whole sentence, unless the caller hangs up or the server closes. The stream is left open."""
        if self._callers >= AT_ONCE or self._closing.is_set():
            return
        self._callers += 1
        gone = asyncio.ensure_future(_gone(telephone))
        closing = asyncio.ensure_future(self._closing.wait())
        playing = asyncio.ensure_future(self._send(telephone))
        every = (gone, closing, playing)
        try:
            await asyncio.wait(every, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._callers -= 1
            for each in every:
                each.cancel()
            await asyncio.gather(*every, return_exceptions=True)

    def close(self) -> None:
        """The server closes: callers hear no more."""
        self._closing.set()

    async def _send(self, telephone: Transport) -> None:
        frames = self._as(telephone.rate_out, mulaw=telephone.capabilities.mulaw)
        loop = asyncio.get_running_loop()
        began, place = loop.time(), 0
        for number, samples in enumerate(frames):
            due = began + max(0, number - LEAD_FRAMES) * FRAME_MS / 1000
            await asyncio.sleep(max(0.0, due - loop.time()))
            telephone.send(AudioOut(NO_REPLY, number, place, samples, last=number == len(frames) - 1))
            place += len(samples)
        ends = began + (len(frames) * FRAME_MS + LEFT_MS) / 1000
        await asyncio.sleep(max(0.0, ends - loop.time()))

    def _as(self, rate: int, *, mulaw: bool) -> list[WireSamples]:
        """The sentence in frames of a telephone's form."""
        if (rate, mulaw) not in self._frames:
            samples = _tones(rate) if self._sentence is None else resample(self._sentence, rate).samples
            size = rate * FRAME_MS // 1000
            samples = np.pad(samples, (0, -len(samples) % size))
            wire: WireSamples = mulaw_codes(samples) if mulaw else samples
            self._frames[rate, mulaw] = [wire[i : i + size] for i in range(0, len(wire), size)]
        return self._frames[rate, mulaw]


async def _gone(telephone: Transport) -> None:
    async for item in telephone.receive():
        if isinstance(item, ClientHangUp):
            return


def _tones(rate: int) -> Samples:
    on = np.sin(np.arange(rate * TONE_MS // 1000) * (2 * np.pi * TONE_HZ / rate)) * 6000
    once = np.concatenate((on, np.zeros(len(on)))).astype(np.int16)
    return np.tile(once, TONES)
