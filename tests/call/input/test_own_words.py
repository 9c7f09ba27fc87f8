"""Whether a transcript is only the agent's own speech, come back."""

from __future__ import annotations

import pytest

from bargein import floor as f
from bargein.call.input.own_words import OwnWords, is_own_words
from tests.call.kit import ScriptedSTT, scene

STORY = "once there was a fox who lived by a river and sang to the moon every night of the year"


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("there was a fox", True),
        ("There was... a fox!", True),
        ("there a fox", True),  # an STT that misses a word
        ("a fox was there", False),  # another order
        ("there was a wolf", False),
        ("fox", False),  # one word may be said by both at once
        ("", False),
        ("uh huh", False),  # a backchannel is the user's
    ],
)
def test_every_word_was_said_in_that_order(text: str, *, own: bool) -> None:
    assert is_own_words(text, "once there was a fox", "en") is own


def test_the_words_of_that_moment_count_in_the_calls_language() -> None:
    class Ledger:
        def echo_words(self, onset_ms: float, until_ms: float) -> str:
            return "es war einmal ein Fuchs" if (onset_ms, until_ms) == (100, 900) else ""

    floor = f.Floor(language="de")
    own = OwnWords(floor, Ledger())  # type: ignore[arg-type]
    assert own.explain("einmal ein Fuchs", 100, 900)
    assert not own.explain("einmal ein Fuchs", 5_000, 5_900)


async def test_the_agents_own_words_coming_back_are_no_interruption() -> None:
    async with scene(greeting=STORY, stt=ScriptedSTT("there was a fox", "there was a fox")) as s:
        await s.until(lambda: s.words(1) >= 4)
        await s.pass_ms(480, speech=0.9)
        await s.until(lambda: s.state == "idle")
        assert s.words(1) == 20
        assert any(isinstance(e, f.Judged) for e in s.notes.events)
        assert not any(isinstance(a, f.Cut) for a in s.notes.actions)
