"""Voxtral on this machine: the user's turn goes to the model as sound, and the reply comes token by token.

The model lives in a process of its own (voxtral_worker.py), so that neither the event loop nor the GIL ever waits for
it. A cut sends a stop for that one reply; the worker looks for it after each token, so at most the token that is being
made is made in vain, and the next reply may be asked for at once.

The model calls no tools: `Prompt.tools` is not read, and what a tool said earlier is told in words.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal, get_args

from bargein.audio.pcm import Pcm
from bargein.errors import Unavailable, UsageError, VendorLost
from bargein.protocols import Prompt, TextDelta
from bargein.vendors.common.audio_turns import VOXTRAL_MODEL, as_turns
from bargein.vendors.common.messages import Message, as_messages, with_sound
from bargein.vendors.local.worker_process import OWN, WorkerProcess

NEEDS = ("torch", "transformers", "mistral_common", "soundfile")  # what the extra voxtral-local brings
WAITING = 3  # replies in line behind the one that is being written: one takes a second or two
LONGEST_MS = 120_000  # of a longer turn the end is heard: a frame of the worker's pipe holds 174 s at 48 kHz
NICE = 5  # on a CPU it would otherwise stand before the playout of every call
DTypeName = Literal["auto", "bfloat16", "float16", "float32"]

# the worker's frames
TEXT = OWN  # the next piece of a reply, UTF-8
STATE = OWN + 1  # JSON: the fields of WorkerState

SOUND: Message = {"type": "audio"}  # where the turn's sound belongs; the sound itself is the request's body


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What the worker tells of itself.

    device, dtype: what the model runs on, as picked at start. rss_bytes: resident memory of the process (None where
    the system does not tell); on a CPU the weights are in it. gpu_bytes: what torch holds on the GPU. load_s: reading
    and placing the weights. token_times_ms: when each token of the last reply was made, on the machine's monotonic
    clock (time.monotonic() of every process here); cut: whether that reply was stopped before its end; after_stop: how
    many of its tokens were picked although the stop had come to the worker (the one that was being made: 0 or 1).
    """

    pid: int
    device: str
    dtype: str
    rss_bytes: int | None
    gpu_bytes: int
    load_s: float
    token_times_ms: tuple[float, ...]
    cut: bool
    after_stop: int


class VoxtralLocal:
    """protocols.AudioLLM by shape.

    model: a name on the Hugging Face hub, or a folder. device: "auto" is the GPU if torch finds one, else the CPU;
    dtype: "auto" is bfloat16 on a GPU, float32 on a CPU. max_tokens: bound of one reply. temperature: 0 takes the
    likeliest token always; top_p: 0..1. first_token_s: to the first words of a reply, its time in line included.
    Raises Unavailable where the extra is not installed, UsageError for a dtype that it does not know.
    """

    hears_audio: Literal[True] = True

    def __init__(
        self,
        model: str = VOXTRAL_MODEL,
        *,
        device: str = "auto",
        dtype: DTypeName = "auto",
        max_tokens: int = 150,
        temperature: float = 0.2,
        top_p: float = 0.95,
        first_token_s: float = 20.0,
    ) -> None:
        if missing := [name for name in NEEDS if find_spec(name) is None]:
            raise Unavailable(
                f"Voxtral on this machine needs {', '.join(missing)}",
                advice="Install the extra: pip install 'bargein[voxtral-local]'",
            )
        if dtype not in get_args(DTypeName):
            raise UsageError(f"The dtype {dtype!r} is unknown", advice=f"Give one of {', '.join(get_args(DTypeName))}")
        self.name = model
        self._first_token_s = first_token_s
        self._loading = {"model": model, "device": device, "dtype": dtype}
        self._writing = {"max_tokens": max_tokens, "temperature": temperature, "top_p": top_p}
        self._process = WorkerProcess(
            "bargein.vendors.local.voxtral_worker",
            name="voxtral",
            max_waiting=1 + WAITING,
            nice=NICE,
        )

    async def start(self) -> WorkerState:
        """Load the model now (and, the first time, fetch it), not at the first reply. Raises VendorRefused when there
        is no such model or no room for it, VendorLost, Unavailable."""
        return await self.state()

    async def state(self) -> WorkerState:
        """The worker's own record, told once the replies before it in line are done. Raises as `start`."""
        async with aclosing(self._ask({"do": "state"})) as frames:
            async for kind, data in frames:
                if kind == STATE:
                    told = json.loads(data)
                    return WorkerState(**{**told, "token_times_ms": tuple(told["token_times_ms"])})
        raise VendorLost("The voxtral worker told nothing of itself", advice="Try again, or look into the log")

    async def reply(self, prompt: Prompt) -> AsyncGenerator[TextDelta, None]:
        """protocols.LLM.reply. Replies are written one at a time, in the order in which they are asked for.

        Raises VendorLost when too many are in line, when the first words do not come in time or when the worker died
        (the next reply starts it anew); VendorRefused when the model cannot be loaded.
        """
        messages = as_messages(prompt)
        sound = prompt.audio if prompt.audio is not None and len(prompt.audio) else None
        if sound is not None:
            sound = _end_of(sound)
            messages = with_sound(messages, SOUND)
        asked = {"do": "write", "turns": as_turns(messages), "rate": sound.rate if sound else 0, **self._writing}
        try:
            async with (
                asyncio.timeout(self._first_token_s) as first,
                aclosing(self._ask(asked, sound.to_bytes() if sound else b"")) as frames,
            ):
                async for kind, data in frames:
                    if kind == TEXT:
                        first.reschedule(None)
                        yield TextDelta(data.decode())
        except TimeoutError:
            raise VendorLost("Voxtral did not begin in time", advice="Ask less of it at once, or use a GPU") from None

    async def aclose(self) -> None:
        """End the worker and wait until it has ended. Replies under way get VendorLost."""
        await self._process.aclose()

    @property
    def pid(self) -> int | None:
        """The worker's, while it runs."""
        return self._process.pid

    def _ask(self, what: dict[str, Any], body: bytes = b"") -> AsyncGenerator[tuple[int, bytes], None]:
        return self._process.request({**self._loading, **what}, body)  # type: ignore[return-value]  # it is one


def _end_of(sound: Pcm) -> Pcm:
    longest = LONGEST_MS * sound.rate // 1000
    return Pcm(sound.samples[-longest:], sound.rate)
