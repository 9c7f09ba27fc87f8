"""WebRTC, in a real Chromium: on a clean network, and on one that loses 5 % of the packets and is late by up to 60 ms.

The page's worklets record its microphone and its loudspeaker on one clock. Between page and server stands a relay; loss
and lateness are those of each packet, both ways, the data channel's and the connection's own among them.
"""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bargein import server as bargein_server
from bargein.audio.pcm import Samples
from bargein.errors import Unavailable
from benchmarks.browser import AGENT_RATE, EVERY_MS, FIRST_MS, QUIET, exact_contexts, stops
from benchmarks.chromium import PageRecording, page, recording, spoken
from benchmarks.process import server
from benchmarks.relayed_offers import RelayedOffers, relayed
from benchmarks.sounds import RATE, VoiceClip, script
from benchmarks.table import Check, SpreadRow

CALLER = Path(bargein_server.__file__).parent / "web" / "caller"
LOSS, JITTER_MS = 0.05, 60.0
GOAL = "p50 <= 70, p99 <= 130"
LOSSY_GOAL = f"the clean row's, and at most {JITTER_MS:.0f} more"


@dataclass(frozen=True, slots=True)
class WebRTCRun:
    """What one page recorded."""

    heard: PageRecording
    counts: Mapping[str, int]
    """Of the agent's packets."""
    pauses: Sequence[float]
    """Samples that passed unheard in each hold that was resumed."""


async def talked(clips: Sequence[VoiceClip], times: int, *, lossy: bool, page_holds: bool) -> WebRTCRun:
    """One call in which the microphone sounds `times` times."""
    sounds = script(list(clips), first_ms=FIRST_MS, every_ms=EVERY_MS, times=times)
    offers = RelayedOffers(LOSS, JITTER_MS) if lossy else RelayedOffers()
    with TemporaryDirectory(prefix="bargein-bench-") as folder:
        wav = spoken(Path(folder) / "microphone.wav", sounds.samples)
        async with server() as address, page(wav) as shown, relayed(shown, offers):
            await shown.goto(f"http://{address}/?record=1&localhold={int(page_holds)}&transport=webrtc")
            await shown.click("#main")
            await shown.wait_for_function("() => bargein.state === 'speaking'")
            way = await shown.evaluate("() => bargein.call.connection.name")
            if way != "webrtc":
                raise Unavailable("The page does not talk by WebRTC", advice="Install bargein[webrtc]")
            await asyncio.sleep(len(sounds.samples) / RATE + 1)  # the microphone's own time
            heard = await recording(shown)
            counts = await shown.evaluate("() => bargein.call.connection.counts")
            events = await shown.evaluate("() => bargein.call.sound.dump().then((d) => d.output.events)")
            rate = await shown.evaluate("() => bargein.call.sound.context.sampleRate")
    return WebRTCRun(heard, counts, pauses(events, 128 * AGENT_RATE / rate))


def pauses(events: Sequence[Mapping[str, object]], fade: float) -> list[float]:
    """Samples of the reply that passed between each hold and its resume, beyond the fade of one block."""
    found = []
    held: Mapping[str, object] | None = None
    for event in events:
        if event["kind"] in ("hold", "localHold"):
            held = event
        elif event["kind"] == "resume" and held is not None and held["reply"] == event["reply"]:
            passed = float(str(event["played"])) - float(str(held["played"]))
            found.append(max(0.0, abs(passed) - fade - 1))  # positions are whole samples
            held = None
        else:
            held = None
    return found


def stale_after_cuts(heard: PageRecording) -> list[bool]:
    """Of each cut: whether any sound followed before the next reply began."""
    cuts = [at for at, kind in heard.events if kind == "flush"]
    found = []
    for at in cuts:
        after = [peak for begin, peak in heard.output if at + heard.block_ms < begin < at + 100]
        found.append(max(after, default=0.0) > QUIET)
    return found


def _checks(run: WebRTCRun) -> list[Check]:
    stale = stale_after_cuts(run.heard)
    right, cut = exact_contexts(run.heard.messages, run.heard.reports)
    came, lost = run.counts["came"], run.counts["lost"]
    return [
        Check("  cuts after which nothing stale was heard", len(stale) - sum(stale), len(stale)),
        Check("  contexts exact to the word", right, cut),
        Check(f"  the agent's packets that were heard; {run.counts['late']} came too late", came, came + lost),
    ]


async def _run(sounds: Sequence[VoiceClip], times: int) -> list[SpreadRow | Check]:
    rows: list[SpreadRow | Check] = []
    for lossy, network in ((False, "clean"), (True, "5 % lost, 60 ms of jitter")):
        for page_holds, who in ((False, "the server's VAD"), (True, "the page's own hold")):
            run = await talked(sounds, times, lossy=lossy, page_holds=page_holds)
            found, _ = stops(run.heard)
            what = f"WebRTC, {network}, {who}: first speech sample to last sound"
            rows.append(SpreadRow(what, tuple(s.after_ms for s in found), LOSSY_GOAL if lossy else GOAL))
            rows += _checks(run)
        coughed = await talked(coughs(), times, lossy=lossy, page_holds=True)
        exact = [samples == 0 for samples in coughed.pauses]
        rows.append(Check(f"WebRTC, {network}: resumes without a sample lost or repeated", sum(exact), len(exact)))
    return rows


def coughs() -> list[VoiceClip]:
    """Sounds of the page's own dummy caller that are no interruption."""
    return [VoiceClip(name, _loud(CALLER / f"{name}.wav")) for name in ("cough", "mmhmm")]


def _loud(path: Path) -> Samples:
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


def rows(spoken: Sequence[VoiceClip], *, quick: bool = False) -> list[SpreadRow | Check]:
    return asyncio.run(_run(spoken, 3 if quick else 12))
