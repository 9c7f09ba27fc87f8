"""Whether a call's audio is recorded: as the server, the agent, the connection and the caller say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bargein.call.context import CallContext
from bargein.call.record.audio_taps import AudioTaps
from bargein.errors import UsageError
from bargein.notices import RecordingNow
from bargein.protocols import CallAudio, OpensAudio, RecordAudio

ON = "The call is recorded from now on."
OFF = "The call is not recorded from now on."


def _nothing() -> None:
    """Until a listener is set."""


@dataclass(frozen=True, slots=True)
class RecordingPlan:
    """What holds for a call before its first word."""

    mode: RecordAudio
    """on: from its beginning on. consent: once the caller agrees. off: never."""
    open: OpensAudio[CallAudio]


class AudioRecording:
    """One call's recording, on or off. plan None: the call may not be recorded. Nothing here waits."""

    def __init__(self, context: CallContext, plan: RecordingPlan | None, taps: AudioTaps) -> None:
        self._context = context
        self._plan = plan if plan is not None and plan.mode != "off" else None
        self._taps = taps
        self.on = False
        """The call is being recorded."""
        self._audio: CallAudio | None = None  # None: the recording has not begun
        self.on_change: Callable[[], None] = _nothing
        """Told when `on` has changed."""
        context.consent = self._consented

    def begin(self) -> None:
        """The call begins."""
        if self._plan is not None and self._plan.mode == "on":
            self._start()

    def change(self, *, on: bool, by: str) -> bool:
        """Record from now on, or stop. by: who wants it. Returns whether it was a change.

        Raises UsageError where calls are not recorded.
        """
        if on and self._plan is None:
            raise UsageError(
                "This call may not be recorded",
                advice="Set record_audio to on or consent, for the server or the agent, and keep records",
            )
        if on == self.on:
            return False
        now_ms = self._context.now_ms()
        if on and self._audio is None:
            self._start()
            return True
        if self._audio is not None:
            self._audio.resume(now_ms) if on else self._audio.pause(now_ms, by)
        self._tell(on=on)
        return True

    def close(self) -> None:
        """The call is over."""
        self._audio, self.on = None, False
        self.on_change = _nothing

    def tell_again(self) -> None:
        """The client is back, and may have missed what it was told."""
        if self._audio is not None:
            self._context.notify(RecordingNow(self.on))

    def _start(self) -> None:
        if self._plan is not None:
            self._audio = self._taps.open(self._plan.open, self._context.now_ms())
            self._tell(on=True)

    def _tell(self, *, on: bool) -> None:
        self.on = on
        self._context.notify(RecordingNow(on))
        self.on_change()

    def _consented(self, on: bool) -> str:
        try:
            self.change(on=on, by="the caller")
        except UsageError:
            return "This call is not recorded."
        return ON if on else OFF
