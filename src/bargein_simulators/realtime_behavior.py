"""How a simulated OpenAI Realtime server behaves: its words, its speed, its faults."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bargein.audio.pcm import Pcm
from bargein_simulators.chat import Answer
from bargein_simulators.chat_wire import ServedToolCall
from bargein_simulators.realtime_items import ServerItem
from bargein_simulators.speech import SimulatedSpeech

Fault = Literal[
    "401",
    "404",
    "429",
    "500",
    "rate_limit",
    "fail",
    "slow",
    "mute",
    "no_done",
    "drop",
    "drop_speech",
    "no_transcript",
    "garbage",
    "expire",
]

KEPT = 500
DROP_AFTER_MS = 600  # of an item's audio
EXACTLY = re.compile(r"\A[^\n#]{20,100}:\n([^#]+)\Z", re.S)  # instructions of one response that name its exact text
SAID = ("Hello, can you help me?", "And what else?", "Thank you, that is all.")


def say_back(said: str, items: Sequence[ServerItem]) -> str:
    """The default answer. It is long enough to be interrupted, and repeats what the model knows of the interruption."""
    if items and items[-1].wire["type"] == "function_call_output":
        return f"The tool says: {items[-1].wire['output']}"
    if not said:
        return "Hello, I am a simulator of a speech model."
    notes = [item.text for item in items if item.wire.get("role") == "system"]
    where = next((found[1] for note in reversed(notes) if (found := re.search(r'up to "([^"]*)"', note))), "")
    if where and re.search(r"\b(stop|where|last|hear)", said, re.I):
        return f"You stopped me, and the last words you heard were: {where}. Shall I go on from there?"
    return (
        f"You said: {said.rstrip('.!?')}. I am a simulated speech model, so there is little that I know. "
        "But I can speak for a while, slowly and calmly, about the sea, the wind and the gulls above the harbour, "
        "so that you can interrupt me in the middle of any word, and see how soon I fall silent."
    )


@dataclass(slots=True)
class RealtimeBehavior:
    """How the server behaves.

    Two faults need words: "mute" never sends a response that was asked for, "no_done" never ends one that was
    cancelled.
    """

    respond: Callable[[str, Sequence[ServerItem]], Answer] | None = None
    """Makes the answer to the user's last words and all items: a text, or texts and tool calls in their order."""
    tool_calls: deque[ServedToolCall] = field(default_factory=lambda: deque(maxlen=KEPT))
    """Tool calls on demand: the next responses are these, in place of the answer."""
    transcribe: Callable[[Pcm], Awaitable[str]] | None = None
    """Transcribes the user's audio. None: the words come from `script`."""
    script: deque[str] = field(default_factory=lambda: deque(SAID))
    """Words of the user, one text for each turn, shared by all sessions."""
    scripts: Callable[[], Iterable[str]] | None = None
    """Makes a script for each session, in place of `script`."""
    first_audio_ms: float = 150.0
    """From a response's begin to its first audio."""
    chunk_ms: float = 200.0
    """Audio in one delta."""
    speed: float = 8.0
    """Times real time at which audio is sent. 0: at once. WebRTC always plays in real time."""
    token_ms: float = 10.0
    """Between two deltas of a tool call's arguments."""
    least_idle_timeout_ms: int = 5_000
    """Smallest idle_timeout_ms that is accepted: the vendor's own, or a smaller one for tests."""
    transcript_ms: float = 250.0
    """From a commit to its transcript."""
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=KEPT))
    """Taken from the left, each as soon as it can happen."""
    speech: SimulatedSpeech = field(default_factory=SimulatedSpeech)
    grants: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Audio formats of "input" and "output" that a session gets, whatever was asked for."""

    def fault(self, name: Fault) -> bool:
        """Whether the next fault is this one; if so, it is taken."""
        if self.faults and self.faults[0] == name:
            self.faults.popleft()
            return True
        return False

    def fault_after(self, name: Fault, ms: float) -> bool:
        """The same, once so much audio of a response was sent."""
        return ms >= DROP_AFTER_MS and self.fault(name)

    async def read(self, pcm: Pcm, script: deque[str], *, over: bool) -> str:
        """The words of the user's audio. script: the source without `transcribe`. over: whether the turn is over."""
        if self.transcribe is not None:
            return (await self.transcribe(pcm)).strip()
        text = script[0] if script else ""
        if over and script:
            script.rotate(-1)
        return text if over else " ".join(text.split()[:2])

    def answer(
        self, items: Sequence[ServerItem], instructions: str, *, calls: bool = True
    ) -> list[str | ServedToolCall]:
        """The model's next response. instructions: of that response. calls: whether it may call tools."""
        if (asked := EXACTLY.search(instructions)) is not None:
            return [asked[1].strip()]
        if calls and self.tool_calls and (not items or items[-1].wire["type"] != "function_call_output"):
            return [self.tool_calls.popleft()]
        users = [item for item in items if item.wire.get("role") == "user"]
        said = users[-1].text if users else ""
        answer = (self.respond or say_back)(said, items)
        parts: list[str | ServedToolCall] = [answer] if isinstance(answer, str) else list(answer)
        return [part for part in parts if calls or isinstance(part, str)]
