"""A call's record: `DIR/<call id>/events.jsonl`, one JSON object a line, each written by one system call as it
happens, so that whatever kills the process leaves a file that can be read. Only windows of the VAD wait for a few
others, or for the first line that is none.

The first line is a header. Then `{"at": ms, "event": "SpeechWindow", ...}`, `{"at": ms, "action": "Hold", ...}`
and `{"at": ms, "note": "user", ...}`, where the rest of the line is the fields of that class, or the note's facts.

In a server a thread writes the lines (disk.py), since a disk may take any time.

Notes, and their facts (`at` is when the note was written; `reply` and `turn` are the floor's numbers):

- `call`: id, agent, began_ms (the machine's clock), and what is known of the connection. `bye`: reason.
- `user`: turn, text, over (what the agent was saying). Once more for a turn when its words come late.
- `look`: look, text.
- `sounds`: reply, reply_kind. The reply begins to sound.
- `words`: reply, heard (how many of its words), played_ms; and, where there are words that the record has not,
  reply_kind, first (the place of the first of them), text (each with the spaces and signs after it), times (start and
  end of each, ms from the reply's first sample), timed (by the TTS). Every two seconds while a reply sounds, and at its
  end.
- `heard`: reply, ended, text, unheard, exact. Again when the client says otherwise.
- `vendor`: part (llm, tts, realtime or stt), name, asked_ms, first_ms, chars, why (it failed), and, but for an STT,
  reply (0: of a prepared reply) and stopped (it was cancelled); of an LLM whose server tells, input_tokens,
  output_tokens and cached_tokens. `released`, `discarded`: turn, of a prepared reply.
- `tool_began`: id, tool, reply, effect, arguments.
- `tool`: id, tool, reply, arguments, result (None: it runs on), error.
- `outage`: code, why, or over. `stt`: lost, for_good. `fault`: code, message (the client's).
- `machine`: why (the sign), and in a call of ours message (one was left), spoken (what was waited for). `background`:
  sound, plays, why (it does not play).
- `transfer`, `not_transferred`: to, why. `away`: reason, keep_ms. `back`. `key`: key, why it was passed over.
- `asked`: what (say, keys, transfer): an operator, or the program around the call, has asked for it.
- `recording`: rate, file, from_ms, agent (False: its audio does not pass the server). `recording_ended`: ms, why (None:
  the call ended). `recording_paused`: why. `recording_resumed`. `recording_lost`: from_ms, why; `recording_again`:
  until_ms; silence between. `recording_estimated`: ms, until_ms (no reports came: the agent's side is our estimate).
- `lost`: lines that are not here. `full`: the file ends here.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from bargein.errors import UsageError
from bargein.floor import Action, Event, Policy, SpeechWindow
from bargein.recorder.disk import DiskThread
from bargein.recorder.record_file import RecordFile
from bargein.recorder.redaction import NO_REDACTION, Redaction

log = logging.getLogger(__name__)

FORMAT = "bargein.events"
VERSION = 2
FILE = "events.jsonl"
MAX_BYTES = 256 * 1024 * 1024  # some 20 hours of one call
WINDOWS = 8  # a quarter of a second

_encoder = msgspec.json.Encoder(enc_hook=str)


class Header(msgspec.Struct, frozen=True):
    """The first line."""

    call: str
    agent: str
    language: str
    """The call's language, a tag."""
    policy: Policy
    """Every number that the call began with."""
    started_s: float
    """Seconds since the epoch."""
    format: str = FORMAT
    version: int = VERSION


class NullJournal:
    """Keeps nothing."""

    def event(self, event: Event) -> None: ...

    def action(self, at_ms: float, action: Action) -> None: ...

    def note(self, at_ms: float, kind: str, **facts: object) -> None: ...

    def close(self) -> None: ...

    async def written(self, within_s: float) -> bool:
        return True


class FileJournal:
    """A protocols.Journal by shape. Nothing here raises, but for a call id that is no name: what cannot be written
    is counted in `lost`, said once in the log, and once in the file when it can be written again.

    root: folder of all calls; max_bytes: bound of the file; disk: writes the lines (None: each line is written before
    the method returns); on_lost: told how many lines were lost, in any thread.
    """

    def __init__(
        self,
        root: Path,
        call_id: str,
        *,
        agent: str,
        policy: Policy,
        language: str,
        max_bytes: int = MAX_BYTES,
        disk: DiskThread | None = None,
        redaction: Redaction = NO_REDACTION,
        on_lost: Callable[[int], None] = lambda _: None,
    ) -> None:
        if not re.fullmatch(r"[\w-]{1,100}", call_id):
            raise UsageError(f"{call_id[:100]!r} is no name for a call", advice="Use letters, digits, - and _")
        self.path = root / call_id / FILE
        self._file = RecordFile(self.path, max_bytes, on_lost)
        self._disk = disk
        self._redaction = None if redaction.nothing else redaction
        self._on_lost = on_lost
        self._dropped = 0  # lines that found no room on their way to the disk
        self._dropped_untold = 0
        self._windows: list[SpeechWindow] = []
        self._closed = False
        self._do(self._file.open)
        self._line(_encoder.encode(Header(call_id, agent, language, policy, time.time())))

    @property
    def lost(self) -> int:
        """Lines that are not in the file."""
        return self._file.lost + self._dropped

    def event(self, event: Event) -> None:
        if not isinstance(event, SpeechWindow):
            self._entry(event.at_ms, "event", event)
            return
        # Half of all lines are windows, and most of them of silence: they wait for each other, or for what matters.
        self._windows.append(event)
        if len(self._windows) >= WINDOWS:
            self._write_windows()

    def action(self, at_ms: float, action: Action) -> None:
        self._entry(at_ms, "action", action)

    def note(self, at_ms: float, kind: str, **facts: object) -> None:
        self._write_windows()
        if self._redaction is not None:
            facts = self._redaction.fields(facts)
        try:
            line = _encoder.encode({"at": at_ms, "note": kind} | facts | {"at": at_ms, "note": kind})
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
            self._do(lambda: self._file.lose("a note that is no JSON"))
        else:
            self._line(line)

    def close(self) -> None:
        """Close the file. With a disk's thread it is closed when all before was written: see `written`."""
        if self._closed:
            return
        self._write_windows()
        self._closed = True
        dropped, self._dropped_untold = self._dropped_untold, 0
        self._do(lambda: self._file.close(dropped))

    async def written(self, within_s: float) -> bool:
        """Wait for what was written so far. False: the disk has not taken it within the bound."""
        return self._disk is None or await self._disk.reached(within_s)

    def _write_windows(self) -> None:
        waiting, self._windows = self._windows, []
        if waiting:
            self._line(b"\n".join(_line_of(window.at_ms, "event", window) for window in waiting), len(waiting))

    def _entry(self, at_ms: float, key: str, what: Event | Action) -> None:
        self._write_windows()
        try:
            line = _line_of(at_ms, key, what, self._redaction)
        except (TypeError, ValueError, msgspec.MsgspecError):
            name = type(what).__name__
            self._do(lambda: self._file.lose(f"{name} that is no JSON"))
        else:
            self._line(line)

    def _line(self, line: bytes, lines: int = 1) -> None:
        if self._disk is None:
            self._file.write(line, lines)
            return
        if self._disk.put(partial(self._file.write, line, lines, self._dropped_untold), len(line)):
            self._dropped_untold = 0
            return
        if not self._dropped:
            log.error("Lines of %s are lost: the disk is too slow", self.path)
        self._dropped += lines
        self._dropped_untold += lines
        self._on_lost(lines)

    def _do(self, job: Callable[[], None]) -> None:
        if self._disk is None:
            job()
        else:
            self._disk.put(job)


def _line_of(at_ms: float, key: str, what: Event | Action, redaction: Redaction | None = None) -> bytes:
    head = b'{"at":%s,"%s":"%s",' % (_encoder.encode(at_ms), key.encode(), type(what).__name__.encode())
    if redaction is None:
        return head + _encoder.encode(what)[1:]
    return head + _encoder.encode(redaction.fields(msgspec.to_builtins(what, enc_hook=str)))[1:]
