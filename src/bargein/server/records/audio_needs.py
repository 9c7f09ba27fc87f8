"""What a server needs that is to record audio, told when it starts."""

from __future__ import annotations

from bargein.errors import UsageError
from bargein.recorder.audio_flac import demand_encoder
from bargein.server.catalogue import Catalogue
from bargein.server.settings import Settings


def demand_audio(settings: Settings, catalogue: Catalogue) -> None:
    """Raises UsageError where audio is to be recorded and no records are kept, Unavailable where it cannot be."""
    if settings.record_audio != "off" and settings.record is None:
        raise UsageError(
            "Audio is recorded beside the records of calls, and none are kept",
            advice="Name a folder (--record, BARGEIN_RECORD), or set record_audio to off",
        )
    modes = {settings.record_audio, *(agent.record_audio for agent in catalogue.agents.values())}
    if settings.record is not None and modes - {"off", None}:
        demand_encoder()
