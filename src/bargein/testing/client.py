"""A client that plays what it gets as moved time passes, and is strict about what must never come."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from bargein import notices as n
from bargein import protocols as c
from bargein.audio.pcm import Samples
from bargein.testing.parts import RATE

BACKLOG_MS = 3_000.0
HALF_MS = 0.5  # of rounding, when positions in samples meet times of words


@dataclass
class ClientReply:
    """A reply as the client knows it: its text with the times of its words, and how much of it has sounded."""

    text: str = ""
    words: list[n.WordTimes] = field(default_factory=list)
    received: int = 0
    """Samples that have come."""
    played: int = 0
    """Samples that have sounded."""
    complete: bool = False
    """Its last sample has come."""
    cut: bool = False

    @property
    def heard(self) -> str:
        """The text up to the last word that has sounded to its end."""
        ends = [end for _, end_ms, _, end in self.words if end_ms <= self.played * 1000 / RATE + HALF_MS]
        if self.complete and self.played == self.received:
            return self.text.strip()
        end = max(ends, default=0)
        while end and end < len(self.text) and not self.text[end].isspace() and not self.text[end].isalnum():
            end += 1  # signs belong to the word before them
        return self.text[:end].strip()


class SimulatedClient:
    """A `Transport` that stands for a page: it plays, pauses in place, and reports how far it has played.

    `violations` collects what must never happen, in words: audio during a hold, a gap or a repeat, audio of a reply
    that was cut, two replies that sound in turns.
    """

    capabilities = c.TransportCapabilities(pause=True, reports=True, backlog_ms=BACKLOG_MS)
    rate_in = 16_000
    rate_out = RATE

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[c.Inbound] = asyncio.Queue()
        """What the client sends to the agent."""
        self.notices: list[n.Notice] = []
        self.violations: list[str] = []
        self.replies: dict[int, ClientReply] = {}
        """By id, in the order in which they began to sound."""
        self.paused = False
        self.suspended = False
        """Its loudspeaker stands still and reports nothing, as of a page that the browser has put to sleep."""
        self.lost = False
        """Its connection is lost."""
        self.closed: str | None = None
        self._sent = 0  # samples of the microphone, over this connection
        self._backlog: deque[Samples] = deque()  # what was spoken without a connection
        self._buffer: list[tuple[int, int, bool]] = []  # reply, samples, last
        self._known: dict[int, ClientReply] = {}
        self._report_ms = 0.0

    # ------------------------------------------------------------------------------------------- the Transport

    async def receive(self) -> AsyncIterator[c.Inbound]:
        while True:
            item = await self.inbox.get()
            yield item
            if isinstance(item, c.ClientHangUp):
                return

    def send(self, frame: c.AudioOut) -> bool:
        reply = self._reply(frame.reply)
        if reply.cut:
            self.violations.append(f"audio of reply {frame.reply} came after it was cut")
        if self.paused:
            self.violations.append(f"audio of reply {frame.reply} came during a hold")
        if frame.first_sample != reply.received:
            kind = "a gap" if frame.first_sample > reply.received else "a repeat"
            self.violations.append(
                f"{kind} in reply {frame.reply}: sample {frame.first_sample} came, {reply.received} was next"
            )
        reply.received = frame.first_sample + len(frame.samples)
        reply.complete = frame.last
        self._buffer.append((frame.reply, len(frame.samples), frame.last))
        return True

    def hold(self, reply: int) -> c.AudioOut | None:
        return None  # every frame has left the queue already

    def flush(self, reply: int) -> int:
        self._buffer = [frame for frame in self._buffer if frame[0] != reply]
        return 0

    def notify(self, notice: n.Notice) -> None:
        self.notices.append(notice)
        match notice:
            case n.WordsAdded(reply_id=reply, text=text, words=words):
                known = self._reply(reply)
                known.text += text
                known.words += words
            case n.HoldNow(reply_id=reply):
                self.paused = True
                if not self.suspended:
                    self.inbox.put_nowait(c.Held(reply, self._reply(reply).played))
            case n.ResumeNow():
                self.paused = False
            case n.AudioInterrupted(reply_id=reply):
                self.paused = False
                self._reply(reply).cut = True
                self.flush(reply)
                if not self.suspended:
                    self.inbox.put_nowait(c.Flushed(reply, self._reply(reply).played))
            case _:
                pass

    def release(self, reason: str) -> None:
        pass  # its one connection is never replaced while it lives

    def lose_connection(self) -> None:
        """The connection breaks: what the client has still plays, and nothing more comes."""
        self.lost = True
        self.inbox.put_nowait(c.ClientHangUp("the connection is lost", lost=True))

    def hears(self, samples: Samples) -> None:
        """The user's microphone. Without a connection the client keeps the newest BACKLOG_MS."""
        if not self.lost:
            self.inbox.put_nowait(c.AudioIn(samples, self._sent))
            self._sent += len(samples)
            return
        self._backlog.append(samples)
        while sum(map(len, self._backlog)) * 1000 > BACKLOG_MS * self.rate_in:
            self._backlog.popleft()

    def reconnect(self) -> None:
        """There is a connection again. What was spoken meanwhile goes first, at positions before it."""
        self.lost, self._sent = False, -sum(map(len, self._backlog))
        for samples in self._backlog:
            self.hears(samples)
        self._backlog.clear()

    async def close(self, reason: str) -> None:
        self.closed = reason

    # ----------------------------------------------------------------------------------------- the loudspeaker

    @property
    def sounding(self) -> bool:
        """Whether there is audio to be played, held audio included."""
        return bool(self._buffer)

    def play(self, ms: float) -> None:
        """Time passes at the loudspeaker."""
        if self.suspended:
            return
        want = int(ms * RATE / 1000)
        while self._buffer and not self.paused:
            id_, samples, last = self._buffer[0]
            if samples and not want:
                break
            reply = self._sounds(id_)
            taken = min(want, samples)
            reply.played += taken
            want -= taken
            if taken < samples:
                self._buffer[0] = (id_, samples - taken, last)
                break
            self._buffer.pop(0)
            if last:
                self.inbox.put_nowait(c.Finished(id_, reply.played))
        self._report_ms += ms
        if self._report_ms >= 100 and self.replies:
            self._report_ms = 0.0
            newest = next(reversed(self.replies))
            playing = self.sounding and not self.paused
            self.inbox.put_nowait(c.Played(newest, self.replies[newest].played, playing=playing))

    def _reply(self, reply: int) -> ClientReply:
        return self._known.setdefault(reply, ClientReply())

    def _sounds(self, reply: int) -> ClientReply:
        if reply in self.replies and next(reversed(self.replies)) != reply:
            self.violations.append(f"reply {reply} sounds again, after another")
        return self.replies.setdefault(reply, self._reply(reply))
