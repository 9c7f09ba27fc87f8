"""How a simulated Gemini Live server behaves: its words, its speed, its faults."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bargein.audio.pcm import Pcm
from bargein_simulators.chat import Answer
from bargein_simulators.chat_wire import ServedToolCall
from bargein_simulators.realtime_behavior import EXACTLY, SAID
from bargein_simulators.speech import SimulatedSpeech

Fault = Literal[
    "401",
    "404",
    "500",
    "1007",
    "1008",
    "1011",
    "refuse_handle",
    "drop",
    "go_away",
    "phantom",
    "stall",
    "silent",
    "no_end",
    "only_complete",
    "cancel_tool",
    "no_transcript",
    "garbage",
]
CONNECTING = ("401", "404", "500", "1007", "1008", "1011", "refuse_handle")  # met by a connection that begins
KEPT = 500


@dataclass(frozen=True, slots=True)
class LiveTurn:
    """One turn of the model's conversation."""

    role: Literal["user", "model"]
    text: str
    """What was said; of the model: what was sent before an interruption."""
    notes: tuple[str, ...] = ()
    """Texts in brackets that came with a turn of the user."""


def say_back(said: str, turns: Sequence[LiveTurn]) -> str:
    """The default answer. It is long enough to be interrupted, and repeats what the model knows of the interruption."""
    if said.startswith("Result: "):
        return f"The tool says: {said.removeprefix('Result: ')}"
    if not said:
        return "Hello, I am a simulator of a speech model."
    notes = [note for turn in turns for note in turn.notes]
    where = next((found[1] for note in reversed(notes) if (found := re.search(r'up to "([^"]*)"', note))), "")
    if where and re.search(r"\b(stop|where|last|hear)", said, re.I):
        return f"You stopped me, and the last words you heard were: {where}. Shall I go on from there?"
    return (
        f"You said: {said.rstrip('.!?')}. I am a simulated speech model, so there is little that I know. "
        "But I can speak for a while, slowly and calmly, about the sea, the wind and the gulls above the harbour, "
        "so that you can interrupt me in the middle of any word, and see how soon I fall silent."
    )


@dataclass(slots=True)
class GeminiLiveSimulator:
    """How the server behaves, and its record.

    The faults of a turn: "drop" breaks the connection in the middle of a reply, "go_away" ends the connection
    `go_away_ms` later, "phantom" interrupts a reply without a cause, "stall" sends the beginning of a reply and no
    more, "silent" sends nothing, "no_end" never says that an interrupted reply is over, "only_complete" says so by
    turnComplete alone, "cancel_tool" cancels a tool call after its result came.
    """

    respond: Callable[[str, Sequence[LiveTurn]], Answer] = say_back
    """Makes the answer to the user's last words and all turns."""
    tool_calls: deque[ServedToolCall] = field(default_factory=lambda: deque(maxlen=KEPT))
    """Tool calls on demand: the next answers are these, in place of `respond`."""
    transcribe: Callable[[Pcm], Awaitable[str]] | None = None
    """Transcribes the user's audio. None: the words come from `script`."""
    script: deque[str] = field(default_factory=lambda: deque(SAID))
    """Words of the user, one text for each turn."""
    speech: SimulatedSpeech = field(default_factory=SimulatedSpeech)
    first_audio_ms: float = 150.0
    """From a request to the first audio of its answer."""
    speed: float = 8.0
    """Times real time at which audio is sent. 0: at once."""
    chunk_ms: float = 40.0
    """Audio in one message."""
    transcript_ms: float = 100.0
    """From the end of a turn to its transcript."""
    life_ms: float | None = None
    """A connection lives so long. None: for ever."""
    go_away_ms: float = 1_000.0
    """How long before its end a connection is told to go."""
    api_key: str | None = None
    """The key that is required. None: any."""
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT))
    """Taken from the left, each as soon as it can happen."""
    sessions: deque[Any] = field(default_factory=lambda: deque(maxlen=KEPT))
    """The last connections (gemini_live_session.GeminiLiveSession), the newest last."""
    handles: dict[str, tuple[LiveTurn, ...]] = field(default_factory=dict)
    """The conversation behind each handle."""
    forget_handles: bool = False
    """Refuse every handle."""

    def fault(self, *names: Fault) -> Fault | None:
        """The next fault, if it is one of these; it is taken."""
        return self.faults.popleft() if self.faults and self.faults[0] in names else None

    async def words(self, pcm: Pcm) -> str:
        """The words of one turn."""
        if self.transcribe is not None:
            return (await self.transcribe(pcm)).strip()
        if not self.script:
            return ""
        text = self.script[0]
        self.script.rotate(-1)
        return text

    def answer(self, said: str, turns: Sequence[LiveTurn], *, calls: bool) -> list[str | ServedToolCall]:
        """The model's next answer. calls: whether it may call tools."""
        if (asked := EXACTLY.search(said)) is not None:
            return [asked[1].strip()]
        if calls and self.tool_calls:
            return [self.tool_calls.popleft()]
        answer: Any = self.respond(said, turns)
        parts = [answer] if isinstance(answer, str) else list(answer)
        return [part for part in parts if calls or isinstance(part, str)]
