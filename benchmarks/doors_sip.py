"""Phones by SIP against a server of ours, over loopback: our own callers, baresip, and sipp's crowd.

Latencies count from the caller's first sample of speech to the agent's last audible sample at the caller's ear: behind
a jitter buffer of 40 ms in our caller, and behind baresip's own. Server and callers share the machine's cores.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from bargein.audio.mulaw import SILENCE
from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein.sip.addresses import SipUri
from bargein_bench.callers.call_script import every, say
from bargein_bench.callers.caller_audio import Step
from bargein_bench.callers.crowd import CallPlan, CallRun, measure
from bargein_bench.callers.sip_call import SipCaller
from bargein_bench.callers.sip_command import run_sip
from bargein_bench.callers.sip_phone import RtpTelephone
from bargein_bench.callers.telephone import FRAME
from bargein_bench.callers.yielding import BLOCK, LASTING_MS, audible
from bargein_bench.scenarios import formants
from bargein_bench.scenarios.clips import RATE as CLIP_RATE
from benchmarks import unique_agent
from benchmarks.baresip import RATE, baresip, free_udp_port, installed
from benchmarks.phone import EVERY_MS, FIRST_MS, at_eight
from benchmarks.process import pid_of, server
from benchmarks.sounds import VoiceClip
from benchmarks.table import Check, SpreadRow

GOAL = "p50 <= 70, p99 <= 130"
SIPP_S = 12
ACCOUNT = ";audio_codecs=PCMU/8000/1"
COUGHS_AT_MS = (900.0, 1_230.0, 1_570.0, 1_910.0, 2_280.0, 2_640.0)


def rows(spoken: Sequence[VoiceClip], *, quick: bool = False) -> list[SpreadRow | Check]:
    """All rows of SIP. quick: shorter calls, and fewer."""
    clips = at_eight(list(spoken))
    found: list[SpreadRow | Check] = []
    for number in (1, 5) if quick else (1, 50):
        found += crowd_rows(asyncio.run(crowd(clips, number, 20 if quick else 60)), number)
    if installed():
        found.append(asyncio.run(softphone(clips, 1 if quick else 5)))
    found += asyncio.run(to_the_sample(clips, quick))
    if shutil.which("sipp"):
        found += asyncio.run(sipp(5 if quick else 50))
    return found


async def crowd(clips: list[tuple[str, Samples]], number: int, seconds: float) -> CallRun:
    """Calls at once, each interrupted every five seconds."""
    port = free_udp_port()
    env = {"BARGEIN_MAX_CALLS": str(number + 2)}
    async with server("--sip", f"127.0.0.1:{port}", env=env) as address:
        lasts = seconds * 1000

        def script(n: int) -> list[Step]:
            return list(every(clips, FIRST_MS + n * 137 % 1000, EVERY_MS, lasts, n))

        return await run_sip(CallPlan(f"sip:talker@127.0.0.1:{port}", number, lasts, script), pid_of(address))


def crowd_rows(done: CallRun, number: int) -> list[SpreadRow | Check]:
    frames, late = sum(s.frames for s in done.scores), sum(s.late for s in done.scores)
    lost = sum(r.telephone.lost for r in done.results if isinstance(r.telephone, RtpTelephone))
    made: list[SpreadRow | Check] = [
        SpreadRow(f"SIP, {number} calls: onset to silence at the ear", tuple(done.stops), GOAL),
        Check(f"SIP, {number} calls: interruptions yielded to", len(done.stops), len(done.stops) + done.misses),
        SpreadRow("  packets late, % of all", (100 * late / frames if frames else 0.0,), "< 0.1"),
        SpreadRow("  samples that never came", (float(lost),), "0"),
    ]
    if done.usage is not None and done.scores:
        cost = 1000 * done.usage.cores / len(done.scores)
        made.append(
            SpreadRow(f"SIP, {number} calls: core per call, ms a second", (cost,), "<= 5" if number > 1 else "")
        )
    return made


async def softphone(clips: list[tuple[str, Samples]], trials: int) -> SpreadRow:
    """Baresip is interrupted in each call; what it sent and heard is on one clock."""
    port, stops = free_udp_port(), []
    async with server("--sip", f"127.0.0.1:{port}"):
        for trial in range(trials):
            clip = clips[trial % len(clips)][1]
            says = np.zeros(RATE * 8, np.int16)
            says[RATE * 3 : RATE * 3 + len(clip)] = clip
            async with baresip(says, account=ACCOUNT, more="jitter_buffer_delay 1-2") as phone:
                await phone.do("dial", f"sip:talker@127.0.0.1:{port}")
                await phone.until("CALL_ESTABLISHED")
                await asyncio.sleep(6)
                await phone.do("hangup")
                await asyncio.sleep(0.3)
                stop = stop_of(phone.sent(), phone.heard())
            if stop is not None:
                stops.append(stop)
    return SpreadRow("SIP, baresip: onset to silence at its ear", tuple(stops), GOAL)


def stop_of(sent: Samples, heard: Samples) -> float | None:
    """Ms from the first sample that was spoken to the last audible one that was heard before a silence that lasts. Both
    files end together, to some 40 ms; that of what was heard begins with the first packet."""
    sent = sent[max(0, len(sent) - len(heard)) :]
    spoken, loud = np.flatnonzero(sent), audible(heard)
    if not len(spoken):
        return None
    onset = int(spoken[0]) // BLOCK
    places = np.flatnonzero(loud[onset:])
    for before, after in zip([0, *places], [*places, len(loud)], strict=True):
        if after - before > LASTING_MS:
            return float(before)
    return None


async def to_the_sample(clips: list[tuple[str, Samples]], quick: bool) -> list[SpreadRow | Check]:
    """Callers who cough, and callers who interrupt an agent no two of whose words sound alike: what they heard is
    compared, sample by sample, with what a quiet caller heard."""
    wave = formants.cough(np.random.default_rng(5), lasts_ms=260, voiced=0.3)
    loud = np.asarray(wave / np.abs(wave).max() * 12_000, np.int16)
    cough = resample(Pcm(loud, CLIP_RATE), RATE).samples
    port = free_udp_port()
    uri = SipUri.read(f"sip:unique@127.0.0.1:{port}")
    coughs_at = COUGHS_AT_MS[:2] if quick else COUGHS_AT_MS
    talkers = clips[:2] if quick else clips[:6]
    async with server("--sip", f"127.0.0.1:{port}", name=f"{Path(unique_agent.__file__)}:AGENT"):
        quiet = SipCaller(uri, (), 5_000)
        coughing = [SipCaller(uri, (say(at, cough, "cough"),), 5_000) for at in coughs_at]
        talking = [
            SipCaller(uri, (say(1_500.0 + 70 * n, clip, name),), 7_000) for n, (name, clip) in enumerate(talkers)
        ]
        await asyncio.gather(*(each.run() for each in (quiet, *coughing, *talking)))
    whole = np.concatenate(sounds_of(quiet))
    heard = [sounds_of(each) for each in coughing]
    held = [np.concatenate(each) for each in heard if len(each) > 1]
    wrong = [float(np.count_nonzero(each[: len(whole)] != whole[: len(each)])) for each in held]
    cut = [sounds_of(each) for each in talking]
    late = [stale_ms(each[-1], whole) for each in cut if len(each) > 1]
    return [
        Check("SIP, callers who cough: replies that were held", len(held), len(coughing)),
        SpreadRow("  samples lost or repeated by a hold and its resume", tuple(wrong), "0"),
        SpreadRow("  stale audio after a cut", tuple(late), "0"),
    ]


def sounds_of(caller: SipCaller) -> list[NDArray[np.uint8]]:
    """The agent's audio, mu-law, in the stretches between silences of a packet or more."""
    telephone = caller.telephone
    codes = telephone.heard[telephone.phase : caller.result.lasted]
    frames = codes[: len(codes) // FRAME * FRAME].reshape(-1, FRAME)
    loud = np.flatnonzero((frames != SILENCE).any(axis=1))
    parts = np.split(loud, np.flatnonzero(np.diff(loud) > 1) + 1)
    return [frames[part].reshape(-1) for part in parts if len(part)]


def stale_ms(after: NDArray[np.uint8], whole: NDArray[np.uint8]) -> float:
    """Audio after a cut that came before the begin of the next reply, which begins as every reply does."""
    begin = whole[:FRAME]
    for at in range(len(after) - FRAME + 1):
        if np.array_equal(after[at : at + FRAME], begin):
            return at / 8
    return len(after) / 8


async def sipp(number: int) -> list[SpreadRow | Check]:
    """A crowd that is not ours, without audio of its own: each call is greeted."""
    port = free_udp_port()
    env = {"BARGEIN_MAX_CALLS": str(number + 2)}
    with TemporaryDirectory(prefix="bargein-sipp-") as folder:
        async with server("--sip", f"127.0.0.1:{port}", env=env) as address:
            words = ["-sn", "uac", "-s", "talker", "-m", str(number), "-r", "10", "-d", str(SIPP_S * 1000)]
            process = await asyncio.create_subprocess_exec(
                *("sipp", f"127.0.0.1:{port}", "-i", "127.0.0.1", "-p", str(free_udp_port()), "-nostdin"),
                *words,
                cwd=folder,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            usage = await measure(pid_of(address), number / 10, SIPP_S)
            code = await process.wait()
    return [
        Check(f"SIP, sipp: {number} calls end as they should", int(code == 0), 1),
        SpreadRow(f"SIP, sipp, {number} calls: core per call, ms a second", (1000 * usage.cores / number,)),
    ]
