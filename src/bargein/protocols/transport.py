"""Transports: the connection to a client, and what it carries both ways.

A position is a number of samples of one reply, at the transport's `rate_out`, since the reply's first sample.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bargein.audio.ambience import Ambience
from bargein.audio.pcm import Samples
from bargein.notices import Notice

SERVER_STOPPED = "the server stopped"
"""Why a call ends whose server was told to stop. A transport may tell its client by a code of its own."""
MOVED = "the call moves to another server"
"""Why a call ends here that goes on elsewhere. The client is told where, and comes back there."""


@dataclass(frozen=True, slots=True)
class AudioIn:
    """The user's audio."""

    samples: Samples
    first_sample: int
    """Position in the user's stream since the call began. A gap between two messages is silence. Below 0: the
    connection replaces a lost one, and the client has kept this audio since the loss."""
    loudspeaker: WireSamples | None = None
    """What the client's loudspeaker played at these samples, and as many: int16, or mu-law codes as uint8. None: it was
    silent, or the client does not tell. Used at 16000 Hz alone."""
    replaces: bool = False
    """These samples came late: they take the place of what was given for them, a guess or silence."""


@dataclass(frozen=True, slots=True)
class Played:
    """The client's loudspeaker had played `samples` of the reply, `age_ms` ago."""

    reply: int
    samples: int
    playing: bool
    """Playback goes on."""
    age_ms: float = 0.0
    before: int | None = None
    """A later position that the client has not confirmed yet, so it has not been reached. None: not known."""


@dataclass(frozen=True, slots=True)
class Held:
    """The hold has taken effect: nothing sounds."""

    reply: int
    samples: int
    bound_ms: float = 0.0
    """The true position is at most this far from `samples`, either way. 0: the client's own count."""


@dataclass(frozen=True, slots=True)
class Flushed:
    """No more of the reply will sound. The position is final."""

    reply: int
    samples: int
    bound_ms: float = 0.0
    """As in Held."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The reply's last sample was played."""

    reply: int
    samples: int


@dataclass(frozen=True, slots=True)
class LocalHold:
    """The client itself detected a clear onset, `age_ms` ago, and has paused at `samples` already."""

    reply: int
    samples: int
    age_ms: float


@dataclass(frozen=True, slots=True)
class KeyPress:
    """A telephone key: "0" to "9", "*" or "#"."""

    key: str


@dataclass(frozen=True, slots=True)
class Typed:
    """Words that the user typed."""

    text: str


@dataclass(frozen=True, slots=True)
class StopPressed:
    """The page's stop button."""


@dataclass(frozen=True, slots=True)
class RecordingWished:
    """The user agrees to a recording of the call's audio, or refuses it."""

    on: bool


@dataclass(frozen=True, slots=True)
class SettingsRequested:
    """The client asks for another policy."""

    preset: str | None
    """None keeps the present one."""
    numbers: Mapping[str, object]
    """As in Policy.with_."""


@dataclass(frozen=True, slots=True)
class ClientFault:
    """The client broke the protocol, and the protocol has no way to say so."""

    code: str
    """Stable, for machines."""
    message: str
    advice: str


@dataclass(frozen=True, slots=True)
class ClientHangUp:
    """The client is gone."""

    reason: str
    """For the record."""
    lost: bool = field(default=False, compare=False)
    """It went without a goodbye: the connection broke, and the same client may come back on another."""


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The connection is lost, and the call is kept: another connection may come (transports/kept.py)."""

    reason: str
    """For the record."""
    keep_ms: float
    """How long the call waits for it."""
    backlog_ms: float = 0.0
    """The user's audio that the client keeps meanwhile, the newest."""


@dataclass(frozen=True, slots=True)
class ConnectionBack:
    """The client is there again. Positions of the user's audio go on; what was lost is a gap."""

    cause: str = "back"
    """What the agent says of it: a key of `Agent.reprompts`."""


Inbound = (
    AudioIn
    | Played
    | Held
    | Flushed
    | Finished
    | LocalHold
    | KeyPress
    | Typed
    | StopPressed
    | RecordingWished
    | SettingsRequested
    | ClientFault
    | ClientHangUp
    | ConnectionLost
    | ConnectionBack
)

WireSamples = NDArray[np.integer[Any]]  # int16, or mu-law codes as uint8


@dataclass(frozen=True, slots=True)
class AudioOut:
    """One frame of a reply on its way to the client."""

    reply: int
    sequence: int
    """From 0, +1 for each frame of the reply."""
    first_sample: int
    """Position in the reply's audio."""
    samples: WireSamples
    """Shape (n,): int16, or mu-law codes as uint8 where the transport takes those."""
    last: bool
    """No frame of this reply follows. `samples` may then be empty."""
    word_ends: bool = False
    """The end of a word lies in this frame."""


@dataclass(frozen=True, slots=True)
class TransportCapabilities:
    """What a transport can do. The playout makes up for the rest."""

    pause: bool
    """The client pauses in place. Otherwise a hold is a clear, and a resume sends the audio again."""
    reports: bool
    """The client says what it has played. Otherwise the playout goes by its own pacing."""
    plays_immediately: bool = False
    """The client plays audio as soon as it comes, as a telephone network does. Otherwise it says when it begins."""
    mulaw: bool = False
    """The transport takes mu-law codes."""
    batch: int = 1
    """Frames of 20 ms that `send` gets together, as one: fewer messages, and the first frame waits for the last. For a
    client that plays audio as it comes, is cleared on a hold, and takes messages of any length."""
    carries_audio: bool = True
    """The transport carries the agent's audio. Otherwise the client gets the audio from the realtime model, and reports
    what it plays; `send` is never called."""
    backlog_ms: float = 0.0
    """The user's audio that the client keeps while it has no connection, and sends first over the next one."""
    repair_ms: float = 0.0
    """For so long, audio that was lost or late may still be replaced (`AudioIn.replaces`). The VAD hears audio as it
    comes; the STT hears it so much later, repaired."""


class Transport(Protocol):
    """One connection to one client. Any object of this shape is a transport:

    class Recorder:
        capabilities = TransportCapabilities(pause=False, reports=False)
        rate_in, rate_out = 16_000, 24_000

        def __init__(self):
            self.chunks = []

        async def receive(self):
            await asyncio.sleep(5)
            yield ClientHangUp("five seconds are over")

        def send(self, frame):
            self.chunks.append(frame.samples)
            return True

        def hold(self, reply):
            return None

        def flush(self, reply):
            return 0

        def notify(self, notice):
            pass

        async def close(self, reason):
            pass

    Only `receive` and `close` wait. Outgoing messages are put into a bounded send queue, control before audio, so that
    a hold never stands behind a slow send. A transport that can be heard: examples/custom_transport.py.
    """

    capabilities: TransportCapabilities
    rate_in: int
    """Hz of the user's audio."""
    rate_out: int
    """Hz of the agent's audio."""

    def receive(self) -> AsyncIterator[Inbound]:
        """What the client sends, in order. Ends after ClientHangUp. Never raises for a fault of the client's."""
        ...

    def send(self, frame: AudioOut) -> bool:
        """Queue a frame. False: the queue is full, and the same frame is offered again at the next tick."""
        ...

    def hold(self, reply: int) -> AudioOut | None:
        """Take the reply's frames back out of the queue. Returns the first of them, which is offered again after the
        hold (None: the queue had none).

        The call tells the client to pause by a notice. A client that cannot pause is cleared here, and `Held` follows.
        """
        ...

    def flush(self, reply: int) -> int:
        """Discard the reply's frames in the queue. Returns how many there were.

        A client that takes no notices is cleared here, and `Flushed` follows.
        """
        ...

    def notify(self, notice: Notice) -> None:
        """Tell the client, where the protocol can."""
        ...

    async def close(self, reason: str) -> None: ...


@runtime_checkable
class DeliversAtOnce(Protocol):
    """A transport that can hand over what comes often without waking a task for it."""

    def deliver_to(self, handle: Callable[[AudioIn | Played], None] | None) -> None:
        """From now on audio and reports may go to `handle` as they come, unless older items wait for `receive`: the
        order stays. What `handle` raises, `receive` raises. None: all goes by `receive` again."""
        ...


@runtime_checkable
class MayReturn(Protocol):
    """A transport whose client can come back after the network has taken it away (transports/kept.py)."""

    def expect_return(self, keep_ms: float | None) -> None:
        """The network takes the caller away now, and may bring the caller back within keep_ms. None: it does not."""
        ...

    def returns_because(self, cause: str) -> None:
        """Why the caller comes back: a key of `Agent.reprompts`."""
        ...


@runtime_checkable
class PlaysBackground(Protocol):
    """A transport whose far end hears a sound of ours at every moment, under the agent's voice and without it."""

    def play_background(self, background: Ambience) -> bool:
        """From now on play this under everything. No position counts it. False: this far end takes replies alone."""
        ...


@runtime_checkable
class SendsKeys(Protocol):
    """A CallControl whose network can press telephone keys at the far end."""

    def send_keys(self, keys: str) -> None:
        """keys: 0-9, * and #. Never waits. Raises UsageError for what is no key, or where the far end takes none."""
        ...


class CallControl(Protocol):
    """What the network behind a telephone call can do with the call, besides carrying audio."""

    async def hang_up(self) -> None:
        """End the caller's call. Raises VendorRefused or VendorLost."""
        ...

    async def transfer(self, to: str) -> None:
        """Hand the caller on to another number (E.164; a sip: address, too, where the control has `takes_uris`). Our
        part of the call is then over, unless the control has `return_ms`: so long the network may take to say that the
        number did not answer. Raises VendorRefused or VendorLost."""
        ...
