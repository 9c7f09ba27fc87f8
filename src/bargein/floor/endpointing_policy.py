"""The numbers that decide where the user's turn begins and ends: the policy's group `endpointing`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from bargein.floor.numbers import NumberGroup, Slider, milliseconds, share, switch


class EndpointingPolicy(NumberGroup, frozen=True, kw_only=True):
    """Where the user's turn begins and ends."""

    group: ClassVar[str] = "endpointing"

    pre_roll_ms: Annotated[
        float,
        milliseconds(
            "Audio from before an onset that goes with it.",
            pipecat="`SegmentedSTTService`: 1 s, fixed",
            livekit="`silero.VAD.load(prefix_padding_duration)`, 0.5 s",
        ),
    ] = 300
    end_of_turn_ms: Annotated[
        float,
        milliseconds(
            "Quiet that ends a turn of which nothing is known: its words were not read, or tell nothing.",
            slider=Slider("Quiet that ends your turn", 200, 2000, 50),
            steps=(400, 500, 600, 700, 850, 1000, 1300),
            pipecat="`SpeechTimeoutUserTurnStopStrategy(user_speech_timeout)`, 0.6 s",
            livekit="`endpointing.min_delay`, 0.5 s",
        ),
    ] = 700
    end_sure_ms: Annotated[
        float,
        milliseconds(
            "The same where the words are surely whole: a question, an answer to one, thanks. At most `end_likely_ms`.",
            slider=Slider("The same, after a whole question", 100, 1500, 50),
            steps=(150, 200, 250, 300, 400, 500, 700),
            livekit="`endpointing.min_delay`, with a turn detector, 0.5 s",
        ),
    ] = 250
    # On 91 recorded sentences that were parted by 0.5 to 2 s, and 131 whole ones: cut-ins in 83 %, where a fixed 700
    # has 86 %. Any value up to 500 has the same share; 650 has 78 %, and answers a third of a second later. Speakers'
    # own pauses are shorter: of 46 of 0.5 s and more, 300 to 500 cut 35, 600 cuts 26, 650 and a fixed 700 cut 21.
    end_likely_ms: Annotated[
        float,
        milliseconds(
            "The same where the words may be whole: a sentence that needs no more words. At most `end_of_turn_ms`.",
            slider=Slider("The same, after a sentence", 150, 1500, 50),
            steps=(250, 300, 350, 400, 450, 500, 600, 700, 850),
        ),
    ] = 300
    end_hang_ms: Annotated[
        float,
        milliseconds(
            'The same where the words surely hang ("and", "the", "um"). At least `end_of_turn_ms`.',
            slider=Slider("The same, after an unfinished one", 300, 3000, 50),
            steps=(700, 900, 1000, 1200, 1450, 1700, 2000),
            pipecat="`SmartTurnParams.stop_secs`, 3 s",
            livekit="`endpointing.max_delay`, 3.0 s",
        ),
    ] = 1200
    end_look_ms: Annotated[
        float,
        milliseconds("The words of a turn are read after this much quiet, once in each pause."),
    ] = 96
    own_pause_share: Annotated[
        float,
        share(
            "A caller who went on after a pause is given this share of it in the next, at least. 0: callers are alike.",
            steps=(0.0, 0.5, 0.8, 1.0),
        ),
    ] = 1.0
    make_ahead: Annotated[
        bool,
        switch(
            "The reply is made while the turn may be over, and held until it is. False: an LLM is asked once a turn.",
            livekit="`AgentSession(preemptive_generation)`, on",
        ),
    ] = True
    turn_grace_ms: Annotated[
        float,
        milliseconds(
            "The same while a trusted STT owes the end of the turn.",
            pipecat="`LLMUserAggregatorParams.user_turn_stop_timeout`, 5 s",
            livekit="`endpointing.max_delay`, 3.0 s",
        ),
    ] = 3000
    key_gap_ms: Annotated[
        float,
        milliseconds(
            "The next key of a telephone may take this long; `#` ends the keys at once.",
            pipecat="`DTMFAggregator(timeout)`, 2 s",
            livekit="`GetDtmfTask(dtmf_input_timeout)`, 4 s",
        ),
    ] = 2500
    min_turn_ms: Annotated[
        float,
        milliseconds(
            "A shorter sound is no turn in calls without an STT.",
            pipecat="`LLMUserAggregatorParams.empty_user_turn`: by the transcript",
        ),
    ] = 120
    max_turn_ms: Annotated[
        float,
        milliseconds(
            "A turn that does not end is answered after this.",
            livekit="`user_turn_limit.max_duration`, off",
        ),
    ] = 60_000
    deaf_ms: Annotated[
        float,
        milliseconds(
            "Speech is over when no window has come for this long: the microphone is gone.",
            pipecat="`LLMUserAggregatorParams.audio_idle_timeout`, 1.0 s",
        ),
    ] = 1000
