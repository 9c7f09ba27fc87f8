"""From what the client sends to the floor's events and the playout's reports."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import assert_never

from bargein import floor as f
from bargein import notices as n
from bargein import protocols as c
from bargein.call.context import CallContext
from bargein.call.ending import CallEnding
from bargein.call.input.user_audio import UserAudio
from bargein.call.output.client_playout import ClientPlayout
from bargein.call.output.playout import Playout
from bargein.call.output.silence_timer import SilenceTimer
from bargein.call.record.ledger import Ledger
from bargein.call.reply_progress import ReplyProgress
from bargein.call.turn_control import TurnControl
from bargein.errors import UsageError

log = logging.getLogger(__name__)


def _nothing() -> None:
    """No other part wants to know."""


class InboundHandler:
    """Takes a transport's items in order. Nothing here waits."""

    def __init__(
        self,
        context: CallContext,
        floor: f.Floor,
        user_audio: UserAudio,
        playout: Playout | ClientPlayout,
        silence: SilenceTimer,
        ledger: Ledger,
        progress: ReplyProgress,
        turn_control: TurnControl,
        ending: CallEnding,
    ) -> None:
        self._context = context
        self._floor = floor
        self._user_audio = user_audio
        self._playout = playout
        self._silence = silence
        self._ledger = ledger
        self._progress = progress
        self._turn_control = turn_control
        self._ending = ending
        self.on_back: Callable[[], None] = _nothing
        """Called when the client is back."""

    def handle(self, item: c.Inbound) -> None:
        """One item of the transport."""
        if isinstance(item, c.AudioIn):  # 50 of these a second
            self._user_audio.push_audio(item)
            return
        now_ms = self._context.now_ms()
        match item:
            case c.Played():
                self._playout.on_played(now_ms, item)
            case c.Held():
                self._silence.confirmed(now_ms, "hold")
                self._playout.on_held(now_ms, item)
            case c.Finished(reply, samples):
                self._playout.on_held(now_ms, c.Held(reply, samples))
                if (event := self._playout.on_finished(now_ms, reply)) is not None:
                    self._progress.happened(event)
            case c.Flushed():
                self._silence.confirmed(now_ms, "cut")
                self._ledger.on_flushed(now_ms, item)
            case c.LocalHold(reply, samples, age_ms):
                self._playout.on_held(now_ms, c.Held(reply, samples))
                self._context.feed(f.LevelOnset(max(0.0, now_ms - age_ms), reply))
            case c.KeyPress(key):
                self._turn_control.press(now_ms, key)
            case c.Typed(text):
                self._turn_control.type(f.UserTyped(now_ms), text)
            case c.StopPressed():
                self._context.feed(f.Interrupted(now_ms, "button"))
            case c.RecordingWished(on):
                self._context.consent(on)
            case c.SettingsRequested(preset, numbers):
                self._change_policy(now_ms, preset, numbers)
            case c.ClientFault(code, message, advice):
                self._context.notify(n.Problem(code, message, advice))
                self._context.journal.note(now_ms, "fault", code=code, message=message)
            case c.ConnectionLost(reason, keep_ms, backlog_ms):
                self._user_audio.client_away(backlog_ms)
                self._connection_lost(now_ms, reason, keep_ms)
            case c.ConnectionBack(cause):
                self._connection_back(now_ms, cause)
            case c.ClientHangUp(reason):
                self._ending.hang_up(reason)
            case _:
                assert_never(item)

    def _connection_lost(self, now_ms: float, reason: str, keep_ms: float) -> None:
        """The call waits. The floor ends what sounds, and says when to wait no more."""
        context = self._context
        log.info("Call %s: the client is away: %s", context.call_id, reason)
        self._ending.lost = reason
        context.journal.note(now_ms, "away", reason=reason, keep_ms=keep_ms)
        context.meter.count("connections", cause="lost")
        context.feed(f.ClientAway(now_ms, keep_ms))

    def _connection_back(self, now_ms: float, cause: str) -> None:
        context = self._context
        log.info("Call %s: the client is back", context.call_id)
        self._ending.lost = None
        context.journal.note(now_ms, "back")
        context.meter.count("connections", cause="back")
        self._user_audio.client_back(now_ms)
        self._ledger.client_back(now_ms)
        self._playout.client_back()
        self.on_back()
        context.feed(f.ClientBack(now_ms, cause))
        # Where the floor is the user's, or has another thing to say, the lost words are not said any more.
        self._ledger.forget_lost()

    def _change_policy(self, now_ms: float, preset: str | None, numbers: Mapping[str, object]) -> None:
        try:
            base = f.Policy.named(preset) if preset is not None else self._floor.policy
            policy = base.with_(numbers if isinstance(numbers, dict) else {})
        except UsageError as error:
            self._context.notify(n.Problem("bad_settings", error.message, error.advice))
            return
        self._context.feed(f.PolicyChanged(now_ms, policy))
        self._context.notify(n.PolicyNow(policy.numbers() | {"language": self._floor.language}))
