"""The framework's own STT, which never says that a sound has no words, decides all the same."""

from __future__ import annotations

from tests.integrations.floor_kit import scene


async def test_a_noise_that_the_frameworks_stt_does_not_read_is_no_interruption_from_the_first_reply_on() -> None:
    async with scene() as call:
        call.floor.expect_words()
        call.says(5_000)
        await call.goes_on(1_000)
        await call.goes_on(780, loud=True)
        await call.goes_on(1_000)
        assert call.framework.told == ["hold", "backchannel", "resume"]
        await call.goes_on(1_200, loud=True)
        assert call.framework.told[3:] == ["hold", "cut"], "but lasting speech is"


async def test_words_that_usually_take_long_are_waited_for_as_long_as_the_policy_waits() -> None:
    async with scene() as call:
        call.floor.expect_words()
        await call.goes_on(800, loud=True)
        call.floor.words("tell me a story")
        await call.goes_on(2_000)
        call.says(5_000)
        await call.goes_on(1_000)
        call.framework.told.clear()
        await call.goes_on(560, loud=True)
        call.floor.words("uh huh")
        await call.goes_on(600)
        assert call.framework.told == ["hold", "backchannel uh huh", "resume"]


async def test_an_stt_whose_words_come_too_late_decides_nothing() -> None:
    async with scene() as call:
        call.floor.expect_words()
        await call.goes_on(2_000, loud=True)
        call.floor.words("tell me a story")
        assert not call.floor.floor.stt_words
        await call.goes_on(2_000)
        await call.goes_on(300, loud=True)
        call.floor.words("a long one")
        assert not call.floor.floor.stt_words, "one quick answer is no habit"
        for _ in range(6):
            await call.goes_on(2_000)
            await call.goes_on(300, loud=True)
            call.floor.words("and a quick answer")
        assert call.floor.floor.stt_words
