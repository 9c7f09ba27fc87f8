"""Words or no words, by sound: a small head on Silero's curve and a speech embedding. docs/sound_head.md."""

from bargein.audio.sound.features import LEAD_MS
from bargein.audio.sound.head import SoundHead, read_head
from bargein.audio.sound.judge import SoundJudge, SoundStats

__all__ = ["LEAD_MS", "SoundHead", "SoundJudge", "SoundStats", "read_head"]
