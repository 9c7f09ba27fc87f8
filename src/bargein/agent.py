"""An agent is plain configuration: what it is told, how it greets, and its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bargein.errors import UsageError
from bargein.floor import Policy
from bargein.protocols import LLM, TTS, BatchSTT, RealtimeModel, StreamingSTT, Tool

REPROMPTS: Mapping[str, str] = {
    "silence": "Are you still there?",
    "failed": "Sorry, I lost my thread. Could you say that again?",
    "late": "Sorry, that takes me too long. Could you ask me again?",
    "deaf": "Sorry, I cannot make out any words at the moment. Please try again in a little while.",
}


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the agent says first. protected: a beginning that may not be interrupted (a legal notice); text: the
    rest. Either may be empty."""

    text: str = ""
    protected: str = ""


@dataclass(frozen=True, slots=True)
class Agent:
    """What thinks and speaks is either a mind with a voice, or a speech model, which needs no transcriber.

    name: as in `--agent`; llm: whether its mind is a language model (the page says so if not); reader: None when
    nobody can read words; transcriber: streaming ears, None when only the reader listens; tools: what the mind may
    call; reprompts: what to say on silence, failed, late and deaf (no words can be read), in the agent's language;
    spare_voice: says so when the voice, or the speech model, is lost."""

    name: str
    mind: LLM | None = None
    voice: TTS | None = None
    reader: BatchSTT | None = None
    description: str = ""
    llm: bool = True
    instructions: str = ""
    greeting: Greeting = field(default_factory=Greeting)
    language: str = "en"
    policy: Policy = field(default_factory=Policy.balanced)
    reprompts: Mapping[str, str] = field(default_factory=lambda: dict(REPROMPTS))
    transcriber: StreamingSTT | None = None
    tools: tuple[Tool, ...] = ()
    spare_voice: TTS | None = None
    realtime: RealtimeModel | None = None

    def __post_init__(self) -> None:
        parts = (self.mind, self.voice) if self.realtime is None else (self.realtime,)
        if None in parts or (self.realtime is not None and (self.mind, self.voice, self.transcriber) != (None,) * 3):
            advice = "Give it mind and voice, or realtime and none of mind, voice and transcriber"
            raise UsageError(f"The agent {self.name!r} has not the parts of one", advice=advice)

    @property
    def ears(self) -> str:
        """The names of who listens for words, "" for nobody."""
        listening = (self.transcriber, self.realtime, self.reader)
        return " and ".join(part.name for part in listening if part is not None)

    @property
    def mind_name(self) -> str:
        """Who thinks."""
        part = self.realtime or self.mind
        return part.name if part is not None else ""

    @property
    def voice_name(self) -> str:
        """Who speaks."""
        part = self.realtime or self.voice
        return part.name if part is not None else ""
