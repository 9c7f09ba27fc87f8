"""Whose voice the running sound is: signs that another source than the caller made it. Soft votes, for the floor.

- "before": the sound is like what was talking before, while the caller had no turn, and unlike the caller's own turns:
  its level, and its cepstra, which hold the voice with its microphone, loudspeaker and room. Before the caller's first
  turn, only what was heard before is at hand, and more of it is asked for.
- "voice": the voice is not the one of the caller's turns. A model of voices tells it where the user has one
  (`VoiceEncoder`). Without it the cepstra do, where nothing else was heard, and only where they are very far.

On a line where only the caller was heard there is no "before". A caller who talks over a television is louder than the
television, or has another sound. A caller who grows softer or turns away keeps the own voice.

What a call keeps: about 35 kB (the frames of two sources, 256 of each; 64 stretches), and with a VoiceEncoder 3 s of
the caller's speech. Nothing grows with the call.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from bargein.audio.background import Background, OtherSpeech
from bargein.audio.pcm import Pcm
from bargein.audio.speaker import HOP_MS, LEAST_FRAMES, Floats, FrameBook, cepstra, level_db
from bargein.audio.voice_encoder import LearntVoice, SpeakerEmbedder
from bargein.floor import Other, SpeechWindow

SPEECH, RELEASE = 0.5, 0.35  # of a window: from here a stretch begins; below this it may be over
OWN_ECHO = 0.5  # share of the agent's own sound from which a window is no speech of anybody else
GAP_MS = 160.0  # of quiet end a stretch
CHUNK_MS = 3_000.0  # of a stretch are taken at once: no hold lasts longer, so what is the caller's is known by then
LEAST_MS = 128.0  # shorter stretches are taken for noises
DECIDE_MS = 1_000.0  # after a stretch: a verdict on it may make it the caller's
MOST_WAITING = 4  # stretches
NEWEST_MS = 1_000.0  # of a sound are looked at: a caller may have joined in
SHORT_MS = 250.0  # of a sound say nothing
TURN_MS = 5_000.0  # of a turn a model of voices learns
ENOUGH_FRAMES, SELDOM = 375, 4  # 6 s of loud speech: from then on every fourth turn is enough
FRAMES_MS = 2_500.0  # of a turn give frames: that takes 2 ms, on the event loop

OWN_FRAMES, OTHER_FRAMES = 120, 60  # 2 s and 1 s of loud speech: fewer are no source to compare with
TALKED_MS = 1_500.0  # of other speech, before a sound can be like it
# Logistic regression on 3,123 looks in mixtures of recorded callers and televisions, 6 to 15 dB below them, telephone
# and wide band; the threshold is above 98.5 of 100 of the callers' own sounds, television on.
NEARER, SOFTER, LOUDER, BIAS, VOTE = 4.1, 0.21, -0.13, -0.9, 2.6
# The same before the caller's first turn.
FIRST_TALKED_MS, FIRST_SHARE = 2_000.0, 0.2
FIRST_FAR, FIRST_LOUDER, FIRST_BIAS, FIRST_VOTE = -1.3, -0.21, 0.15, 1.75
USUAL = 35.0  # distance of a source from its own frames
VOICE_MS, VOICE_FRAMES = 600.0, 4_000 // HOP_MS // 2  # of the sound; of the caller's turns, 4 s, half of it loud
VERY_FAR = 75.0  # distance from the own frames: 1 in 100 of a caller's own sounds is farther
OWN_AGAIN_DB = 8.0  # a turn that is so much louder shows that the turns before were another's
SOFTER_DB = 6.0  # a turn: so much softer than before a caller is believed to be at once


@dataclass(slots=True)
class _Stretch:
    from_ms: float
    until_ms: float


class VoiceWatch:
    """One call's. since: the user's audio from a moment of the call until now. encoder: None without a model."""

    def __init__(self, since: Callable[[float], Pcm], encoder: SpeakerEmbedder | None = None) -> None:
        self._since = since
        self._run: _Stretch | None = None
        self._run_own = False
        self._waiting: deque[_Stretch] = deque(maxlen=MOST_WAITING)
        self._background = Background()
        self._own = FrameBook(seed=2)
        self._own_db: float | None = None
        self._turns = 0
        self._learnt = LearntVoice(encoder) if encoder is not None else None
        self.evidence = ""
        """What the newest look found, for the log. "": nothing."""

    # ------------------------------------------------------------------------------------------------- learning

    def window(self, w: SpeechWindow, *, own: bool) -> None:
        """A window was judged. own: the caller has a turn, so that the speech in it is the caller's. Called for every
        window of every call: only a stretch of other speech that is over costs more than a comparison."""
        speech = 0.0 if w.echo >= OWN_ECHO else w.speech
        run = self._run
        if own and self._waiting:
            self._waiting.clear()
        elif self._waiting and w.until_ms - self._waiting[0].until_ms >= DECIDE_MS:
            self._learn_other(self._waiting.popleft())
        if run is None:
            if speech >= SPEECH:
                self._run, self._run_own = _Stretch(w.at_ms, w.until_ms), own
            return
        self._run_own = self._run_own or own
        if speech >= RELEASE:
            run.until_ms = w.until_ms
            if run.until_ms - run.from_ms >= CHUNK_MS:
                self._over(run)
                self._run, self._run_own = _Stretch(w.until_ms, w.until_ms), own
        elif w.until_ms - run.until_ms >= GAP_MS:
            self._over(run)
            self._run = None

    def _over(self, stretch: _Stretch) -> None:
        if not self._run_own and stretch.until_ms - stretch.from_ms >= LEAST_MS:
            if len(self._waiting) == MOST_WAITING:
                self._learn_other(self._waiting.popleft())
            self._waiting.append(stretch)

    def _learn_other(self, stretch: _Stretch) -> None:
        pcm = self._since(stretch.from_ms)
        pcm = pcm.part(0, int((stretch.until_ms - stretch.from_ms) * pcm.rate / 1000))
        if len(pcm):
            self._background.add(stretch.from_ms, stretch.until_ms, pcm)

    def turn_over(self, pcm: Pcm) -> None:
        """A turn of the caller is over. pcm: its audio. A turn that is like the other speech teaches nothing."""
        pcm = pcm.part(0, int(TURN_MS * pcm.rate / 1000))
        self._turns += 1
        if self._own.count >= ENOUGH_FRAMES and self._turns % SELDOM:
            return
        part = pcm.part(0, int(FRAMES_MS * pcm.rate / 1000))
        frames, level = cepstra(part), level_db(pcm)
        if len(frames) < LEAST_FRAMES:
            return
        if self._own_db is not None and level > self._own_db + OWN_AGAIN_DB:
            self._own, self._own_db = FrameBook(seed=2), None  # a television was taken for the caller
            if self._learnt is not None:
                self._learnt.forget()
        elif self._own_db is not None and level < self._own_db - OWN_AGAIN_DB and self._is_other(frames):
            return
        self._own.add(frames)
        self._own_db = level if self._own_db is None else max(level, self._own_db - SOFTER_DB)
        if self._learnt is not None:
            self._learnt.add(pcm)

    def _is_other(self, frames: Floats) -> bool:
        other = self._background.frames
        return other.count >= OTHER_FRAMES and other.distance(frames) < self._own.distance(frames)

    # -------------------------------------------------------------------------------------------------- a look

    async def listen(self, pcm: Pcm, onset_ms: float, until_ms: float, *, deadline_ms: float) -> None:
        """Ask the model of voices about the running sound, for the `signs` that follow. Without a model: nothing. The
        caller's turns are read first, once. Bounded by the deadline; never raises for a fault of the model."""
        if self._learnt is not None and until_ms - onset_ms >= VOICE_MS:
            await self._learnt.look(_newest(pcm), onset_ms, deadline_ms=deadline_ms)

    def signs(self, pcm: Pcm, onset_ms: float, until_ms: float) -> tuple[Other, ...]:
        """Signs that the running sound is not the caller's. pcm: the sound from its onset, or a little before, until
        now; onset_ms, until_ms: its times on the call's clock. `evidence` tells the same in words."""
        self.evidence = ""
        # Most sounds have nothing to be compared with: then this costs nothing.
        heard_before = self._background.frames.count >= OTHER_FRAMES
        told = self._learnt is not None or self._own.count >= VOICE_FRAMES
        if until_ms - onset_ms < SHORT_MS or not (heard_before or (told and until_ms - onset_ms >= VOICE_MS)):
            return ()
        pcm = _newest(pcm)
        frames = cepstra(pcm)
        if len(frames) < LEAST_FRAMES:
            return ()
        said: list[str] = []
        signs: list[Other] = []
        level = level_db(pcm)
        own = self._own.distance(frames) if self._own.count >= OWN_FRAMES else None
        softer = None if self._own_db is None else self._own_db - level
        if softer is not None and softer >= SOFTER_DB:
            said.append(f"{softer:.0f} dB softer than the caller's turns")
        other = self._background.before(onset_ms) if heard_before else None
        known = other is not None and other.talked_ms >= TALKED_MS
        if other is not None and known:
            away = self._background.frames.distance(frames)
            louder = _within(level - other.loud_db, -6, 10)
            if own is not None and softer is not None:
                nearer = _within(math.log(max(own, 1.0) / max(away, 1.0)), -1.5, 1.5)
                before = NEARER * nearer + SOFTER * _within(softer, -4, 14) + LOUDER * louder + BIAS >= VOTE
            else:
                before = _before_first(other, away, louder)
            if before:
                signs.append("before")
                said.append(f"like what spoke before ({other.talked_ms / 1000:.1f} s of it)")
        if until_ms - onset_ms >= VOICE_MS:
            voice = self._learnt.unlike(onset_ms) if self._learnt is not None else None
            if voice is not None:
                signs.append("voice")
                said.append(f"another voice than the caller's ({voice:.2f} like it)")
            elif self._learnt is None and not known and own is not None and self._is_far(own):
                signs.append("voice")
                said.append("unlike the caller's voice")
        self.evidence = "; ".join(said)
        return tuple(signs)

    def _is_far(self, own: float) -> bool:
        return self._own.count >= VOICE_FRAMES and own >= VERY_FAR


def _before_first(other: OtherSpeech, away: float, louder: float) -> bool:
    """The caller has had no turn yet."""
    enough = other.talked_ms >= FIRST_TALKED_MS and other.share >= FIRST_SHARE
    return enough and FIRST_FAR * math.log(max(away, 4.0) / USUAL) + FIRST_LOUDER * louder + FIRST_BIAS >= FIRST_VOTE


def _newest(pcm: Pcm) -> Pcm:
    return pcm.part(max(0, len(pcm) - int(NEWEST_MS * pcm.rate / 1000)), len(pcm))


def _within(value: float, least: float, most: float) -> float:
    return min(max(value, least), most) if math.isfinite(value) else least
