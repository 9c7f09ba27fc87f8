"""Generating with Voxtral by transformers. The only file that touches torch; it is imported in the worker alone.

Of the processor it uses `apply_chat_template` (turns and sound to tensors) and `tokenizer.decode`. The real one is
VoxtralProcessor: WhisperFeatureExtractor beside mistral-common's tekken tokenizer, whose template it is.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol, cast

import torch
from transformers import (
    AutoProcessor,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
    VoxtralForConditionalGeneration,
)
from transformers.utils import logging as transformers_logging

from bargein.audio.pcm import Pcm
from bargein.audio.resample import resample
from bargein.vendors.common.messages import Message, wav
from bargein.vendors.local.voxtral import SOUND
from bargein.vendors.local.worker_process import WorkerRefused

log = logging.getLogger(__name__)

RATE = 16_000  # Hz, as Voxtral hears
HALF = "\ufffd"  # what a tokenizer writes for bytes that are no whole character


def load(model: str, device: str, dtype: str) -> LoadedModel:
    """model: a name on the hub or a folder. Raises Refused when it cannot be had, or not on this device."""
    quiet = cast("Any", transformers_logging)  # what it prints would stand in our log, a line for each step of a bar
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    elif device.startswith("cuda") and not torch.cuda.is_available():
        raise WorkerRefused("torch finds no GPU here", 'Give device="cpu", or install the CUDA build of torch')
    if dtype == "auto":
        dtype = "float32" if device == "cpu" else "bfloat16"
    try:
        processor = cast("Any", AutoProcessor).from_pretrained(model)
        network: Any = VoxtralForConditionalGeneration.from_pretrained(model, dtype=getattr(torch, dtype))
        loaded = LoadedModel(network.to(device).eval(), processor, device, dtype)
        loaded.warm()
    except torch.cuda.OutOfMemoryError as error:
        raise WorkerRefused(f"The GPU has no room for {model}", "Take a smaller model, or a larger GPU") from error
    except (OSError, ValueError) as error:
        log.warning("%s cannot be loaded: %s", model, error)
        raise WorkerRefused(
            f"{model} cannot be loaded ({type(error).__name__})", "Check the name, and the network for the first time"
        ) from error
    return loaded


class LoadedModel:
    """A model that is loaded. token_times_ms, cut, after_stop: of the last reply, as voxtral_local.WorkerState tells
    them."""

    def __init__(self, network: Any, processor: Any, device: str, dtype: str) -> None:
        self._network = network
        self._processor = processor
        self.device = device
        self.dtype = dtype
        self.token_times_ms: list[float] = []
        self.cut = False
        self.after_stop = 0

    def write(
        self,
        turns: Sequence[Message],
        sound: Pcm | None,
        *,
        max_tokens: int,
        temperature: float,
        top_p: float,
        cancelled: Callable[[], bool],
    ) -> Generator[str, None, None]:
        """The reply's text, in pieces of whole characters, as the tokens come. cancelled(): asked after every token;
        when it says yes, no other token is begun. Closing the iterator does the same, and waits for that."""
        self.token_times_ms, self.cut, self.after_stop = [], False, 0
        if cancelled():
            self.cut = True
            return
        inputs = self._processor.apply_chat_template(_with_sound(turns, sound))
        inputs = inputs.to(self.device, dtype=getattr(torch, self.dtype))
        sampling = {"do_sample": True, "temperature": temperature, "top_p": top_p} if temperature > 0 else {}
        tokens: queue.SimpleQueue[int | Exception | None] = queue.SimpleQueue()
        closed = threading.Event()

        def stopped() -> bool:
            return closed.is_set() or cancelled()

        picked, made = _BeforeToken(stopped), _AfterToken(stopped, self.token_times_ms, tokens.put)

        def generate() -> None:
            try:
                self._network.generate(
                    **inputs,
                    max_new_tokens=max_tokens,
                    logits_processor=LogitsProcessorList([picked]),
                    stopping_criteria=StoppingCriteriaList([made]),
                    **({"do_sample": False} | sampling),
                )
            except Exception as error:  # raised again below, where it is waited for
                tokens.put(error)
            finally:
                tokens.put(None)

        # In a thread of its own, since generate() gives nothing back before its end.
        thread = threading.Thread(target=generate, name="generate", daemon=True)
        thread.start()
        text = Detokeniser(self._processor.tokenizer)
        try:
            while (token := tokens.get()) is not None:
                if isinstance(token, Exception):
                    raise token
                if piece := text.add(token):
                    yield piece
        finally:
            closed.set()
            thread.join()
            self.cut, self.after_stop = made.stopped, picked.late

    def warm(self) -> None:
        """Make two tokens and discard them: the first on a GPU take seconds."""
        turns = [{"role": "user", "content": [SOUND, {"type": "text", "text": "Hello"}]}]
        silence = Pcm.silence(1000, RATE)
        for _ in self.write(turns, silence, max_tokens=2, temperature=0, top_p=1, cancelled=lambda: False):
            pass
        self.token_times_ms = []

    def gpu_bytes(self) -> int:
        return torch.cuda.memory_reserved() if self.device.startswith("cuda") else 0


class _BeforeToken(LogitsProcessor):
    """What transformers asks before it picks each token. late: of how many the stop was there already."""

    def __init__(self, cancelled: Callable[[], bool]) -> None:
        self._cancelled = cancelled
        self.late = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self.late += self._cancelled()
        return scores


class _AfterToken(StoppingCriteria):
    """What transformers asks after each token, before it begins the next. stopped: whether it answered to stop."""

    def __init__(self, cancelled: Callable[[], bool], times_ms: list[float], tell: Callable[[int], None]) -> None:
        self._cancelled = cancelled
        self._times_ms = times_ms
        self._tell = tell
        self.stopped = False

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        self._times_ms.append(time.monotonic() * 1000)
        self._tell(int(input_ids[0, -1]))
        self.stopped = self._cancelled()
        return torch.full((input_ids.shape[0],), self.stopped, dtype=torch.bool, device=input_ids.device)


class Decodes(Protocol):
    def decode(self, token_ids: list[int], *, skip_special_tokens: bool) -> Any: ...  # a str, for one list


class Detokeniser:
    """Tokens to text, never half a character: a token may end in the middle of one, which then waits for the next.

    Only the last few tokens are decoded again, together with those before them: some tokenizers write a token
    otherwise at the beginning of a text than within it.
    """

    def __init__(self, tokenizer: Decodes) -> None:
        self._tokenizer = tokenizer
        self._before: list[int] = []  # told, and decoded again for the sake of what follows
        self._pending: list[int] = []
        self._told = 0  # characters of what is pending that were told

    def add(self, token: int) -> str:
        """The text that is complete now. Bytes that never become a character are left out: no TTS can say them."""
        self._pending.append(token)
        whole: str = self._tokenizer.decode(self._before + self._pending, skip_special_tokens=True)
        text = whole[len(self._tokenizer.decode(self._before, skip_special_tokens=True)) :]
        ready = text.rstrip(HALF)  # what stands before a half character is settled
        new = ready[self._told :]
        if len(ready) == len(text):
            self._before, self._pending, self._told = self._pending, [], 0
        else:
            self._told = len(ready)
        return new.replace(HALF, "")


def _with_sound(turns: Sequence[Message], sound: Pcm | None) -> list[Message]:
    """The turns with the sound itself where SOUND holds its place."""
    if sound is None:
        return list(turns)
    chunk = {"type": "audio", "base64": b64encode(wav(resample(sound, RATE))).decode()}

    def filled(content: Any) -> Any:
        return content if isinstance(content, str) else [chunk if c == SOUND else c for c in content]

    return [{**turn, "content": filled(turn["content"])} for turn in turns]
