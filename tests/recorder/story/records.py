"""Records as a test wants them: long ones, and ones that try to break a page."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bargein.floor import Answer, Listen, Policy, ReplyEnded, ReplyStarted, SpeechWindow
from bargein.recorder.journal import FILE, FileJournal
from bargein.recorder.story.summary import SUMMARY, CallSummary

EVIL = "</script><script>window.evil = 1</script><img src=x onerror='window.evil = 1'>"


def evil_record(root: Path, name: str = "evil") -> Path:
    """A call in which everybody says, and is called, HTML."""
    journal = FileJournal(root, name, agent=EVIL, policy=Policy(), language="en")
    journal.note(0.0, "call", id=name, agent=EVIL, began_ms=0.0, **{"from": EVIL, "transport": "twilio"})
    for at_ms in range(200, 1000, 32):
        journal.event(SpeechWindow(at_ms, at_ms + 32, 0.9))
    journal.action(232.0, Listen(1, 0.0, EVIL))
    journal.action(1200.0, Answer(1, 1, EVIL))
    journal.note(1200.0, "user", turn=1, text=EVIL, over=None)
    journal.event(ReplyStarted(1500.0, 1))
    journal.note(1600.0, "tool_began", id="t", tool=EVIL, reply=1, effect="read", arguments=EVIL)
    journal.note(1700.0, "tool", id="t", tool=EVIL, reply=1, arguments=EVIL, result=EVIL, error=False)
    journal.note(1800.0, "outage", code="voice_lost", why=EVIL)
    journal.note(1900.0, "transfer", to=EVIL)
    words = [f"{EVIL} ", "unheard"]
    facts = {"reply_kind": "reply", "text": words, "times": [0, 400, 400, 800], "timed": True}
    journal.note(2300.0, "words", reply=1, heard=1, played_ms=400, **facts)
    journal.note(2300.0, "heard", reply=1, ended="cut", text=EVIL, unheard="unheard", exact=True)
    journal.event(ReplyEnded(2300.0, 1))
    journal.note(2400.0, "bye", reason=EVIL)
    journal.close()
    return root / name


def many_summaries(root: Path, count: int) -> None:
    """Calls of which only a name, an unreadable journal and a summary are left: reading a journal would show."""
    for number in range(count):
        folder = root / f"call-{number:04}"
        folder.mkdir()
        (folder / FILE).write_bytes(b"this is never read")
        summary = CallSummary(
            call=folder.name,
            agent="clerk" if number % 2 else "guide",
            door="page" if number % 3 else "twilio",
            caller=f"+4930{number:06}",
            started_s=1_700_000_000.0 + number * 3600,
            lasted_ms=60_000.0,
            ended_why="the user hung up" if number % 5 else "the agent hung up",
            turns=3,
            holds=2,
            cuts=number % 4,
            faults=int(number % 10 == 0),
            recorded=False,
            whole=True,
            text=f"my order is number {number} please",
        )
        (folder / SUMMARY).write_bytes(msgspec.json.encode(summary))
