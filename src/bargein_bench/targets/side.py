"""The caller's end of a line that is no telephone: a mouth on a grid, a playback, what is to be sent, and notes."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

import numpy as np
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein.clock import Clock
from bargein.errors import BargeinError, VendorLost, VendorRefused
from bargein_bench.callers.caller_audio import CallerAudio, Echo, EndCallStep, Step
from bargein_bench.record import RATE, AudioSpan, ClearSent, Record, ToldHeard
from bargein_bench.targets.playback import Playback, PlayedReport

WAITING = 1000  # messages for a server that does not read: 15 s of a caller's sound and more
NOTES = 10_000  # that the server told of itself, in one call
KINDS = 50  # of faults
MARGIN_MS = 1_000  # of playback, beyond the call


class Side:
    """One call. rate, frame: of the caller's sound, Hz and samples; agent_rate: of the agent's. reported: gets what the
    playback has to report. closed_by: who ended the call."""

    def __init__(
        self,
        steps: Sequence[Step],
        lasts_ms: float,
        clock: Clock,
        *,
        rate: int,
        frame: int,
        agent_rate: int,
        most_queued_ms: float,
        echo: Echo | None,
        seed: int,
        reported: Callable[[Sequence[PlayedReport]], None] = lambda _: None,
    ) -> None:
        self.playback = Playback(lasts_ms + MARGIN_MS, rate=agent_rate, mouth_rate=rate, most_queued_ms=most_queued_ms)
        self.closed_by = "us"
        self.over = False
        self._mouth = CallerAudio(self.playback.ear, steps, rate, frame, echo, seed)
        self._lasts = int(lasts_ms * rate / 1000)
        self._agent_rate = agent_rate
        self._clock = clock
        self._began_ms = 0.0
        self._reported = reported
        self._said: list[Samples] = []
        self._told: list[ToldHeard] = []
        self._faults: Counter[str] = Counter()
        self._outbox: asyncio.Queue[str | bytes | None] = asyncio.Queue(WAITING + 1)

    def begin(self) -> None:
        """The call's first sample is now."""
        self._began_ms = self._clock.now_ms()

    @property
    def now(self) -> int:
        """The place, at the agent's rate."""
        return int((self._clock.now_ms() - self._began_ms) * self._agent_rate / 1000)

    def wait_s(self, place: int) -> float:
        """How long until that place, at the agent's rate."""
        return max(0.0, self._began_ms + place * 1000 / self._agent_rate - self._clock.now_ms()) / 1000

    def advance(self) -> None:
        """Let the playback go on until now."""
        self._reported(self.playback.advance(self.now))

    async def speak(self, frame: Callable[[int, Samples], None], press: Callable[[], None]) -> None:
        """The caller's sound until the end of the call: each frame with its place, when all of it has been said, on a
        grid that does not drift. press: a key of the script; this line has one button only."""
        mouth, place = self._mouth, 0
        while not self.over and place < self._lasts:
            due = self._began_ms + (place + mouth.frame) * 1000 / mouth.rate
            await asyncio.sleep(max(0.0, due - self._clock.now_ms()) / 1000)
            self.advance()  # the echo in this frame is of what sounds until its end
            for step in mouth.due(place):
                if isinstance(step, EndCallStep):
                    self.over = True
                else:
                    press()
            if self.over:
                break
            samples = mouth.sound(place)
            self._said.append(samples)
            frame(place, samples)
            place += mouth.frame
        self.over = True

    # ---------------------------------------------------------------------------------------------- to the server

    def send(self, data: str | bytes) -> None:
        """Put a message in line. A server that reads none for long has left."""
        if self._outbox.qsize() < WAITING:
            self._outbox.put_nowait(data)
        else:
            self.end("us: the server does not read")

    async def write(self, put: Callable[[str | bytes], Awaitable[None]]) -> None:
        """The one writer; ends after `send_no_more`, or with the connection."""
        try:
            while (data := await self._outbox.get()) is not None:
                await put(data)
        except ConnectionClosed:
            pass  # the reader has it, too, and says who it was

    def send_no_more(self) -> None:
        if self._outbox.qsize() <= WAITING:  # one place is kept for this
            self._outbox.put_nowait(None)

    # ------------------------------------------------------------------------------------------------------- notes

    def end(self, closed_by: str) -> None:
        """The call is over by other means than the script."""
        if not self.over:
            self.over, self.closed_by = True, closed_by

    def tell(self, what: str) -> None:
        if len(self._told) < NOTES:
            self._told.append(ToldHeard(_scaled(self.now, self._agent_rate), what))

    def fault(self, what: str, times: int = 1) -> None:
        if times:
            what = what[:80]
            self._faults[what if what in self._faults or len(self._faults) < KINDS else "others"] += times

    def record(self, name: Callable[[int], str], call_id: str) -> Record:
        """The whole call. name: of a reply, by its number."""
        playback, ear, mouth = self.playback, self.playback.ear, self._mouth
        lasted = _scaled(len(self._said) * mouth.frame, mouth.rate)
        rate = self._agent_rate
        self.fault("sound after its reply's end", playback.after_end)
        self.fault("a hole in a reply's sound", playback.holes)
        self.fault("a reply's sound came twice", playback.repeats)
        self.fault("more sound ahead than a client keeps", playback.dropped)
        stretches = [
            AudioSpan(begin, end, name(run.reply), _scaled(run.first, rate))
            for run in ear.runs
            if (begin := _scaled(run.begin, rate)) < (end := min(_scaled(run.end, rate), lasted))
        ]
        spoken = [
            dataclasses.replace(each, onset=_scaled(each.onset, mouth.rate), end=_scaled(each.end, mouth.rate))
            for each in mouth.spoken
        ]
        agent = np.zeros(lasted, np.int16)
        lane = _lane(ear.heard[: -(-lasted * rate // RATE)], rate, lasted)
        for each in stretches:  # and nothing beside them: the filter between two rates rings where sound stops short
            agent[each.begin : each.end] = lane[each.begin : each.end]
        return Record(
            agent=agent,
            caller=_lane(np.concatenate(self._said or [np.zeros(0, np.int16)]), mouth.rate, lasted),
            spoken=tuple(spoken),
            stretches=tuple(stretches),
            cleared=tuple(
                ClearSent(_scaled(tail.at, rate), resample(Pcm(tail.samples, rate), RATE).samples)
                for tail in playback.tails
            ),
            told=tuple(self._told),
            call_id=call_id,
            frames=playback.frames,
            late=playback.late,
            gap_ms=playback.gap_ms,
            stale_ms=playback.stale_ms,
            most_queued_ms=playback.most_queued_ms,
            faults=dict(self._faults),
            closed_by=self.closed_by,
        )


def shown(url: str) -> str:
    """An address without what may be a secret: no user, no query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def not_connected(error: Exception, url: str) -> BargeinError:
    """What became of a connection that did not come to be: to be raised."""
    where = shown(url)
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        if status >= 500:
            return VendorLost(f"{where} answered {status}", advice="Look at the server's log, and try again")
        advice = {401: "Give the token or key that it asks for", 403: "Check what the token or key may do"}.get(
            status, "Look at the address, and at what the server demands"
        )
        return VendorRefused(f"{where} refused with {status}", advice=advice)
    if isinstance(error, (OSError, TimeoutError, ConnectionClosed)):
        return VendorLost(f"Nobody answers at {where} ({type(error).__name__})", advice="Start the server first")
    advice = "Look at the address: is it that of a WebSocket?"
    return VendorRefused(f"{where} took no connection ({type(error).__name__})", advice=advice)


def closed_by(error: ConnectionClosed) -> str:
    """Who closed a connection, and how."""
    if error.rcvd is None:
        return "the server, without a word"
    return f"the server, {error.rcvd.code} {error.rcvd.reason}".strip()


def _scaled(place: int, rate: int) -> int:
    return place * RATE // rate


def _lane(samples: Samples, rate: int, length: int) -> Samples:
    """At the record's rate, and exactly so long."""
    made = resample(Pcm(samples, rate), RATE).samples[:length]
    return np.concatenate((made, np.zeros(length - len(made), np.int16)))
