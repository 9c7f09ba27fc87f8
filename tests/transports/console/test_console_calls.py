"""Calls by WAV files and by a sound card, in moved time."""

from __future__ import annotations

import asyncio
import sys
import types
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from bargein import notices as n
from bargein import protocols as c
from bargein.agent import Agent
from bargein.audio.ambience import Ambience
from bargein.audio.pcm import Samples
from bargein.audio.vad import VADWindow
from bargein.call.call import Call
from bargein.call.runtime import Runtime
from bargein.call.ticker import Ticker
from bargein.cli import app
from bargein.cli.console_view import ConsoleView
from bargein.clock import ManualClock
from bargein.errors import Unavailable, UsageError
from bargein.transports.console import sound_card
from bargein.transports.console.transport import RATE_IN, RATE_OUT, ConsoleTransport
from bargein.transports.console.wav_card import WavCard, read_wav
from tests.call.kit import SOON, Notes, ScriptedLLM, ToneTTS
from tests.call.scripted_vad import WINDOW, ScriptedVAD

LONG = " ".join(f"w{k}" for k in range(40))


def microphone(*stretches: tuple[float, float]) -> Samples:
    """(ms, how surely it is speech) in order."""
    return np.concatenate([np.full(int(ms * 16), int(speech * 1000), np.int16) for ms, speech in stretches])


class BlockVAD(ScriptedVAD):
    """Takes blocks of any length."""

    def open(self, rate: int, on_window: Callable[[VADWindow], None]) -> Any:
        stream, waiting = super().open(rate, on_window), [np.zeros(0, np.int16)]
        push = stream.push_audio

        def push_audio(samples: Samples) -> None:
            waiting[0] = np.concatenate((waiting[0], samples))
            whole = len(waiting[0]) // WINDOW * WINDOW
            push(waiting[0][:whole])
            waiting[0] = waiting[0][whole:]

        stream.push_audio = push_audio  # type: ignore[method-assign]
        return stream


@dataclass
class Talk:
    call: Call
    notices: list[n.Notice]
    notes: Notes
    written: Path
    passed: int = 0
    step: Callable[[], None] = field(default=lambda: None)

    async def until_over(self, most_ms: int = 40_000) -> None:
        while self.call.over is None:
            assert self.passed < most_ms
            await self.pass_ms(20)

    async def pass_ms(self, ms: int) -> None:
        for _ in range(ms // 20):
            self.step()
            self.passed += 20
            for _ in range(15):
                await asyncio.sleep(0)

    async def background(self) -> dict[str, object]:
        """What the record says of the background, which a thread makes."""
        async with asyncio.timeout(10):
            while True:
                for kind, facts in self.notes.notes:
                    if kind == "background":
                        return facts
                await asyncio.sleep(0)

    @property
    def said(self) -> list[str]:
        return [item.text for item in self.call.conversation.items if isinstance(item, c.AgentSaid)]


@asynccontextmanager
async def talk(tmp: Path, spoken: Samples, *texts: str, headphones: bool = False, **agent: Any) -> AsyncIterator[Talk]:
    clock, vad, notes = ManualClock(1_000_000), BlockVAD(), Notes()
    ticker, notices = Ticker(clock), list[n.Notice]()
    written = tmp / "heard.wav"
    card = WavCard(spoken, RATE_IN, RATE_OUT, clock, heard=written)
    transport = ConsoleTransport(card, headphones=headphones)
    card.ended = lambda: transport.put(c.ClientHangUp("the file is over"))
    made = Agent(name="a", stt=None, llm=ScriptedLLM(*texts), tts=ToneTTS(), **agent)
    call = Call(
        call_id="c1",
        agent=made,
        transport=transport,
        runtime=Runtime(clock, ticker, vad, notes),
        journal=notes,
        policy=SOON,
        watch=notices.append,
    )

    def step() -> None:
        card.step()
        clock.advance(20)
        ticker.tick(clock.now_ms())

    running = asyncio.create_task(call.run())
    await asyncio.sleep(0)
    try:
        yield Talk(call, notices, notes, written, step=step)
    finally:
        transport.put(c.ClientHangUp("test over"))
        await asyncio.wait_for(running, 5)


async def test_a_file_speaks_and_what_is_heard_is_written(tmp_path: Path) -> None:
    async with talk(tmp_path, microphone((500, 0), (640, 0.95), (4_000, 0)), "three rooms are free") as t:
        await t.until_over()
        assert t.call.over == "the file is over"
        assert t.said == ["three rooms are free"]
        assert t.notes.counts.get("stalls") is None
    with wave.open(str(t.written)) as file:
        assert (file.getframerate(), file.getnchannels()) == (RATE_OUT, 1)
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert len(heard) * 1000 / RATE_OUT == t.passed, "as long as the call, silence in its place"
    assert np.count_nonzero(heard) == 4 * 200 * 24


async def test_with_headphones_a_voice_interrupts(tmp_path: Path) -> None:
    spoken = microphone((500, 0), (640, 0.95), (2_500, 0), (640, 0.95), (4_000, 0))
    async with talk(tmp_path, spoken, LONG, "yes", headphones=True) as t:
        await t.until_over()
        assert t.said[0] != LONG
        assert t.said[0].startswith("w0 w1")
        assert t.said[-1] == "yes"
        held = [x for x in t.notices if isinstance(x, n.HoldNow)]
        assert len(held) == 1


async def test_without_them_the_microphone_is_off_while_the_agent_sounds(tmp_path: Path) -> None:
    spoken = microphone((500, 0), (640, 0.95), (2_500, 0), (640, 0.95), (9_000, 0))
    async with talk(tmp_path, spoken, LONG, "yes") as t:
        await t.until_over()
        assert t.said == [LONG]
        assert not [x for x in t.notices if isinstance(x, n.HoldNow)]


async def test_a_background_is_heard_in_pauses_and_holds_and_changes_no_position(tmp_path: Path) -> None:
    spoken = microphone((500, 0), (640, 0.95), (2_500, 0), (640, 0.95), (4_000, 0))
    told = []
    for background in (None, "office"):
        Ambience.of("office", RATE_OUT, -45.0)
        async with talk(tmp_path, spoken, LONG, "yes", headphones=True, background=background) as t:
            if background is not None:
                assert (await t.background())["plays"] is True
            await t.until_over()
            told.append((t.said, [type(x).__name__ for x in t.notices if not isinstance(x, n.SpeechNoticed)]))
        with wave.open(str(t.written)) as file:
            heard = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        silent = [block for block in np.split(heard[: len(heard) // 480 * 480], len(heard) // 480) if not block.any()]
        assert bool(silent) is (background is None)
    assert told[0] == told[1], "the same words heard, the same holds and cuts"


async def test_a_background_that_cannot_be_had_costs_the_call_nothing(tmp_path: Path) -> None:
    async with talk(tmp_path, microphone((3_000, 0)), greeting="hello there", background="missing.wav") as t:
        assert (await t.background())["plays"] is False
        await t.until_over()
        assert t.said == ["hello there"]


async def test_the_keyboard_stops_the_agent_and_speaks(tmp_path: Path) -> None:
    async with talk(tmp_path, microphone((20_000, 0)), "yes", greeting=LONG) as t:
        await t.pass_ms(1_000)
        transport: Any = t.call._transport
        transport.put(c.StopPressed())
        await t.pass_ms(200)
        assert t.call.floor.state.value == "idle"
        transport.put(c.Typed("hello"))
        await t.pass_ms(2_000)
        assert t.said[-1] == "yes"


# --------------------------------------------------------------------------------------------------- the sound card


class FakeSounddevice(types.ModuleType):
    """sounddevice, as far as it is used: `play` moves the card's time."""

    class PortAudioError(Exception):
        pass

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__("sounddevice")
        self.made: list[Any] = []
        self.broken = broken

    def RawOutputStream(self, **words: Any) -> Any:  # noqa: N802  # sounddevice's name
        return self._stream(words)

    def RawInputStream(self, **words: Any) -> Any:  # noqa: N802
        return self._stream(words)

    def query_devices(self) -> list[dict[str, object]]:
        return [{"name": "Built-in", "max_input_channels": 2, "max_output_channels": 2}]

    def _stream(self, words: dict[str, Any]) -> Any:
        if self.broken:
            raise self.PortAudioError("Invalid sample rate [PaErrorCode -9997]")
        stream: Any = types.SimpleNamespace(words=words, closed=False, start=lambda: None)
        stream.close = lambda: self._close(stream)
        self.made.append(stream)
        return stream

    def _close(self, stream: Any) -> None:
        stream.closed = True

    def play(self, now_s: float, latency_s: float = 0.03) -> bytes:
        """The output's callback is called once."""
        words = self.made[0].words
        data = bytearray(2 * words["blocksize"])
        words["callback"](
            data,
            words["blocksize"],
            types.SimpleNamespace(currentTime=now_s, outputBufferDacTime=now_s + latency_s),
            None,
        )
        return bytes(data)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeSounddevice:
    made = FakeSounddevice()
    monkeypatch.setitem(sys.modules, "sounddevice", made)
    return made


async def test_positions_come_from_the_time_at_which_the_card_sounds(fake: FakeSounddevice) -> None:
    transport = ConsoleTransport(sound_card.SoundCard(RATE_IN, RATE_OUT), headphones=True)
    transport.send(c.AudioOut(1, 0, 0, np.full(480, 7, np.int16), last=True))
    block = await asyncio.to_thread(fake.play, 10.0)
    assert np.frombuffer(block, np.int16).tolist() == [7] * 480
    await asyncio.to_thread(fake.play, 10.02)
    await asyncio.to_thread(fake.play, 10.06)
    received = transport.receive()
    assert await anext(received) == c.Played(1, 480, playing=False)
    assert await anext(received) == c.Finished(1, 480)
    fake.made[1].words["callback"](np.full(320, 3, np.int16).tobytes(), 320, None, None)
    item = await anext(received)
    assert isinstance(item, c.AudioIn)
    assert item.samples.tolist() == [3] * 320
    await transport.close("over")
    assert [stream.closed for stream in fake.made] == [True, True]
    await asyncio.to_thread(fake.play, 10.1)


def test_a_card_that_cannot_be_used_is_told_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSounddevice(broken=True))
    with pytest.raises(Unavailable, match="Invalid sample rate") as caught:
        sound_card.SoundCard(RATE_IN, RATE_OUT).open(lambda _: None, lambda *_: np.zeros(0, np.int16))
    assert "--wav" in caught.value.advice


def test_without_the_package_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    result = CliRunner().invoke(app, ["console"])
    assert isinstance(result.exception, SystemExit) or result.exit_code
    with pytest.raises(Unavailable) as caught:
        sound_card.load()
    assert "bargein[console]" in caught.value.advice


def test_devices_are_listed(fake: FakeSounddevice) -> None:
    result = CliRunner().invoke(app, ["console", "--devices"])
    assert result.exit_code == 0, result.output
    assert "0: Built-in (2 in, 2 out)" in result.output


# ------------------------------------------------------------------------------------------------------- the files


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no audio")
    for name in ("text.wav", "missing.wav"):
        with pytest.raises(UsageError, match="cannot be read"):
            read_wav(tmp_path / name, RATE_IN)
    with wave.open(str(tmp_path / "eight.wav"), "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        file.writeframes(b"\x80" * 80)
    with pytest.raises(UsageError, match="8 bits"):
        read_wav(tmp_path / "eight.wav", RATE_IN)


async def test_a_full_disk_costs_the_call_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: wave.Wave_write, __: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wave.Wave_write, "writeframesraw", full)
    clock = ManualClock(0)
    card = WavCard(microphone((100, 0)), RATE_IN, RATE_OUT, clock, heard=tmp_path / "heard.wav")
    got: list[int] = []
    card.open(lambda samples: got.append(len(samples)), lambda count, *_: np.zeros(count, np.int16))
    card.step()
    card.step()
    assert got == [320, 320]
    assert card.failure.endswith("No space left on device")
    card.close()
    nowhere = WavCard(microphone((100, 0)), RATE_IN, RATE_OUT, clock, heard=tmp_path / "no" / "heard.wav")
    with pytest.raises(UsageError, match="cannot be written"):
        nowhere.open(lambda _: None, lambda count, *_: np.zeros(count, np.int16))


def test_a_stereo_file_of_another_rate_is_taken(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "two.wav"), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.repeat(np.full(8000, 500, "<i2"), 2).tobytes())
    samples = read_wav(tmp_path / "two.wav", RATE_IN)
    assert len(samples) == RATE_IN
    assert abs(int(np.median(samples)) - 500) < 5


# -------------------------------------------------------------------------------------------------------- the view


def test_the_view_shows_both_sides_unheard_words_and_decisions() -> None:
    console = Console(record=True, width=120)
    view = ConsoleView(console, live=False)
    with view:
        view.notice(n.Transcript("user", "what time [bold]is it", final=True))
        view.notice(n.Decision("hold", 1.0, "speech", 1))
        view.notice(n.Transcript("agent", "it is", final=False, reply_id=1, unheard="noon already"))
        view.notice(n.Transcript("agent", "it is", final=True, reply_id=1, unheard="noon already"))
        view.notice(n.Transcript("agent", "lost", final=False, reply_id=2))
        view.notice(n.Bye("over"))
        view.notice(n.Problem("voice_lost", "The voice is gone", "Look"))
        for _ in range(10):
            view.level("you", 0.9)
    text = console.export_text()
    for line in (
        "you    what time [bold]is it",
        "hold: speech",
        "agent  it is noon already",
        "The voice is gone. Look",
    ):
        assert line in text
    drawn = Console(record=True, width=120)
    drawn.print(view._drawn())
    assert "█" in drawn.export_text()
