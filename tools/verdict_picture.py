"""Draws docs/verdicts.svg: two laughs and a "wait", each over a reply, and what the floor made of them.

    python tools/verdict_picture.py

The sounds are the dummy caller's, and a second laugh that is made the same way. Floor, VAD, judge of sounds and STT are
the real ones; only time is the picture's own: a look takes LOOK_MS, a reading READ_MS.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import wave
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np

from bargein import floor as f
from bargein.audio.pcm import Pcm, Samples
from bargein.audio.silero import CONTEXT, STATE, WINDOW, SileroModel
from bargein.audio.sound import SoundJudge
from bargein.vendors.local.moonshine import MoonshineSTT
from bargein_bench.scenarios import formants

ROOT = Path(__file__).parents[1]
CALLER = ROOT / "src" / "bargein" / "server" / "web" / "caller"
PICTURE = ROOT / "docs" / "verdicts.svg"
RATE, WINDOW_MS, AROUND_MS = 16_000, 32.0, 600
LOOK_MS, READ_MS = 4.0, 25.0
XMLNS = "http://www.w3.org/2000/svg"
WIDTH, LEFT, ROW, HEIGHT, TOP = 900, 20, 200, 96, 34
GREY, BLUE, RED, GREEN, PURPLE = "#9ca3af", "#2563eb", "#dc2626", "#059669", "#7c3aed"


@dataclass(slots=True)
class Story:
    """What happened over one sound. Times in ms from the first sample."""

    title: str
    samples: Samples
    curve: list[float] = field(default_factory=list)
    marks: list[tuple[float, str, str]] = field(default_factory=list)
    """When, what, and its colour."""
    held: tuple[float, float] = (0.0, 0.0)


def curve_of(samples: Samples) -> list[float]:
    model, size, context = SileroModel(), WINDOW[RATE], CONTEXT[RATE]
    state = np.zeros((2, 1, STATE), np.float32)
    padded = np.concatenate((np.zeros(context, np.int16), samples)).astype(np.float32) / np.float32(32768)
    told: list[float] = []
    for first in range(0, len(samples) - size + 1, size):
        speech, state = model.run(padded[None, first : first + context + size], state, RATE)
        told.append(float(speech[0]))
    return told


class Telling:
    """Plays one sound over a reply."""

    def __init__(self, story: Story, judge: SoundJudge, stt: MoonshineSTT) -> None:
        self._story, self._judge, self._stt = story, judge, stt
        self._floor = f.Floor()
        self._answers: list[tuple[float, f.Event]] = []
        for event in (
            f.STTChanged(0, words=True, turns=False, small=True),
            f.SoundChanged(0, judged=True),
            f.SayRequested(0),
            f.ReplyStarted(0, 1),
        ):
            self._floor.handle(event)

    async def run(self) -> None:
        story = self._story
        story.curve = curve_of(story.samples)
        for k, speech in enumerate(story.curve):
            now_ms = (k + 1) * WINDOW_MS
            await self._feed(f.SpeechWindow(k * WINDOW_MS, now_ms, speech), now_ms)
            for due_ms, event in [each for each in self._answers if each[0] <= now_ms + WINDOW_MS]:
                self._answers.remove((due_ms, event))
                await self._feed(event, due_ms)
            while (deadline := self._floor.deadline) is not None and deadline <= now_ms:
                await self._feed(f.Tick(deadline), deadline)
            if not self._floor.live:
                return

    async def _feed(self, event: f.Event, now_ms: float) -> None:
        for action in self._floor.handle(event):
            await self._do(action, now_ms)

    async def _do(self, action: f.Action, now_ms: float) -> None:
        story = self._story
        match action:
            case f.Hold():
                story.held = (now_ms, story.held[1])
                story.marks.append((now_ms, "hold", BLUE))
            case f.JudgeSound(look, onset_ms, until_ms):
                pcm = self._since(max(onset_ms - 60, until_ms - 950), now_ms)
                heard = [p for k, p in enumerate(story.curve) if onset_ms <= k * WINDOW_MS < now_ms]
                words = await self._judge.judge(pcm, heard, deadline_ms=5_000)
                if story.held[1] == 0.0 and words is not None:
                    story.marks.append((now_ms, f"words {words:.2f}", PURPLE))
                self._answers.append((now_ms + LOOK_MS, f.SoundJudged(onset_ms, until_ms, look, words)))
            case f.ReadWords(reading, from_ms):
                onset_ms = from_ms + self._floor.policy.endpointing.pre_roll_ms
                read = await self._stt.read(self._since(onset_ms - 150, now_ms), deadline_ms=5_000)
                if story.held[1] == 0.0:
                    story.marks.append((now_ms, f"read as “{read.text}”" if read.text else "not readable", "#4b5563"))
                self._answers.append((now_ms + READ_MS, f.Words(onset_ms, read.text, reading)))
            case f.Resume() | f.Cut():
                resumed = isinstance(action, f.Resume)
                story.held = (story.held[0], now_ms)
                kind = "resume" if resumed else "cut"
                story.marks.append((now_ms, f"{kind}: {action.why}", GREEN if resumed else RED))

    def _since(self, from_ms: float, now_ms: float) -> Pcm:
        return Pcm(self._story.samples[int(from_ms * RATE / 1000) : int(now_ms * RATE / 1000)], RATE)


def drawn(stories: Sequence[Story]) -> str:
    most_ms = max(len(story.samples) for story in stories) * 1000 / RATE
    scale = (WIDTH - 2 * LEFT) / most_ms
    tall = TOP + ROW * len(stories)
    words = "grey: the sound · line: probability of speech · words: probability of words in a look · shaded: silence"
    parts = [
        f'<svg xmlns="{XMLNS}" viewBox="0 0 {WIDTH} {tall}" font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{tall}" fill="white"/>',
        f'<text x="{LEFT}" y="20" fill="#6b7280">{words} of the agent</text>',
    ]
    for row, story in enumerate(stories):
        top = TOP + row * ROW
        parts += _row(story, top, scale)
    return "\n".join([*parts, "</svg>\n"])


def _row(story: Story, top: float, scale: float) -> list[str]:
    middle, half = top + 20 + HEIGHT / 2, HEIGHT / 2
    begin, end = (LEFT + ms * scale for ms in story.held)
    parts = [
        f'<text x="{LEFT}" y="{top + 12}" font-size="13" font-weight="bold">{escape(story.title)}</text>',
        f'<rect x="{begin:.1f}" y="{top + 20}" width="{max(0.0, end - begin):.1f}" height="{HEIGHT}" fill="#dbeafe"/>',
    ]
    loudest = max(1, int(np.abs(story.samples.astype(int)).max()))
    size = RATE // 250
    blocks = story.samples[: len(story.samples) // size * size].reshape(-1, size).astype(int)
    for n, block in enumerate(blocks):
        x = LEFT + n * 4 * scale
        high, low = block.max() * half / loudest, block.min() * half / loudest
        parts.append(f'<path d="M{x:.1f} {middle - high:.1f}V{middle - low:.1f}" stroke="{GREY}"/>')
    places = [(LEFT + (k + 1) * WINDOW_MS * scale, top + 20 + HEIGHT * (1 - p)) for k, p in enumerate(story.curve)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{PURPLE}" opacity="0.5"/>')
    for n, (ms, what, colour) in enumerate(story.marks):
        x, y = LEFT + ms * scale, top + 20 + HEIGHT + 13 * (n + 1)
        parts.append(f'<path d="M{x:.1f} {top + 20}V{y:.1f}" stroke="{colour}" stroke-dasharray="3 2"/>')
        text = f"{what}, after {ms - AROUND_MS:.0f} ms"
        parts.append(f'<text x="{x + 4:.1f}" y="{y:.1f}" fill="{colour}">{escape(text)}</text>')
    return parts


def caller(name: str) -> Samples:
    with wave.open(str(CALLER / f"{name}.wav"), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


def second_laugh() -> Samples:
    spec = importlib.util.spec_from_file_location("make_caller", ROOT / "tools" / "make_caller.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    laugh = formants.laugh(np.random.default_rng(1), pitch_hz=240.0, bursts=5)
    made: Samples = tool.at_level(laugh, tool.LAUGH_DB)
    return made


def in_a_room(samples: Samples, shift: int) -> Samples:
    """Silence before and after, with a room's faint noise. shift: samples by which the VAD's windows begin sooner."""
    begin = int(np.flatnonzero(np.abs(samples.astype(int)) > 300)[0])
    padded = np.pad(samples[begin:], AROUND_MS * RATE // 1000)[shift:]
    return padded + np.random.default_rng(0).integers(-6, 7, len(padded)).astype(np.int16)


async def told() -> list[Story]:
    sounds = (
        ("A laugh", caller("laugh"), 128),
        ("Another laugh", second_laugh(), 128),
        ("“Wait, stop!”", caller("stop"), 0),
    )
    stories = [Story(title, in_a_room(samples, shift)) for title, samples, shift in sounds]
    stt = MoonshineSTT()
    await stt.start()
    async with SoundJudge() as judge:
        for story in stories:
            await Telling(story, judge, stt).run()
    await stt.aclose()
    return stories


if __name__ == "__main__":
    picture = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    picture.write_text(drawn(asyncio.run(told())), "utf-8")
