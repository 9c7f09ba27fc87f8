"""A call of the page that is recorded: the page says so, and the file has what its loudspeaker played."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from benchmarks.chromium import page, recording
from tests.server.kit import settings, world
from tests.sounds import load
from tests.web.test_page import TONE, microphone, teller

FULL = 32_768


async def test_the_file_has_what_the_page_played_and_the_person_can_end_it(tmp_path: Path) -> None:
    wav = microphone(tmp_path, (1_200, load("interruption-1.wav").samples[320 * 16 :]))
    folder = tmp_path / "calls"
    async with world(settings(folder, record_audio="on"), teller()) as here, page(wav) as shown:
        await shown.goto(f"{here.url}/?record=1&localhold=0")
        assert await shown.is_hidden("#recorded")
        await shown.click("#main")
        await shown.wait_for_selector("#recorded >> visible=true")
        await shown.wait_for_function("() => bargein.call.reports.some(r => r.type === 'flushed')")
        heard = await recording(shown)
        await shown.click("#unrecorded")
        await shown.wait_for_selector("#recorded", state="hidden")
        (call_id,) = here.hub.calls.ids
        assert not here.hub.calls.call(call_id).status().recording
        await shown.keyboard.press("Escape")
        await shown.wait_for_function("() => bargein.state === 'off'")
        await here.nobody_left()
        assert await here.hub.audio_disk.reached(5)
    audio, rate = soundfile.read(folder / call_id / "audio.flac", dtype="int16")
    user, agent = np.abs(audio[:, 0].astype(int)), np.abs(audio[:, 1].astype(int))
    sounding = np.flatnonzero(agent > TONE * FULL)
    sounding = np.split(sounding, np.flatnonzero(np.diff(sounding) > rate // 10) + 1)[0]  # the greeting, until its cut
    recorded_ms = (sounding[-1] - sounding[0]) * 1000 / rate
    flushed_ms = next(at for at, kind in heard.events if kind == "flush")
    played_ms = [at for at, peak in heard.output if peak > TONE and at <= flushed_ms]
    assert abs(recorded_ms - (played_ms[-1] - played_ms[0])) < 40, "as long as the page's own ear heard it"
    spoken = np.flatnonzero(user > 2_000)
    # The person began to speak before the agent fell silent, and both stand on one clock.
    assert 0 < (sounding[-1] - spoken[0]) * 1000 / rate < 1_500
