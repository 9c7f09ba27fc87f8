"""Every number that decides who may speak, with its unit, range and default; and three named sets of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

from bargein.errors import UsageError

PRESETS = ("instant", "balanced", "patient")
_WHOLE = {"hold_windows": 1, "min_words": 1, "wary_after": 0, "max_reprompts": 0, "max_waiting": 1}
_SHARES = ("hold_threshold", "loud_threshold", "decide_threshold", "sure_threshold", "echo_threshold")
_YES_NO = ("trust_transcriber_turns", "hang_up_on_silence")
_OPTIONAL = ("user_silence_ms",)
_DECIBELS = ("loud_rise_db", "far_db")


@dataclass(frozen=True, slots=True)
class Policy:
    """How readily the agent yields. Times in ms; the defaults are `balanced`. Immutable: `with_` makes another.

    Evidence. An onset is `hold_windows` windows in a row with speech >= `hold_threshold`, or with less
    (`loud_threshold`) if it stands `loud_rise_db` above the line's quiet; it is firm once one window reached
    `decide_threshold`; it is over after `speech_gap_ms` of quiet. Holding takes any onset, cutting
    for speech alone takes a firm one. `pre_roll_ms` of audio before an onset always goes with it.
    """

    preset: str = "balanced"
    language: str = "en"
    # -- holding
    hold_windows: int = 1  # holding is cheap, so the first window of speech is enough
    hold_threshold: float = 0.3  # 0..1
    # On 66 recorded interruptions this finds the onset 20 ms sooner (the slowest tenth: 60 ms), and of 49 noises it
    # holds for the same four.
    loud_threshold: float = 0.08  # 0..1: so little evidence is enough for sound that begins so clearly
    loud_rise_db: float = 15  # dB above the quiet of the line; 100: never
    decide_threshold: float = 0.5  # 0..1, >= hold_threshold
    speech_gap_ms: float = 160  # shorter pauses lie inside words
    echo_guard_ms: float = 350  # after the agent starts to sound only firm evidence holds
    echo_threshold: float = 0.8  # 0..1: sound of which so much is the agent's own come back is no speech
    echo_doubt_ms: float = 100  # speech that lasted no longer before it was known as the agent's own was that, too
    level_hold_ms: float = 250  # a client's own hold that no window of speech confirms ends after this
    hold_max_ms: float = 3000  # no hold outlives this, whatever happens
    wary_after: int = 2  # after so many false holds in one reply only firm evidence holds again; 0: never wary
    # -- deciding
    confirm_ms: float = 300  # firm speech this long cuts; 0: cut on the onset itself
    # Where nobody reads words, length is all there is: "mm-hmm", "yeah" and "right" last up to 690 ms. The agent is
    # silent meanwhile, so nobody hears that the verdict comes later.
    alone_ms: float = 740  # the same where nobody can read words, if it is longer
    join_ms: float = 500  # there, speech after so short a pause goes on with what was said before it
    go_on_share: float = 0.8  # and such a phrase is waited for, for this share of how long the first one was
    far_db: float = 12  # dB: speech so much softer than the caller's own turns is somebody else's; 100: never
    far_ms: float = 300  # of speech before its level is judged: first sounds are soft
    # Of 98 recorded interruptions all but two short ones reach 0.9 within 430 ms; of 49 noises two sneezes do.
    sure_threshold: float = 0.9  # 0..1: speech that never reached it must last doubt_ms to cut
    verdict_timeout_ms: float = 600  # silence after undecided speech: no words came, so go on
    look_ms: float = 300  # speech this long is worth reading
    words_wait_ms: float = 350  # past confirm_ms, how long speech may wait for the words that were asked for
    doubt_ms: float = 900  # doubtful speech (read as a backchannel or as nothing, or not sure) cuts after this
    min_words: int = 1  # words other than backchannels that a reading needs to cut
    trust_transcriber_turns: bool = True  # a transcriber's start of turn cuts, its end of turn ends the turn
    stop_phrases: tuple[str, ...] = ()  # in addition to the language's own
    backchannels: tuple[str, ...] = ()  # in addition to the language's own
    # -- turns
    pre_roll_ms: float = 300
    end_of_turn_ms: float = 700  # quiet that ends a turn
    turn_grace_ms: float = 3000  # the same while a trusted transcriber owes the end of the turn
    min_turn_ms: float = 120  # shorter sounds, with nobody to read them, are no turn
    max_turn_ms: float = 60_000  # a turn that does not end is answered
    answer_timeout_ms: float = 10_000  # a reply that does not begin to sound is given up, and that is said
    user_silence_ms: float | None = None  # quiet after which the agent asks whether anybody is there
    max_reprompts: int = 2  # in a row, without a word of the user
    hang_up_on_silence: bool = False  # after the last of these, and as much quiet again, the call ends
    max_waiting: int = 8  # things to say that may stand in line
    deaf_ms: float = 1000  # no window for this long: the microphone is gone, speech is over

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if f.name in _WHOLE:
                if isinstance(value, bool) or not isinstance(value, int) or value < _WHOLE[f.name]:
                    raise _bad(f.name, value, f"a whole number of at least {_WHOLE[f.name]}")
            elif f.name in _SHARES:
                if not _is_number(value) or not 0 < value < 1:
                    raise _bad(f.name, value, "a number between 0 and 1")
            elif f.name == "go_on_share":
                if not _is_number(value) or not 0 <= value <= 1:
                    raise _bad(f.name, value, "a number from 0 to 1")
            elif f.name.endswith("_ms"):
                if value is None and f.name in _OPTIONAL:
                    continue
                if not _is_number(value) or not 0 <= value <= 3_600_000:
                    raise _bad(f.name, value, "milliseconds from 0 to 3,600,000")
            elif f.name in _DECIBELS:
                if not _is_number(value) or not 1 <= value <= 100:
                    raise _bad(f.name, value, "decibels from 1 to 100")
            elif f.name in _YES_NO and not isinstance(value, bool):
                raise _bad(f.name, value, "true or false")
            elif f.name in ("stop_phrases", "backchannels") and not (
                isinstance(value, tuple) and all(isinstance(v, str) and v.strip() for v in value)
            ):
                raise _bad(f.name, value, "a list of phrases")
        if self.decide_threshold < self.hold_threshold:
            raise _bad("decide_threshold", self.decide_threshold, "at least hold_threshold")
        if self.hold_max_ms < max(self.level_hold_ms, 1):
            raise _bad("hold_max_ms", self.hold_max_ms, "at least level_hold_ms, and more than 0")

    @classmethod
    def instant(cls) -> Policy:
        """Cuts on the onset itself: for command-like agents where a false cut costs nothing."""
        return cls(preset="instant", confirm_ms=0, end_of_turn_ms=500, echo_guard_ms=200)

    @classmethod
    def balanced(cls) -> Policy:
        """Holds on the first window, cuts after 300 ms of speech or on a word: for conversation."""
        return cls()

    @classmethod
    def patient(cls) -> Policy:
        """Holds on two windows, cuts on real words or long speech: for noisy rooms and talkative listeners."""
        return cls(
            preset="patient",
            hold_windows=2,
            hold_threshold=0.4,
            confirm_ms=600,
            doubt_ms=1500,
            words_wait_ms=500,
            min_words=2,
            trust_transcriber_turns=False,
            end_of_turn_ms=1000,
        )

    @classmethod
    def named(cls, preset: str) -> Policy:
        """The preset of that name. Raises Misuse for another."""
        if preset not in PRESETS:
            raise UsageError(f"There is no policy {preset!r}", advice=f"Choose one of {', '.join(PRESETS)}")
        made: Policy = getattr(cls, preset)()
        return made

    def with_(self, numbers: Mapping[str, object]) -> Policy:
        """This policy with some numbers changed. Raises Misuse, naming the first that is unknown or out of range."""
        known = {f.name for f in dataclasses.fields(self)} - {"preset"}
        for name in numbers:
            if name not in known:
                raise UsageError(f"A policy has no number {name!r}", advice=f"Known are: {', '.join(sorted(known))}")
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in numbers.items()}
        return dataclasses.replace(self, **values)  # type: ignore[arg-type]  # __post_init__ checks each

    def numbers(self) -> dict[str, object]:
        """Every number by name, the preset included."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _bad(name: str, value: object, want: str) -> UsageError:
    return UsageError(f"Policy number {name} is {value!r}", advice=f"Give {want}")
