"""What a call leaves behind: its journal and its measurements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeVar

from bargein.audio.pcm import Samples
from bargein.floor import Action, Event
from bargein.protocols.transport import AudioOut


class Journal(Protocol):
    """A call's record. Never raises: a full disk must not end a call."""

    def event(self, event: Event) -> None:
        """An event that went into the floor, in order."""
        ...

    def action(self, at_ms: float, action: Action) -> None:
        """An action that the floor ordered."""
        ...

    def note(self, at_ms: float, kind: str, **facts: object) -> None:
        """Anything else worth knowing later. facts: JSON-able."""
        ...

    def close(self) -> None: ...


class CallTrace(Protocol):
    """What a call tells its trace besides its journal. Never raises."""

    def enter_tool(self, at_ms: float, call: str, tool: str, reply: int) -> object:
        """A tool begins: its code runs inside the tool's span. call: id of the tool's call. Returns what `leave_tool`
        takes."""
        ...

    def leave_tool(self, at_ms: float, entered: object) -> None:
        """The tool is over, in the same task."""
        ...


Latency = Literal["onset_to_hold", "onset_to_cut", "hold_to_resume", "first_audio", "stop"]
Counter = Literal[
    "frames_late",
    "holds",
    "resumes",
    "cuts",
    "stalls",  # replies that the client stopped playing
    "drops",  # replies that were discarded before they sounded
    "replies",
    "vendor_errors",
    "underruns",
    "connections",  # of the client; cause: lost, or back
    "sound_looks",  # at the user's sounds; cause: told, or none: it could not be told
    "prepared",  # replies prepared before the turn was surely over; cause: used, or why not
    "prepared_waste_chars",  # text that was generated for those that were not used
    "prepared_waste_ms",  # and audio
    "machines",  # that picked up a call; cause: the sign by which they were known
    "tools",  # runs of tools; cause: how they ended
]


class Meter(Protocol):
    """Where measurements go. Each is counted under its cause."""

    def observe(self, name: Latency, ms: float, cause: str) -> None: ...

    def count(self, name: Counter, amount: int = 1, cause: str = "") -> None: ...


class ReplyAudio(Protocol):
    """Takes one reply's audio and the client's word on it, for the call's recording."""

    def sent(self, frame: AudioOut) -> None:
        """A frame was handed to the transport. It takes the place of frames from its position on."""
        ...

    def at(self, at_ms: float, samples: int, *, playing: bool, reported: bool, final: bool, paced: bool) -> None:
        """The client was at a position of the reply at at_ms. reported: the client says so; else we estimate. final:
        later positions were wrong. paced: the client reports nothing, and our own pace counts."""
        ...

    def over(self, samples: int) -> None:
        """The reply is over, and so much of it was heard. A later word replaces this one."""
        ...

    def hide(self, digits: Callable[[], Sequence[tuple[int, int]]]) -> None:
        """digits: where digits are spoken in the reply, first sample and the one after the last, as far as is known."""
        ...


class AudioTaker(Protocol):
    """Takes the audio of both sides of a call. Nothing here waits, and nothing raises."""

    def user(self, first: int, samples: Samples) -> None:
        """Audio of the user as it came, before anything was removed from it. first: its position in the user's stream,
        at the stream's rate."""
        ...

    def replaced(self, first: int, samples: Samples) -> None:
        """Audio of the user that came late, in the place of what stood for it."""
        ...

    def reply(self, heard: int = 0) -> ReplyAudio:
        """One more reply of the agent. heard: samples of it that sounded before the taker came."""
        ...

    def tick(self, now_ms: float) -> None: ...

    def close(self, now_ms: float) -> None: ...


class CallAudio(AudioTaker, Protocol):
    """A call's recording. A full disk must not end a call."""

    def pause(self, now_ms: float, why: str) -> None:
        """From now on both sides are silence, until `resume`."""
        ...

    def resume(self, now_ms: float) -> None: ...


Taker = TypeVar("Taker", bound=AudioTaker, covariant=True)


class OpensAudio(Protocol[Taker]):
    """Makes a taker of a call's audio."""

    def __call__(self, *, rate: int, agent_rate: int | None, at: Callable[[int], float], now_ms: float) -> Taker:
        """rate: Hz of the user's audio. agent_rate: Hz of the replies' audio; None: it does not come by this server.
        at: the time of a position in the user's stream, in ms on the call's clock."""
        ...
