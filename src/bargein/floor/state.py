"""What the floor knows: four records (reply, onset, sound, turn), a few facts besides, and what follows from them.

Nothing here changes the state. The moves do that (moves.py), and the rules say when (rules.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from operator import attrgetter
from typing import Self

from bargein.floor.lexicon import Lexicon
from bargein.floor.pause import PauseState
from bargein.floor.policy import Policy
from bargein.floor.speech import Evidence, UserSpeech

UNSURE_WORDS = 3  # laughs are read as one or two words


class State(StrEnum):
    """Who has the floor."""

    IDLE = "idle"
    """Neither party speaks, and no reply is owed."""
    LISTENING = "listening"
    """The user has the floor: a turn is open."""
    THINKING = "thinking"
    """A reply is being made, and has not sounded yet."""
    SPEAKING = "speaking"
    """A reply sounds."""
    BARGE_IN = "barge_in"
    """The reply is held until the verdict: resume or cut."""


@dataclass(slots=True)
class ReplyState:
    """The live reply. While no reply is live: the last one, over."""

    id: int = 0
    """Ids only grow. An event that names an older reply is late, and changes nothing."""
    turn: int = 0
    """The turn that this reply answers. 0: it answers none, or it is over."""
    asked_ms: float = 0.0
    """When this reply was asked for. Words from before belong to an earlier turn."""
    due_from_ms: float = 0.0
    """`answer_timeout_ms` counts from here: `asked_ms`, moved on by the length of every hold since."""
    sounding: bool = False
    """Its first sample has sounded, and it is not over; holds included."""
    sounding_since_ms: float = 0.0
    """When its first sample sounded. `echo_guard_ms` counts from here."""
    protected: bool = False
    """Speech may not interrupt it now."""
    reprompting: bool = False
    """It is a reprompt. If it is lost too, no second reprompt follows."""
    giving_up: bool = False
    """It says that the agent cannot go on. The call is given up when it is over."""
    filler: bool = False
    """It fills the time that an answer or a tool takes. The reply behind it goes on when it is over."""
    fillers: int = 0
    """How many fillers were said while this reply was made, or an earlier one to the same turn. `max_fillers` bounds
    them."""
    silent_from_ms: float = 0.0
    """Since when the caller waits without a sound: this reply was asked for, or the newest filler is over.
    `filler_ms` counts from here."""
    behind_ms: float = 0.0
    """While a filler is live: how long the reply behind it had been waited for when the filler began."""
    tools_until_ms: float = 0.0
    """Until when running tools excuse that the reply does not sound. 0: no tool runs."""
    held_since_ms: float = 0.0
    """When the running hold, or the last one, began. `hold_max_ms` counts from here."""
    false_holds: int = 0
    """How often it was held and resumed. From `wary_after` on only firm evidence holds it."""
    echo_reported: bool = False
    """An Ignore has said that the agent's own sound comes back. It is said once for each reply."""
    far_reported: bool = False
    """It was held for another person's speech, and resumed. Such speech holds a reply once."""


@dataclass(slots=True)
class OnsetState:
    """The running onset of the user's speech, and what was found out about it. In silence: the last onset."""

    dismissed: bool = False
    """Its verdict has been given, by another rule than its length: the rest of it changes nothing."""
    aside: bool = False
    """It was put down to another person, for as long as it stays so much softer than the caller."""
    excused: bool = False
    """An Ignore has said why it holds nothing. It is said once for each onset."""
    reading: int = 0
    """Id of the newest reading that was asked for. Ids only grow, over all onsets."""
    awaiting_words: bool = False
    """That reading has not been answered."""
    asked_until_ms: float = 0.0
    """How far the audio of the last reading reached. 0: none was asked for."""
    doubt: str = ""
    """What it was read as, where that was no reason to cut. "": nothing was read yet."""
    doubt_text: str = ""
    """The words of that reading."""
    unreadable: bool = False
    """No part could read it: its length alone decides."""
    carried_ms: float = 0.0
    """Length of the phrases before it, with pauses of at most `join_ms` between them. They count as one with it."""
    carried_until_ms: float = 0.0
    """Where the last of those phrases ended."""


@dataclass(slots=True)
class SoundState:
    """What looks at the sound of the running onset have told."""

    look: int = 0
    """Id of the newest look that was asked for. Ids only grow, over all onsets."""
    pending: bool = False
    """That look has not been answered."""
    asked_ms: float = 0.0
    """When it was asked for. `sound_wait_ms` counts from here."""
    asked_until_ms: float = 0.0
    """How far its audio reached. 0: none was asked for."""
    judged_until_ms: float = 0.0
    """How far the newest look reached that told something."""
    empty: int = 0
    """Looks in a row, up to two, that found no words. A sound that follows within `join_ms` begins with one of them."""
    worded: bool = False
    """The newest look found words."""
    unsure: bool = False
    """It was the first one, and found them with less than `sound_sure`."""
    aside: bool = False
    """The sound was passed over, and goes on: it is looked at until words follow."""
    signs: int = 0
    """Signs that it is not the caller's sound."""
    said: str = ""
    """Words that were read while the sound did not say words. They count as soon as it does."""


@dataclass(slots=True)
class TurnState:
    """The user's turn: the open one, or the newest."""

    id: int = 0
    """Ids only grow. 0: the user has not had a turn yet."""
    open: bool = False
    """It is neither answered nor closed."""
    since_ms: float = 0.0
    """Its onset. `max_turn_ms` counts from here."""
    prepared: bool = False
    """Its reply is being made ahead, though the turn may go on."""
    spoken_ms: float = 0.0
    """How much firm speech it holds. Less than `min_turn_ms` is no turn, where no part reads words."""
    spoken_until_ms: float = 0.0
    """Where its last firm speech ended. `end_of_turn_ms` counts from here."""
    keys_until_ms: float = 0.0
    """Until then another key may follow the last one. 0: no key was pressed in it."""
    level_db: float | None = None
    """Level of its loudest window, dB of full scale. None: the level was not measured."""
    own_level_db: float | None = None
    """How loud the caller's turns have been until now, dB of full scale. None: no turn was measured yet."""
    fillers: int = 0
    """How many fillers were said in its replies: it may be open again, and answered anew."""


@dataclass(slots=True)
class FloorState:
    """All that the floor knows of a call."""

    policy: Policy = field(default_factory=Policy.balanced)
    """The numbers in force."""
    language: str = "en"
    """The call's language, a tag such as "de" or "pt-BR": its stop phrases and backchannels are known."""
    state: State = field(default=State.IDLE, init=False)
    """Who has the floor."""
    now_ms: float = field(default=0.0, init=False)
    """The latest time of any event so far, ms on the call's clock."""
    speech: UserSpeech = field(default_factory=UserSpeech, init=False)
    """The user's speech as the windows tell it."""
    reply: ReplyState = field(default_factory=ReplyState, init=False)
    onset: OnsetState = field(default_factory=OnsetState, init=False)
    sound: SoundState = field(default_factory=SoundState, init=False)
    turn: TurnState = field(default_factory=TurnState, init=False)
    pause: PauseState = field(default_factory=PauseState, init=False)
    usual_db: float | None = field(default=None, init=False)
    """How loud callers are on this kind of line, dB of full scale. None: unknown."""
    hears_sound: bool = field(default=False, init=False)
    """The call can look at sounds now."""
    stt_small: bool = field(default=False, init=False)
    """The call's STT makes words of sounds now."""
    stt_words: bool = field(default=False, init=False)
    """The call's STT can read words now."""
    stt_turns: bool = field(default=False, init=False)
    """The call's STT announces the ends of turns now."""
    reads_turns: bool = field(default=False, init=False)
    """The words of an open turn can be read in its pauses now."""
    unconfirmed: int = field(default=0, init=False)
    """The newest reply that was over without the client's word, so the client may still hold audio of it. 0: none, or
    another reply has begun to sound since."""
    says_waiting: int = field(default=0, init=False)
    """Things to say that wait for the floor."""
    failures: int = field(default=0, init=False)
    """Replies lost in a row, reprompts included, up to `max_failures`. A reply that is no reprompt, and sounds to its
    end or its cut, ends the row."""
    reprompts: int = field(default=0, init=False)
    """How often a silent user was asked, since the user's last turn."""
    quiet_since_ms: float = field(default=0.0, init=False)
    """When the last reply was over. `user_silence_ms` counts from here."""
    away: bool = field(default=False, init=False)
    """The client's connection is lost: nothing begins to be said."""
    away_until_ms: float = field(default=0.0, init=False)
    """The call is kept until then for a client that is away."""
    leaving: bool = field(default=False, init=False)
    """The call has to end: after the goodbye nothing begins to be said."""
    leave_by_ms: float = field(default=0.0, init=False)
    """The call ends then, whether the goodbye was heard or not."""
    leave_why: str = field(default="", init=False)
    """The reason of that end."""
    left: bool = field(default=False, init=False)
    """The end of the call was ordered. It is ordered once."""
    over: bool = field(default=False, init=False)
    """The call is over: no event changes anything any more."""

    def __copy__(self) -> Self:
        """A floor in the same state that goes its own way. Everything but the records is immutable."""
        twin = object.__new__(type(self))
        for name, value in zip(_PLAIN, _plain(self), strict=True):
            setattr(twin, name, value)
        for name, kind, values in _RECORDS:
            setattr(twin, name, kind(*values(getattr(self, name))))
        return twin

    # ------------------------------------------------------------------------------------------------ what follows

    @property
    def live(self) -> bool:
        """A reply is being made, sounds or is held."""
        return self.state in (State.THINKING, State.SPEAKING, State.BARGE_IN)

    @property
    def mute(self) -> bool:
        """No reply may begin: the client is away, or the call has to end."""
        return self.away or self.leaving

    @property
    def talking(self) -> bool:
        """Clear speech runs, and no verdict on it was given."""
        return self.speech.evidence is Evidence.FIRM and not self.onset.dismissed

    @property
    def pause_read(self) -> bool:
        """The words of the turn so far were asked for in this very pause."""
        return self.pause.asked_until_ms == self.turn.spoken_until_ms

    @property
    def firm_peak(self) -> bool:
        """The last stretch of speech was firm at its best."""
        return self.speech.peak >= self.policy.hold.decide_threshold and self.speech.lasted_ms > 0

    @property
    def far(self) -> bool:
        """The running speech is much softer than this caller's turns have been."""
        level, own = self.speech.level_db, self.turn.own_level_db
        return level is not None and own is not None and level < own - self.policy.verdict.far_db

    @property
    def faint(self) -> bool:
        """No turn of the caller was measured yet, and the running speech is much softer than callers on such lines."""
        level, usual, far_db = self.speech.level_db, self.usual_db, self.policy.verdict.far_db
        if level is None or usual is None or self.turn.own_level_db is not None:
            return False
        return level < usual - far_db / 2

    @property
    def doubted(self) -> bool:
        """A sign says that the running speech is not the caller's."""
        return self.sound.signs > 0 or self.faint

    @property
    def soft(self) -> bool:
        """The running speech is softer than this caller's turns by half of what makes it another person's."""
        level, own, far_db = self.speech.level_db, self.turn.own_level_db, self.policy.verdict.far_db
        return self.faint or (level is not None and own is not None and level < own - far_db / 2)

    @property
    def wordless(self) -> bool:
        """Neither words nor length decide now: the newest look found no words, or the first one is under way."""
        sound = self.sound
        running = self.speech.evidence is not Evidence.SILENT
        return sound.aside or (sound.pending and not sound.worded) or (sound.empty > 0 and running)

    def disbelieves(self, words: int) -> bool:
        """Whether a reading of so many words waits for the next look."""
        unsure = self.sound.unsure and self.speech.evidence is not Evidence.SILENT and words < UNSURE_WORDS
        return unsure or (self.wordless and words < self.policy.verdict.sure_words)

    @property
    def guarded(self) -> bool:
        """The agent began to sound less than `echo_guard_ms` ago: faint speech may be its echo."""
        return self.reply.sounding and self.now_ms - self.reply.sounding_since_ms < self.policy.echo.echo_guard_ms

    @property
    def wary(self) -> bool:
        """This reply was held in vain so often that faint evidence does not hold it again."""
        return 0 < self.policy.hold.wary_after <= self.reply.false_holds

    @property
    def by_length(self) -> bool:
        """No part reads words, and a reply sounds: the length of the speech is all the evidence."""
        verdict = self.policy.verdict
        return self.reply.sounding and not self.stt_words and verdict.alone_ms > verdict.confirm_ms

    @property
    def confirm_ms(self) -> float:
        """So long must firm speech last to cut. A reply that does not sound yet is given up sooner: it is not heard."""
        verdict = self.policy.verdict
        return max(verdict.confirm_ms, verdict.alone_ms) if self.by_length else verdict.confirm_ms

    @property
    def patience_ms(self) -> float:
        """How long, after a phrase that did not decide, another is waited for."""
        verdict = self.policy.verdict
        wanted = min(verdict.verdict_timeout_ms, self.speech.lasted_ms * verdict.go_on_share)
        return max(self.policy.hold.speech_gap_ms, wanted)

    @property
    def lexicon(self) -> Lexicon:
        """The phrases of the call's language, and the policy's own."""
        verdict = self.policy.verdict
        return Lexicon.of(self.language, verdict.backchannels, verdict.stop_phrases)

    def before_reply(self, at_ms: float) -> bool:
        """Whether a moment lies before the live reply was asked for."""
        return at_ms < self.reply.asked_ms


_KINDS: tuple[tuple[str, type], ...] = (
    ("speech", UserSpeech),
    ("reply", ReplyState),
    ("onset", OnsetState),
    ("sound", SoundState),
    ("turn", TurnState),
    ("pause", PauseState),
)
_RECORDS = tuple((name, kind, attrgetter(*(f.name for f in fields(kind)))) for name, kind in _KINDS)
_PLAIN = tuple(f.name for f in fields(FloorState) if f.name not in dict(_KINDS))
_plain = attrgetter(*_PLAIN)
