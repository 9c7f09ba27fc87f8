"""The Protocols that a call and its adapters share, and the plain facts they exchange.

A call knows these and never an adapter; an adapter knows these and never the call. What a part can or cannot do
is data (`VoiceCan`, `TransportCan`, ...), read by shared code; nowhere does that code ask which vendor it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bargein.audio.mulaw import Sound
from bargein.audio.pcm import Pcm, Samples
from bargein.floor import Action, Event
from bargein.notices import Notice

if TYPE_CHECKING:
    from bargein.audio.vad import VADWindow

# --------------------------------------------------------------------------------------------- what was said


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word. start_ms, end_ms: from the first sample of the reply's audio. begin, end: where it stands
    in the reply's text, in characters, end exclusive (punctuation that follows belongs to the word)."""

    start_ms: float
    end_ms: float
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class SaidOver:
    """What the agent was saying while the user spoke. text: the agent's words up to and including the one that
    sounded at the user's onset (its last few words); reply: whose they were."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class UserSaid:
    """One turn of the user. text: None when no words are known (there was speech, nobody could read it)."""

    turn: int
    text: str | None
    over: SaidOver | None = None


@dataclass(frozen=True, slots=True)
class UserBackchannel:
    """A "mm-hmm" or the like, said over a reply that then went on: it answers nothing."""

    text: str
    over: SaidOver | None = None


@dataclass(frozen=True, slots=True)
class AgentSaid:
    """One reply, as it was heard.

    text: the words that left the loudspeaker, nothing more. unheard: the rest of what had been generated.
    ended: how it ended. exact: word times came from the voice and the position from the far end's own count;
    otherwise text is an estimate.
    """

    reply: int
    text: str
    unheard: str = ""
    ended: Literal["sounding", "completed", "cut", "failed"] = "completed"
    exact: bool = True


@dataclass(frozen=True, slots=True)
class ToolResult:
    """A tool that the agent called, and what came of it. id: the model's own for the call; arguments: JSON as the
    model wrote it; result: what the tool told (None: it still runs); error: whether that is why it did not run."""

    id: str
    tool: str
    arguments: str
    result: str | None
    error: bool = False


ConversationItem = UserSaid | UserBackchannel | AgentSaid | ToolResult

# ------------------------------------------------------------------------------------------------ chat models


Effect = Literal["read", "commit", "terminal"]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What a model is told of a tool. parameters: a JSON schema of type object."""

    name: str
    description: str
    parameters: Mapping[str, object]


class Tool(Protocol):
    """Something that the agent can do besides speaking (bargein.tools makes one of a plain function).

    effect: read (a cut cancels it), commit (never cancelled, and begun only once the words before it were heard),
    terminal (run once the whole reply was heard, and never for one that was cut).
    """

    spec: ToolSpec
    effect: Effect

    async def run(self, arguments: str) -> str | HangUp | Transfer:
        """arguments: JSON as the model wrote it. What the model is told of it, or how the call is to end. Raises
        BargeinError with what the model may know of why it could not be done; nothing else."""
        ...


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked to answer. instructions: the agent's own; items: the conversation in order, its last
    item being what is to be answered (or nothing, when the agent is to speak first); tools: what it may call; sound:
    of the user's turn that is to be answered, for a model that hears it itself (None: there is none)."""

    instructions: str
    items: Sequence[ConversationItem]
    language: str = "en"
    tools: Sequence[ToolSpec] = ()
    sound: Pcm | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of a reply's text, as it is written. Pieces are joined without a space between them."""

    text: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """The agent's wish to end the call once this reply was heard to its end; a cut takes it back. reason: for the
    record."""

    reason: str = "the agent hung up"


@dataclass(frozen=True, slots=True)
class Transfer:
    """The agent's wish to hand the caller on to another number (E.164) once this reply was heard to its end; a cut
    takes it back."""

    to: str


EndRequest = HangUp | Transfer


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants this tool run, and to be asked again with what came of it. arguments: JSON."""

    id: str
    tool: str
    arguments: str


class LLM(Protocol):
    """Conversation in, text out; after the text, perhaps tools to call, or the wish to leave. Cancelled by cancelling
    the task or closing the iterator, which frees the connection at once. Raises VendorRefused or VendorLost."""

    name: str

    def reply(self, prompt: Prompt) -> AsyncIterator[TextDelta | EndRequest | ToolCall]: ...


@runtime_checkable
class AudioLLM(LLM, Protocol):
    """One that hears the user's sound itself (`Prompt.sound`), so that nobody need wait for its words."""

    hears: Literal[True]


# ----------------------------------------------------------------------------------------------------- voices


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """The next stretch of a reply's sound.

    pcm: at the voice's own rate, the same in every stretch of a reply.
    text: text that begins to sound with this stretch ("" while an earlier one goes on). All texts of a reply,
    joined, are exactly the text that went into the voice.
    words: times of words, from the voice itself; None when the voice gives no times for `text`
    (the call then estimates them from the characters, and says so).
    exact: whether those times are the voice's own, and no estimate of a better kind.
    ahead: text comes long before its sound, so that where it stands among the stretches says nothing; its words
    follow, with a later stretch.
    """

    pcm: Sound
    text: str = ""
    words: tuple[Word, ...] | None = None
    exact: bool = True
    ahead: bool = False


class TTS(Protocol):
    """Text in, speech out. Closing the iterator stops the vendor and frees its connection, once.
    Raises VendorRefused or VendorLost."""

    name: str
    rate: int  # Hz of what it gives

    def speak(self, text: AsyncIterator[str]) -> AsyncIterator[SpeechChunk]:
        """text: pieces as a model writes them, cut anywhere. The voice chooses where to begin speaking."""
        ...


# -------------------------------------------------------------------------------------------------------- ears


@dataclass(frozen=True, slots=True)
class BatchTranscript:
    """Words read in a stretch of sound. text: "" when there were none."""

    text: str


@runtime_checkable
class BatchSTT(Protocol):
    """Reads whole stretches of sound: a short look for a verdict, or a whole turn. Never on the path of a hold.

    Raises VendorLost when it is busy beyond its bound, late (deadline_ms, from now) or gone: the caller then
    goes on without words.
    """

    name: str
    rate: int  # Hz it takes

    async def read(self, pcm: Pcm, *, deadline_ms: float) -> BatchTranscript: ...

    async def aclose(self) -> None: ...


TurnUpdateKind = Literal["started", "words", "eager_end", "resumed", "ended", "progress"]


@dataclass(frozen=True, slots=True)
class TurnUpdate:
    """What a transcriber makes of the sound so far.

    kind: started (a turn began: its first words), words (more, or other words of it), eager_end (it is probably over),
    resumed (it was not), ended; progress: nothing new, but so far has been listened.
    turn: the transcriber's own count, never falling. text: all words of this turn so far, as now believed.
    from_ms: where its first word begins; until_ms: how far the sound has been listened to. Both from the first sample
    that was fed, in ms of that sound, silence that was skipped included.
    """

    kind: TurnUpdateKind
    turn: int
    text: str
    from_ms: float
    until_ms: float


@dataclass(frozen=True, slots=True)
class STTLost:
    """The vendor is away: words will come late, or not at all, until EarsBack. advice: what the owner can do."""

    why: str
    advice: str


@dataclass(frozen=True, slots=True)
class STTRestored:
    """The vendor listens again, from the sound that it had not answered for."""


STTEvent = TurnUpdate | STTLost | STTRestored


class STTConnection(Protocol):
    """One call's line to a transcriber."""

    def feed(self, samples: Samples) -> None:
        """The next stretch of the user's sound, without a gap (silence fills those). Never waits: what cannot be sent
        now is kept, up to a bound, and sent when the vendor is back."""
        ...

    def listen(self) -> AsyncIterator[STTEvent]:
        """Connects, and gives what is heard until it is closed. A vendor that goes away is called again, for as long
        as the call lasts. Raises VendorRefused when trying again will not help (key, quota, model). Closing the
        iterator ends the connection."""
        ...


@runtime_checkable
class StreamingSTT(Protocol):
    """Streaming ears: sound in; words, and the beginnings and ends of turns out.

    turns: it announces ends of turns (otherwise only words, and the call's own VAD ends the turns)."""

    name: str
    turns: bool

    def open(self, rate: int) -> STTConnection:
        """rate: Hz of what will be fed: 8000 or 16000."""
        ...


# ----------------------------------------------------------------------------------------------- speech models


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What a speech model is told when a call begins. instructions, language, tools: the agent's; rate: Hz of the sound
    that it will be fed, 8000 or 16000; mulaw: the far end takes mu-law, so that it need not be transcoded."""

    instructions: str
    language: str = "en"
    tools: Sequence[ToolSpec] = ()
    rate: int = 16_000
    mulaw: bool = False


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """All that the model calls after what it said; it waits for what is told of them."""

    calls: tuple[ToolCall, ...]


class Response(Protocol):
    """One reply of a speech model, from its asking to its end. begun: the model has begun to make it."""

    begun: bool

    def sound(self) -> AsyncIterator[SpeechChunk | ToolCalls]:
        """What it says, as fast as it comes. After ToolCalls it ends, unless `go_on` was called before the next piece
        is asked for. Raises VendorLost or VendorRefused. Closing it is a cut."""
        ...

    def go_on(self) -> None:
        """Have the model go on, with what `SpeechLine.used` has told meanwhile."""
        ...

    def cut(self) -> None:
        """Stop making it, now. Never waits; for one that is over it does nothing."""
        ...

    def words(self) -> tuple[Word, ...]:
        """When those of its words sound that have been given, but not their times: as well as can be told now."""
        ...

    def heard(self, ms: float, said: AgentSaid | None) -> None:
        """It was cut, and so many ms of its sound were heard; said: as the record has it (None: nothing was said).
        The model must believe no more than that. After `cut`, once."""
        ...


class RealtimeConnection(STTConnection, Protocol):
    """One call's line to a speech model. It hears all of the user's sound by `feed`; `listen` keeps it connected, and
    tells the words of the user that the model's side has read. Times "ago" are counted in that sound, from the newest
    sample back.

    rate: Hz of what it says; up: it is there, or about to be. Nothing but `listen` and `Take.sound` ever waits."""

    rate: int
    up: bool

    def turn(self, ago_ms: float) -> None:
        """The user took a turn, so long ago (pre-roll included)."""
        ...

    def settle(self, from_ago_ms: float, until_ago_ms: float, backchannel: UserBackchannel | None) -> None:
        """What sounded there was no turn: the model must not take it for one."""
        ...

    def answer(self, typed: Sequence[str], *, spoken: bool) -> Response:
        """The user's turn is over: answer it. typed: words of it that came as text; spoken: it has sound, too."""
        ...

    def say(self, text: str) -> Response:
        """Say this, word for word."""
        ...

    def tell(self) -> Response:
        """Say what the tools have come to."""
        ...

    def used(self, used: ToolResult) -> None:
        """What a tool has come to; again, when more is known."""
        ...


class RealtimeModel(Protocol):
    """Hears and speaks by itself: the seat of transcriber, chat model and voice together.

    turns: it announces ends of turns. reads: it tells the user's words, sooner or later."""

    name: str
    turns: bool
    reads: bool

    def open(self, brief: SessionConfig, items: Callable[[], Sequence[ConversationItem]]) -> RealtimeConnection:
        """items: the conversation so far, for a connection that has to be made anew in the middle of a call."""
        ...


class VADStream(Protocol):
    """One call's stream into a detector. dropped: windows that it could not judge in time."""

    dropped: int

    def feed(self, samples: Samples) -> None:
        """Take any number of samples. Never waits."""
        ...

    def skip(self, samples: int) -> None:
        """So many samples are missing here."""
        ...

    def close(self) -> None:
        """No window is told after this."""
        ...


class VAD(Protocol):
    """Voice activity for all calls of a process (audio.vad.Vad, or your own)."""

    def open(self, rate: int, on_window: Callable[[VADWindow], None]) -> VADStream: ...


# --------------------------------------------------------------------------------------------------- transports


@dataclass(frozen=True, slots=True)
class AudioIn:
    """The user's sound. first_sample: its position in the stream since the call began; a gap is silence."""

    samples: Samples
    first_sample: int


@dataclass(frozen=True, slots=True)
class Played:
    """The far end had played `samples` of the reply `age_ms` ago (what left the loudspeaker). playing: and goes on.
    before: a later position that it has told us nothing of yet, so that it is not there (None: not known)."""

    reply: int
    samples: int
    playing: bool
    age_ms: float = 0.0
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """The hold has taken effect at the far end, and nothing sounds. bound_ms: how far, either way, the true position
    may be from `samples`; 0: it is the far end's own count."""

    reply: int
    samples: int
    bound_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Flushed:
    """Nothing of the reply will sound any more at the far end; the position is final. bound_ms: as in Held."""

    reply: int
    samples: int
    bound_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Finished:
    """The last sample of the reply has been heard."""

    reply: int
    samples: int


@dataclass(frozen=True, slots=True)
class LocalHold:
    """The far end heard a clear onset by itself, `age_ms` ago, and has paused at `samples` already."""

    reply: int
    samples: int
    age_ms: float


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the telephone: "0" to "9", "*" or "#"."""

    key: str


@dataclass(frozen=True, slots=True)
class Typed:
    """The user's words, typed."""

    text: str


@dataclass(frozen=True, slots=True)
class StopPressed:
    """The page's button: be silent now."""


@dataclass(frozen=True, slots=True)
class SettingsRequested:
    """The far end asks for another policy. preset: None keeps the present one; numbers: as in Policy.with_."""

    preset: str | None
    numbers: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ClientFault:
    """The far end did something outside the protocol, and cannot be told so. code: stable, machine-readable."""

    code: str
    message: str
    advice: str


@dataclass(frozen=True, slots=True)
class ClientHangUp:
    """The far end is gone. reason: for the record."""

    reason: str


Inbound = (
    AudioIn
    | Played
    | Held
    | Flushed
    | Finished
    | LocalHold
    | Key
    | Typed
    | StopPressed
    | SettingsRequested
    | ClientFault
    | ClientHangUp
)

WireSamples = NDArray[np.integer[Any]]  # int16, or mu-law codes as uint8


@dataclass(frozen=True, slots=True)
class AudioOut:
    """One frame of a reply on its way out. first_sample: its position in the reply's audio; samples: shape (n,),
    int16, or mu-law codes as uint8 where the transport asks for those; last: none follows (samples may then be
    empty); word_ends: the end of a word lies in it."""

    reply: int
    sequence: int
    first_sample: int
    samples: WireSamples
    last: bool
    word_ends: bool = False


@dataclass(frozen=True, slots=True)
class TransportCapabilities:
    """pause: holds in place, and resumes from there (otherwise the playout clears and sends again).
    reports: says what has been played (otherwise the playout goes by its own pacing).
    at_once: plays whatever it gets as soon as it gets it, as a telephone network does (otherwise it says when it
    begins, too). mulaw: takes frames as mu-law codes. carries: takes the agent's sound from us (otherwise the far end
    gets it from the model itself, and only reports: `send` is never called)."""

    pause: bool
    reports: bool
    at_once: bool = False
    mulaw: bool = False
    carries: bool = True


class Transport(Protocol):
    """One connection to one far end. Nothing here but `receive` and `close` ever waits: what is to go out is put
    into a bounded line, control before audio, so that a hold never stands behind a slow send."""

    can: TransportCapabilities
    rate_in: int  # Hz
    rate_out: int  # Hz

    def receive(self) -> AsyncIterator[Inbound]:
        """What the far end sends, in order; ends after FarHangUp. Raises nothing for what a peer does wrong."""
        ...

    def send(self, frame: AudioOut) -> bool:
        """Put a frame into the line. False: it is full, offer the same frame again at the next tick."""
        ...

    def hold(self, reply: int) -> AudioOut | None:
        """Take the reply's frames back out of the line; the first of them, which is the next to be offered again
        (None: there were none). The caller tells the far end to pause, by a notice. A far end that cannot pause is
        cleared, and `Held` follows with where it was."""
        ...

    def flush(self, reply: int) -> int:
        """Drop every frame of the reply that is still in the line; how many there were. A far end that takes no
        notices is cleared, and `Flushed` follows."""
        ...

    def notify(self, notice: Notice) -> None:
        """Tell the far end, if it can be told; otherwise nothing."""
        ...

    async def close(self, reason: str) -> None: ...


class CallControl(Protocol):
    """What the network behind a telephone call can do with it, besides carrying sound."""

    async def hang_up(self) -> None:
        """End the caller's call. Raises VendorRefused or VendorLost."""
        ...

    async def transfer(self, to: str) -> None:
        """Hand the caller on to another number (E.164); our part of the call is over then. Raises VendorRefused or
        VendorLost."""
        ...


# ------------------------------------------------------------------------------------------------- what we note


class Journal(Protocol):
    """A call's record. Never raises: a full disk must not end a call."""

    def event(self, event: Event) -> None:
        """What went into the floor, in order."""
        ...

    def action(self, at_ms: float, action: Action) -> None:
        """What the floor ordered."""
        ...

    def note(self, at_ms: float, kind: str, **facts: object) -> None:
        """Anything else worth knowing later. facts: JSON-able."""
        ...

    def close(self) -> None: ...


Latency = Literal["onset_to_hold", "onset_to_cut", "hold_to_resume", "first_audio", "stop"]
Counter = Literal[
    "frames_late",
    "holds",
    "resumes",
    "cuts",
    "drops",
    "replies",
    "vendor_errors",
    "underruns",
    "prepared",  # replies prepared before the turn was surely over; cause: used, or why not
    "prepared_waste_chars",  # text that was written for those that were not used
    "prepared_waste_ms",  # and sound
    "tools",  # runs of tools; cause: how they ended
]


class Meter(Protocol):
    """Where measurements go. Latencies by name, in ms, with the cause they are counted under."""

    def observe(self, name: Latency, ms: float, cause: str) -> None: ...

    def count(self, name: Counter, amount: int = 1, cause: str = "") -> None: ...
