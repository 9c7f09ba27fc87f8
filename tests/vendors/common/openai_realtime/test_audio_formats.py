"""A session that grants other audio formats than those asked for is spoken to in its own, or refused."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from bargein import protocols as c
from bargein.audio.mulaw import Mulaw
from bargein.errors import VendorRefused
from bargein.vendors.common.openai_realtime.audio_formats import FormatConverter, RealtimeFormat, SessionFormats
from tests.vendors.common.openai_realtime.kit import simulator, talk

PCM, PCMU, PCMA = {"type": "audio/pcm", "rate": 24_000}, {"type": "audio/pcmu"}, {"type": "audio/pcma"}
GREETING = "Good morning, and welcome to the small hotel by the sea."


async def greeting(grants: dict[str, Any], *, phone: bool) -> tuple[float, float, list[bool]]:
    """How long the greeting is, its loudness (root mean square), and which pieces are mu-law."""
    async with talk(simulator(grants=grants), rate=8_000 if phone else 16_000, mulaw=phone) as t:
        reply = t.line.say(GREETING)
        pieces = [piece.pcm async for piece in reply.audio() if isinstance(piece, c.SpeechChunk) and len(piece.pcm)]
        samples = np.concatenate([piece.samples for piece in pieces]).astype(float)
        assert {piece.rate for piece in pieces} == {t.line.rate}
        return len(samples) / t.line.rate, float(np.sqrt(np.mean(samples**2))), [isinstance(p, Mulaw) for p in pieces]


@pytest.mark.parametrize(("phone", "granted"), [(True, PCM), (True, PCMA), (False, PCMU), (False, PCMA)])
async def test_a_greeting_is_as_long_and_as_loud_in_any_format_that_is_granted(
    phone: bool, granted: dict[str, Any]
) -> None:
    lasted_s, loud, _ = await greeting({}, phone=phone)
    also_s, as_loud, coded = await greeting({"output": granted}, phone=phone)
    assert also_s == pytest.approx(lasted_s, abs=0.02)
    assert as_loud == pytest.approx(loud, rel=0.1)
    assert set(coded) == {phone}


@pytest.mark.parametrize(("phone", "granted"), [(True, PCM), (True, PCMA), (False, PCMU), (False, PCMA)])
async def test_the_users_audio_goes_up_in_the_format_that_is_granted(phone: bool, granted: dict[str, Any]) -> None:
    """The server's own VAD finds the sentence, as long as it is."""
    lengths: list[float] = []
    for grants in ({}, {"input": granted}):
        async with talk(simulator(grants=grants), rate=8_000 if phone else 16_000, mulaw=phone) as t:
            await t.until(lambda t=t: t.line.connected and t.sim.sessions)
            t.speaks()
            await t.until(lambda t=t: "what is the first" in t.text)
            (ended,) = [h for h in t.heard if isinstance(h, c.TurnUpdate) and h.text][-1:]
            lengths.append(ended.until_ms - ended.from_ms)
    assert lengths[1] == pytest.approx(lengths[0], abs=100)


@pytest.mark.parametrize("wrong", [{"type": "audio/opus"}, PCM | {"rate": 44_100}, PCM | {"rate": "x"}, [], 7])
def test_a_format_that_we_do_not_speak_is_refused_with_the_remedy(wrong: object) -> None:
    asked = SessionFormats.asked(8_000, mulaw=True)
    with pytest.raises(VendorRefused, match="input format, and audio/pcmu at 8000 Hz was asked for") as refused:
        asked.granted({"audio": {"input": {"format": wrong}}})
    assert "audio/pcmu" in refused.value.advice


@pytest.mark.parametrize("session", [{}, {"audio": None}, {"audio": {"input": None}}, {"audio": {"output": {}}}])
def test_a_session_that_names_no_format_has_those_asked_for(session: dict[str, Any]) -> None:
    asked = SessionFormats.asked(16_000, mulaw=False)
    assert asked.granted(session) == asked


def test_what_is_granted_as_asked_passes_untouched() -> None:
    data = bytes(range(256))
    for form in (RealtimeFormat("audio/pcmu", 8_000), RealtimeFormat()):
        assert FormatConverter(form, form).push_audio(data) is data


def test_every_format_becomes_every_other_and_keeps_its_length() -> None:
    forms = [
        RealtimeFormat(),
        RealtimeFormat("audio/pcm", 16_000),
        RealtimeFormat("audio/pcmu", 8_000),
        RealtimeFormat("audio/pcma", 8_000),
    ]
    for source, target in product(forms, forms):
        tone = (8_000 * np.sin(np.arange(source.rate) * 2 * np.pi * 400 / source.rate)).astype(np.int16)
        converter = FormatConverter(source, target)
        data = source.encode(tone)
        size = len(data) // 10
        parts = [converter.push_audio(data[i : i + size]) for i in range(0, len(data), size)]
        samples = target.decode(b"".join(parts)).astype(float)
        assert len(samples) == target.rate
        assert np.sqrt(np.mean(samples**2)) == pytest.approx(8_000 / np.sqrt(2), rel=0.05)
