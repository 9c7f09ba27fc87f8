"""What every call of a process shares."""

from __future__ import annotations

from dataclasses import dataclass, field

from bargein.audio.voice_encoder import SpeakerEmbedder
from bargein.call.output.fillers import FillerStore
from bargein.call.ticker import Ticker
from bargein.clock import Clock
from bargein.protocols import VAD, Meter, SoundModel


@dataclass(frozen=True, slots=True)
class Runtime:
    """One per process, given to every call of it."""

    clock: Clock
    ticker: Ticker
    """Looks after every call every 20 ms."""
    vad: VAD
    """Judges the audio of all calls in one batch."""
    meter: Meter
    """Where measurements go."""
    sound: SoundModel | None = None
    """Looks at the users' sounds: do they hold words? None: verdicts go without."""
    voices: SpeakerEmbedder | None = None
    """A model of voices. None: a caller's voice is told without."""
    lead_ms: float = 100
    """How far audio may run ahead of the client's loudspeaker."""
    fillers: FillerStore = field(default_factory=FillerStore)
    """The agents' fillers as audio."""
