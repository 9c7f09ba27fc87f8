"""The policy's numbers for the time in which neither party speaks, and for what ends a call."""

from __future__ import annotations

from typing import Annotated, ClassVar

from bargein.floor.numbers import DAY_MS, NumberGroup, count, milliseconds, switch


class IdlePolicy(NumberGroup, frozen=True, kw_only=True):
    """What happens while neither party speaks."""

    group: ClassVar[str] = "idle"

    answer_timeout_ms: Annotated[
        float, milliseconds("A reply that does not begin to sound is given up after this, and the agent says so.")
    ] = 10_000
    max_failures: Annotated[
        int,
        count(
            "Replies lost in a row after which the agent says that it cannot go on, and ends the call or hands it on. "
            "0: never.",
            lowest=0,
            unit="replies",
            livekit="`SessionConnectOptions(max_unrecoverable_errors)`, 3: the session closes",
        ),
    ] = 3
    filler_ms: (
        Annotated[
            float,
            milliseconds(
                "A caller who waits so long for an answer or a tool, before the reply sounds, is told a filler. "
                "None: never."
            ),
        ]
        | None
    ) = 2_500
    filler_again_ms: Annotated[
        float, milliseconds("So long after a filler the next one is said, while the reply still does not sound.")
    ] = 8_000
    max_fillers: Annotated[int, count("Fillers in one turn.", lowest=0, unit="fillers")] = 3
    user_silence_ms: (
        Annotated[
            float,
            milliseconds(
                "Quiet after which the agent asks whether the user is there. None: never.",
                pipecat="`LLMUserAggregatorParams.user_idle_timeout`, off",
                livekit="`AgentSession(user_away_timeout)`, 15.0 s",
            ),
        ]
        | None
    ) = None
    max_reprompts: Annotated[
        int, count("How often in a row it asks, without a word of the user.", lowest=0, unit="times")
    ] = 2
    hang_up_on_silence: Annotated[
        bool,
        switch(
            "After the last time, and as much quiet again, the call ends.",
            pipecat="`PipelineWorker(idle_timeout_secs, cancel_on_idle_timeout)`, 300 s",
        ),
    ] = False
    max_call_ms: (
        Annotated[float, milliseconds("After this the agent says goodbye. None: no bound.", most_ms=DAY_MS)] | None
    ) = None
    same_turns: (
        Annotated[
            int,
            count(
                "So many turns in a row that say the same end the call. 0: never. None: 5 on telephones.",
                lowest=0,
                unit="turns",
            ),
        ]
        | None
    ) = None
    machine_ms: (
        Annotated[
            float,
            milliseconds(
                "A first turn that speaks for so long, or a beep, is a voicemail: the call ends. None: never."
            ),
        ]
        | None
    ) = None
    max_waiting: Annotated[
        int, count("Things to say that may wait for the floor. More are refused.", lowest=1, unit="things")
    ] = 8
