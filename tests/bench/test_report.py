"""The report: what somebody sees who opens the file, and what a browser makes of it."""

from __future__ import annotations

import base64
import re
import struct
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from bargein.audio.mulaw import to_mulaw
from bargein_bench.measures import measures
from bargein_bench.record import ServerNote
from bargein_bench.report import MOST_BYTES, Point, write
from bargein_bench.results import Results
from benchmarks.chromium import page
from tests.bench.report_kit import ONSET_MS, ignores, run, stops, yields

EVIL = "<script>alert('x')</script>"


class Read(HTMLParser):
    """Text and tags in their order, and what the page would load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "poster", "data", "srcset")]

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] not in ("script", "style"):
            self.text += data


def written(folder: Path, results: Results, points: tuple[Point, ...] = ()) -> str:
    path = folder / "report.html"
    write(path, results, measures(results), points=points)
    return path.read_text()


def head(html: str) -> str:
    return " ".join(Read(html[: html.index("<table")]).text.split())


def test_a_good_agent_has_no_fault_and_still_something_to_hear(tmp_path: Path) -> None:
    html = written(tmp_path, run(yields))
    assert "Yields to 100 % of interruptions" in head(html)
    for fault in ("Ignores", "Stops for", "Does not recover", "Slow"):
        assert fault not in head(html)
    assert "audio" in Read(html).tags, "one good example of each kind"


def test_an_agent_that_ignores_everybody_is_told_so_first(tmp_path: Path) -> None:
    top = head(written(tmp_path, run(ignores)))
    assert "Ignores interruptions" in top
    assert "0 of 24" in top
    assert "Stops for" not in top


def test_an_agent_that_stops_for_anything_is_told_so_first(tmp_path: Path) -> None:
    top = head(written(tmp_path, run(stops)))
    assert "Stops for any sound" in top
    assert "20 of 20" in top
    assert "Ignores" not in top


def test_all_figures_are_there(tmp_path: Path) -> None:
    html = written(tmp_path, run(stops), (Point("another run", 300.0, 0.2),))
    seen = Read(html)
    assert seen.tags.count("svg") >= 5
    assert seen.tags.count("table") >= 3
    for notes in ("L_Y", "S_BC", "GPT-Realtime", "another run", "cough", "method"):
        assert notes.lower() in seen.text.lower(), notes


def test_nothing_is_loaded_from_anywhere(tmp_path: Path) -> None:
    seen = Read(written(tmp_path, run(stops)))
    assert [x for x in seen.loads if not x.startswith(("data:", "#"))] == []


def test_what_a_server_says_is_text_and_nothing_else(tmp_path: Path) -> None:
    results = run(stops, {"interruption": 2, "cough": 2})
    calls = []
    for call in results.calls:
        assert call.record is not None
        evil = replace(call.record, notes=(ServerNote(int(ONSET_MS * 8), EVIL),))
        events = tuple(replace(event, sound=EVIL) for event in call.events)
        calls.append(replace(call, record=evil, events=events, call_id=EVIL, faults={EVIL: 2}, closed_by=EVIL))
    html = written(
        tmp_path, replace(results, target=f"ws://{EVIL}", machine=EVIL, calls=tuple(calls), left_out={EVIL: EVIL})
    )
    assert EVIL not in html
    assert "alert(" in Read(html).text


def test_the_sound_of_a_failure_is_that_stretch_of_the_call(tmp_path: Path) -> None:
    results = run(ignores, {"interruption": 1})
    html = written(tmp_path, results)
    uri, alone = re.findall(r"data:audio/wav;base64,([A-Za-z0-9+/=]+)", html)
    data = base64.b64decode(uri)
    kind, channels, rate = struct.unpack("<HHI", data[20:28])
    assert (kind, channels, rate) == (7, 2, 8000)
    lanes = np.frombuffer(data[data.index(b"data") + 8 :], np.uint8)
    lanes = lanes[: len(lanes) // 2 * 2].reshape(-1, 2)
    record = results.calls[0].record
    assert record is not None
    begin = int((ONSET_MS - 2_000) * 8)
    for lane, samples in ((lanes[:, 0], record.caller), (lanes[:, 1], record.agent)):
        assert lane.tobytes() == to_mulaw(samples[begin : begin + len(lanes)])
    data = base64.b64decode(alone)  # the recording that was heard wrongly
    begin = int((ONSET_MS - 200) * 8)
    codes = data[data.index(b"data") + 8 :]
    assert codes == to_mulaw(record.caller[begin : begin + len(codes)])


def test_each_recording_that_was_heard_wrongly_is_named_once_with_how_often(tmp_path: Path) -> None:
    results = run(stops, {"cough": 3, "interruption": 2})
    alike = [
        replace(call, events=tuple(replace(e, sound=e.scene) for e in call.events), record=call.record if n else None)
        for n, call in enumerate(results.calls)
    ]
    html = written(tmp_path, replace(results, calls=tuple(alike)))
    section = html[html.index('id="misheard"') :]
    text = " ".join(Read(section[: section.index("</section>")]).text.split())
    assert "1 of 2 (9 to 91 %) recordings were heard wrongly" in text.replace("\u00a0", " ")
    assert "3 of 3" in text
    assert "interruption" not in text
    assert 'id="misheard"' not in written(tmp_path, run(yields))


def test_the_first_sentence_has_the_n_and_the_interval_of_each_share(tmp_path: Path) -> None:
    top = head(written(tmp_path, run(yields))).replace("\u00a0", " ")
    assert "100 % of interruptions (n 24, 86 to 100 %) in 0.0" in top
    assert "100 % of backchannels (n 20, 84 to 100 %)" in top
    assert "average penalty" in top


def test_a_large_run_makes_no_larger_file_than_may_be(tmp_path: Path) -> None:
    written(tmp_path, run(stops, {"interruption": 30, "cough": 60, "backchannel": 60}))
    assert (tmp_path / "report.html").stat().st_size < MOST_BYTES


def test_a_run_in_which_nothing_could_be_judged_has_a_report(tmp_path: Path) -> None:
    assert "Nothing could be judged" in head(written(tmp_path, replace(run(yields), calls=())))


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_browser_opens_it_without_complaint_and_plays_it(tmp_path: Path, scheme: str) -> None:
    written(tmp_path, run(ignores, {"interruption": 2, "cough": 1}))
    complaints: list[str] = []
    async with page(color_scheme=scheme) as shown:
        shown.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        await shown.goto(f"file://{tmp_path}/report.html")
        await shown.wait_for_function("() => document.querySelector('audio').readyState >= 1")
        lasts = await shown.evaluate("() => document.querySelector('audio').duration")
        drawn = await shown.evaluate("() => Number(document.querySelector('[data-lasts]').dataset.lasts)")
        assert lasts == pytest.approx(8, abs=0.05)
        assert drawn == pytest.approx(lasts, abs=0.05)
        await shown.evaluate("() => { document.querySelector('audio').currentTime = 4 }")
        await shown.wait_for_function(
            "() => parseFloat(document.querySelector('.playhead').getAttribute('transform')?.match(/[\\d.]+/)?.[0]) > 1"
        )
    assert complaints == []
