"""`audio.flac` on the disk: killed, full, read-only, slow, too large; and how it is read back."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from bargein.protocols import AudioOut
from bargein.recorder.audio_file import AUDIO_FILE, PEAKS_FILE, AudioFile
from bargein.recorder.audio_flac import FRAME, HEADER_BYTES, header, silent_frame
from bargein.recorder.audio_reading import decode, peaks, read_audio
from bargein.recorder.audio_recorder import BLOCK_MS, LAG_MS, AudioRecorder
from bargein.recorder.disk import DiskThread
from tests.call.kit import Notes

BLOCK = 28 * FRAME


def noise(seed: int, samples: int = BLOCK) -> NDArray[np.int16]:
    return np.random.default_rng(seed).integers(-3000, 3000, (samples, 2)).astype(np.int16)


def written(folder: Path, *blocks: NDArray[np.int16], max_bytes: int = 1 << 30, close: bool = True) -> AudioFile:
    file = AudioFile(folder / AUDIO_FILE, 16_000, max_bytes)
    file.open()
    for block in blocks:
        file.write(block)
    if close:
        file.close()
    return file


def facts(file: AudioFile) -> list[str]:
    return [str(fact["kind"]) for fact in file.faults]


def test_it_is_flac_with_every_sample_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "c1"
    blocks = noise(1), noise(2), noise(3, 700)
    file = written(folder, *blocks)
    audio, rate = soundfile.read(folder / AUDIO_FILE, dtype="int16")
    assert rate == 16_000
    assert np.array_equal(audio, np.concatenate(blocks))
    assert facts(file) == []
    for path, mode in ((folder, 0o700), (folder / AUDIO_FILE, 0o600), (folder / PEAKS_FILE, 0o600)):
        assert stat.S_IMODE(path.stat().st_mode) == mode
    found = read_audio(folder)
    assert found is not None
    assert (found.samples, found.rate, found.fault, found.live) == (2 * BLOCK + 700, 16_000, None, False)


@pytest.mark.parametrize("number", [0, 1, 127, 128, 2047, 2048, 70_000, 3_000_000])
def test_a_silent_frame_of_ours_is_libsndfiles_own(number: int, tmp_path: Path) -> None:
    frame = silent_frame(number, 16_000)
    (tmp_path / "x.flac").write_bytes(header(16_000, FRAME) + silent_frame(0, 16_000))
    audio, _ = soundfile.read(tmp_path / "x.flac", dtype="int16")
    assert audio.shape == (FRAME, 2)
    assert not audio.any()
    head = read_head_of(frame)
    assert head == (number, FRAME, 16_000)


def read_head_of(frame: bytes) -> tuple[int, int, int]:
    from bargein.recorder.audio_flac import is_whole, read_head  # noqa: PLC0415

    head = read_head(frame, 0)
    assert head is not None
    assert is_whole(frame)
    return head.number, head.samples, head.rate


KILLED = """
import sys, time
from pathlib import Path
import numpy as np
from bargein.recorder.audio_file import AudioFile
file = AudioFile(Path(sys.argv[1]), 16000, 1 << 30)
file.open()
for seed in range(1, 4):
    file.write(np.random.default_rng(seed).integers(-3000, 3000, (32256, 2)).astype(np.int16))
print("written", flush=True)
time.sleep(60)
"""


def test_after_kill_9_all_but_the_last_frame_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c1" / AUDIO_FILE
    with subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        live = read_audio(path.parent)
        assert live is not None
        assert (live.live, live.fault, live.samples) == (True, None, 3 * BLOCK - FRAME)
        assert path.read_bytes()[:HEADER_BYTES] == header(16_000, 0), "a file that is written is left alone"
        assert np.array_equal(decode(live, 10, 500), noise(1)[10:510])
        process.send_signal(signal.SIGKILL)
    with path.open("ab") as file:
        file.write(b"\xff\xf8\x35\x18half a frame")
    found = read_audio(path.parent)
    assert found is not None
    assert (found.live, found.samples) == (False, 3 * BLOCK - FRAME)
    assert "killed" in (found.fault or "")
    truth = np.concatenate((noise(1), noise(2), noise(3)))[:-FRAME]
    assert np.array_equal(decode(found), truth)
    audio, _ = soundfile.read(path, dtype="int16")  # any program reads it now
    assert np.array_equal(audio, truth)
    again = read_audio(path.parent)
    assert again is not None
    assert again.samples == found.samples


@pytest.mark.parametrize(
    "data", [b"", b"fLaC", b"RIFF" + bytes(100), header(16_000, 0), header(16_000, 0) + b"\xff\xf8" * 50, bytes(5000)]
)
def test_a_file_that_is_broken_says_why_and_raises_nothing(data: bytes, tmp_path: Path) -> None:
    (tmp_path / AUDIO_FILE).write_bytes(data)
    found = read_audio(tmp_path)
    assert found is not None
    assert found.fault
    assert not found.readable
    assert decode(found).shape == (0, 2)
    assert peaks(tmp_path, 10).shape == (0, 2)


def test_without_a_file_there_is_no_audio(tmp_path: Path) -> None:
    assert read_audio(tmp_path) is None
    assert peaks(tmp_path, 10).shape == (0, 2)


class Disk:
    """os.pwrite, on a disk that is full at times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.half = False
        self._pwrite = os.pwrite
        monkeypatch.setattr("bargein.recorder.audio_file.os.pwrite", self)

    def __call__(self, fd: int, data: bytes, at: int) -> int:
        if not self.full:
            return self._pwrite(fd, data, at)
        if self.half:
            return self._pwrite(fd, data[: len(data) // 2], at)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("half", [False, True])
def test_what_a_full_disk_did_not_take_is_silence_in_its_place(
    half: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    disk.half = half
    file = written(tmp_path / "c1", noise(1), close=False)
    disk.full = True
    file.write(noise(2))
    file.write(noise(3))
    disk.full = False
    file.write(noise(4))
    file.close()
    audio, _ = soundfile.read(tmp_path / "c1" / AUDIO_FILE, dtype="int16")
    assert len(audio) == 4 * BLOCK
    frames = audio.reshape(4 * 28, FRAME, 2)
    truth = np.concatenate([noise(k) for k in range(1, 5)]).reshape(4 * 28, FRAME, 2)
    kept = [index for index in range(4 * 28) if np.array_equal(frames[index], truth[index])]
    silent = [index for index in range(4 * 28) if not frames[index].any()]
    assert silent == list(range(27, 27 + 56)), "an encoder's frame waits for the next block"
    assert kept == [*range(27), *range(83, 112)]
    assert facts(file) == ["recording_lost", "recording_again"]


def test_a_disk_that_stays_full_leaves_what_was_there_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    file = written(tmp_path / "c1", noise(1), close=False)
    disk.full = True
    file.write(noise(2))
    file.close()
    disk.full = False
    found = read_audio(tmp_path / "c1")
    assert found is not None
    assert np.array_equal(decode(found), noise(1)[: 27 * FRAME])


def test_a_folder_that_takes_no_file_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "c1").write_bytes(b"a file in the place of the folder")
    file = written(tmp_path / "c1", noise(1), noise(2))
    assert file.over
    assert facts(file) == ["recording_ended"]


def test_a_file_grows_to_its_bound_and_stays_whole(tmp_path: Path) -> None:
    file = written(tmp_path / "c1", *[noise(k) for k in range(1, 6)], max_bytes=300_000)
    assert (tmp_path / "c1" / AUDIO_FILE).stat().st_size <= 300_000
    assert facts(file) == ["recording_ended"]
    audio, _ = soundfile.read(tmp_path / "c1" / AUDIO_FILE, dtype="int16")
    whole = np.concatenate([noise(k) for k in range(1, 6)])
    assert len(audio) + FRAME >= 2 * BLOCK
    assert np.array_equal(audio, whole[: len(audio)])


def test_the_waveform_needs_no_decoding_and_is_the_same_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "c1"
    block = np.zeros((BLOCK, 2), np.int16)
    block[16_000:16_100, 0] = -32_768
    block[20_000, 1] = 16_384
    written(folder, block, np.zeros((BLOCK, 2), np.int16))
    fast = peaks(folder, 10)
    (folder / PEAKS_FILE).unlink()
    assert np.array_equal(peaks(folder, 10), fast)
    assert len(fast) == pytest.approx(2 * BLOCK / 1600, abs=2)
    user, agent = fast[:, 0], fast[:, 1]
    assert np.flatnonzero(user).tolist() == [10]
    assert int(user.max()) == 255
    assert np.flatnonzero(agent).tolist() == [12]
    assert int(agent.max()) == 128


class Stuck:
    """A disk whose thread stands still."""

    def __init__(self) -> None:
        self.jobs: list[Any] = []
        self.stuck = False

    def put(self, job: Any, size: int = 0) -> bool:
        if self.stuck and size:
            return False
        job()
        return True


def test_blocks_that_a_slow_disk_does_not_take_are_silence_and_noted(tmp_path: Path) -> None:
    notes, disk = Notes(), Stuck()
    recorder = AudioRecorder(
        tmp_path / "c1",
        notes,
        rate=16_000,
        agent_rate=16_000,
        at=lambda sample: sample / 16,
        disk=disk,  # type: ignore[arg-type]
    )
    for block in range(5):
        disk.stuck = block in (1, 2)
        for frame in range(BLOCK // 512):
            recorder.user(block * BLOCK + frame * 512, np.full(512, 1000 * (block + 1), np.int16))
        recorder.tick((block + 1) * BLOCK_MS + LAG_MS)
    recorder.close(5 * BLOCK_MS)
    audio, _ = soundfile.read(tmp_path / "c1" / AUDIO_FILE, dtype="int16")
    assert audio[::BLOCK, 0].tolist() == [1000, 0, 0, 4000, 5000]
    assert len(audio) == 5 * BLOCK
    kinds = [kind for kind, _ in notes.notes]
    assert kinds == ["recording", "recording_lost", "recording_again", "recording_ended"]


async def test_a_frozen_disk_never_holds_the_call_up(tmp_path: Path) -> None:
    disk = DiskThread(most_bytes=200_000)
    gate = threading.Event()
    disk.put(gate.wait)  # until all below has been told: what waited for the disk would wait for ever
    notes = Notes()
    recorder = AudioRecorder(
        tmp_path / "c1", notes, rate=16_000, agent_rate=24_000, at=lambda sample: sample / 16, disk=disk
    )
    for block in range(6):
        recorder.user(block * BLOCK, np.full(BLOCK, 500, np.int16))
        recorder.tick((block + 1) * BLOCK_MS + LAG_MS + 96)
    assert "recording_lost" in [kind for kind, _ in notes.notes]
    assert disk.waiting_bytes <= 200_000
    gate.set()
    recorder.close(6 * BLOCK_MS)
    await disk.aclose()
    found = read_audio(tmp_path / "c1")
    assert found is not None
    assert found.fault is None


def test_an_hour_takes_no_more_memory_than_a_minute(tmp_path: Path) -> None:
    import tracemalloc  # noqa: PLC0415

    sizes = []
    for seconds in (60, 3600):
        recorder = AudioRecorder(
            tmp_path / f"c{seconds}", Notes(), rate=8000, agent_rate=8000, at=lambda sample: sample / 8
        )
        reply = recorder.reply()
        user, codes = np.arange(3200, dtype=np.int16), np.full(3200, 0x80, np.uint8)
        tracemalloc.start()
        for index in range(int(seconds * 2.5)):
            at, end_ms = index * 3200, (index + 1) * 400.0
            recorder.user(at, user)
            reply.sent(AudioOut(1, index, at, codes, last=False))
            reply.at(end_ms, at + 3200, playing=True, reported=True, final=False, paced=False)
            recorder.tick(end_ms)
        sizes.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        recorder.close(seconds * 1000.0)
    assert sizes[1] - sizes[0] < 300_000
    assert sizes[1] < 2_000_000
