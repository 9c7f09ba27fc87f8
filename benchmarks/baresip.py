"""baresip, a softphone, without a screen: it speaks a prepared sound, and keeps all that it sent and heard."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bargein.audio.pcm import Samples

RATE = 8000
MODULES = Path("/usr/lib/baresip/modules")
CONFIG = """\
poll_method epoll
sip_listen 127.0.0.1:{port}
net_interface 127.0.0.1
audio_source aufile,{folder}/caller.wav
audio_player aubridge,x
audio_alert aufile,{folder}/silence.wav
module_path {modules}
{codecs}
module aufile.so
module aubridge.so
module sndfile.so
snd_path {folder}
module_tmp account.so
module_tmp uuid.so
module_app ctrl_tcp.so
module_app contact.so
module_app menu.so
ctrl_tcp_listen 127.0.0.1:{control}
{more}
"""


def installed() -> bool:
    return shutil.which("baresip") is not None and MODULES.is_dir()


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def free_tcp_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Baresip:
    """One running softphone. events: what it has told, oldest first."""

    def __init__(self, folder: Path, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.folder, self.port = folder, port
        self.events: list[dict[str, Any]] = []
        self._reader, self._writer = reader, writer
        self._news = asyncio.Event()
        self._count = 0

    async def do(self, command: str, params: str = "") -> None:
        """A command of its menu, such as dial, hangup, sndcode, hold, resume, reinvite, transfer."""
        self._count += 1
        text = json.dumps({"command": command, "params": params, "token": str(self._count)})
        self._writer.write(f"{len(text)}:{text},".encode())
        await self._writer.drain()

    async def until(self, kind: str, seconds: float = 10, *, count: int = 1) -> dict[str, Any]:
        """The event of that type: CALL_ESTABLISHED, CALL_CLOSED, ... count: the how-manieth."""
        async with asyncio.timeout(seconds):
            while len(found := [each for each in self.events if each.get("type") == kind]) < count:
                self._news.clear()
                await self._news.wait()
        return found[count - 1]

    async def listen(self) -> None:
        """Take what it tells, until it ends."""
        while True:
            try:
                size = (await self._reader.readuntil(b":"))[:-1]
                text = await self._reader.readexactly(int(size))
                await self._reader.readexactly(1)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            told = json.loads(text)
            if told.get("event"):
                self.events.append(told)
                self._news.set()

    def heard(self) -> Samples:
        """What it has heard in its newest call, 8000 Hz."""
        return self._recorded("dec")

    def sent(self) -> Samples:
        """What it has sent in its newest call, on the same clock as `heard`."""
        return self._recorded("enc")

    def _recorded(self, kind: str) -> Samples:
        path = max(self.folder.glob(f"dump-*-{kind}.wav"), key=lambda each: each.stat().st_mtime)
        return read_wave(path)


def read_wave(path: Path) -> Samples:
    """A file that its writer may not have finished: its header may count no samples."""
    data = path.read_bytes()
    begin = data.find(b"data") + 8
    return np.frombuffer(data[begin : len(data) - (len(data) - begin) % 2], "<i2").copy()


def write_wave(path: Path, samples: Samples, rate: int = RATE) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


@asynccontextmanager
async def baresip(
    says: Samples,
    *,
    user: str = "caller",
    account: str = "",
    codecs: tuple[str, ...] = ("g711",),
    more: str = "",
    rate: int = RATE,
) -> AsyncIterator[Baresip]:
    """A softphone that says this from the answer of each call on. account: parameters of its account, such as
    `;auth_user=anna;auth_pass=...`; codecs: modules; more: lines of its configuration. It ends with the block."""
    port, control = free_udp_port(), free_tcp_port()
    with TemporaryDirectory(prefix="bargein-baresip-") as name:
        folder = Path(name)
        write_wave(folder / "caller.wav", says, rate)
        write_wave(folder / "silence.wav", np.zeros(RATE // 10, np.int16))
        modules = "\n".join(f"module {each}.so" for each in codecs)
        text = CONFIG.format(port=port, control=control, folder=folder, modules=MODULES, codecs=modules, more=more)
        (folder / "config").write_text(text)
        (folder / "accounts").write_text(f"<sip:{user}@127.0.0.1:{port};transport=udp>;regint=0{account}\n")
        (folder / "contacts").write_text("")
        process = await asyncio.create_subprocess_exec(
            "baresip",
            "-f",
            name,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            reader, writer = await _connected(control, process)
            phone = Baresip(folder, port, reader, writer)
            listening = asyncio.create_task(phone.listen(), name="baresip")
            try:
                yield phone
            finally:
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()
                listening.cancel()
                await asyncio.wait([listening])
        finally:
            if process.returncode is None:
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 5)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _connected(
    port: int, process: asyncio.subprocess.Process
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(10):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                assert process.returncode is None, "baresip has ended"
                await asyncio.sleep(0.05)  # asking is the only way to know another process's state
