"""The page inside somebody's own app: scripts, worklets and the socket are found by relative addresses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fastapi import FastAPI

from bargein import create_app
from benchmarks.chromium import page, spoken
from tests.server.kit import on_uvicorn, tone_agent


async def test_the_page_calls_under_any_path(tmp_path: Path) -> None:
    voice = create_app(tone_agent("mounted", "Good evening, this is a greeting of some length"))
    app = FastAPI(lifespan=voice.lifespan)
    app.mount("/a/b", voice)
    silence = spoken(tmp_path / "microphone.wav", np.zeros(48_000, np.int16))
    async with on_uvicorn(app) as url, page(silence) as shown:
        missing: list[str] = []
        shown.on("response", lambda r: missing.append(r.url) if r.status >= 400 and "/parts" not in r.url else None)
        await shown.goto(f"{url}/a/b/")
        await shown.click("#main")
        await shown.wait_for_function("() => bargein.state === 'speaking'")
        assert missing == []
