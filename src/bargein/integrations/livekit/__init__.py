"""The floor inside LiveKit Agents (`pip install bargein[livekit]`): docs/livekit.md."""

from bargein.integrations.floor import BargeinFloor
from bargein.integrations.livekit.checks import turn_handling
from bargein.integrations.livekit.fallback import FloorVAD, quick_interruptions, without_backchannels
from bargein.integrations.livekit.session import FloorSession, attach

__all__ = [
    "BargeinFloor",
    "FloorSession",
    "FloorVAD",
    "attach",
    "quick_interruptions",
    "turn_handling",
    "without_backchannels",
]
