"""Looks at the sound of an onset, as the floor orders, and tells the floor what was found."""

from __future__ import annotations

import logging
from collections import deque

from bargein import floor as f
from bargein.audio.pcm import Pcm
from bargein.audio.voice_encoder import SpeakerEmbedder
from bargein.call.context import CallContext
from bargein.call.input.user_audio import UserAudio
from bargein.call.input.voice_watch import VoiceWatch
from bargein.protocols import SoundModel

log = logging.getLogger(__name__)

BEFORE_MS = 60.0  # of audio before the onset: a sound begins before the VAD is sure of it
REACH_MS = 950.0  # of a longer sound: its end says what it is now
WINDOWS = 64  # of the VAD's curve, 2 s


class SoundWatch:
    """judge: None: this call looks at no sound. encoder: a model of voices, where there is one."""

    def __init__(
        self,
        context: CallContext,
        floor: f.Floor,
        user_audio: UserAudio,
        judge: SoundModel | None,
        encoder: SpeakerEmbedder | None = None,
    ) -> None:
        self._context = context
        self._floor = floor
        self._user_audio = user_audio
        self._judge = judge
        self._voices = VoiceWatch(user_audio.since, encoder)
        self._curve: deque[tuple[float, float]] = deque(maxlen=WINDOWS)  # where a window begins, and its speech

    def announce(self) -> None:
        """Tell the floor whether sounds are looked at."""
        if self._judge is not None:
            self._context.feed(f.SoundChanged(self._context.now_ms(), judged=True))

    def window(self, window: f.SpeechWindow) -> None:
        """The VAD has judged a window. Called for every window of every call."""
        if self._judge is None:
            return
        self._curve.append((window.at_ms, window.speech))
        self._voices.window(window, own=self._floor.turn.open)

    def turn_over(self, pcm: Pcm) -> None:
        """A turn of the caller was answered: so the caller sounds. pcm: its audio."""
        if self._judge is not None:
            self._voices.turn_over(pcm)

    def look(self, order: f.JudgeSound) -> None:
        """The floor waits for a look. Never waits itself."""
        self._context.spawn(self._look(order), f"sound {order.look}")

    async def _look(self, order: f.JudgeSound) -> None:
        context, onset_ms = self._context, order.onset_ms
        from_ms = max(onset_ms - BEFORE_MS, order.until_ms - REACH_MS)
        pcm = self._user_audio.since(from_ms)
        other, signs = await self._signs(pcm, order)  # waits only for a model of voices
        words = await self._words(pcm, onset_ms)
        now_ms = context.now_ms()
        told = "it could not be told" if words is None else f"words {words:.2f}"
        context.decided("sound", f"{order.why}: {told}{'; ' if signs else ''}{signs}", onset_ms=onset_ms)
        context.meter.count("sound_looks", cause="none" if words is None else "told")
        context.feed(f.SoundJudged(min(onset_ms, now_ms), order.until_ms, order.look, words, other, signs))

    async def _words(self, pcm: Pcm, onset_ms: float) -> float | None:
        if self._judge is None:
            return None
        curve = [speech for at_ms, speech in self._curve if at_ms >= onset_ms]
        try:
            words = await self._judge.judge(pcm, curve, deadline_ms=self._floor.policy.verdict.sound_wait_ms)
        except Exception:
            log.exception("Call %s: the judge of sounds failed", self._context.call_id)
            return None
        # A number beyond its range tells nothing, nor does NaN.
        return words if words is not None and 0.0 <= words <= 1.0 else None

    async def _signs(self, pcm: Pcm, order: f.JudgeSound) -> tuple[tuple[f.Other, ...], str]:
        """Signs of another person, and the evidence for them."""
        voices, deadline_ms = self._voices, self._floor.policy.verdict.sound_wait_ms
        try:
            await voices.listen(pcm, order.onset_ms, order.until_ms, deadline_ms=deadline_ms)
            signs = voices.signs(pcm, order.onset_ms, order.until_ms)
        except Exception:
            log.exception("Call %s: the look at a voice failed", self._context.call_id)
            return (), ""
        return signs, voices.evidence if signs else ""
