"""A call over a WebSocket that is no telephone: caller audio on a grid, playback, messages to send, and notes."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import urlsplit

import numpy as np
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein.clock import Clock
from bargein.errors import BargeinError, VendorLost, VendorRefused
from bargein_bench.callers.caller_audio import CallerAudio, Echo, EndCallStep, Step
from bargein_bench.record import RATE, AudioSpan, ClearSent, Record, ServerNote
from bargein_bench.targets.playback import Playback, PlayedReport

MAX_QUEUED = 1000  # messages for a server that does not read: more than 15 s of caller audio
MAX_TEXTS, MAX_TEXT = 200, 20_000  # replies of a call, and characters of one
MAX_NOTES = 10_000  # of the server, in one call
MAX_FAULT_KINDS = 50
MARGIN_MS = 1_000  # of playback, beyond the call


class ClientCall:
    """One call.

    rate, frame: of the caller's audio, Hz and samples. agent_rate: of the agent's audio. on_report: called with the
    reports of the playback. closed_by: who ended the call.
    """

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
        on_report: Callable[[Sequence[PlayedReport]], None] = lambda _: None,
    ) -> None:
        self.playback = Playback(lasts_ms + MARGIN_MS, rate=agent_rate, caller_rate=rate, most_queued_ms=most_queued_ms)
        self.closed_by = "us"
        self.over = False
        self._caller_audio = CallerAudio(self.playback.heard, steps, rate, frame, echo, seed)
        self._lasts = int(lasts_ms * rate / 1000)
        self._agent_rate = agent_rate
        self._clock = clock
        self._began_ms = 0.0
        self._on_report = on_report
        self._caller_frames: list[Samples] = []
        self._notes: list[ServerNote] = []
        self._faults: Counter[str] = Counter()
        self._send_queue: asyncio.Queue[str | bytes | None] = asyncio.Queue(MAX_QUEUED + 1)

    def begin(self) -> None:
        """The first sample of the call is now."""
        self._began_ms = self._clock.now_ms()

    @property
    def now(self) -> int:
        """The present place, at the agent's rate."""
        return int((self._clock.now_ms() - self._began_ms) * self._agent_rate / 1000)

    def wait_s(self, place: int) -> float:
        """How long until a place, at the agent's rate."""
        return max(0.0, self._began_ms + place * 1000 / self._agent_rate - self._clock.now_ms()) / 1000

    def advance(self) -> None:
        """Play until now."""
        self._on_report(self.playback.advance(self.now))

    async def speak(self, frame: Callable[[int, Samples], None], press: Callable[[], None]) -> None:
        """Speak until the end of the call, on a grid that does not drift.

        frame: called with each frame and its place, once the frame's time is over. press: called for a key of the
        script; these clients have one button.
        """
        caller_audio, place = self._caller_audio, 0
        while not self.over and place < self._lasts:
            due = self._began_ms + (place + caller_audio.frame) * 1000 / caller_audio.rate
            await asyncio.sleep(max(0.0, due - self._clock.now_ms()) / 1000)
            self.advance()  # the frame's echo is of what sounds until its end
            for step in caller_audio.due(place):
                if isinstance(step, EndCallStep):
                    self.over = True
                else:
                    press()
            if self.over:
                break
            sent = caller_audio.sends(place)
            samples = caller_audio.render(place) if sent else caller_audio.unsent
            self._caller_frames.append(samples)
            if sent:
                frame(place, samples)
            place += caller_audio.frame
        self.over = True

    # ---------------------------------------------------------------------------------------------- to the server

    def send(self, data: str | bytes) -> None:
        """Queue a message. A server that does not read for long ends the call."""
        if self._send_queue.qsize() < MAX_QUEUED:
            self._send_queue.put_nowait(data)
        else:
            self.end("us: the server does not read")

    async def write(self, put: Callable[[str | bytes], Awaitable[None]]) -> None:
        """The one writer. Ends after `end_sending`, or with the connection."""
        try:
            while (data := await self._send_queue.get()) is not None:
                await put(data)
        except ConnectionClosed:
            pass  # the reader gets the exception, too, and records who closed

    def end_sending(self) -> None:
        if self._send_queue.qsize() <= MAX_QUEUED:  # the queue has one place more
            self._send_queue.put_nowait(None)

    # ------------------------------------------------------------------------------------------------------- notes

    def end(self, closed_by: str) -> None:
        """The call has ended otherwise than by the script."""
        if not self.over:
            self.over, self.closed_by = True, closed_by

    def note(self, what: str) -> None:
        if len(self._notes) < MAX_NOTES:
            self._notes.append(ServerNote(_scaled(self.now, self._agent_rate), what))

    def sounded(self, reply: int) -> int:
        """How many samples of a reply sounded, at the agent's rate."""
        return max((r.first + r.end - r.begin for r in self.playback.heard.runs if r.reply == reply), default=0)

    def fault(self, what: str, times: int = 1) -> None:
        if times:
            what = what[:80]
            self._faults[what if what in self._faults or len(self._faults) < MAX_FAULT_KINDS else "others"] += times

    def record(self, name: Callable[[int], str], call_id: str, texts: Mapping[int, str]) -> Record:
        """The record of the whole call. name: id of a reply, by its number. texts: what was heard of replies."""
        playback, heard, caller_audio = self.playback, self.playback.heard, self._caller_audio
        lasted = _scaled(len(self._caller_frames) * caller_audio.frame, caller_audio.rate)
        rate = self._agent_rate
        self.fault("sound after its reply's end", playback.after_end)
        self.fault("a hole in a reply's sound", playback.holes)
        self.fault("a reply's sound came twice", playback.repeats)
        self.fault("more sound ahead than a client keeps", playback.discarded)
        spans = [
            AudioSpan(begin, end, name(run.reply), _scaled(run.first, rate))
            for run in heard.runs
            if (begin := _scaled(run.begin, rate)) < (end := min(_scaled(run.end, rate), lasted))
        ]
        spoken = [
            dataclasses.replace(
                each, onset=_scaled(each.onset, caller_audio.rate), end=_scaled(each.end, caller_audio.rate)
            )
            for each in caller_audio.spoken
        ]
        agent = np.zeros(lasted, np.int16)
        agent_audio = _at_record_rate(heard.heard[: -(-lasted * rate // RATE)], rate, lasted)
        for each in spans:  # only these: the resampler rings where audio stops short
            agent[each.begin : each.end] = agent_audio[each.begin : each.end]
        return Record(
            agent=agent,
            caller=_at_record_rate(
                np.concatenate(self._caller_frames or [np.zeros(0, np.int16)]), caller_audio.rate, lasted
            ),
            spoken=tuple(spoken),
            spans=tuple(spans),
            cleared=tuple(
                ClearSent(_scaled(tail.at, rate), resample(Pcm(tail.samples, rate), RATE).samples)
                for tail in playback.tails
            ),
            notes=tuple(self._notes),
            call_id=call_id,
            frames=playback.frames,
            late=playback.late,
            gap_ms=playback.gap_ms,
            stale_ms=playback.stale_ms,
            most_queued_ms=playback.most_queued_ms,
            faults=dict(self._faults),
            closed_by=self.closed_by,
            texts={name(reply): text for reply, text in texts.items()},
        )


def shown(url: str) -> str:
    """An address without its user and query, which may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def not_connected(error: Exception, url: str) -> BargeinError:
    """The error for a connection that failed, to be raised."""
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
        return VendorLost(f"No server answers at {where} ({type(error).__name__})", advice="Start the server first")
    advice = "Check that the address is that of a WebSocket"
    return VendorRefused(f"{where} refused the connection ({type(error).__name__})", advice=advice)


def closed_by(error: ConnectionClosed) -> str:
    """Who closed a connection, and how."""
    if error.rcvd is None:
        return "the server, without a word"
    return f"the server, {error.rcvd.code} {error.rcvd.reason}".strip()


def _scaled(place: int, rate: int) -> int:
    return place * RATE // rate


def _at_record_rate(samples: Samples, rate: int, length: int) -> Samples:
    """The samples at the record's rate, cut or padded to length."""
    made = resample(Pcm(samples, rate), RATE).samples[:length]
    return np.concatenate((made, np.zeros(length - len(made), np.int16)))
