"""Asterisk's WebSocket channel, as far as its queue goes: commands and audio in, frames and events out. Pure.

As channels/chan_websocket.c does it. Every 20 ms `tick` takes at most one frame; marks before it cost no time. Nothing
is taken in a pause: no frame, no mark, no XON. A flush empties the queue, throws waiting marks away, and ends no pause.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

FRAME_BYTES = {"ulaw": 160, "alaw": 160, "slin": 320, "slin16": 640, "slin24": 960, "slin48": 1920}
XON, XOFF, MOST = 800, 900, 1000  # frames
MOST_TEXT, MOST_BINARY = 128, 65_500  # bytes

Send = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class AsteriskRelease:
    """What releases differ in. The default: 22.9."""

    marks: bool = True
    """MARK_MEDIA, JSON and channel_id: from 20.18, 22.8, 23.2."""
    silence: bool = False
    """An empty or paused queue makes frames of silence: up to 22.8."""
    short_frames: bool = False
    """The rest of a message is played as a short frame, even in a pause: from 20.21, 22.11, 23.5."""
    pings_hang_up: bool = False
    """A ping or pong ends the call: up to 22.7."""


OLD = AsteriskRelease(marks=False, silence=True, pings_hang_up=True)  # 22.6
NEW = AsteriskRelease(short_frames=True)  # 22.11


class _Command(msgspec.Struct):
    command: str
    correlation_id: str = ""


_decode = msgspec.json.Decoder(_Command).decode


class MediaQueue:
    """One channel. send: takes the events, each a text. fault: told of what the application does wrong.

    taken: frames that the core has got. dropped: messages beyond 1000 frames, and bytes that fill no frame.
    """

    def __init__(
        self,
        codec: str,
        send: Send,
        *,
        release: AsteriskRelease | None = None,
        as_json: bool = True,
        channel_id: str = "pbx-17.3",
        connection_id: str = "agent",
        variables: Mapping[str, str] | None = None,
        fault: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.release = release or AsteriskRelease()
        self.size = FRAME_BYTES[codec]
        self.codec = codec
        self.paused = self.hung_up = self.answered = False
        self.taken = self.dropped = self.flushes = self.pauses = 0
        self._as_json = as_json
        self._send = send
        self._channel_id, self._connection_id = channel_id, connection_id
        self._variables = dict(variables or {})
        self._fault = fault
        self._entries: deque[bytes | str] = deque()  # a frame, or the id of a mark
        self._frames = 0
        self._rest = b""
        self._full = False
        self._drained = False  # QUEUE_DRAINED is asked for

    @property
    def queued(self) -> int:
        """Frames that wait."""
        return self._frames

    # -------------------------------------------------------------------------------------------------- messages

    def start(self) -> None:
        """Say MEDIA_START."""
        fields: dict[str, object] = {
            "connection_id": self._connection_id,
            "channel": f"WebSocket/{self._connection_id}/0x7f01",
            "format": self.codec,
            "optimal_frame_size": self.size,
            "ptime": 20,
        }
        if self._as_json:
            fields["channel_variables"] = self._variables
        self._event("MEDIA_START", **fields)

    def key(self, digit: str) -> None:
        """The caller pressed a key."""
        self._event("DTMF_END", digit=digit)

    def binary(self, data: bytes) -> None:
        """Audio came."""
        if len(data) > MOST_BINARY:
            self.hung_up = True
            return
        if self._frames >= MOST:
            self.dropped += 1
            return
        whole = len(data) // self.size * self.size
        for i in range(0, whole, self.size):
            self._entries.append(data[i : i + self.size])
        self._frames += whole // self.size
        if whole < len(data):
            self._fault("audio that fills no frame")
            self.dropped += 1
            self._rest = data[whole:] if self.release.short_frames else b""
        if self._frames >= XOFF and not self._full:
            self._full = True
            self._event("MEDIA_XOFF")

    def text(self, data: str) -> None:
        """A command came."""
        if len(data) > MOST_TEXT:
            self._fault("a command over 128 bytes")
            return
        if data.lstrip()[:1] == "{" and not self.release.marks:
            self._fault("JSON to a release that knows none")
            return
        if self._as_json:
            try:
                found = _decode(data)
            except msgspec.MsgspecError:
                self._event("ERROR", error_text="Unable to parse JSON command")
                return
            command, id_ = found.command, found.correlation_id
        else:
            command, _, id_ = data.partition(" ")
        self._do(command, id_)

    def _do(self, command: str, id_: str) -> None:
        match command:
            case "ANSWER":
                self.answered = True
            case "HANGUP":
                self.hung_up = True
            case "MARK_MEDIA" if self.release.marks:
                self._entries.append(id_)
            case "PAUSE_MEDIA":
                self.pauses += not self.paused
                self.paused = True
            case "CONTINUE_MEDIA":
                self.paused = False
            case "FLUSH_MEDIA":
                self._entries.clear()
                self._frames, self._rest = 0, b""
                self.flushes += 1
            case "REPORT_QUEUE_DRAINED":
                self._drained = True
            case "GET_STATUS":
                self._event(
                    "STATUS",
                    queue_length=self._frames,
                    xon_level=XON,
                    xoff_level=XOFF,
                    queue_full=self._full,
                    bulk_media=False,
                    media_paused=self.paused,
                )
            case _:
                self._fault(f"command {command[:30]!r}")  # a line in Asterisk's log, nothing on the wire

    def _event(self, name: str, **fields: object) -> None:
        if self._as_json:
            self._send(json.dumps({"event": name, "channel_id": self._channel_id, **fields}))
            return
        if self.release.marks:
            fields["channel_id"] = self._channel_id
        told = (f"{key}:{str(value).lower() if isinstance(value, bool) else value}" for key, value in fields.items())
        self._send(" ".join((name, *told)))

    # ------------------------------------------------------------------------------------------------------ time

    def tick(self) -> bytes | None:
        """20 ms have passed. The frame for the core. None: the core gets none."""
        if self.paused:
            return self._short() or self._quiet()
        if self._full and self._frames < XON:
            self._full = False
            self._event("MEDIA_XON")
        while self._entries:
            entry = self._entries.popleft()
            if isinstance(entry, bytes):
                self._frames -= 1
                self.taken += 1
                return entry
            self._event("MEDIA_MARK_PROCESSED", correlation_id=entry)
        if (short := self._short()) is not None:
            return short
        if self._drained:
            self._drained = False
            self._event("QUEUE_DRAINED")
        return self._quiet()

    def _short(self) -> bytes | None:
        short, self._rest = self._rest, b""
        return short or None

    def _quiet(self) -> bytes | None:
        if not self.release.silence:
            return None
        return (b"\xff" if self.codec == "ulaw" else b"\xd5" if self.codec == "alaw" else b"\x00") * self.size
