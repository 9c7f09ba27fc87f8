"""Judges whether a machine has picked up: a voicemail, or an announcement that comes again and again.

A voicemail is told from a person by what a person does not do: a beep; words of mailboxes; a greeting that goes on,
with hardly a pause, for longer than people who answer a call. Nothing here makes a person wait: a turn is answered as
in every call, unless it was a machine's.
"""

from __future__ import annotations

import inspect
import logging
import re
from collections import deque
from typing import Literal

from bargein.agent import MachineFound, Message, Voicemail
from bargein.audio.beep import BeepWatch, has_beep
from bargein.audio.pcm import Samples
from bargein.call.context import CallContext
from bargein.call.input.mailbox_words import mailbox_phrase
from bargein.call.input.turns import Turn, Turns
from bargein.floor import EndingAsked, Floor, Interrupted
from bargein.floor.speech import Evidence
from bargein.protocols import UserSaid

log = logging.getLogger(__name__)

AT_ONCE_MS = 4_000  # a person who answers a call has said "hello" by then, and waits
GREETING_MS = 6_000.0  # of a call of ours with a voicemail, where the policy has no machine_ms
CADENCE = 0.75  # of that time is speech; a person says a sentence, and waits
EVALUATED_MS = 3_000.0  # after that time: speech that comes later is a person's
FIRST_TURNS = 3  # in which a beep may be that of a voicemail
LISTENS_MS = 60_000.0  # greetings are shorter
SPOKEN_MS = 600.0  # before a beep: tones of the line come before any word
QUIET_MS = 2_500.0  # after a greeting: the beep came, and was not heard, or there is none
WAITS_MS = 45_000.0  # for the beep, from when a machine was known
MESSAGE_MS = 60_000.0  # of a message
LEAST_WORDS = 4  # "yes" is said many times by people, too
MOST_KEPT = 32  # turns
_WORDS = re.compile(r"[^\W_]+")

Sign = Literal["beep", "greeting", "words"]


class MachineJudge:
    """Asks the floor to end the call, with the agent's message or without. Policy: `machine_ms`, `same_turns`.

    voicemail: what the agent does with one, in a call of ours. None: the policy alone asks for machines.
    """

    def __init__(
        self, context: CallContext, floor: Floor, turns: Turns, rate: int, voicemail: Voicemail | None = None
    ) -> None:
        self._context = context
        self._floor = floor
        self._turns = turns
        self._voicemail = voicemail
        self._said: deque[tuple[int, tuple[str, ...]]] = deque(maxlen=MOST_KEPT)
        self._beeps: BeepWatch | None = BeepWatch(rate) if self._greeting_ms is not None else None
        self._rate = rate
        self._ticked_ms = 0.0
        self._first_ms: float | None = None  # where the far end's first speech began
        self._spoken_ms = 0.0  # clear speech since then
        self._found_ms: float | None = None
        self._beeped = self._over = False
        self.message: str | None = None
        """What is said to the machine; "": nothing. None: the agent's reprompt, or not known yet."""

    @property
    def listens(self) -> bool:
        """The call's audio and time are wanted."""
        return self._beeps is not None

    @property
    def waiting(self) -> bool:
        """A machine speaks: the agent does not answer."""
        return self._found_ms is not None

    @property
    def _greeting_ms(self) -> float | None:
        """A first turn of this length is a machine's. None: machines are not looked for."""
        longest_ms = self._floor.policy.idle.machine_ms
        return GREETING_MS if longest_ms is None and self._voicemail is not None else longest_ms

    # ------------------------------------------------------------------------------------------------ the signs

    def push_audio(self, _: int, samples: Samples) -> None:
        """The far end's audio, as long as a machine may be known by it."""
        beep = None if self._beeps is None else self._beeps.push(samples)
        if beep is not None:
            # The VAD may have taken the tone itself for speech.
            spoken_ms = self._spoken_ms - (beep.end - beep.begin) * 1000 / self._rate
            if spoken_ms >= SPOKEN_MS:
                self._beep()

    def tick(self, now_ms: float) -> None:
        """Time passes. Called every 20 ms while `listens`."""
        step_ms, self._ticked_ms = now_ms - self._ticked_ms, now_ms
        if self._over or now_ms > LISTENS_MS + (self._found_ms or 0.0):
            self._beeps = None
            return
        speech = self._floor.speech
        if speech.evidence is Evidence.FIRM:
            if self._first_ms is None:
                self._first_ms = speech.onset_ms
                self._spoken_ms = now_ms - speech.onset_ms
            self._spoken_ms += step_ms
        if self._found_ms is None:
            self._weigh_cadence(now_ms)
        elif speech.evidence is Evidence.SILENT and now_ms - max(speech.until_ms, self._found_ms) >= QUIET_MS:
            self._finish("no beep came")
        elif now_ms - self._found_ms >= WAITS_MS:
            self._finish("no beep came in time")

    def _weigh_cadence(self, now_ms: float) -> None:
        longest_ms, first_ms = self._greeting_ms, self._first_ms
        if longest_ms is None or first_ms is None or first_ms > AT_ONCE_MS or self._floor.turn.id > FIRST_TURNS:
            return
        passed_ms = now_ms - first_ms
        if longest_ms <= passed_ms <= longest_ms + EVALUATED_MS and self._spoken_ms >= max(
            longest_ms * CADENCE, passed_ms * CADENCE
        ):
            self._found("greeting", f"a machine: {self._spoken_ms / 1000:.0f} s of speech at once")

    def turn_over(self, turn: Turn) -> None:
        """A turn is to be answered."""
        longest_ms, spoken_ms = self._greeting_ms, self._floor.turn.spoken_ms
        if longest_ms is None or turn.id > FIRST_TURNS or turn.typed or self._over:
            return
        if turn.id == 1 and turn.from_ms <= AT_ONCE_MS and spoken_ms >= longest_ms:
            self._found("greeting", f"a machine: {spoken_ms / 1000:.0f} s of speech at once")
        elif not self.listens and has_beep(self._turns.audio(turn)):
            self._beep()  # the policy has come to ask for machines during the call

    def said(self, item: UserSaid) -> None:
        """Words of a turn entered the conversation, or were replaced by better ones."""
        text = item.text or ""
        if self.listens and item.turn <= FIRST_TURNS and (phrase := mailbox_phrase(text)):
            self._found("words", f"a machine: it said {phrase!r}")
        most = self._floor.policy.idle.same_turns
        if not most:
            return
        if self._said and self._said[-1][0] == item.turn:
            self._said.pop()
        words = tuple(_WORDS.findall(text.casefold()))
        self._said.append((item.turn, words))
        newest = [each for _, each in self._said][-most:]
        if len(newest) == most and len(words) >= LEAST_WORDS and set(newest) == {words}:
            self._end("goodbye", f"a machine: the same words came {most} times")

    def _beep(self) -> None:
        if not self._over and self._floor.turn.id <= FIRST_TURNS:
            self._beeped = True
            self._found("beep", "a machine: its beep was heard")
            if self.message is not None:
                self._finish("after the beep")

    # --------------------------------------------------------------------------------------------- what follows

    def _found(self, sign: Sign, why: str) -> None:
        """A machine is known by this sign. Further signs change nothing."""
        if self._found_ms is not None or self._over:
            return
        self._found_ms, self._why = self._context.now_ms(), why
        self._context.decided("machine", why)
        self._context.meter.count("machines", cause=sign)
        match self._voicemail:
            case None:
                self._finish()
            case "hang_up":
                self.message = ""
                self._finish()
            case Message(text):
                self.message = text
                self._context.feed(Interrupted(self._found_ms, "machine"))
            case _:
                self._context.feed(Interrupted(self._found_ms, "machine"))
                self._context.spawn(self._ask(why), "voicemail")

    async def _ask(self, why: str) -> None:
        """The agent's own function says what to leave."""
        assert callable(self._voicemail)
        words = " ".join(" ".join(words) for _, words in self._said) or self._heard()
        try:
            given = self._voicemail(MachineFound(why, words))
            text = await given if inspect.isawaitable(given) else given
        except Exception:
            log.exception("Call %s: the agent's voicemail function failed", self._context.call_id)
            text = None
        self.message = text.strip() if isinstance(text, str) else ""
        if self._beeped or not self.message:
            self._finish("after the beep" if self.message else "nothing is left")

    def _heard(self) -> str:
        newest = self._turns.newest
        return "" if newest is None else self._turns.known(newest)

    def _finish(self, how: str = "") -> None:
        """Say the message, which nothing interrupts, and end the call."""
        if self._found_ms is None or self._over:
            return
        if self.message is None and self._voicemail is not None:
            return  # the agent's function has not answered yet
        self._end("machine", self._why, how, within_ms=MESSAGE_MS if self.message else 8_000.0)

    def _end(self, cause: str, why: str, how: str = "", *, within_ms: float = 8_000.0) -> None:
        self._over = True
        now_ms = self._context.now_ms()
        told = {"message": bool(self.message), "spoken": how} if self._voicemail is not None else {}
        self._context.journal.note(now_ms, "machine", why=why, **told)
        self._context.feed(EndingAsked(now_ms, why, within_ms, cause=cause))
