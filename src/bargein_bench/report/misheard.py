"""The recordings that were heard wrongly, each with its sound: by recording, not by call. Pure."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

from bargein_bench.record import RATE, Record
from bargein_bench.report.audio import mono_wav, part
from bargein_bench.report.figures import counted, many
from bargein_bench.report.html import Html, el, short
from bargein_bench.report.moments import explained
from bargein_bench.report.tables import heads, table
from bargein_bench.results import CallResult, Event, Results

MOST_SHOWN = 120  # recordings
MOST_BYTES = 3_000_000  # of their sound
BEFORE_MS, AFTER_MS, MOST_MS = 200.0, 300.0, 6_000.0


@dataclass(frozen=True, slots=True)
class Misheard:
    """A recording that was heard wrongly at least once."""

    scene: str
    sound: str
    want: str
    wrong: int
    of: int
    worst: Event
    record: Record | None
    """Of the call of `worst`, where it was kept."""


def misheard(results: Results) -> list[Misheard]:
    """Each recording that was heard wrongly, most often wrong first."""
    by_sound: dict[tuple[str, str], list[tuple[CallResult, Event]]] = {}
    for call in results.calls:
        for event in call.events:
            if event.right is not None:
                by_sound.setdefault((event.scene, event.sound), []).append((call, event))
    found = []
    for (scene, sound), of in by_sound.items():
        wrong = [(call, event) for call, event in of if is_wrong(event)]
        if wrong:
            call, worst = max(wrong, key=lambda pair: pair[0].record is not None)
            found.append(Misheard(scene, sound, worst.want, len(wrong), len(of), worst, call.record))
    return sorted(found, key=lambda m: (m.want, m.scene, -m.wrong / m.of, m.sound))


def is_wrong(event: Event) -> bool:
    """The agent did not do what a person would, or began to speak in the user's turn."""
    return event.right is False or event.cut_ins > 0


def misheard_section(results: Results) -> list[Html]:
    """The table. Empty: every recording was heard as a person hears it."""
    found = misheard(results)
    if not found:
        return []
    judged = {(e.scene, e.sound) for e in results.events if e.right is not None}
    room, rows = MOST_BYTES, list[Html]()
    for each in found[:MOST_SHOWN]:
        player, size = _player(each, room)
        room -= size
        rows.append(
            el(
                "tr",
                el("th", short(each.sound, 80), scope="row"),
                el("td", short(each.scene, 60)),
                el("td", f"{each.wrong} of {each.of}", class_="n wrong"),
                el("td", _what(each.worst), class_="what"),
                el("td", player),
            )
        )
    head = heads("recording", "scene", "wrong", "what the agent did", "sound")
    wrong = counted(len(found), len(judged))
    intro = f"{wrong} recordings were heard wrongly at least once. Their sound is the caller's side alone."
    rest = len(found) - len(rows)
    more = [el("p", f"{many(rest, 'more recording')} not shown.", class_="note")] if rest else []
    return [el("p", intro, class_="note"), table("Heard wrongly", [head], rows, class_="misheard"), *more]


def _what(event: Event) -> str:
    if event.right is False:
        return explained(event)
    return f"It began to speak {many(event.cut_ins, 'time')} before the user's turn was over."


def _player(each: Misheard, room: int) -> tuple[Html | None, int]:
    """The caller's side of the call around the sound, and how much of the file it takes."""
    if each.record is None:
        return None, 0
    begin = each.worst.onset_ms - BEFORE_MS
    end = min(each.worst.end_ms + AFTER_MS, begin + MOST_MS)
    samples = part(each.record.caller, int(begin * RATE / 1000), int(end * RATE / 1000))
    uri = "data:audio/wav;base64," + b64encode(mono_wav(samples)).decode()
    if len(uri) > room:
        return None, 0
    return el(
        "audio", controls=True, preload="none", src=uri, aria_label=f"{each.scene}: {short(each.sound, 80)}"
    ), len(uri)
