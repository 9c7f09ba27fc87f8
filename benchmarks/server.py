"""The server alone: many calls at once over loopback, each interrupted again and again.

Times are measured at the client, so they hold loopback and the client's own event loop: from the sending of the frame
with the deciding VAD window (found beforehand by the same model on the same samples) to the arrival of `hold`, and of
the last audio before the silence.
"""

from __future__ import annotations

import asyncio
import json
import struct
import time
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import websockets

from bargein.audio.pcm import Samples
from bargein.audio.vad import CONTEXT, WINDOW, SileroModel
from bargein.floor import Policy
from benchmarks.process import server
from benchmarks.sounds import RATE, InterruptionScript, VoiceClip, script
from benchmarks.table import Check, SpreadRow

HEADER = struct.Struct("<BBHIII")
FRAME = RATE // 50
EVERY_MS = 5_000.0
FIRST_MS = 3_000.0


@dataclass(slots=True)
class Client:
    """One page, as far as the server can tell."""

    samples: Samples
    deciding: list[int]  # frame numbers that complete the deciding window of each interruption
    sent_at: dict[int, float] = field(default_factory=dict)
    holds: list[float] = field(default_factory=list)
    audio: list[float] = field(default_factory=list)
    got: dict[int, int] = field(default_factory=dict)  # reply -> samples
    cut: set[int] = field(default_factory=set)
    stale: int = 0
    problems: list[str] = field(default_factory=list)


def deciding_frames(samples: Samples, onsets: tuple[int, ...], threshold: float) -> list[int]:
    """For each onset, the frame whose arrival completes the first window that reaches the threshold after it."""
    model, window, context = SileroModel(), WINDOW[RATE], CONTEXT[RATE]
    state = np.zeros((2, 1, 128), np.float32)
    padded = np.concatenate((np.zeros(context, np.int16), samples)).astype(np.float32) / np.float32(32768)
    speech = []
    for at in range(0, len(samples) - window + 1, window):
        p, state = model.run(padded[None, at : at + context + window], state, RATE)
        speech.append(float(p[0]))
    found = []
    for onset in onsets:
        first = next(i for i in range(onset // window, len(speech)) if speech[i] >= threshold)
        found.append(((first + 1) * window - 1) // FRAME)
    return found


async def run(sounds: list[VoiceClip], calls: int, times: int) -> list[SpreadRow | Check]:
    threshold = Policy.balanced().hold.hold_threshold
    spoken: InterruptionScript = script(sounds, first_ms=FIRST_MS, every_ms=EVERY_MS, times=times)
    deciding = deciding_frames(spoken.samples, spoken.onsets, threshold)
    async with server(env={"BARGEIN_MAX_CALLS": str(calls + 2)}) as address:
        clients = [Client(spoken.samples, deciding) for _ in range(calls)]
        async with asyncio.TaskGroup() as group:
            for i, client in enumerate(clients):
                # Not in step with the server's ticker, so that every phase between the two occurs.
                group.create_task(_call(address, client, i * (EVERY_MS / calls + 0.37) / 1000))
    hold, last = [], []
    for client in clients:
        for frame in client.deciding:
            sent = client.sent_at[frame]
            after = [t for t in client.holds if sent - 0.5 <= t <= sent + 1.0]
            if after:
                hold.append((after[0] - sent) * 1000)
                tail = [t for t in client.audio if sent <= t <= after[0] + 0.15]
                last.append(((tail[-1] if tail else sent) - sent) * 1000)
    problems = sum(len(c.problems) for c in clients)
    return [
        SpreadRow(f"server, {calls} calls: deciding frame sent to `hold` received", tuple(hold), "p99 <= 10"),
        SpreadRow(f"server, {calls} calls: deciding frame sent to the last audio received", tuple(last), "p99 <= 10"),
        Check("interruptions held", len(hold), calls * times),
        Check("calls without stale audio or errors", sum(not c.stale and not c.problems for c in clients), calls)
        if not problems
        else Check(f"calls without errors (first: {next(c.problems[0] for c in clients if c.problems)})", 0, calls),
    ]


async def _call(address: str, client: Client, offset_s: float) -> None:
    await asyncio.sleep(offset_s)
    async with websockets.connect(
        f"ws://{address}/calls/browser", subprotocols=[websockets.Subprotocol("bargein.v1")], compression=None
    ) as socket:
        await socket.send(json.dumps({"type": "hello", "protocol": "bargein.v1"}))
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(_read(socket, client))
            await _speak(socket, client)
            await socket.send('{"type":"hangup"}')
            await reading


async def _speak(socket: websockets.ClientConnection, client: Client) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(len(client.samples) // FRAME):
        await asyncio.sleep(max(0.0, began + number * 0.02 - loop.time()))
        at = number * FRAME
        client.sent_at[number] = time.perf_counter()
        await socket.send(HEADER.pack(1, 0, 0, 0, number, at) + client.samples[at : at + FRAME].tobytes())


async def _read(socket: websockets.ClientConnection, client: Client) -> None:
    async for data in socket:
        now = time.perf_counter()
        if isinstance(data, bytes):
            _, flags, _, reply, _, first = HEADER.unpack_from(data)
            if reply in client.cut:
                client.stale += 1
            client.audio.append(now)
            client.got[reply] = first + (len(data) - HEADER.size) // 2
            if flags & 1:
                await _tell(socket, "finished", reply, client.got[reply])
            continue
        said = json.loads(data)
        match said["type"]:
            case "hold":
                client.holds.append(now)
                await _tell(socket, "held", said["reply_id"], client.got.get(said["reply_id"], 0))
            case "audio_interrupted":
                client.cut.add(said["reply_id"])
                await _tell(socket, "flushed", said["reply_id"], client.got.get(said["reply_id"], 0))
            case "error":
                client.problems.append(f"{said['code']}: {said['message']}")
            case _:
                pass


async def _tell(socket: websockets.ClientConnection, kind: str, reply: int, played: int) -> None:
    with suppress(websockets.ConnectionClosed):  # we hung up meanwhile
        await socket.send(json.dumps({"type": kind, "reply_id": reply, "played": played}))
