"""For sessions that keep LiveKit's automatic mode: our speech detection, and a filter that drops backchannels.

LiveKit then pauses at the first sound and resumes by its own timers. docs/livekit.md says what that cannot do.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import AgentSession, stt, vad

from bargein.audio.pcm import Samples
from bargein.audio.resample import HotResampler
from bargein.audio.vad import VADWindow
from bargein.errors import UsageError
from bargein.floor import Policy
from bargein.floor.lexicon import Lexicon, WordClass
from bargein.integrations.livekit.input import mono
from bargein.integrations.shared import shared

RATE, WINDOW_S = 16_000, 0.032
PREFIX_S, MOST_S = 0.5, 60.0  # of audio before an onset, and of one speech: as LiveKit's own VAD keeps them
TRANSCRIPTS = (
    stt.SpeechEventType.INTERIM_TRANSCRIPT,
    stt.SpeechEventType.PREFLIGHT_TRANSCRIPT,
    stt.SpeechEventType.FINAL_TRANSCRIPT,
)


def quick_interruptions(**more: Any) -> dict[str, Any]:
    """LiveKit's settings for `FloorVAD`: pause at the first window of speech, go on soon after a false one."""
    interruption = {
        "mode": "vad",
        "min_duration": 0.03,
        "resume_false_interruption": True,
        "false_interruption_timeout": 0.6,
    }
    return {"interruption": interruption} | more


class FloorVAD(vad.VAD):
    """The speech detection of our floor as a VAD of LiveKit's. All sessions of a process share one model.

    policy: its `hold_threshold` begins speech, its `speech_gap_ms` ends it.
    """

    def __init__(self, policy: Policy | str = "balanced") -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=WINDOW_S))
        chosen = Policy.named(policy) if isinstance(policy, str) else policy
        if not isinstance(chosen, Policy):
            raise UsageError(f"{policy!r} is no policy", advice="Give a preset's name, or a Policy")
        self.numbers = chosen.hold

    @property
    def model(self) -> str:
        return "silero"

    @property
    def provider(self) -> str:
        return "Bargein"

    def stream(self) -> FloorVADStream:
        return FloorVADStream(self)


class FloorVADStream(vad.VADStream):
    """One user's speech."""

    def __init__(self, detector: FloorVAD) -> None:
        self._numbers = detector.numbers
        self._audio: deque[Samples] = deque()  # of the speech, or of PREFIX_S before it
        self._kept = 0
        self._resampler: HotResampler | None = None
        self._rate = 0
        self._restart()
        super().__init__(detector)

    def _restart(self) -> None:
        self._speaking = False
        self._speech_s = self._silence_s = 0.0
        self._run_s = self._gap_s = 0.0  # of windows with and without speech in a row
        self._end = 0
        self._audio.clear()
        self._kept = 0

    async def _main_task(self) -> None:
        async with shared() as common:
            stream = common.runtime.vad.open(RATE, self._window)
            try:
                async for item in self._input_ch:
                    if isinstance(item, rtc.AudioFrame):
                        stream.push_audio(self._take(item))
                    else:
                        stream.close()
                        stream = common.runtime.vad.open(RATE, self._window)
                        self._restart()
            finally:
                stream.close()

    def _take(self, frame: rtc.AudioFrame) -> Samples:
        samples = mono(frame)
        if frame.sample_rate != RATE:
            if self._resampler is None or frame.sample_rate != self._rate:
                self._resampler, self._rate = HotResampler(frame.sample_rate, RATE), frame.sample_rate
            samples = self._resampler.push_audio(samples)
        samples = np.array(samples, np.int16)
        self._audio.append(samples)
        self._kept += len(samples)
        most = round((MOST_S if self._speaking else PREFIX_S) * RATE)
        while self._kept - len(self._audio[0]) > most:
            self._kept -= len(self._audio.popleft())
        return samples

    def _window(self, window: VADWindow) -> None:
        """The model has judged a window."""
        if self._event_ch.closed:
            return
        loud = window.speech >= self._numbers.hold_threshold
        self._run_s, self._gap_s = (self._run_s + WINDOW_S, 0.0) if loud else (0.0, self._gap_s + WINDOW_S)
        self._end = window.last_sample
        if self._speaking:
            self._speech_s += WINDOW_S
        else:
            self._silence_s += WINDOW_S
        if not self._speaking and self._run_s >= self._numbers.hold_windows * WINDOW_S:
            self._speaking, self._speech_s, self._silence_s = True, self._run_s, 0.0
            self._tell(vad.VADEventType.START_OF_SPEECH, window, frames=[self._all()])
        self._tell(vad.VADEventType.INFERENCE_DONE, window)
        if self._speaking and self._gap_s * 1000 >= self._numbers.speech_gap_ms:
            self._speaking, self._silence_s = False, self._gap_s
            self._tell(vad.VADEventType.END_OF_SPEECH, window, frames=[self._all()])
            self._speech_s = 0.0

    def _tell(self, kind: vad.VADEventType, window: VADWindow, frames: list[rtc.AudioFrame] | None = None) -> None:
        self._event_ch.send_nowait(
            vad.VADEvent(
                type=kind,
                samples_index=window.last_sample,
                timestamp=time.time(),
                speech_duration=self._speech_s,
                silence_duration=self._silence_s,
                frames=frames or [],
                probability=window.speech,
                speaking=self._speaking,
                raw_accumulated_speech=self._run_s,
                raw_accumulated_silence=self._gap_s,
            )
        )

    def _all(self) -> rtc.AudioFrame:
        samples = np.concatenate(self._audio) if self._audio else np.zeros(0, np.int16)
        return rtc.AudioFrame(samples.tobytes(), RATE, 1, len(samples))


async def without_backchannels(
    events: AsyncIterable[stt.SpeechEvent | str], session: AgentSession[Any], language: str = "en"
) -> AsyncIterator[stt.SpeechEvent | str]:
    """The events of an STT, less the transcripts that hold only backchannels while the agent has a reply.

    For `Agent.stt_node`. LiveKit ends a paused reply with any final transcript, whatever it says.
    """
    lexicon = Lexicon.of(language)
    async for event in events:
        if isinstance(event, stt.SpeechEvent) and event.type in TRANSCRIPTS and event.alternatives:
            reply = session.current_speech
            if reply is not None and not (reply.done() or reply.interrupted):
                kind, _ = lexicon.judge(event.alternatives[0].text)
                if kind in (WordClass.BACKCHANNEL, WordClass.NOTHING):
                    continue
        yield event
