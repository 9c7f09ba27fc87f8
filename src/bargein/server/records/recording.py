"""Whether the audio of a call is recorded, and where it goes."""

from __future__ import annotations

from functools import partial

from bargein.agent import Agent
from bargein.call.memory.restored import RestoredCall
from bargein.call.record.audio import RecordingPlan
from bargein.protocols import Journal, RecordAudio
from bargein.recorder.audio_recorder import AudioRecorder
from bargein.recorder.spoken_digits import SpokenDigits
from bargein.server.hub import Hub

YES, NO = ("true", "yes", "1", "on"), ("false", "no", "0", "off")
MEGABYTE = 1_000_000


def said(text: str | None) -> bool | None:
    """What a connection's text says of a recording. None: nothing."""
    told = (text or "").strip().lower()
    return True if told in YES else False if told in NO else None


def with_wish(hub: Hub, agent: Agent, wish: bool | None) -> RecordAudio:
    """Whether a call is recorded whose connection says yes, no, or nothing (None)."""
    mode = agent.record_audio or hub.settings.record_audio
    if mode == "off" or wish is None:
        return mode
    return "on" if wish else "consent"


def may_be_recorded(hub: Hub, agent: Agent) -> bool:
    """A call of this agent is recorded, or may be once the caller agrees."""
    return hub.settings.record is not None and (agent.record_audio or hub.settings.record_audio) != "off"


def plan_for(
    hub: Hub, agent: Agent, journal: Journal, folder: str, restored: RestoredCall | None
) -> RecordingPlan | None:
    """folder: name of the call's record. restored: the call began on another server, and goes on as it was there."""
    settings = hub.settings
    mode = with_wish(hub, agent, None if restored is None else restored.state.recording)
    if settings.record is None or not may_be_recorded(hub, agent):
        return None
    record = partial(
        AudioRecorder,
        settings.record / folder,
        journal,
        disk=hub.audio_disk,
        max_bytes=int(settings.record_audio_mb * MEGABYTE),
        digits=journal if isinstance(journal, SpokenDigits) else None,
    )
    return RecordingPlan(mode, record)
