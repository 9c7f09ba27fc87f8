"""A call's measures as CSV: a row for each reply. The tables of many calls can be put below each other."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from bargein.recorder.story.call_story import CallStory, StoryReply, StoryVendorCall

FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet takes a cell that begins so for a formula
Cell = str | int | float | None


def measures(story: CallStory) -> str:
    """With a line of the columns' names first. An empty cell: not known, or there was none."""
    return table(rows(story))


def rows(story: CallStory) -> list[dict[str, Cell]]:
    """A row for each reply, in the order of time; one without a reply for a call that had none."""
    call: dict[str, Cell] = {
        "call": story.call,
        "agent": story.agent,
        "door": story.facts.get("transport", "browser"),
        "started": _started(story),
        "lasted_ms": _ms(story.lasted_ms),
        "ended_why": story.ended_why,
    }
    return [call | _reply(story, reply) for reply in story.replies or (None,)]


def table(lines: Iterable[Mapping[str, Cell]]) -> str:
    """CSV as RFC 4180 has it, with \\r\\n."""
    out = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for line in lines:
        if writer is None:
            writer = csv.DictWriter(out, list(line))
            writer.writeheader()
        writer.writerow({name: _cell(value) for name, value in line.items()})
    return out.getvalue()


def _reply(story: CallStory, reply: StoryReply | None) -> dict[str, Cell]:
    """Reply None: empty cells."""
    if reply is None:
        return dict.fromkeys(_reply(story, _NO_REPLY))
    first = {call.part: call for call in reversed(story.vendor_calls) if call.reply == reply.reply}
    turn = next((turn for turn in story.turns if turn.turn == reply.turn), None)
    tools = [tool for tool in story.tools if tool.reply == reply.reply]
    waits = {f"{part}_first_ms": _wait_ms(first.get(part)) for part in ("llm", "tts", "realtime")}
    ran = [t.ended_ms - t.began_ms for t in tools if t.ended_ms is not None and t.began_ms is not None]
    return {
        "reply": reply.reply,
        "kind": reply.kind,
        "turn": reply.turn,
        "asked_ms": _ms(reply.asked_ms),
        "started_ms": _ms(reply.started_ms),
        "ended_ms": _ms(reply.ended_ms),
        "ended": reply.ended,
        "response_ms": _ms(reply.response_ms),
        "stt_ms": _ms(turn.stt_ms) if turn is not None else None,
        **waits,
        "holds": len(reply.holds),
        "held_ms": _ms(sum(hold.until_ms - hold.at_ms for hold in reply.holds)),
        "first_hold_ms": _ms(reply.holds[0].at_ms - reply.holds[0].onset_ms) if reply.holds else None,
        "words": len(reply.words),
        "words_heard": sum(word.heard for word in reply.words),
        "tools": len(tools),
        "tools_ms": _ms(sum(ran)),
    }


_NO_REPLY = StoryReply(
    reply=0, kind=None, turn=None, why="", asked_ms=0.0, started_ms=None, ended_ms=None, ended=None, ended_why="",
    text="", unheard="", exact=False, words=(), timed=False, response_ms=None, holds=(),
)  # fmt: skip


def _wait_ms(call: StoryVendorCall | None) -> float | None:
    return None if call is None or call.first_ms is None else _ms(call.first_ms - call.asked_ms)


def _started(story: CallStory) -> str | None:
    if story.started_s is None:
        return None
    return datetime.fromtimestamp(story.started_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _ms(ms: float | None) -> float | None:
    return None if ms is None else round(float(ms), 1)


def _cell(value: Cell) -> Cell:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULAS) else value
