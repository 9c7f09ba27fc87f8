"""Every number that decides who may speak, in five groups: unit, range, default, text, and the peers' names for it.

The evidence, in short: an onset is `hold_windows` windows in a row with speech >= `hold_threshold`, or with less
(`loud_threshold`) where it stands `loud_rise_db` above the line's quiet. It is firm once one window reached
`decide_threshold`, and over after `speech_gap_ms` of quiet. Any onset holds; only a firm one cuts by speech alone.

The groups `endpointing` and `idle` are in files of their own. docs/policy.md is made of all of them, by `python
tools/policy_page.py`. The names of peers were read in Pipecat 1.14.0 and LiveKit Agents 1.8.9.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from bargein.errors import UsageError
from bargein.floor.endpointing_policy import EndpointingPolicy
from bargein.floor.idle_policy import IdlePolicy
from bargein.floor.numbers import (
    Number,
    NumberGroup,
    Slider,
    count,
    decibels,
    declared,
    milliseconds,
    phrases,
    share,
    switch,
    threshold,
)


class HoldPolicy(NumberGroup, frozen=True, kw_only=True):
    """What holds a reply, and how long a hold may last."""

    group: ClassVar[str] = "hold"

    hold_windows: Annotated[
        int,
        count(
            "Windows of speech (32 ms each) in a row that make an onset. Holding is cheap: the first is enough.",
            lowest=1,
            unit="windows",
            slider=Slider("Windows of speech that hold", 1, 5, 1),
            steps=(1, 2, 3, 4),
            livekit="`silero.VAD.load(min_speech_duration)`, 0.05 s",
        ),
    ] = 1
    hold_threshold: Annotated[
        float,
        threshold(
            "Speech probability from which a window counts as speech.",
            slider=Slider("Evidence that holds", 0.1, 0.9, 0.05),
            steps=(0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6),
            pipecat="`VADParams.confidence`, 0.7",
            livekit="`silero.VAD.load(activation_threshold)`, 0.5",
        ),
    ] = 0.3
    # On 66 recorded interruptions this finds the onset 20 ms sooner (the slowest tenth: 60 ms), and of 49 noises it
    # holds for the same four.
    loud_threshold: Annotated[
        float,
        threshold(
            "The same for sound that begins so clearly as `loud_rise_db` says.",
            steps=(0.04, 0.06, 0.08, 0.12, 0.2),
        ),
    ] = 0.08
    loud_rise_db: Annotated[
        float,
        decibels(
            "How far sound stands above the quiet of the line to begin clearly. 100: never.",
            steps=(9, 12, 15, 18, 22, 100),
            pipecat="`VADParams.min_volume`, 0.6: a gate for all speech",
        ),
    ] = 15
    decide_threshold: Annotated[
        float,
        threshold(
            "Speech probability from which speech is firm. At least `hold_threshold`.",
            slider=Slider("Evidence that counts as speech", 0.1, 0.95, 0.05),
            steps=(0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        ),
    ] = 0.5
    speech_gap_ms: Annotated[
        float,
        milliseconds(
            "Quiet after which speech is over. Shorter pauses lie inside words.",
            steps=(64, 96, 128, 160, 200, 250, 320),
            pipecat="`VADParams.stop_secs`, 0.2 s",
            livekit="`silero.VAD.load(min_silence_duration)`, 0.55 s",
        ),
    ] = 160
    level_hold_ms: Annotated[
        float, milliseconds("A client's own hold ends after this, if no window of speech confirms it.")
    ] = 250
    hold_max_ms: Annotated[float, milliseconds("No hold lasts longer. More than 0, and at least `level_hold_ms`.")] = (
        3000
    )
    wary_after: Annotated[
        int,
        count(
            "After this many false holds in one reply only firm speech holds it again. 0: never wary.",
            lowest=0,
            unit="holds",
            steps=(0, 1, 2, 3, 5),
        ),
    ] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.decide_threshold < self.hold_threshold:
            message = f"Policy number decide_threshold is {self.decide_threshold!r}"
            raise UsageError(message, advice=f"Give at least hold_threshold, {self.hold_threshold!r}")
        if self.hold_max_ms < max(self.level_hold_ms, 1):
            message = f"Policy number hold_max_ms is {self.hold_max_ms!r}"
            raise UsageError(message, advice=f"Give at least level_hold_ms, {self.level_hold_ms!r}, and more than 0")


class VerdictPolicy(NumberGroup, frozen=True, kw_only=True):
    """What turns a hold into a cut or a resume."""

    group: ClassVar[str] = "verdict"

    confirm_ms: Annotated[
        float,
        milliseconds(
            "Firm speech of this length cuts. 0: the onset itself cuts.",
            slider=Slider("Speech that cuts", 0, 1200, 20),
            steps=(0, 60, 100, 150, 200, 250, 300, 350, 400, 500, 600, 800),
            pipecat="`VADParams.start_secs`, 0.2 s",
            livekit="`interruption.min_duration`, 0.5 s",
        ),
    ] = 300
    # Where words are not read, length is all there is: "mm-hmm", "yeah" and "right" last up to 690 ms. The agent is
    # silent meanwhile, so the later verdict is not heard.
    alone_ms: Annotated[
        float,
        milliseconds(
            "The same in calls without an STT, where it is longer. 0: `confirm_ms` counts there, too.",
            slider=Slider("The same, without an STT", 0, 1500, 20),
            steps=(0, 200, 250, 300, 350, 400, 500, 600, 680, 740, 800, 900, 1100, 1300),
        ),
    ] = 740
    join_ms: Annotated[
        float,
        milliseconds(
            "Without an STT, speech after a pause no longer than this counts as one with the speech before.",
            steps=(0, 150, 300, 400, 500, 600),
        ),
    ] = 500
    go_on_share: Annotated[
        float,
        share(
            "Without an STT, more speech is awaited for this share of the length of the phrase before.",
            steps=(0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        ),
    ] = 0.8
    # Of 98 recorded interruptions all but two short ones reach 0.9 within 430 ms; of 49 noises two sneezes do.
    sure_threshold: Annotated[
        float,
        threshold(
            "Speech that never reached this probability must last `doubt_ms` to cut.",
            steps=(0.5, 0.7, 0.8, 0.85, 0.9, 0.94, 0.97, 0.99),
        ),
    ] = 0.9
    doubt_ms: Annotated[
        float,
        milliseconds(
            "Doubtful speech of this length cuts: it was read as a backchannel or as nothing, or was never sure.",
            slider=Slider("Doubtful speech that cuts", 300, 3000, 50),
            steps=(300, 450, 600, 750, 900, 1100, 1300, 1500),
        ),
    ] = 900
    look_ms: Annotated[
        float,
        milliseconds(
            "Speech of this length is read, and again when as much has come since.",
            steps=(150, 200, 250, 300, 400, 500),
        ),
    ] = 300
    words_wait_ms: Annotated[
        float,
        milliseconds(
            "How long past `confirm_ms` speech may wait for the words that were asked for.",
            steps=(0, 100, 200, 300, 350, 500, 700),
        ),
    ] = 350
    min_words: Annotated[
        int,
        count(
            "Words other than backchannels that cut.",
            lowest=1,
            unit="words",
            slider=Slider("Words that cut", 1, 5, 1),
            steps=(1, 2, 3),
            pipecat="`MinWordsUserTurnStartStrategy(min_words)`, not set",
            livekit="`interruption.min_words`, 0",
        ),
    ] = 1
    verdict_timeout_ms: Annotated[
        float,
        milliseconds(
            "Silence after undecided speech, without words, that resumes.",
            slider=Slider("Wait for words after it", 100, 2000, 50),
            livekit="`interruption.false_interruption_timeout`, 2.0 s",
        ),
    ] = 600
    sound_ms: Annotated[
        float,
        milliseconds(
            "A sound of this length is looked at: does it hold words? 0: never.",
            steps=(0, 200, 250, 300, 350, 400),
        ),
    ] = 300
    sound_again_ms: Annotated[
        float,
        milliseconds("The second look at a sound. Two looks must find no words to resume.", steps=(450, 600, 750)),
    ] = 600
    sound_every_ms: Annotated[
        float,
        milliseconds("A sound that goes on is looked at again after this, or thrice this after words were found."),
    ] = 150
    sound_threshold: Annotated[
        float,
        threshold(
            "Below this probability of words a look finds none.",
            steps=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
            livekit='`interruption.mode="adaptive"`: a hosted model',
        ),
    ] = 0.5
    sound_sure: Annotated[
        float,
        threshold(
            "Below it a first look leaves short readings to the second, and finds no words after a laugh.",
            steps=(0.5, 0.6, 0.7, 0.75, 0.8, 0.9),
        ),
    ] = 0.75
    # A look takes some 2 ms. A process that is busy beyond this decides without the look.
    sound_wait_ms: Annotated[float, milliseconds("No verdict waits longer for a look.")] = 120
    sure_words: Annotated[
        int,
        count("So many words cut, also where looks find none.", lowest=1, unit="words", steps=(2, 3, 4, 6)),
    ] = 4
    trust_transcriber_turns: Annotated[
        bool,
        switch(
            "A start of turn that the STT announces cuts, and its end of turn ends the turn.",
            pipecat="`ExternalUserTurnStartStrategy` and `ExternalUserTurnStopStrategy`",
            livekit='`turn_detection="stt"`',
        ),
    ] = True
    far_db: Annotated[
        float,
        decibels(
            "Speech softer than the caller's own turns by this is another person's. 100: never.",
            steps=(4, 6, 8, 10, 12, 15, 20, 100),
        ),
    ] = 12
    far_ms: Annotated[
        float,
        milliseconds(
            "Speech of this length is judged by its level. First sounds are soft.",
            steps=(100, 200, 300, 400, 500, 700),
        ),
    ] = 300
    other_ms: Annotated[
        float,
        milliseconds(
            "Speech of this length cuts where a sign says that it is not the caller's.",
            steps=(600, 900, 1200, 1500, 2000),
        ),
    ] = 1500
    stop_phrases: Annotated[
        tuple[str, ...], phrases("Phrases that cut at once, in addition to the language's own.")
    ] = ()
    backchannels: Annotated[
        tuple[str, ...],
        phrases(
            "Phrases that do not cut, in addition to the language's own.",
            pipecat="`KrispVivaIPUserTurnStartStrategy`: a licensed model",
            livekit='`interruption.mode="adaptive"`: a hosted model',
        ),
    ] = ()


class EchoPolicy(NumberGroup, frozen=True, kw_only=True):
    """What is taken for the agent's own sound, come back."""

    group: ClassVar[str] = "echo"

    echo_guard_ms: Annotated[
        float,
        milliseconds(
            "After the agent begins to sound only firm speech holds, for this long.",
            slider=Slider("Echo guard", 0, 1500, 50),
            steps=(0, 100, 200, 350, 500, 800),
            pipecat="`MuteUntilFirstBotCompleteUserMuteStrategy`: all of the first reply",
            livekit="`AgentSession(aec_warmup_duration)`, 3.0 s: no speech interrupts",
        ),
    ] = 350
    echo_threshold: Annotated[
        float, threshold("A window is no speech if this share of its sound is the agent's own, come back.")
    ] = 0.8
    echo_doubt_ms: Annotated[
        float,
        milliseconds("Speech no longer than this, before a window was known as the agent's own, was echo, too."),
    ] = 100


GROUPS: tuple[type[NumberGroup], ...] = (HoldPolicy, VerdictPolicy, EndpointingPolicy, EchoPolicy, IdlePolicy)
NUMBERS: Mapping[str, Number] = {number.name: number for kind in GROUPS for number in declared(kind)}
