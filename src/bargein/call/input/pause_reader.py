"""Tells the floor, in a pause of the user, what is known of the turn so far: words, sound, and what was asked."""

from __future__ import annotations

import asyncio
import logging

from bargein.call.context import CallContext
from bargein.call.input.speech_watch import SpeechWatch
from bargein.call.input.turns import Turn, Turns
from bargein.call.record.conversation import Conversation
from bargein.floor import TurnRead
from bargein.floor.completeness import Expects, expected
from bargein.protocols import AgentSaid, TurnModel

log = logging.getLogger(__name__)

PROSODY_MS = 250.0  # for a look at the sound; later the words have decided
GRACE_MS = 50.0  # past that deadline
LONGEST_MS = 8_000.0  # of a turn: its end is what tells


class PauseReader:
    """model: judges a turn's sound. None: no part does."""

    def __init__(
        self,
        context: CallContext,
        turns: Turns,
        speech: SpeechWatch,
        conversation: Conversation,
        language: str,
        model: TurnModel | None = None,
    ) -> None:
        self._context = context
        self._turns = turns
        self._speech = speech
        self._conversation = conversation
        self._language = language
        self._model = model

    async def read(self, reading: int, turn: Turn) -> None:
        """Look at the turn, and tell the floor."""
        turn.spoken_until_ms = self._speech.last_firm_ms
        text, prosody = await asyncio.gather(self._turns.words_so_far(turn), self._prosody(turn))
        expects, digits = self._asked()
        context = self._context
        context.feed(TurnRead(context.now_ms(), reading, turn.id, text, expects, digits, prosody))

    async def _prosody(self, turn: Turn) -> float | None:
        if self._model is None:
            return None
        pcm = self._turns.audio(turn)
        newest = pcm.part(max(0, len(pcm) - int(LONGEST_MS * pcm.rate / 1000)), len(pcm))
        try:
            # The words that are there wait for no model that forgets its deadline.
            async with asyncio.timeout((PROSODY_MS + GRACE_MS) / 1000):
                over = await self._model.judge(newest, deadline_ms=PROSODY_MS)
        except TimeoutError:
            log.warning("Call %s: the turn model %s is late", self._context.call_id, self._model.name)
            return None
        except Exception:
            log.exception("Call %s: the turn model %s failed", self._context.call_id, self._model.name)
            return None
        return over if over is not None and 0.0 <= over <= 1.0 else None  # a number beyond tells nothing, nor does NaN

    def _asked(self) -> tuple[Expects, int]:
        digits = self._context.digits
        if digits.expected:
            return "digits", digits.count
        said = next((item.text for item in reversed(self._conversation.items) if isinstance(item, AgentSaid)), "")
        return expected(said, self._language)
